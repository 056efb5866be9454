"""The members of JSON objects in their own text: object by object, or of many lines at once."""

from __future__ import annotations

import json
import re
from json.scanner import make_scanner

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.formats.base import Mask, Rows
from model_dofns.formats.extra import name_text
from model_dofns.formats.jsonl.text import TEXT, Piece, joined
from model_dofns.formats.text_records import cut

# With more of them, it is line by line: of others, the quotes do not add up.
_MAX_NULL_NAMES = 64
_NAME = re.compile(rb"[^\\\n,:\[\]{}]*")
_SPACE = re.compile(r"[ \t\n\r]*")
# The values are not wanted, and an integer may have more digits than Python converts.
_scan_once = make_scanner(json.JSONDecoder(parse_int=float))  # type: ignore[arg-type]  # a decoder is what it takes


def members(text: str) -> dict[str, str]:
    """The JSON text of each member of an object that is known to be sound; the last of a name.

    >>> members('{"a": 1.50, "b": [1, 2], "a": 1e400}')
    {'a': '1e400', 'b': '[1, 2]'}
    """
    found: dict[str, str] = {}
    position = _behind_space(text, text.index("{") + 1)
    while text[position] != "}":
        name, position = json.decoder.scanstring(text, position + 1)  # type: ignore[attr-defined]  # typeshed leaves it out
        begin = _behind_space(text, text.index(":", position) + 1)
        _, end = _scan_once(text, begin)
        found[name] = text[begin:end]
        position = _behind_space(text, end)
        if text[position] == ",":
            position = _behind_space(text, position + 1)
    return found


def _behind_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def kept_members(data: bytes, line_ends: Rows, names: tuple[str, ...]) -> tuple[pa.Array, Mask]:
    """The beginning of an object a line, with some of its members and a comma behind each.

    The lines must be sound, and are looked at as text. In one without escapes, a name in quotes is
    a whole text, for no other two quotes have just a name between them; with a colon behind it, it
    is a member's; and where the line has only one brace, it is a member of its object.

    Returns:
        The objects, and for which lines they are right: for the others see :func:`members`.
    """
    braces, escapes = (count(data, line_ends, sign) for sign in b"{\\")
    right = (braces == 1) & (escapes == 0)
    pieces: list[Piece] = ["{"]
    for name in names:
        if not (name.isascii() and name.isidentifier()):
            return pa.nulls(len(line_ends), TEXT), np.zeros(len(line_ends), np.bool_)
        pattern = rb'"%b"[ \t\r]*:[ \t\r]*("[^"\n]*"|[^ \t\r\n",\[\]{}]+|)' % name.encode()
        found = [match.span(1) for match in re.finditer(pattern, data)]
        spans = np.array(found, np.int64).reshape(-1, 2)
        rows = np.searchsorted(line_ends, spans[:, 0])
        counts = np.bincount(rows, minlength=len(line_ends))
        right &= counts <= 1
        right[rows[spans[:, 0] == spans[:, 1]]] = False  # it is a list
        which = np.full(len(line_ends), -1)
        which[rows] = np.arange(len(rows))
        texts = cut(data, spans).take(pa.array(which, mask=counts == 0))
        pieces.append(pc.fill_null(joined(f"{name_text(name)}:", texts, ","), b""))
    everywhere = pa.array([b""] * len(line_ends), TEXT)
    return joined(*pieces, everywhere), right


def null_members(data: bytes, line_ends: Rows) -> tuple[dict[str, Mask], Mask]:
    """Which lines have a member that is null, by its name; and for which lines that is right.

    The lines must be sound. Where all quotes are those round texts, two of them have a text between
    them or what is between two texts, and that has a comma, a colon or a bracket.
    """
    found: dict[bytes, list[int]] = {}
    for match in re.finditer(rb'"[ \t\r]*:[ \t\r]*null', data):
        name = data[data.rfind(b'"', 0, match.start()) + 1 : match.start()]
        if name in found or (len(found) < _MAX_NULL_NAMES and _NAME.fullmatch(name)):
            found.setdefault(name, []).append(match.start())
    right = (count(data, line_ends, ord("{")) == 1) & (_escaped_quotes(data, line_ends) == 0)
    nulls = {}
    for name, at in found.items():
        counts = np.bincount(np.searchsorted(line_ends, at), minlength=len(line_ends))
        right &= counts <= 1
        nulls[name.decode(errors="replace")] = counts > 0
    return nulls, right


def quotes_round_texts(data: bytes, line_ends: Rows) -> Rows:
    """How many quotes each line has that are not within a text."""
    return count(data, line_ends, ord('"')) - _escaped_quotes(data, line_ends)


def _escaped_quotes(data: bytes, line_ends: Rows) -> Rows:
    if b'\\"' not in data:
        return np.zeros(len(line_ends), np.int64)
    at = [match.start() for match in re.finditer(rb"\\.", data) if match[0] == b'\\"']
    return np.bincount(np.searchsorted(line_ends, at), minlength=len(line_ends))


def count(data: bytes, line_ends: Rows, sign: int) -> Rows:
    """How often a byte is in each line."""
    at = np.flatnonzero(np.frombuffer(data, np.uint8) == sign)
    return np.bincount(np.searchsorted(line_ends, at), minlength=len(line_ends))

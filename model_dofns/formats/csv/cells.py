"""Columns as the cells of CSV, and text as columns, by the column."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.arrays import all_finite, text_bytes
from model_dofns.formats.base import Mask
from model_dofns.formats.csv.quoting import Dialect
from model_dofns.formats.jsonl.text import (
    TEXT,
    Piece,
    float_text,
    is_sound_text,
    joined,
    joined_rows,
    json_texts,
)

_FLOAT = frozenset(b"0123456789.eE+-")
_INT = frozenset(b"0123456789-")
_WHITE = frozenset(b" \t\v\f")


def cells(column: pa.Array, dialect: Dialect, *, nulls_are_absent: bool = False) -> pa.Array:
    """A cell a row; a null is an empty one, and empty text a pair of quotes.

    Numbers are written as in JSON, and so is what is neither a number nor text; text is quoted
    only where it must be, or begins or ends with white space, which some readers drop.

    Args:
        nulls_are_absent: a null in a struct is no member of its object.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_sound_text(column):
        text = _quoted(column, dialect)
    elif pa.types.is_floating(column.type):
        text = float_text(column)
    elif pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        text = column.cast(pa.string())
    else:
        text = _quoted(json_texts(column, bare=True, nulls_are_absent=nulls_are_absent), dialect)
    text = text.cast(TEXT)
    return pc.fill_null(text, b"") if text.null_count else text


def header_line(names: list[str], dialect: Dialect) -> bytes:
    """Names as a row, with its line end."""
    texts = cells(pa.array(names, pa.string()), dialect).to_pylist()
    return dialect.delimiter.encode().join(texts) + b"\n"


def row_lines(texts: list[pa.Array], dialect: Dialect, size: int) -> pa.Buffer:
    """Columns of cells, or of more than one cell, as ``size`` rows."""
    pieces: list[Piece] = texts[:1] or [pa.array([b""] * size, TEXT)]
    if len(texts) == 1:  # a row with nothing in it would be none
        quotes = pa.scalar(dialect.quote.encode() * 2, TEXT)
        pieces = [pc.if_else(pc.equal(texts[0], b""), quotes, texts[0].cast(TEXT))]
    for text in texts[1:]:
        pieces += [dialect.delimiter, text]
    return joined_rows(*pieces, "\n")


def _quoted(column: pa.Array, dialect: Dialect) -> pa.Array:
    quote = dialect.quote
    if column.type == pa.string():  # first a look at all of the text at once, as most has none
        text = text_bytes(column)
        special_bytes = _WHITE | set(f"{dialect.delimiter}{quote}\r\n".encode())
        has_empty = pc.any(pc.equal(pc.binary_length(column), 0)).as_py()
        if not has_empty and not any(byte in text for byte in special_bytes):
            return column
    special = re.escape(dialect.delimiter) + re.escape(quote) + r"\r\n"
    pattern = rf"[{special}]|^[ \t\v\f]|[ \t\v\f]$|^$"
    needs = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    if not pc.any(needs).as_py():
        return column
    doubled = pc.replace_substring(column, quote, quote * 2).cast(TEXT)
    return pc.if_else(needs, joined(quote, doubled, quote), column.cast(TEXT))


def is_read_alike(type_: pa.DataType) -> bool:
    """Whether pyarrow.csv may read cells as this type, as the judge would."""
    return type_ in (pa.float64(), pa.int64(), pa.bool_(), pa.string())


def are_finite(column: pa.Array) -> Mask:
    """Which values are finite, or are no floats."""
    if not pa.types.is_floating(column.type) or all_finite(column):
        return np.ones(len(column), np.bool_)
    finite: Mask = pc.fill_null(pc.is_finite(column), True).to_numpy(zero_copy_only=False)
    return finite


def read_as(type_: pa.DataType, column: pa.Array) -> tuple[pa.Array, Mask]:
    """Text as values of a type, and for which it gives what the judge makes of that text.

    The others are null. Of digits, points, signs and exponents the two make the same, if anything;
    of hexadecimal digits, underscores and spaces they do not.
    """
    size = len(column)
    if type_ == pa.string():
        return column, np.ones(size, np.bool_)
    if pa.types.is_boolean(type_):
        plain = pc.fill_null(pc.is_in(column, pa.array(["true", "false"])), True)
        return _cast(column, plain, type_)
    allowed, pattern = (
        (_FLOAT, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
        if pa.types.is_floating(type_)
        else (_INT, r"^-?\d{1,18}$")
    )
    if _bytes_of(column) <= allowed:
        try:
            return column.cast(type_), np.ones(size, np.bool_)
        except pa.ArrowInvalid:
            pass  # one of them is no number: now find out which
    plain = pc.fill_null(pc.match_substring_regex(column, pattern), True)
    return _cast(column, plain, type_)


def _cast(column: pa.Array, plain: pa.Array, type_: pa.DataType) -> tuple[pa.Array, Mask]:
    return pc.if_else(plain, column, None).cast(type_), plain.to_numpy(zero_copy_only=False)


def _bytes_of(column: pa.Array) -> frozenset[int]:
    """Which bytes the text of a column has."""
    text = np.frombuffer(text_bytes(column), np.uint8)
    return frozenset(np.flatnonzero(np.bincount(text, minlength=256)).tolist())

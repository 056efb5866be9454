"""One JSON text as RFC 8259 has it: Python's json, without what it takes beyond that."""

from __future__ import annotations

import functools
import json
import math
import re
from typing import Any, NoReturn

from model_dofns.exceptions import RecordError

# Deeper than any record, and far from Python's recursion limit wherever an engine calls from.
MAX_NESTING = 200

# A string that is never closed reaches to the end, or looking for its end would take for ever.
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)


def _refuse_constant(constant: str) -> NoReturn:
    raise RecordError("InvalidJSON", f"{constant} is no JSON value (RFC 8259)")


def _int_or_infinity(digits: str) -> int | float:
    """An integer; an infinity where it has more digits than Python converts."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_decode_any_integer = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_int_or_infinity
).decode


def json_value(text: str) -> Any:
    """The value of a JSON text; an integer of more digits than Python converts is an infinity.

    Raises:
        RecordError: it is no JSON as RFC 8259 has it, or nested more than 200 levels deep.
    """
    if (
        len(text) > MAX_NESTING
        and text.count("{") + text.count("[") > MAX_NESTING
        and _nesting(text) > MAX_NESTING
    ):
        raise RecordError("NestingTooDeep", f"more than {MAX_NESTING} levels of nesting")
    try:
        try:
            if text[:1] == "{":  # an object, mostly: without a look for space round it
                value, end = _decoder.raw_decode(text)
                if end == len(text):
                    return value
            return _decoder.decode(text)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of thousands of digits
            return _decode_any_integer(text)
    except json.JSONDecodeError as error:
        raise RecordError("InvalidJSON", f"{error.msg} at character {error.pos}") from error


def _nesting(text: str) -> int:
    """How deep arrays and objects are nested."""
    depth = deepest = 0
    for match in _TOKENS.finditer(text):
        token = match[0]
        depth += 1 if token in "[{" else -1 if token in "]}" else 0
        deepest = max(deepest, depth)
    return deepest


def has_infinity(value: Any) -> bool:
    """True where a number in the value, at any depth, is one that no double can hold."""
    if type(value) is float:
        return math.isinf(value)
    if isinstance(value, (dict, list)):
        return any(map(has_infinity, value.values() if isinstance(value, dict) else value))
    return False


@functools.cache
def name_patterns(name: str) -> tuple[bytes, bytes, bytes]:
    """A name in quotes as it may stand in JSON: as it is; and with characters escaped.

    Returns:
        It as it is; what it cannot be escaped without; an expression for both.
    """
    plain = json.dumps(name, ensure_ascii=False).encode(errors="surrogatepass")
    escape = rb"\u00" if name.isascii() and name.isidentifier() else b"\\"
    return plain, escape, b'"%b"' % b"".join(map(_letter_pattern, name))


def _letter_pattern(letter: str) -> bytes:
    """A character as it may stand in a text of JSON."""
    plain = json.dumps(letter, ensure_ascii=False)[1:-1].encode(errors="surrogatepass")
    units = letter.encode("utf-16-be", errors="surrogatepass")
    escaped = "".join(rf"\\u(?i:{units[i : i + 2].hex()})" for i in range(0, len(units), 2))
    either = rb"(?:%b|%b" % (re.escape(plain), escaped.encode())
    return either + (rb"|\\/)" if letter == "/" else b")")

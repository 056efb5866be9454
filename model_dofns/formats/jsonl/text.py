"""Columns as JSON text, by the column; what JSON has no word for in one form, :func:`json_form`."""

from __future__ import annotations

import base64
import datetime
import decimal
import functools
import itertools
import json
import math
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.arrays import all_finite, is_utf8, text_bytes

_NUMBERS = {
    *(pa.int8().id, pa.int16().id, pa.int32().id, pa.int64().id, pa.bool_().id),
    *(pa.uint8().id, pa.uint16().id, pa.uint32().id, pa.uint64().id),
    *(pa.float16().id, pa.float32().id, pa.float64().id),
}
TEXT = pa.large_binary()  # 64-bit offsets: a block's text may pass 2 GB
# A column of it, or what is the same in every row.
Piece: TypeAlias = pa.Array | str


def joined(*pieces: Piece) -> pa.Array:
    """The text of each row, from pieces that stand one behind the other; one at least is a column.

    What is the same in every row costs as much to copy as a column does, so neighbours are one.
    """
    columns: list[pa.Array | pa.Scalar] = []
    for are_literals, run in itertools.groupby(pieces, key=lambda piece: isinstance(piece, str)):
        neighbours = list(run)
        columns += [pa.scalar("".join(neighbours).encode(), TEXT)] if are_literals else neighbours
    return pc.binary_join_element_wise(*columns, pa.scalar(b"", TEXT))


def joined_rows(*pieces: Piece) -> pa.Buffer:
    """The same as one text: all rows, one behind the other."""
    rows = joined(*pieces)
    _, ends, text = rows.buffers()
    return text.slice(0, int(np.frombuffer(ends, np.int64)[len(rows)]))


def object_pieces(batch: pa.RecordBatch) -> list[Piece]:
    """One JSON object a row, in pieces to be joined one after the other."""
    pieces: list[Piece] = []
    separator = "{"
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        pieces += [f"{separator}{json.dumps(name, ensure_ascii=False)}:", *_value_pieces(column)]
        separator = ","
    pieces.append("}" if batch.num_columns else "{}")
    return pieces


def objects(pieces: list[Piece], predictions: pa.RecordBatch, name: str) -> pa.Buffer:
    """Lines of objects, begun in the pieces and still open, with predictions of that name."""
    return joined_rows(*pieces, f"{json.dumps(name)}:", *object_pieces(predictions), "}\n")


def member_pieces(batch: pa.RecordBatch, *, nulls_are_absent: bool = False) -> list[Piece]:
    """The members of an object a row, each with a comma behind it, in pieces to be joined.

    Args:
        nulls_are_absent: a null is no member, instead of a ``null``.
    """
    pieces: list[Piece] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        key = f"{json.dumps(name, ensure_ascii=False)}:"
        member = [key, *_value_pieces(column, nulls_are_absent=nulls_are_absent), ","]
        if nulls_are_absent and column.null_count:
            nothing = pa.scalar(b"", TEXT)
            member = [pc.if_else(column.is_valid(), joined(*member), nothing)]
        pieces += member
    return pieces


def _value_pieces(column: pa.Array, *, nulls_are_absent: bool = False) -> list[Piece]:
    """The JSON text of each value, in pieces to be joined one after the other.

    Floats are written as the shortest text that reads back as the same float, with a point or an
    exponent, so that a reader who guesses types never takes them for integers; text as it is,
    with only what must be escaped escaped.
    """
    pieces: list[Piece]
    if is_sound_text(column):
        plain = not _must_be_escaped(column)
        pieces = ['"', column.cast(TEXT), '"'] if plain else [_escaped(column)]
    elif pa.types.is_floating(column.type) and all_finite(column):
        pieces = [float_text(column).cast(TEXT)]
    elif pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        pieces = [column.cast(pa.string()).cast(TEXT)]
    else:
        pieces = [json_texts(column, nulls_are_absent=nulls_are_absent).cast(TEXT)]
    # Of a dictionary, a value may be null where no index is.
    has_nulls = any(not isinstance(piece, str) and piece.null_count for piece in pieces)
    return [pc.fill_null(joined(*pieces), b"null")] if has_nulls else pieces


def json_texts(column: pa.Array, *, bare: bool = False, nulls_are_absent: bool = False) -> pa.Array:
    """The JSON text of each value, one by one, for types that have no quicker way; null for null.

    Args:
        bare: a value that JSON says as text is given as that text, without quotes.
        nulls_are_absent: a null in a struct is no member of its object.
    """
    forms = (json_form(scalar, nulls_are_absent=nulls_are_absent) for scalar in column)
    return pa.array(
        [
            None if form is None else form if bare and isinstance(form, str) else _dumped(form)
            for form in forms
        ],
        pa.string(),
    )


def json_form(scalar: pa.Scalar, *, nulls_are_absent: bool = False) -> Any:
    """A value as JSON can say it: bytes in base64, and what JSON has no word for as text."""
    if not scalar.is_valid:
        return None
    if scalar.type.id in _NUMBERS:
        number = scalar.as_py()
        return number if math.isfinite(number) else str(number)
    form = functools.partial(json_form, nulls_are_absent=nulls_are_absent)
    if pa.types.is_dictionary(scalar.type):
        return form(scalar.value)
    if pa.types.is_struct(scalar.type):
        items = ((name, scalar[i]) for i, name in enumerate(scalar.type.names))
        return {name: form(item) for name, item in items if item.is_valid or not nulls_are_absent}
    if pa.types.is_map(scalar.type) and _is_text(scalar.type.key_type):
        keys = list(map(form, scalar.values.field(0)))
        if len(set(keys)) == len(keys):  # else it is more than an object can say
            return dict(zip(keys, map(form, scalar.values.field(1)), strict=True))
    if pa.types.is_nested(scalar.type):
        return [form(item) for item in scalar.values]
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes().decode(errors="backslashreplace")
    except Exception:  # noqa: BLE001  # a day or a time that Python cannot hold; an unknown zone
        return _arrow_text(scalar)
    if scalar.type == pa.time64("ns"):  # which Python's times have not
        return _arrow_text(scalar)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"  # without an exponent
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


def _arrow_text(scalar: pa.Scalar) -> str:
    """A value in Arrow's own words; at the least, of what type it is."""
    if pa.types.is_timestamp(scalar.type) and scalar.type.tz is not None:
        # Of a zone that is not known here; the instant is, in UTC.
        return f"{_arrow_text(scalar.cast(pa.timestamp(scalar.type.unit)))}+00:00"
    try:
        return str(scalar.cast(pa.string()).as_py())
    except pa.ArrowException:
        return f"<{scalar.type}>"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _escaped(column: pa.Array) -> pa.Array:
    """Text in quotes; each distinct one is escaped once, as predictions often have few."""
    distinct = column.dictionary_encode()
    quoted = [
        json.dumps(text, ensure_ascii=False).encode() for text in distinct.dictionary.to_pylist()
    ]
    return pa.array(quoted, TEXT).take(distinct.indices)


def _must_be_escaped(column: pa.Array) -> bool:
    """Whether there is something in a column of text that JSON's texts have only escaped."""
    text = text_bytes(column)
    return b'"' in text or b"\\" in text or bool((np.frombuffer(text, np.uint8) < 0x20).any())


def is_sound_text(column: pa.Array) -> bool:
    """True of text that is UTF-8, which a file may say of text that is not."""
    return _is_text(column.type) and is_utf8(column)


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def float_text(column: pa.Array) -> pa.Array:
    """Each float as the shortest text that reads back as it, with a point or an exponent."""
    column = column.cast(pa.float64())
    text = column.cast(pa.string())
    numbers = column.to_numpy(zero_copy_only=False)
    if not np.any(numbers == np.trunc(numbers)):
        return text
    whole = pc.match_substring_regex(text, r"^-?\d+$")
    return pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)

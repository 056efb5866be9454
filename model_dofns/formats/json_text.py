"""Columns as JSON text, by the column."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.large_binary()  # 64-bit offsets: a block's text may pass 2 GB


def literal(text: str) -> pa.Scalar:
    """Text that is the same in every row, to be joined with columns."""
    return pa.scalar(text.encode(), _TEXT)


def object_pieces(batch: pa.RecordBatch) -> list[pa.Array | pa.Scalar]:
    """One JSON object a row, in pieces to be joined one after the other.

    Floats are written as the shortest text that reads back as the same float, with a point or an
    exponent, so that a reader who guesses types never takes them for integers; text as it is,
    with only what must be escaped escaped.
    """
    pieces: list[pa.Array | pa.Scalar] = []
    separator = "{"
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        pieces.append(literal(f"{separator}{json.dumps(name, ensure_ascii=False)}:"))
        pieces.append(_values(column))
        separator = ","
    pieces.append(literal("}" if batch.num_columns else "{}"))
    return pieces


def _values(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        text = _quoted(column)
    elif pa.types.is_floating(column.type):
        text = _float_text(column)
    else:  # integers, and true and false
        text = column.cast(pa.string())
    return pc.fill_null(text.cast(_TEXT), b"null")


def _quoted(column: pa.Array) -> pa.Array:
    """Each distinct text is quoted once: predictions often have few."""
    distinct = column.dictionary_encode()
    quoted = [
        json.dumps(text, ensure_ascii=False).encode() for text in distinct.dictionary.to_pylist()
    ]
    return pa.array(quoted, _TEXT).take(distinct.indices)


def _float_text(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    values = column.to_numpy(zero_copy_only=False)
    if not np.any(values == np.trunc(values)):
        return text
    whole = pc.match_substring_regex(text, r"^-?\d+$")
    return pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)

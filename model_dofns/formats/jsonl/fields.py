"""JSON objects as columns, with nothing lost: what the columns do not say goes into ``_extra``.

A value is in its column where that says just this value: an int may stand in a column of floats if
it is a float exactly; that a field is null is never said by its column, where a null means that it
is absent. Members of an object that have no column, or do not fit it, keep their own JSON text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.formats.base import Mask
from model_dofns.formats.extra import EXTRA_FIELD, is_utf8, nulls_said, object_text

_EXACT_FLOATS = 2.0**53  # below it, no two integers are the same float


def row_of(
    values: Mapping[str, Any], texts: Mapping[str, str], schema: pa.Schema
) -> tuple[list[Any], str | None]:
    """The cells of one object, and what they do not say.

    Args:
        values: its members.
        texts: their JSON texts, of those that are kept.
        schema: the columns, without ``_extra``.
    """
    cells = [
        values[field.name] if field.name in texts and fits(values[field.name], field.type) else None
        for field in schema
    ]
    said = {field.name for field, cell in zip(schema, cells, strict=True) if cell is not None}
    return cells, object_text((name, text) for name, text in texts.items() if name not in said)


def fits(value: Any, type_: pa.DataType) -> bool:
    """Whether a column of this type can say just this value, which is not null."""
    if isinstance(value, bool):
        return bool(pa.types.is_boolean(type_))
    if isinstance(value, int):
        if pa.types.is_floating(type_):
            return type_ == pa.float64() and abs(value) < _EXACT_FLOATS
        return bool(pa.types.is_integer(type_)) and value in _range_of(type_)
    if isinstance(value, float):
        return type_ == pa.float64() and math.isfinite(value)
    if isinstance(value, str):
        return _is_text(value, type_)
    if isinstance(value, list):
        return bool(pa.types.is_list(type_)) and all(
            item is None or fits(item, type_.value_type) for item in value
        )
    if isinstance(value, dict) and pa.types.is_struct(type_):
        known = {field.name: field.type for field in type_}
        return all(name in known and fits(item, known[name]) for name, item in value.items())
    return False


def is_of_json(type_: pa.DataType) -> bool:
    """Whether pyarrow.json reads values of this type, and :func:`fits` takes just these."""
    if pa.types.is_struct(type_):
        return all(is_of_json(field.type) for field in type_)
    if pa.types.is_list(type_):
        return is_of_json(type_.value_type)
    return bool(
        type_ == pa.float64()
        or pa.types.is_boolean(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_string(type_)
    )


def _is_text(value: str, type_: pa.DataType) -> bool:
    is_text = pa.types.is_string(type_) or pa.types.is_large_string(type_)
    return bool(is_text) and is_utf8(value)


def _range_of(type_: pa.DataType) -> range:
    bits = type_.bit_width
    if pa.types.is_unsigned_integer(type_):
        return range(2**bits)
    return range(-(2 ** (bits - 1)), 2 ** (bits - 1))


def batch_of(rows: list[tuple[list[Any], str | None]], schema: pa.Schema) -> pa.RecordBatch:
    """The rows of :func:`row_of` as columns, ``_extra`` the last of them."""
    cells = (
        zip(*(row for row, _ in rows), strict=True) if rows and len(schema) else [()] * len(schema)
    )
    columns = [pa.array(column, field.type) for column, field in zip(cells, schema, strict=True)]
    extra = pa.array([extra for _, extra in rows], pa.string())
    return pa.RecordBatch.from_arrays([*columns, extra], schema=schema.append(EXTRA_FIELD))


def said_whole(
    batch: pa.RecordBatch, quotes: npt.NDArray[np.int64], nulls: Mapping[str, Mask], sure: Mask
) -> tuple[Mask, pa.Array]:
    """Which objects these columns say all of, but for nulls; and what ``_extra`` says of those.

    A null is a member with a pair of quotes as well, if it is one of the object and its only one of
    that name: then its column has no value.

    Args:
        quotes: how many each object has round its texts.
        nulls: which objects have a member that is null, by its name.
        sure: of which objects that is known.
    """
    pairs, doubtful = quote_pairs(batch)
    for name, mask in nulls.items():
        pairs += mask
        doubtful |= mask & ~sure
        if (index := batch.schema.get_field_index(name)) >= 0:
            doubtful |= mask & _valid(batch.column(index))
    extra = nulls_said({name: pa.array(mask) for name, mask in nulls.items()}, batch.num_rows)
    return (quotes == 2 * pairs) & ~doubtful, extra


def quote_pairs(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.int64], Mask]:
    """How many pairs of quotes the objects had that these columns say all of; and which may not.

    An object of members without nulls has one pair for each name and each text in it.
    So where an object has just as many as its row tells, no member of it is left out: one that is
    left out would have a pair of its own. The second result is True for each row with a number
    that may stand for another one.
    """
    pairs = np.zeros(batch.num_rows, np.int64)
    doubtful = np.zeros(batch.num_rows, np.bool_)
    for column in batch.columns:
        own, doubts = _told(column)
        pairs += own + _valid(column)
        doubtful |= doubts
    return pairs, doubtful


def _told(array: pa.Array) -> tuple[npt.NDArray[np.int64], Mask]:
    size, valid = len(array), _valid(array)
    pairs, doubtful = np.zeros(size, np.int64), np.zeros(size, np.bool_)
    type_ = array.type
    if pa.types.is_string(type_):
        pairs += valid
    elif type_ == pa.float64():
        exact = pc.less(pc.abs(array), _EXACT_FLOATS)
        doubtful |= ~pc.fill_null(exact, True).to_numpy(zero_copy_only=False)
    elif pa.types.is_struct(type_):
        for child in array.flatten():
            own, doubts = _told(child)
            pairs += own + _valid(child)
            doubtful |= doubts
    elif pa.types.is_list(type_):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(size), lengths)
        own, doubts = _told(array.flatten())
        pairs += np.bincount(rows, own, minlength=size).astype(np.int64)
        doubtful[rows[doubts]] = True
    elif not (pa.types.is_integer(type_) or pa.types.is_boolean(type_)):
        doubtful |= valid
    return pairs, doubtful


def _valid(array: pa.Array) -> Mask:
    valid: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return valid

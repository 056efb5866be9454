"""The columns of JSON objects, from a sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from model_dofns.formats.extra import EXTRA, is_utf8

# What the sample shows with values of several kinds has no column.
_MIXED = pa.dense_union([pa.field("mixed", pa.null())])


def sampled_schema(
    records: Iterable[Mapping[str, Any]], input_types: Mapping[str, pa.DataType]
) -> pa.Schema:
    """A column for each field that the records show with values of one kind.

    Args:
        records: some of them.
        input_types: the types that the model's input class gives its fields: of one that the
            records show as null alone, or with values of several kinds, of which those that are
            not of this type are most likely rejects; and floats where they show integers alone.
    """
    seen: dict[str, pa.DataType] = {}
    for record in records:
        for name, value in record.items():
            if name != EXTRA and is_utf8(name):  # a column has one name, and it is UTF-8
                seen[name] = _merged(seen.get(name, pa.null()), type_of(value))
    fields = []
    for name, type_ in seen.items():
        wanted = input_types.get(name)
        if wanted is not None and (
            type_ in (pa.null(), _MIXED) or (type_ == pa.int64() and wanted == pa.float64())
        ):
            type_ = wanted
        settled = _settled(type_)
        if settled is not None:
            fields.append(pa.field(name, settled))
    return pa.schema(fields)


def type_of(value: Any) -> pa.DataType:
    """The type of a JSON value; null where it shows none.

    >>> type_of([1, 2.5])
    ListType(list<item: double>)
    """
    if value is None:
        return pa.null()
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64()
    if isinstance(value, float):
        return pa.float64()
    if isinstance(value, str):
        return pa.string()
    if isinstance(value, dict):
        return pa.struct([(name, type_of(item)) for name, item in value.items() if is_utf8(name)])
    items = pa.null()
    for item in value:
        items = _merged(items, type_of(item))
    return pa.list_(items)


def _merged(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type of values of both types, as JSON has them: a number is an int or a float."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(_merged(one.value_type, other.value_type))
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        fields = {field.name: field.type for field in one}
        for field in other:
            fields[field.name] = _merged(fields.get(field.name, pa.null()), field.type)
        return pa.struct(list(fields.items()))
    return _MIXED


def _settled(type_: pa.DataType) -> pa.DataType | None:
    """The type without what no file has a column for; None where nothing is left."""
    if pa.types.is_null(type_) or type_ == _MIXED:
        return None
    if pa.types.is_list(type_):
        items = _settled(type_.value_type)
        return None if items is None else pa.list_(items)
    if pa.types.is_struct(type_):
        fields = [(field.name, _settled(field.type)) for field in type_]
        fields = [(name, settled) for name, settled in fields if settled is not None]
        return pa.struct(fields) if fields else None
    return type_

"""The columns of JSON objects, from a sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from model_dofns.formats.extra import EXTRA, is_utf8

# Parquet's readers take no schema that is nested 125 levels deep.
_MAX_LEVELS = 64
# An object with more members is a map, rather: it has no column.
_MAX_MEMBERS = 1_000


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
    seen: dict[str, _Shape] = {}
    for record in records:
        for name, value in record.items():
            if name != EXTRA and is_utf8(name):  # a column has one name, and it is UTF-8
                seen.setdefault(name, _Shape()).add(value)
    fields = []
    for name, shape in seen.items():
        type_, wanted = shape.column_type(), input_types.get(name)
        if type_ is None or (type_ == pa.int64() and wanted == pa.float64()):
            type_ = wanted
        if type_ is not None:
            fields.append(pa.field(name, type_))
    return pa.schema(fields)


_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


class _Shape:
    """What kinds of JSON values there are in one place, and in those of which places inside."""

    def __init__(self) -> None:
        self._kinds: set[type] = set()
        self._items: _Shape | None = None
        self._members: dict[str, _Shape] = {}

    def add(self, value: Any, levels: int = _MAX_LEVELS) -> None:
        """Take note of a value."""
        if value is None:
            return
        self._kinds.add(type(value) if levels else type(None))  # the latter has no column
        if not levels:
            return
        if isinstance(value, list):
            self._items = self._items or _Shape()
            for item in value:
                self._items.add(item, levels - 1)
        elif isinstance(value, dict) and len(self._members) <= _MAX_MEMBERS:
            for name, item in value.items():
                if is_utf8(name):
                    self._members.setdefault(name, _Shape()).add(item, levels - 1)

    def column_type(self) -> pa.DataType | None:
        """The type of a column of these values; None where there is none, or they are of several.

        A number is an int or a float.
        """
        kinds = self._kinds - {int} if float in self._kinds else self._kinds
        if len(kinds) != 1:
            return None
        (kind,) = kinds
        if kind is list:
            assert self._items is not None
            items = self._items.column_type()
            return None if items is None else pa.list_(items)
        if kind is dict:
            if len(self._members) > _MAX_MEMBERS:
                return None
            types = ((name, shape.column_type()) for name, shape in self._members.items())
            fields = [(name, type_) for name, type_ in types if type_ is not None]
            return pa.struct(fields) if fields else None
        return _TYPES.get(kind)

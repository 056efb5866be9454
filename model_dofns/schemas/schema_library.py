"""A ``Schema`` of the library ``schema`` (https://pypi.org/project/schema/): records are dicts.

It takes types at their word: 5 is no float to it, and a key that it does not name is an error. So
it is handed the fields that it names, and floats for integers where it wants floats. Where it has
patterns of names it is handed all fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import schema as library

from model_dofns.exceptions import ModelError, RecordError
from model_dofns.schemas.annotations import column_type, plain_members
from model_dofns.schemas.base import DescribedField, column_type_or_reason
from model_dofns.schemas.column_types import (
    ColumnType,
    Items,
    Members,
    NoColumnTypeError,
    Plain,
    plain_type_of,
)
from model_dofns.schemas.dicts import DictSchema


class SchemaLibrarySchema(DictSchema):
    """A ``Schema`` of a dict.

    The model is handed the record as it was judged, without what a ``Use`` or a default would make
    of it: a model of this kind calls ``validate`` itself.

    Raises:
        ModelError: it is the schema of something else than a dict.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        named = _named(schema.schema)
        if named is None:
            raise ModelError(f"{schema!r} is no Schema of a dict, which a record is")
        self._has_patterns = len(named) < len(_keys(schema.schema))
        self._nodes = {name: node for name, (node, _) in named.items()}
        super().__init__(
            schema.name or "the Schema",
            {name: column_type_or_reason(_type_of, node) for name, node in self._nodes.items()},
            frozenset(name for name, (_, optional) in named.items() if optional),
        )
        self.fast_accept_off = "it is a Schema of the library 'schema', which alone judges records"

    @property
    def reads_whole_record(self) -> bool:
        return self._has_patterns

    def json_schema(self) -> dict[str, Any]:
        said: dict[str, Any] = self._schema.json_schema("record")
        return said

    def described_fields(self) -> list[DescribedField]:
        return [
            DescribedField(
                name, _described(node), "may be absent" if name in self._optional else "required"
            )
            for name, node in self._nodes.items()
        ]

    def _other(self, value: Any) -> Any:
        return value  # Python's types, which this library knows

    def _refuse(self, handed: dict[str, Any]) -> None:
        try:
            self._schema.validate(handed)
        except library.SchemaError as error:
            message = ": ".join(filter(None, str(error.code).split("\n")))
            raise RecordError(type(error).__name__, message.replace("::", ":")) from error


def _keys(node: Any) -> list[Any]:
    """All keys that a dict's schema has an entry for: names, and patterns of names."""
    while isinstance(node, library.Schema):
        node = node.schema
    return list(node)


def _named(node: Any) -> dict[str, tuple[Any, bool]] | None:
    """What a dict says of each key that it names, and whether that may be absent."""
    if isinstance(node, library.Schema) and not isinstance(node, library.Optional):
        return _named(node.schema)
    if not isinstance(node, Mapping):
        return None
    named = {}
    for key, value in node.items():
        optional = isinstance(key, library.Optional)
        while hasattr(key, "schema"):  # Optional("name"), Literal("name"), and one in the other
            key = key.schema
        if isinstance(key, str):
            named[key] = (value, optional)
    return named


def _type_of(node: Any) -> ColumnType:
    """The column type of what a schema says of a value.

    Raises:
        NoColumnTypeError: there is none.
    """
    if isinstance(node, library.Const):
        return _type_of(node.schema)
    if isinstance(node, library.Or):
        return _either(node.args)
    if isinstance(node, library.And):
        return _first(node)
    if isinstance(node, library.Regex):
        return Plain(plain=str)
    if (members := _named(node)) is not None:
        if not members:
            raise NoColumnTypeError(_described(node))
        kinds = {name: _type_of(each) for name, (each, _) in members.items()}
        optional = {n for n, (_, absent) in members.items() if absent and not kinds[n].nullable}
        return Members(members=tuple(kinds.items()), optional=frozenset(optional))
    if isinstance(node, library.Schema):
        return _type_of(node.schema)
    if isinstance(node, (list, tuple)) and node:
        return Items(item=_either(node))
    if isinstance(node, type):
        return column_type(node, (), plain_members)
    plain = plain_type_of([node])
    if plain is None:
        raise NoColumnTypeError(_described(node))
    return Plain(plain=plain)


def _either(nodes: Iterable[Any]) -> ColumnType:
    """The one type of several choices; None makes it nullable, and integers may be floats."""
    nodes = list(nodes)
    kinds = {_type_of(node) for node in nodes if node not in (None, type(None))}
    if kinds == {Plain(plain=float), Plain(plain=int)}:
        kinds = {Plain(plain=float)}
    if len(kinds) != 1:
        raise NoColumnTypeError(f"one of {[_described(node) for node in nodes]}")
    (kind,) = kinds
    return dataclasses.replace(kind, nullable=True) if len(nodes) > 1 and None in nodes else kind


def _first(node: Any) -> ColumnType:
    """The type of all of several conditions: that of the first that says one.

    What a ``Use`` makes of a value is for the model alone.
    """
    for each in node.args:
        if isinstance(each, library.Use):
            break
        try:
            return _type_of(each)
        except NoColumnTypeError:
            continue
    raise NoColumnTypeError(_described(node))


def _described(node: Any) -> str:
    return node.__name__ if isinstance(node, type) else repr(node)

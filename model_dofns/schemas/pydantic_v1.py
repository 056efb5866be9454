"""A class of pydantic 1 as a schema: of ``pydantic.v1``, which pydantic 2 carries."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import v1

from model_dofns.exceptions import RecordError
from model_dofns.schemas.annotations import column_type, plain_members
from model_dofns.schemas.base import (
    DescribedField,
    Record,
    RecordSchema,
    verdict,
)
from model_dofns.schemas.column_types import ColumnType, NoColumnTypeError
from model_dofns.schemas.json_values import json_in
from model_dofns.schemas.pydantic_classes import annotation_text, described


class PydanticV1Schema(RecordSchema):
    """A class of pydantic 1. Every record is judged alone: it has no core schema to be read.

    Attributes:
        record_class: the class itself.
    """

    def __init__(self, record_class: type[v1.BaseModel]) -> None:
        self.record_class = record_class
        fields = record_class.__fields__
        super().__init__(
            record_class.__name__,
            {name: frozenset({name, field.alias}) for name, field in fields.items()},
            {name: _field_type(field) for name, field in fields.items()},
        )
        self.fast_accept_off = "it is a class of pydantic 1, which alone judges its records"
        by_key = {key: kind for name, kind in self.column_types.items() for key in self.keys[name]}
        self._nested = frozenset(key for key, kind in by_key.items() if kind.is_nested)
        self._with_entries = {key: kind for key, kind in by_key.items() if kind.read_differs}

    @property
    def reads_whole_record(self) -> bool:
        record_class = self.record_class
        return (
            record_class.__config__.extra is not v1.Extra.ignore
            or bool(record_class.__pre_root_validators__ or record_class.__post_root_validators__)
            or record_class.__init__ is not v1.BaseModel.__init__
        )

    def json_schema(self) -> dict[str, Any]:
        return self.record_class.schema()

    def described_fields(self) -> list[DescribedField]:
        return [
            DescribedField(name, annotation_text(field.annotation), _default(field))
            for name, field in self.record_class.__fields__.items()
        ]

    def judge(
        self, record: Record, *, by_name: bool = False, as_text: bool = False
    ) -> v1.BaseModel:
        values = dict(record)
        try:
            if as_text:
                values |= {k: json_in(v) for k, v in values.items() if k in self._nested}
            for key in self._with_entries.keys() & values.keys():
                values[key] = self._with_entries[key].read(values[key])
            return self.record_class.parse_obj(
                _by_alias(values, self.record_class) if by_name else values
            )
        except v1.ValidationError as error:
            raise RecordError("ValidationError", _described(error)) from error
        except BaseException as error:  # a validator of the author's own: that is its verdict
            raise verdict(error) from error

    def refuse_unfit(self, instance: v1.BaseModel) -> None:
        self.judge(dict(instance), by_name=True)

    def is_record(self, value: Any) -> bool:
        return isinstance(value, self.record_class)

    def value(self, instance: Any, name: str) -> Any:
        return getattr(instance, name, None)


def _by_alias(record: Mapping[str, Any], record_class: type[v1.BaseModel]) -> dict[str, Any]:
    """A record by aliases in place of names, to any depth."""
    fields = record_class.__fields__
    return {
        fields[name].alias if name in fields else name: (
            _value_by_alias(value, fields[name]) if name in fields else value
        )
        for name, value in record.items()
    }


def _value_by_alias(value: Any, field: Any) -> Any:
    inner = field.type_
    if not (isinstance(inner, type) and issubclass(inner, v1.BaseModel)):
        return value
    if isinstance(value, list):
        return [_value_by_alias(item, field) for item in value]
    if not isinstance(value, Mapping):
        return value
    if field.key_field is not None:  # of a mapping to such records
        return {key: _by_alias(item, inner) for key, item in value.items()}
    return _by_alias(value, inner)


def _field_type(field: Any) -> ColumnType | NoColumnTypeError:
    try:
        kind = column_type(field.annotation, [field.field_info], _members_of)
    except NoColumnTypeError as reason:
        return reason
    return dataclasses.replace(kind, nullable=True) if field.allow_none else kind


def _members_of(annotation: Any) -> Mapping[str, tuple[Any, Iterable[Any]]] | None:
    if isinstance(annotation, type) and issubclass(annotation, v1.BaseModel):
        fields = annotation.__fields__.items()
        return {name: (field.annotation, [field.field_info]) for name, field in fields}
    return plain_members(annotation)


def _default(field: Any) -> str:
    if field.required:
        return "required"
    return f"default {field.default!r}" if field.default_factory is None else "with a default"


def _described(error: v1.ValidationError) -> str:
    # Of the record as a whole pydantic 1 says the place in a word of its own.
    return described(
        {**each, "loc": [p for p in each["loc"] if p != "__root__"]} for each in error.errors()
    )

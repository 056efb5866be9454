"""A pydantic class as a schema, with a shortcut for whole columns.

What the fast accept may decide is settled in :mod:`model_dofns.schemas.fast_accept`.
"""

from __future__ import annotations

import inspect
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from pydantic import AliasChoices, AliasPath, BaseModel, Strict, ValidationError
from pydantic.fields import FieldInfo

from model_dofns.exceptions import RecordError
from model_dofns.schemas.annotations import column_type, plain_members
from model_dofns.schemas.base import (
    DescribedField,
    Record,
    RecordSchema,
    column_type_or_reason,
    verdict,
)
from model_dofns.schemas.column_types import (
    Plain,
)
from model_dofns.schemas.fast_accept import Mask, NotKnownError, Rule, fast_rules

# What a class may override to be handed a record as it is, with all its keys.
_ENTRANCES = {
    "__new__",
    "__init__",
    "model_validate",
    "model_validate_strings",
    "__get_pydantic_core_schema__",
}


class PydanticSchema(RecordSchema):
    """A class of pydantic 2.

    Attributes:
        record_class: the class itself.
    """

    def __init__(self, record_class: type[BaseModel]) -> None:
        self.record_class = record_class
        fields = record_class.model_fields
        super().__init__(
            record_class.__name__,
            {
                name: frozenset({name}).union(_keys(field.alias), _keys(field.validation_alias))
                for name, field in fields.items()
            },
            {
                name: column_type_or_reason(column_type, f.annotation, f.metadata, _members_of)
                for name, f in fields.items()
            },
        )
        by_key = {key: kind for name, kind in self.column_types.items() for key in self.keys[name]}
        self._has_nested = any(kind.is_nested for kind in by_key.values())
        self._with_entries = {key: kind for key, kind in by_key.items() if kind.read_differs}
        # A strict field takes no text for a number, but where all of a record is text.
        strict = {
            key
            for name, field in fields.items()
            if self._is_strict(field)
            for key in self.keys[name]
        }
        self._parsed = {k: kind for k, kind in by_key.items() if kind.is_nested or k in strict}
        names = tuple(self.column_types)
        # All values at once; of one name it would give no tuple.
        self._attributes = operator.attrgetter(*names) if len(names) > 1 else None
        self._validate = _validate_function(record_class)
        self._rules: dict[str, Rule] = {}
        self.fast_accept_off = self._why_no_fast_accept()

    def _is_strict(self, field: FieldInfo) -> bool:
        said = [each.strict for each in field.metadata if isinstance(each, Strict)]
        return said[-1] if said else self.record_class.model_config.get("strict") is True

    def _why_no_fast_accept(self) -> str | None:
        try:
            self._rules = fast_rules(self.record_class)
        except NotKnownError as reason:
            return str(reason)
        for name, rule in self._rules.items():
            kind = self.column_types.get(name)
            if not isinstance(kind, Plain) or rule.plain is not kind.plain:
                return f"the field {name!r} is validated as {rule.plain.__name__}"
        return None

    @property
    def reads_whole_record(self) -> bool:
        extra = self.record_class.model_config.get("extra")
        decorators = self.record_class.__pydantic_decorators__
        classes = (c for c in self.record_class.__mro__ if c not in BaseModel.__mro__)
        return (
            extra in ("allow", "forbid")
            or bool(decorators.model_validators)
            or any(_ENTRANCES & set(vars(c)) for c in classes)
        )

    def json_schema(self) -> dict[str, Any]:
        return self.record_class.model_json_schema()

    def described_fields(self) -> list[DescribedField]:
        return [
            DescribedField(name, annotation_text(field.annotation), _default(field))
            for name, field in self.record_class.model_fields.items()
        ]

    def accept(
        self, columns: pa.RecordBatch, *, as_text: bool = False
    ) -> tuple[pa.RecordBatch, Mask] | None:
        if self.fast_accept_off is not None or self.arrow_schema is None:
            return None
        accepted: Mask = np.ones(columns.num_rows, dtype=np.bool_)
        arrays = []
        for name, column in zip(self.names, columns.columns, strict=True):
            rule = self._rules[name]
            if as_text and rule.allowed is not None and rule.plain is not str:
                return None  # pydantic takes no text for one of some numbers
            array = rule.cast(column)
            if array is None:
                return None
            accepted &= rule.accepted(array)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow_schema), accepted

    def judge(self, record: Record, *, by_name: bool = False, as_text: bool = False) -> BaseModel:
        try:
            if as_text and not self._has_nested:
                return self.record_class.model_validate_strings(record)
            if as_text:  # which pydantic has no lists in: a cell of one is JSON
                parsed = self._parsed
                record = {
                    key: parsed[key].handed(value, as_text=True) if key in parsed else value
                    for key, value in record.items()
                }
            if self._with_entries:
                record = {
                    key: self._with_entries[key].read(value) if key in self._with_entries else value
                    for key, value in record.items()
                }
            return self._validate(record, by_name=by_name or None)
        except ValidationError as error:
            raise RecordError("ValidationError", _described(error)) from error
        except BaseException as error:  # a validator of the author's own: that is its verdict
            raise verdict(error) from error

    def refuse_unfit(self, instance: BaseModel) -> None:
        self.judge(dict(instance), by_name=True)

    def is_record(self, value: Any) -> bool:
        # Of another type, pydantic's isinstance takes its time.
        return type(value) is self.record_class or isinstance(value, self.record_class)

    def raw_values(self, instance: Any) -> tuple[Any, ...]:
        if self._attributes is not None:
            try:
                return self._attributes(instance)
            except AttributeError:  # an instance that was made without one of its fields
                pass
        return super().raw_values(instance)

    def value(self, instance: Any, name: str) -> Any:
        return getattr(instance, name, None)


def _validate_function(record_class: type[BaseModel]) -> Callable[..., BaseModel]:
    """``model_validate``; of pydantic's own, what it calls, without what it asks before that."""
    classes = itertools.takewhile(lambda c: c is not BaseModel, record_class.__mro__)
    if any("model_validate" in vars(c) for c in classes) or not record_class.__pydantic_complete__:
        return record_class.model_validate
    return record_class.__pydantic_validator__.validate_python


def _keys(alias: str | AliasPath | AliasChoices | None) -> set[str]:
    """The keys of a record that an alias looks at."""
    if isinstance(alias, AliasChoices):
        return set().union(*map(_keys, alias.choices))
    first = alias.path[0] if isinstance(alias, AliasPath) else alias
    return {first} if isinstance(first, str) else set()


def annotation_text(annotation: Any) -> str:
    """An annotation as its author wrote it."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return inspect.formatannotation(annotation)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"default {field.default!r}" if field.default_factory is None else "with a default"


def _members_of(annotation: Any) -> Mapping[str, tuple[Any, Iterable[Any]]] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return {name: (field.annotation, field.metadata) for name, field in fields}
    return plain_members(annotation)


def _described(error: ValidationError) -> str:
    """Each field and what is wrong with it, on one line, without pydantic's links."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return described(details)


def described(details: Iterable[Mapping[str, Any]]) -> str:
    """The same of what either pydantic says of errors."""
    return "; ".join(
        f"{'.'.join(str(part) for part in detail['loc']) or 'the record'}: {detail['msg']}"
        for detail in details
    )

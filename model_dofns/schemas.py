"""A pydantic class as columns: which Arrow schema it has, and which rows it accepts.

There is one judge, the pydantic class itself: :meth:`RecordSchema.judge` hands it one record. The
*fast accept* (:meth:`RecordSchema.accept`) is a shortcut for whole columns that may only ever say
"the judge would take this row, with just these values"; what it does not say that of goes to the
judge, alone. So a verdict never depends on the path a row took.

What the fast accept may decide is settled in :mod:`model_dofns.fast_accept`.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import numpy as np
import pyarrow as pa
from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError

from model_dofns.exceptions import RecordError
from model_dofns.fast_accept import (
    ARROW_TYPES,
    INT64,
    Mask,
    NotKnownError,
    Rule,
    fast_rules,
)

Record: TypeAlias = Mapping[str, Any]


# What a class may override to be handed a record as it is, with all its keys.
_ENTRANCES = {
    "__new__",
    "__init__",
    "model_validate",
    "model_validate_strings",
    "__get_pydantic_core_schema__",
}


class RecordSchema:
    """A pydantic class, and what follows from it for columns.

    Attributes:
        record_class: the class itself.
        names: its fields, in order.
        keys: for each field, the keys it reads from a record: its name and its aliases.
        input_names: all of these.
        arrow_schema: the columns a model is handed, or None where a field has no Arrow type.
        no_arrow_schema: why not, or None.
        fast_accept_off: why every row is judged alone, or None where the fast accept is on.
    """

    def __init__(self, record_class: type[BaseModel]) -> None:
        self.record_class = record_class
        fields = record_class.model_fields
        self.names = tuple(fields)
        self.keys = {
            name: frozenset({name}).union(_keys(field.alias), _keys(field.validation_alias))
            for name, field in fields.items()
        }
        self.input_names = frozenset[str]().union(*self.keys.values())
        self.nullable = {name: _is_nullable(field.annotation) for name, field in fields.items()}
        self._python_types = {name: _plain_type(f.annotation) for name, f in fields.items()}
        self.no_arrow_schema: str | None = None
        self.arrow_schema: pa.Schema | None = None
        unknown = [name for name, plain in self._python_types.items() if plain is None]
        if not fields:
            self.no_arrow_schema = f"{record_class.__name__} has no fields"
        elif unknown:
            self.no_arrow_schema = "; ".join(
                f"the field {name!r} of {record_class.__name__} is {fields[name].annotation!r},"
                " which has no column type: float, int, str, bool, Literal and Enum of one of"
                " them, and these or None, have"
                for name in unknown
            )
        else:
            self.arrow_schema = pa.schema(
                [
                    pa.field(name, ARROW_TYPES[plain])
                    for name, plain in self._python_types.items()
                    if plain is not None
                ]
            )
        self.fast_accept_off: str | None = None
        self._rules: dict[str, Rule] = {}
        try:
            self._rules = fast_rules(record_class)
        except NotKnownError as reason:
            self.fast_accept_off = str(reason)
        for name, rule in self._rules.items():
            if rule.plain is not self._python_types[name]:
                self.fast_accept_off = f"the field {name!r} is validated as {rule.plain.__name__}"

    @property
    def reads_whole_record(self) -> bool:
        """True where the class may look at keys other than its fields'."""
        extra = self.record_class.model_config.get("extra")
        decorators = self.record_class.__pydantic_decorators__
        classes = (c for c in self.record_class.__mro__ if c not in BaseModel.__mro__)
        return (
            extra in ("allow", "forbid")
            or bool(decorators.model_validators)
            or any(_ENTRANCES & set(vars(c)) for c in classes)
        )

    def accept(
        self, columns: pa.RecordBatch, *, as_text: bool = False
    ) -> tuple[pa.RecordBatch, Mask] | None:
        """The fast accept: the columns as the model wants them, and the rows the judge would take.

        Args:
            columns: the fields of the class, in order; of any type.
            as_text: they were read from text, as :meth:`judge` would be handed it.

        Returns:
            The columns in the types of ``arrow_schema``, and a mask with True for each row that
            is accepted. None where no row is: the shortcut is off, or a column is of a type that
            only the judge can say something of.
        """
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
        """The one judge: the class itself, on one record.

        Args:
            record: by the keys the class reads; by field names too where ``by_name`` says so.
            as_text: all values are text, and mean what they say, as in CSV.

        Raises:
            RecordError: the class refuses the record; the message names each field and why.
        """
        try:
            if as_text:
                return self.record_class.model_validate_strings(record)
            return self.record_class.model_validate(record, by_name=by_name or None)
        except ValidationError as error:
            raise RecordError("ValidationError", _described(error)) from error
        except BaseException as error:  # a validator of the author's own: that is its verdict
            if is_interrupt(error):
                raise
            raise RecordError(type(error).__name__, told(error)) from error

    def values(self, instance: BaseModel) -> tuple[Any, ...]:
        """The values of an instance as they stand in columns: enumerations as their values.

        Raises:
            RecordError: a value is not of its field's type, or has no place in its column.
        """
        return tuple(
            _column_value(name, plain, getattr(instance, name, None), self.nullable[name])
            for name, plain in self._python_types.items()
        )

    def batch(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        """The rows of :meth:`values` as columns."""
        assert self.arrow_schema is not None
        columns = zip(*rows, strict=True) if rows else [()] * len(self.names)
        return pa.RecordBatch.from_arrays(
            [
                pa.array(column, type=field.type)
                for column, field in zip(columns, self.arrow_schema, strict=True)
            ],
            schema=self.arrow_schema,
        )


def _keys(alias: str | AliasPath | AliasChoices | None) -> set[str]:
    """The keys of a record that an alias looks at."""
    if isinstance(alias, AliasChoices):
        return set().union(*map(_keys, alias.choices))
    first = alias.path[0] if isinstance(alias, AliasPath) else alias
    return {first} if isinstance(first, str) else set()


def _plain_type(annotation: Any) -> type | None:
    """float, int, str or bool, where the annotation means values of one of them; else None."""
    annotation = _without_none(annotation)
    if annotation in ARROW_TYPES:
        return annotation  # type: ignore[no-any-return]  # it is a key of that dict, a type
    values: Sequence[Any] = ()
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        values = [member.value for member in annotation]
    kinds = {type(value.value if isinstance(value, enum.Enum) else value) for value in values}
    return kinds.pop() if len(kinds) == 1 and kinds <= set(ARROW_TYPES) else None


def _is_nullable(annotation: Any) -> bool:
    return type(None) in get_args(annotation) and get_origin(annotation) in (
        Union,
        types.UnionType,
    )


def _without_none(annotation: Any) -> Any:
    """``X`` of ``X | None`` and of ``Annotated[X, …]``; any other annotation as it is."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if _is_nullable(annotation):
        others = [arg for arg in get_args(annotation) if arg is not type(None)]
        return _without_none(others[0]) if len(others) == 1 else annotation
    return annotation


def _column_value(name: str, plain: type | None, value: Any, nullable: bool) -> Any:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None and nullable:
        return None
    if plain is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise RecordError("NumberOutOfRange", f"{name}: a number no double can hold") from None
    if plain is None or not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        kind = "a value with a column type" if plain is None else plain.__name__
        raise RecordError("TypeError", f"{name}: a {type(value).__name__} is no {kind}")
    if plain is int and value not in INT64:
        raise RecordError("IntegerOutOfRange", f"{name}: {value:#x} does not fit 64 bits")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RecordError("InvalidUTF8", f"{name}: {value!r} has a lone surrogate") from None
    return value


def is_interrupt(error: BaseException) -> bool:
    """True for what is not the author's code going wrong but someone ending the process.

    All else is: a sys.exit(), a panic of Rust's, a cancelled task. None of them may end a worker.
    """
    return isinstance(error, (KeyboardInterrupt, GeneratorExit))


def told(error: BaseException) -> str:
    """The error's own text, or none where making it fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # the author's __str__ may raise anything
        return ""


def _described(error: ValidationError) -> str:
    """Each field and what is wrong with it, on one line, without pydantic's links."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in detail['loc']) or 'the record'}: {detail['msg']}"
        for detail in details
    )

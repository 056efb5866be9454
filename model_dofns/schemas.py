"""A pydantic class as columns: which Arrow schema it has, and which rows it accepts.

There is one judge, the pydantic class itself: :meth:`RecordSchema.judge` hands it one record. The
*fast accept* (:meth:`RecordSchema.accept`) is a shortcut for whole columns that may only ever say
"the judge would take this row, with just these values"; what it does not say that of goes to the
judge, alone. So a verdict never depends on the path a row took.

To know what the judge would do, the fast accept reads what pydantic itself executes, the class's
core schema (https://docs.pydantic.dev/latest/internals/architecture/), and takes only what it
knows to the last key. A validator, an alias, strictness, a pattern or anything from a pydantic of
the future shows there as a node or a key that is not on the list, and the shortcut is off.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from model_dofns.exceptions import RecordError

Mask: TypeAlias = npt.NDArray[np.bool_]
Record: TypeAlias = Mapping[str, Any]

_ARROW_TYPES: dict[type, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    str: pa.string(),
    bool: pa.bool_(),
}
_INT64 = range(-(2**63), 2**63)
_BOUNDS: dict[str, Callable[..., pa.Array]] = {
    "ge": pc.greater_equal,
    "gt": pc.greater,
    "le": pc.less_equal,
    "lt": pc.less,
}
# Keys of a core schema that change no verdict: names, and what is only for JSON Schema.
_HARMLESS = {"type", "ref", "metadata"}


class RecordSchema:
    """A pydantic class, and what follows from it for columns.

    Attributes:
        record_class: the class itself.
        names: its fields, in order.
        input_names: the keys it reads from a record: names and aliases.
        arrow_schema: the columns a model is handed, or None where a field has no Arrow type.
        no_arrow_schema: why not, or None.
        fast_accept_off: why every row is judged alone, or None where the fast accept is on.
    """

    def __init__(self, record_class: type[BaseModel]) -> None:
        self.record_class = record_class
        fields = record_class.model_fields
        self.names = tuple(fields)
        self.input_names = frozenset(self.names) | {
            alias
            for field in fields.values()
            for alias in (field.alias, field.validation_alias)
            if isinstance(alias, str)
        }
        self.nullable = {name: _is_nullable(field.annotation) for name, field in fields.items()}
        self._python_types = {name: _plain_type(f.annotation) for name, f in fields.items()}
        self.no_arrow_schema: str | None = None
        self.arrow_schema: pa.Schema | None = None
        unknown = [name for name, plain in self._python_types.items() if plain is None]
        if unknown:
            self.no_arrow_schema = "; ".join(
                f"the field {name!r} of {record_class.__name__} is {fields[name].annotation!r},"
                " which has no column type: float, int, str, bool, Literal and Enum of one of"
                " them, and these or None, have"
                for name in unknown
            )
        else:
            self.arrow_schema = pa.schema(
                [
                    pa.field(name, _ARROW_TYPES[plain])
                    for name, plain in self._python_types.items()
                    if plain is not None
                ]
            )
        self.fast_accept_off: str | None = None
        self._rules: dict[str, _Rule] = {}
        try:
            self._rules = _fast_rules(record_class)
        except _NotKnownError as reason:
            self.fast_accept_off = str(reason)

    @property
    def reads_whole_record(self) -> bool:
        """True where the class may look at keys other than its fields'."""
        extra = self.record_class.model_config.get("extra")
        decorators = self.record_class.__pydantic_decorators__
        return extra in ("allow", "forbid") or bool(decorators.model_validators)

    def accept(self, columns: pa.RecordBatch) -> tuple[pa.RecordBatch, Mask] | None:
        """The fast accept: the columns as the model wants them, and the rows the judge would take.

        Args:
            columns: the fields of the class, in order; of any type.

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
            array = rule.cast(column)
            if array is None:
                return None
            accepted &= rule.accepted(array)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow_schema), accepted

    def judge(self, record: Record, *, by_name: bool = False) -> BaseModel:
        """The one judge: the class itself, on one record.

        Args:
            record: by the keys the class reads; by field names too where ``by_name`` says so.

        Raises:
            RecordError: the class refuses the record; the message names each field and why.
        """
        try:
            return self.record_class.model_validate(record, by_name=by_name or None)
        except ValidationError as error:
            raise RecordError("ValidationError", _described(error)) from error
        except Exception as error:  # a validator of the author's own: its error is the verdict
            raise RecordError(type(error).__name__, str(error)) from error

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


# --- the fast accept -----------------------------------------------------------------------------


class _NotKnownError(Exception):
    """Something in a core schema that the fast accept does not know; the message says what."""


@dataclass(frozen=True)
class _Rule:
    """What the fast accept knows of one field."""

    plain: type
    bounds: tuple[tuple[str, int | float], ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    allowed: tuple[Any, ...] | None = None
    finite: bool = False
    null_is_default: bool = False

    def cast(self, column: pa.Array) -> pa.Array | None:
        """The column in the field's own type, or None where that might change a value."""
        if not _same_values(column.type, self.plain):
            return None
        try:
            array = column.cast(_ARROW_TYPES[self.plain])
            if self.plain is str:
                array.validate(full=True)  # Parquet's text may be anything: is it UTF-8?
        except pa.ArrowInvalid:  # an integer that the type does not hold; bytes that are no text
            return None
        return array

    def accepted(self, array: pa.Array) -> Mask:
        """The rows whose value of this field the judge would take."""
        conditions = [_BOUNDS[key](array, bound) for key, bound in self.bounds]
        if self.min_length is not None:
            conditions.append(pc.greater_equal(pc.utf8_length(array), self.min_length))
        if self.max_length is not None:
            conditions.append(pc.less_equal(pc.utf8_length(array), self.max_length))
        if self.allowed is not None:
            conditions.append(pc.is_in(array, pa.array(self.allowed, array.type)))
        if self.finite:
            conditions.append(pc.is_finite(array))
        accepted: Mask = np.ones(len(array), dtype=np.bool_)
        for condition in conditions:
            accepted &= pc.fill_null(condition, False).to_numpy(zero_copy_only=False)
        if array.null_count:
            # Where null is no default, a missing key and a null may be two things: for the judge.
            accepted[array.is_null().to_numpy(zero_copy_only=False)] = self.null_is_default
        return accepted


def _same_values(found: pa.DataType, plain: type) -> bool:
    """True where the judge and a cast make the same ``plain`` values of such a column."""
    if pa.types.is_null(found):
        return True
    if plain is float:
        return bool(pa.types.is_floating(found) or pa.types.is_integer(found))
    if plain is int:
        return bool(pa.types.is_integer(found))
    if plain is bool:
        return bool(pa.types.is_boolean(found))
    text = found.value_type if pa.types.is_dictionary(found) else found
    return text in (pa.string(), pa.large_string(), pa.string_view())


class _PlainModel(BaseModel):
    """Its namespace shows what pydantic and Python themselves put into that of a class."""

    model_config = ConfigDict()
    field: int = 0


def _fast_rules(record_class: type[BaseModel]) -> dict[str, _Rule]:
    """The rules of a class that the fast accept knows to the last key.

    Raises:
        _NotKnownError: there is something else about it.
    """
    if record_class.__bases__ != (BaseModel,) or type(record_class) is not type(BaseModel):
        raise _NotKnownError("it inherits from another class than pydantic.BaseModel")
    overridden = set(vars(record_class)) & set(dir(BaseModel)) - set(vars(_PlainModel))
    if overridden:
        raise _NotKnownError(f"it overrides {', '.join(sorted(overridden))}")
    if record_class.__private_attributes__:
        raise _NotKnownError("it has private attributes")
    if not record_class.__pydantic_complete__:
        raise _NotKnownError("its definition is not complete")
    model: Mapping[str, Any] = record_class.__pydantic_core_schema__
    _only(
        model,
        "model",
        {"cls", "schema", "config"},
        {"custom_init": False, "root_model": False},
    )
    config = model.get("config", {})
    _only(config, None, {"title"}, {"extra_fields_behavior": ("ignore", "allow")})
    fields = model["schema"]
    _only(fields, "model-fields", {"fields", "model_name"}, {"computed_fields": []})
    return {name: _field_rule(name, field) for name, field in fields["fields"].items()}


def _field_rule(name: str, field: Mapping[str, Any]) -> _Rule:
    try:
        _only(field, "model-field", {"schema"})
        node = field["schema"]
        default_is_none = False
        if node["type"] == "default":
            known = {"schema", "default", "default_factory", "default_factory_takes_data"}
            _only(node, "default", known)
            default_is_none = node.get("default", ...) is None
            node = node["schema"]
        nullable = node["type"] == "nullable"
        if nullable:
            _only(node, "nullable", {"schema"})
            node = node["schema"]
        return replace(_type_rule(node), null_is_default=nullable and default_is_none)
    except _NotKnownError as reason:
        raise _NotKnownError(f"the field {name!r}: {reason}") from reason


def _type_rule(node: Mapping[str, Any]) -> _Rule:
    match node["type"]:
        case "float":
            _only(node, "float", set(_BOUNDS), {"allow_inf_nan": (True, False)})
            return _Rule(float, _bounds(node, float), finite=not node.get("allow_inf_nan", True))
        case "int":
            _only(node, "int", set(_BOUNDS))
            return _Rule(int, _bounds(node, int))
        case "str":
            _only(node, "str", {"min_length", "max_length"})
            return _Rule(str, min_length=node.get("min_length"), max_length=node.get("max_length"))
        case "bool":
            _only(node, "bool", set())
            return _Rule(bool)
        case "literal":
            _only(node, "literal", {"expected"})
            return _allowed_rule(node["expected"])
        case "enum":
            _only(node, "enum", {"cls", "members"}, {"sub_type": "str"})
            return _allowed_rule([member.value for member in node["members"]])
        case other:
            raise _NotKnownError(f"{other!r} is for the judge alone")


def _allowed_rule(allowed: Sequence[Any]) -> _Rule:
    for plain in (str, int):
        if allowed and all(type(value) is plain for value in allowed):
            if plain is int and not all(value in _INT64 for value in allowed):
                break
            return _Rule(plain, allowed=tuple(allowed))
    raise _NotKnownError("its values are not all text, nor all integers of 64 bits")


def _bounds(node: Mapping[str, Any], plain: type) -> tuple[tuple[str, int | float], ...]:
    bounds = []
    for key in _BOUNDS:
        bound = node.get(key)
        if bound is None:
            continue
        exact = type(bound) in (int, plain) and plain(bound) == bound
        if not exact or (plain is int and bound not in _INT64):
            raise _NotKnownError(f"{key}={bound!r} is no {plain.__name__} that compares exactly")
        bounds.append((key, plain(bound)))
    return tuple(bounds)


def _only(
    node: Mapping[str, Any],
    kind: str | None,
    known: set[str],
    known_values: Mapping[str, Any] | None = None,
) -> None:
    """Refuse a node that is of another type, or has a key or a value that is not on the list."""
    if kind is not None and node.get("type") != kind:
        raise _NotKnownError(f"{node.get('type')!r} is for the judge alone")
    values = known_values or {}
    for key, value in node.items():
        if key in known or key in _HARMLESS:
            continue
        allowed = values.get(key, _NotKnownError)
        if value == allowed or (isinstance(allowed, tuple) and value in allowed):
            continue
        raise _NotKnownError(f"{key}={value!r} is for the judge alone")


# --- types and values ----------------------------------------------------------------------------


def _plain_type(annotation: Any) -> type | None:
    """float, int, str or bool, where the annotation means values of one of them; else None."""
    annotation = _without_none(annotation)
    if annotation in _ARROW_TYPES:
        return annotation  # type: ignore[no-any-return]  # it is a key of that dict, a type
    values: Sequence[Any] = ()
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        values = [member.value for member in annotation]
    kinds = {type(value.value if isinstance(value, enum.Enum) else value) for value in values}
    return kinds.pop() if len(kinds) == 1 and kinds <= set(_ARROW_TYPES) else None


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
        return float(value)
    if plain is None or not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        kind = "a value with a column type" if plain is None else plain.__name__
        raise RecordError("TypeError", f"{name}: {value!r} is no {kind}")
    if plain is int and value not in _INT64:
        raise RecordError("IntegerOutOfRange", f"{name}: {value} does not fit 64 bits")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RecordError("InvalidUTF8", f"{name}: {value!r} has a lone surrogate") from None
    return value


def _described(error: ValidationError) -> str:
    """Each field and what is wrong with it, on one line, without pydantic's links."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in detail['loc']) or 'the record'}: {detail['msg']}"
        for detail in details
    )

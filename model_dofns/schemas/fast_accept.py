"""What of a pydantic class may be decided by the column, and the rules for it.

To know what pydantic would do with a value, this reads what pydantic itself executes, the class's
core schema (https://docs.pydantic.dev/latest/internals/architecture/), and takes only what it
knows to the last key. A validator, an alias, strictness, a pattern, or anything from a pydantic of
the future, shows there as a node or a key that is not on the list.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from model_dofns.arrays import all_finite, is_utf8

Mask: TypeAlias = npt.NDArray[np.bool_]

ARROW_TYPES: dict[type, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    str: pa.string(),
    bool: pa.bool_(),
}
INT64 = range(-(2**63), 2**63)
Bounds: TypeAlias = tuple[tuple[str, int | float], ...]
# Which values of a column meet a bound; and whether one does.
_MEET: dict[str, Callable[..., pa.Array]] = {
    "ge": pc.greater_equal,
    "gt": pc.greater,
    "le": pc.less_equal,
    "lt": pc.less,
}
_MEETS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}
# Keys of a core schema that change no verdict: names, and what is only for JSON Schema.
_HARMLESS = {"type", "ref", "metadata"}


class NotKnownError(Exception):
    """Something in a core schema that the fast accept does not know; the message says what."""


@dataclass(frozen=True)
class Rule:
    """What the fast accept knows of one field."""

    plain: type
    bounds: Bounds = ()
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
            type_ = ARROW_TYPES[self.plain]
            array = column if column.type == type_ else column.cast(type_)
        except pa.ArrowException:  # an integer that does not fit; no cast
            return None
        return None if self.plain is str and not is_utf8(array) else array

    def accepted(self, array: pa.Array) -> Mask:
        """The rows whose value of this field the judge would take."""
        conditions = _unmet(array, self.bounds)
        if self._lengths:
            conditions += _unmet(pc.utf8_length(array), self._lengths)
        if self.allowed is not None:
            conditions.append(pc.is_in(array, pa.array(self.allowed, array.type)))
        if self.finite and not all_finite(array):
            conditions.append(pc.is_finite(array))
        accepted: Mask = np.ones(len(array), dtype=np.bool_)
        for condition in conditions:
            accepted &= pc.fill_null(condition, False).to_numpy(zero_copy_only=False)
        if array.null_count and (conditions or not self.null_is_default):
            # Where null is no default, a missing key and a null may be two things: for the judge.
            accepted[array.is_null().to_numpy(zero_copy_only=False)] = self.null_is_default
        return accepted

    @property
    def _lengths(self) -> Bounds:
        """The bounds of a text's length."""
        # No text is longer than that, and no Arrow integer larger.
        said = (("ge", self.min_length), ("le", self.max_length))
        return tuple((key, min(length, 2**31)) for key, length in said if length is not None)


def _unmet(array: pa.Array, bounds: Bounds) -> list[pa.Array]:
    """Of the bounds that not all values are in, which are; none where all are in all."""
    if not bounds or array.null_count == len(array):
        return []
    values = (array.drop_null() if array.null_count else array).to_numpy()
    extremes = values.min().item(), values.max().item()  # NaN where one is: it meets no bound
    return [
        _MEET[key](array, bound)
        for key, bound in bounds
        if not all(_MEETS[key](value, bound) for value in extremes)
    ]


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


# Methods of an instance that is valid already; a frozen class has a __hash__ from pydantic.
_NO_PART_IN_VALIDATING = {"__hash__", "__eq__", "__repr__", "__str__"}


class _PlainModel(BaseModel):
    """Its namespace shows what pydantic and Python themselves put into that of a class."""

    model_config = ConfigDict()
    field: int = 0


def fast_rules(record_class: type[BaseModel]) -> dict[str, Rule]:
    """The rules of a class that the fast accept knows to the last key.

    Raises:
        NotKnownError: there is something else about it.
    """
    if record_class.__bases__ != (BaseModel,) or type(record_class) is not type(BaseModel):
        raise NotKnownError("it inherits from another class than pydantic.BaseModel")
    known = set(vars(_PlainModel)) | _NO_PART_IN_VALIDATING
    overridden = set(vars(record_class)) & set(dir(BaseModel)) - known
    if overridden:
        raise NotKnownError(f"it overrides {', '.join(sorted(overridden))}")
    if record_class.__private_attributes__:
        raise NotKnownError("it has private attributes")
    if not record_class.__pydantic_complete__:
        raise NotKnownError("its definition is not complete")
    model: Mapping[str, Any] = record_class.__pydantic_core_schema__
    shared: dict[str, Mapping[str, Any]] = {}
    if model["type"] == "definitions":  # where fields share an Enum
        _only(model, "definitions", {"schema", "definitions"})
        shared = {definition["ref"]: definition for definition in model["definitions"]}
        model = model["schema"]
    _only(
        model,
        "model",
        {"cls", "schema", "config", "frozen"},
        {"custom_init": False, "root_model": False},
    )
    config = model.get("config", {})
    _only(config, None, {"title", "frozen"}, {"extra_fields_behavior": ("ignore", "allow")})
    fields = model["schema"]
    _only(fields, "model-fields", {"fields", "model_name"}, {"computed_fields": []})
    return {name: _field_rule(name, field, shared) for name, field in fields["fields"].items()}


def _field_rule(
    name: str, field: Mapping[str, Any], shared: Mapping[str, Mapping[str, Any]]
) -> Rule:
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
        if node["type"] == "definition-ref":
            _only(node, "definition-ref", {"schema_ref"})
            node = shared[node["schema_ref"]]
        return replace(_type_rule(node), null_is_default=nullable and default_is_none)
    except NotKnownError as reason:
        raise NotKnownError(f"the field {name!r}: {reason}") from reason


def _type_rule(node: Mapping[str, Any]) -> Rule:
    match node["type"]:
        case "float":
            _only(node, "float", set(_MEET), {"allow_inf_nan": (True, False)})
            return Rule(float, _bounds(node, float), finite=not node.get("allow_inf_nan", True))
        case "int":
            _only(node, "int", set(_MEET))
            return Rule(int, _bounds(node, int))
        case "str":
            _only(node, "str", {"min_length", "max_length"})
            return Rule(str, min_length=node.get("min_length"), max_length=node.get("max_length"))
        case "bool":
            _only(node, "bool", set())
            return Rule(bool)
        case "literal":
            _only(node, "literal", {"expected"})
            return _allowed_rule(node["expected"])
        case "enum":
            _only(node, "enum", {"cls", "members"}, {"sub_type": "str"})
            return _allowed_rule([member.value for member in node["members"]])
        case other:
            raise NotKnownError(f"{other!r} is for the judge alone")


def _allowed_rule(allowed: Sequence[Any]) -> Rule:
    for plain in (str, int):
        if allowed and all(type(value) is plain for value in allowed):
            if plain is int and not all(value in INT64 for value in allowed):
                break
            return Rule(plain, allowed=tuple(allowed))
    raise NotKnownError("its values are not all text, nor all integers of 64 bits")


def _bounds(node: Mapping[str, Any], plain: type) -> Bounds:
    bounds = []
    for key in _MEET:
        bound = node.get(key)
        if bound is None:
            continue
        exact = type(bound) in (int, plain) and plain(bound) == bound
        if not exact or (plain is int and bound not in INT64):
            raise NotKnownError(f"{key}={bound!r} is no {plain.__name__} that compares exactly")
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
        raise NotKnownError(f"{node.get('type')!r} is for the judge alone")
    values = known_values or {}
    for key, value in node.items():
        if key in known or key in _HARMLESS:
            continue
        allowed = values.get(key, NotKnownError)
        if value == allowed or (isinstance(allowed, tuple) and value in allowed):
            continue
        raise NotKnownError(f"{key}={value!r} is for the judge alone")

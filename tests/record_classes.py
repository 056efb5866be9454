"""Classes of records: what pydantic lets an author write, by what the fast accept knows of it."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field, create_model


class TextEnum(str, enum.Enum):  # noqa: UP042  # not quite a StrEnum, and common
    A = "a"
    CRAB = "🦀"


class NewTextEnum(enum.StrEnum):
    A = "a"
    EMPTY = ""


class PlainEnum(enum.Enum):
    A = "a"
    B = "b"


class PlainNumberEnum(enum.Enum):
    ONE = 1
    BIG = 2**53 + 1


class NumberEnum(enum.IntEnum):
    ONE = 1


class OldNumberEnum(int, enum.Enum):
    ONE = 1


class MixedEnum(enum.Enum):
    ONE = 1
    A = "a"


class MissingEnum(enum.Enum):
    A = "a"

    @classmethod
    def _missing_(cls, value: object) -> MissingEnum:
        return cls.A


def one_field(annotation: Any, default: Any = ..., **config: Any) -> type[BaseModel]:
    return create_model("Model", __config__=ConfigDict(**config), field=(annotation, default))


def overriding(**namespace: Any) -> type[BaseModel]:
    """A class whose body has these names, beside a field."""
    body = {"__module__": __name__, "__annotations__": {"field": float}, **namespace}
    return type(BaseModel)("Overriding", (BaseModel,), body)


def validated(
    decorator: Callable[..., Any], mode: str, function: Callable[..., Any]
) -> type[BaseModel]:
    on = ("field",) if decorator is pydantic.field_validator else ()
    return overriding(check=decorator(*on, mode=mode)(function))


def as_it_is(value: Any) -> Any:
    return value


def handled(value: Any, handler: Callable[[Any], Any]) -> Any:
    return handler(value)


def exactly(values: tuple[Any, ...]) -> list[tuple[type, str]]:
    """Equal for values of one type that agree in the sign of zero and in being NaN, too."""
    return [(type(value), repr(value)) for value in values]


# --- what the fast accept knows, and is on for ---------------------------------------------------

Text = Annotated[str, Field(min_length=1)]


class WithHarmlessThings(BaseModel):
    """A docstring, and what pydantic does not look at when it validates."""

    model_config = ConfigDict(title="Harmless", json_schema_extra={"x": 1}, extra="allow")
    unit: ClassVar[str] = "cm"
    field: float = Field(1.0, title="F", description="A field.", examples=[1.0], deprecated=True)

    @property
    def inches(self) -> float:
        return self.field / 2.54

    def doubled(self) -> float:
        return 2 * self.field


PLAIN = {
    "float": one_field(float),
    "int": one_field(int),
    "str": one_field(str),
    "bool": one_field(bool),
    "bounds": one_field(float, Field(ge=-1, lt=math.inf)),
    "two bounds of a kind": one_field(Annotated[int, Field(ge=3), Field(ge=5)]),
    "bounds outside of None": one_field(Annotated[float | None, Field(ge=0)], None),
    "PositiveInt": one_field(pydantic.PositiveInt),
    "FiniteFloat": one_field(pydantic.FiniteFloat),
    "constr": one_field(pydantic.constr(min_length=1, max_length=9)),
    "an alias of a type": one_field(Text | None),
    "Literal of text": one_field(Literal["a", "b"]),
    "Literal of integers": one_field(Literal[1, 2]),
    "str Enum": one_field(TextEnum),
    "StrEnum": one_field(NewTextEnum),
    "Enum of text": one_field(PlainEnum),
    "Enum of integers": one_field(PlainNumberEnum),
    "default": one_field(float, 1.0),
    "default_factory": one_field(float, Field(default_factory=lambda: 1.0)),
    "or None": one_field(float | None, None),
    "harmless things": WithHarmlessThings,
    "extra ignored": one_field(float, extra="ignore"),
}

# --- what it does not know, and is off for -------------------------------------------------------


class Parent(BaseModel):
    field: float


class Child(Parent):
    pass


class Mixin:
    pass


class WithMixin(Mixin, BaseModel):
    field: float


T = TypeVar("T")


class GenericModel(BaseModel, Generic[T]):
    field: T


class Root(pydantic.RootModel[float]):
    pass


class Computed(BaseModel):
    field: float

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> float:
        return 2 * self.field


class Private(BaseModel):
    field: float
    _cache: int = 0


class Meta(type(BaseModel)):  # type: ignore[misc]
    pass


class WithMetaclass(BaseModel, metaclass=Meta):
    field: float


class Unresolved(BaseModel):
    field: DefinedNowhere  # type: ignore[name-defined]  # noqa: F821


class TypedExtra(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    field: float


@dataclasses.dataclass
class Point:
    x: float


class DataclassDecorated(BaseModel):
    field: float = 0.0


dataclasses.dataclass(DataclassDecorated)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


UNKNOWN_CONFIGS: list[dict[str, Any]] = [
    {"strict": True},
    {"coerce_numbers_to_str": True},
    {"str_strip_whitespace": True},
    {"str_to_lower": True},
    {"str_max_length": 3},
    {"str_min_length": 1},
    {"extra": "forbid"},
    {"from_attributes": True},
    {"validate_default": True},
    {"use_enum_values": True, "validate_default": True},
    {"allow_inf_nan": False},
    {"alias_generator": str.upper},
    {"alias_generator": str.upper, "populate_by_name": True},
    {"revalidate_instances": "always"},
    {"defer_build": True},
]
UNKNOWN_FIELDS: dict[str, tuple[Any, Any]] = {
    "alias": (float, Field(alias="other")),
    "validation_alias": (float, Field(validation_alias="other")),
    "AliasPath": (float, Field(validation_alias=pydantic.AliasPath("other", 0))),
    "AliasChoices": (float, Field(validation_alias=pydantic.AliasChoices("field", "other"))),
    "strict": (float, Field(strict=True)),
    "strict outside of None": (Annotated[float | None, Field(strict=True)], None),
    "StrictInt": (pydantic.StrictInt, ...),
    "StrictBool": (pydantic.StrictBool, ...),
    "PlainSerializer": (Annotated[Literal["a"], pydantic.PlainSerializer(as_it_is)], ...),
    "pattern": (str, Field(pattern=r"\d")),
    "multiple_of": (int, Field(multiple_of=2)),
    "multiple_of of a float": (float, Field(multiple_of=0.1)),
    "max_digits": (decimal.Decimal, Field(max_digits=3)),
    "strip_whitespace": (pydantic.constr(strip_whitespace=True), ...),
    "to_upper": (pydantic.constr(to_upper=True), ...),
    "AfterValidator": (Annotated[float, pydantic.AfterValidator(as_it_is)], ...),
    "BeforeValidator": (Annotated[float, pydantic.BeforeValidator(as_it_is)], ...),
    "PlainValidator": (Annotated[float, pydantic.PlainValidator(as_it_is)], ...),
    "WrapValidator": (Annotated[float, pydantic.WrapValidator(handled)], ...),
    "AfterValidator in a default": (Annotated[float, pydantic.AfterValidator(as_it_is)], 1.0),
    "AfterValidator within None": (Annotated[int, pydantic.AfterValidator(as_it_is)] | None, None),
    "validate_default": (float, Field(default="x", validate_default=True)),
    "frozen": (float, Field(frozen=True)),
    "a huge bound": (int, Field(le=2**63)),
    "a bound that is no float": (float, Field(ge=2**53 + 1)),
    "a NaN bound": (float, Field(ge=math.nan)),
    "mixed Literal": (Literal["a", 1], ...),
    "Literal of bool": (Literal[True], ...),
    "Literal of None": (Literal["a", None], ...),
    "Literal of huge integers": (Literal[2**63], ...),
    "Literal of an Enum": (Literal[TextEnum.A], ...),
    "IntEnum": (NumberEnum, ...),
    "int Enum": (OldNumberEnum, ...),
    "mixed Enum": (MixedEnum, ...),
    "union": (int | str, ...),
    "union with None": (int | str | None, None),
    "left to right union": (int | float, Field(union_mode="left_to_right")),
    "discriminated union": (Cat | Dog, Field(discriminator="kind")),
    "nested model": (Parent, ...),
    "dataclass": (Point, ...),
    "list": (list[float], ...),
    "dict": (dict[str, float], ...),
    "tuple": (tuple[float, float], ...),
    "Any": (Any, ...),
    "None alone": (None, None),
    "object": (pydantic.InstanceOf[float], ...),
    "datetime": (datetime.datetime, ...),
    "date": (datetime.date, ...),
    "Decimal": (decimal.Decimal, ...),
    "bytes": (bytes, ...),
    "UUID": (uuid.UUID, ...),
    "URL": (pydantic.HttpUrl, ...),
    "secret": (pydantic.SecretStr, ...),
    "Json": (pydantic.Json[float], ...),
}
UNKNOWN = {
    **{f"config {config}": one_field(float, 1.0, **config) for config in UNKNOWN_CONFIGS},
    **{name: one_field(*field) for name, field in UNKNOWN_FIELDS.items()},
    "field_validator before": validated(pydantic.field_validator, "before", as_it_is),
    "field_validator after": validated(pydantic.field_validator, "after", as_it_is),
    "field_validator plain": validated(pydantic.field_validator, "plain", as_it_is),
    "field_validator wrap": validated(pydantic.field_validator, "wrap", handled),
    "model_validator before": validated(pydantic.model_validator, "before", as_it_is),
    "model_validator after": validated(pydantic.model_validator, "after", as_it_is),
    "model_validator wrap": validated(
        pydantic.model_validator, "wrap", classmethod(lambda cls, value, handler: handler(value))
    ),
    "field_serializer": overriding(show=pydantic.field_serializer("field")(as_it_is)),
    "model_serializer": overriding(show=pydantic.model_serializer()(lambda self: {})),
    "__init__": overriding(__init__=lambda self, **data: BaseModel.__init__(self, **data)),
    "__new__": overriding(__new__=lambda cls, *args, **kwargs: BaseModel.__new__(cls)),
    "__getattr__": overriding(__getattr__=lambda self, name: 1.0),
    "__getattribute__": overriding(__getattribute__=lambda self, name: 1.0),
    "__setattr__": overriding(__setattr__=BaseModel.__setattr__),
    "model_post_init": overriding(model_post_init=lambda self, context: None),
    "model_validate": overriding(model_validate=classmethod(lambda cls, record: None)),
    "__get_pydantic_core_schema__": overriding(
        __get_pydantic_core_schema__=classmethod(lambda cls, source, handler: handler(source))
    ),
    "computed_field": Computed,
    "private attribute": Private,
    "a subclass of a model": Child,
    "a mixin": WithMixin,
    "generic": GenericModel,
    "generic with its type": GenericModel[float],
    "RootModel": Root,
    "a metaclass": WithMetaclass,
    "a forward reference": Unresolved,
    "typed extra fields": TypedExtra,
    "decorated by dataclass": DataclassDecorated,
}

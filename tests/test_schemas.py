"""The fast accept never disagrees with the judge, and is off for whatever it does not know."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pydantic
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from model_dofns.exceptions import RecordError
from model_dofns.schemas import RecordSchema


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


def one_column(column: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column], ["field"])


# --- the two never disagree ----------------------------------------------------------------------

INTEGERS = [
    *(0, 1, -1, 7, 127, -128, 65_504, 2**24 + 1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1),
    *(2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64 - 1, 10**40),
]
FLOATS = [
    *(0.0, -0.0, 0.1, 0.5, -1.5, 1.0, 7.0, 5e-324, -5e-324, 3.4e38, 1e308, 2.0**53, 2.0**63),
    *(math.nan, math.inf, -math.inf),
]
TEXTS = [
    *("", "a", "b", "A", "a ", " a", "ab", "abc", "1", "1.0", "-0", "nan", "true", "null", "None"),
    *("é", "e\u0301", "🦀", "🦀🦀", "👩‍🔬", "\U0010ffff", "\0", "a\0", "\ufeff", "\u2028"),
    "x" * 5_000,
]
POOLS: dict[type, list[Any]] = {float: FLOATS, int: INTEGERS, str: TEXTS, bool: [True, False]}

INTEGER_TYPES = [pa.int64(), pa.int8(), pa.int32(), pa.uint8(), pa.uint64()]
FLOAT_TYPES = [pa.float64(), pa.float32(), pa.float16()]
TEXT_TYPES = [
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())),
]
OTHER_TYPES: dict[pa.DataType, list[Any]] = {
    pa.bool_(): [True, False],
    pa.null(): [None],
    pa.decimal128(38, 3): [decimal.Decimal("1.000"), decimal.Decimal("1.5")],
    pa.timestamp("us"): [datetime.datetime(1970, 1, 1, 0, 0, 1)],
    pa.date32(): [datetime.date(1970, 1, 2)],
    pa.binary(): [b"", b"a", b"1", b"\xff"],
    pa.list_(pa.int64()): [[], [1]],
    pa.struct([("x", pa.int64())]): [{"x": 1}],
    pa.dictionary(pa.int8(), pa.int64()): [1, 7],
}
FITTING_TYPES: dict[type, list[pa.DataType]] = {
    float: [pa.float64(), *FLOAT_TYPES, *INTEGER_TYPES],
    int: [pa.int64(), *INTEGER_TYPES],
    str: [pa.string(), *TEXT_TYPES],
    bool: [pa.bool_()],
}
ALL_TYPES = [*INTEGER_TYPES, *FLOAT_TYPES, *TEXT_TYPES, *OTHER_TYPES]


class Kind(NamedTuple):
    """A type of field, with constraints, and the values that are of interest for it."""

    plain: type
    annotation: Any
    values: list[Any]
    constraints: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it


class Case(NamedTuple):
    schema: RecordSchema
    columns: pa.RecordBatch


@st.composite
def numbers(draw: st.DrawFn, plain: type, bounds: list[Any]) -> Kind:
    keys = draw(st.sampled_from([[], ["ge"], ["gt"], ["le"], ["lt"], ["ge", "lt"], ["gt", "le"]]))
    constraints: dict[str, Any] = {key: draw(st.sampled_from(bounds)) for key in keys}
    near: list[Any] = []
    for bound in constraints.values():
        near += [math.nextafter(bound, -math.inf), float(bound), math.nextafter(bound, math.inf)]
        near += [bound - 1, bound, bound + 1] if isinstance(bound, int) else []
    if plain is float and draw(st.booleans()):
        constraints["allow_inf_nan"] = False
    return Kind(plain, plain, near, constraints)


@st.composite
def texts(draw: st.DrawFn) -> Kind:
    constraints = {
        "min_length": draw(st.sampled_from([None, 0, 1, 2, 3, 2**40])),
        "max_length": draw(st.sampled_from([None, 0, 1, 2, 3, 2**40])),
    }
    near = [letter * length for length in range(5) for letter in ("a", "🦀")]
    return Kind(str, str, near, constraints)


@st.composite
def literals(draw: st.DrawFn) -> Kind:
    plain = draw(st.sampled_from([str, int]))
    allowed = draw(st.lists(st.sampled_from(POOLS[plain]), min_size=1, max_size=4, unique=True))
    return Kind(plain, Literal[tuple(allowed)], allowed)


KINDS = st.one_of(
    numbers(float, [bound for bound in [*INTEGERS, *FLOATS] if bound != 10**40]),
    numbers(int, INTEGERS),
    texts(),
    literals(),
    st.sampled_from(
        [
            Kind(str, TextEnum, ["a", "🦀", "A"]),
            Kind(str, NewTextEnum, ["a", "", "A"]),
            Kind(str, PlainEnum, ["a", "b", "A"]),
            Kind(str, MissingEnum, ["a", "A"]),
            Kind(int, PlainNumberEnum, [1, 2**53 + 1]),
            Kind(int, NumberEnum, [1]),
            Kind(bool, bool, []),
        ]
    ),
)


@st.composite
def defaults(draw: st.DrawFn, kind: Kind) -> Any:
    value = draw(st.none() | st.sampled_from([*POOLS[kind.plain], *kind.values]))
    arguments = [{}, {"default": None}, {"default": value}, {"default_factory": lambda: value}]
    return Field(**draw(st.sampled_from(arguments)))


def values_in(arrow_type: pa.DataType, of_interest: list[Any]) -> list[Any]:
    """Hostile values that a column of this type can hold."""
    if arrow_type in OTHER_TYPES:
        return OTHER_TYPES[arrow_type]
    if pa.types.is_integer(arrow_type):
        signed = pa.types.is_signed_integer(arrow_type)
        least, bits = (-(2 ** (arrow_type.bit_width - 1)) if signed else 0), arrow_type.bit_width
        values = [v for v in [*INTEGERS, *of_interest * 3] if isinstance(v, int)]
        return [v for v in values if least <= v < least + 2**bits]
    plain, pool = (float, FLOATS) if arrow_type in FLOAT_TYPES else (str, TEXTS)
    fitting = [v for v in of_interest if isinstance(v, plain)]
    return [*pool, *fitting * 3]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A class of up to three fields, and columns for it, most of them of fitting types."""
    size = draw(st.sampled_from([0, 3, 6, 6]))
    fields, columns = {}, []
    for i in range(draw(st.sampled_from([1, 1, 2, 3]))):
        kind = draw(KINDS)
        constraints = Field(**kind.constraints)
        within = Annotated[kind.annotation, constraints]
        outside = Annotated[kind.annotation | None, constraints]
        annotation = draw(st.sampled_from([within, within, within | None, outside]))
        fields[f"field_{i}"] = (annotation, draw(defaults(kind)))
        fits = draw(st.integers(0, 9)) > 0
        arrow_type = draw(st.sampled_from(FITTING_TYPES[kind.plain] if fits else ALL_TYPES))
        value = st.sampled_from(values_in(arrow_type, kind.values))
        values = st.lists(
            value | st.none() if draw(st.booleans()) else value,
            min_size=size + 1,
            max_size=size + 1,
        )
        # A slice, as a block of a Parquet file may be one.
        columns.append(pa.array(draw(values), arrow_type).slice(1))
    return Case(
        RecordSchema(create_model("Model", **fields)),
        pa.RecordBatch.from_arrays(columns, list(fields)),
    )


def hold_the_fast_accept_against_the_judge(case: Case) -> Counter[str]:
    """Every row that is accepted is accepted by the judge too, with exactly the same values.

    Returns:
        How many rows were accepted, left to a judge who takes them, and refused by the judge.
    """
    seen: Counter[str] = Counter()
    taken = case.schema.accept(case.columns)
    for row in range(case.columns.num_rows):
        with_nulls = case.columns.slice(row, 1).to_pylist()[0]
        without = {name: value for name, value in with_nulls.items() if value is not None}
        accepted = taken is not None and bool(taken[1][row])
        for record in (with_nulls, without):
            judged = verdict(case.schema, record)
            if accepted:
                assert isinstance(judged, tuple), f"{record} is accepted, and {judged}"
                columns = tuple(column[row].as_py() for column in taken[0].columns)
                assert exactly(columns) == exactly(judged)
                seen["accepted"] += 1
            else:
                seen["left to the judge" if isinstance(judged, tuple) else "refused"] += 1
    return seen


def verdict(schema: RecordSchema, record: dict[str, Any]) -> tuple[Any, ...] | RecordError:
    try:
        return schema.values(schema.judge(record))
    except RecordError as error:
        return error


def exactly(values: tuple[Any, ...]) -> list[tuple[type, str]]:
    """Equal for values of one type that agree in the sign of zero and in being NaN, too."""
    return [(type(value), repr(value)) for value in values]


unhurried = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(unhurried, max_examples=500)
@given(cases())
def test_the_fast_accept_never_disagrees_with_the_judge(case: Case) -> None:
    for what in hold_the_fast_accept_against_the_judge(case):
        event(f"a row is {what}")


def test_that_property_sees_rows_of_every_fate() -> None:
    seen: Counter[str] = Counter()

    @settings(unhurried, max_examples=200, derandomize=True, database=None)
    @given(cases())
    def count(case: Case) -> None:
        seen.update(hold_the_fast_accept_against_the_judge(case))

    count()
    assert min(seen[fate] for fate in ("accepted", "left to the judge", "refused")) > 100, seen


# --- what the fast accept takes ------------------------------------------------------------------


def test_a_plain_class_is_accepted_as_a_whole_and_the_bad_rows_alone_are_not() -> None:
    class Plain(BaseModel):
        measure: Annotated[float, Field(ge=0)]
        count: int
        species: Literal["setosa", "virginica"]
        name: Annotated[str, Field(max_length=5)] = "none"
        wild: bool
        remark: str | None = None

    good = {"measure": 0.5, "count": 3, "species": "setosa", "name": "🦀é", "wild": True}
    rows = [dict(good) for _ in range(1_000)]
    changes = [{"measure": -1.0}, {"count": None}, {"species": "Setosa"}, {"name": "123456"}]
    for i, change in enumerate(changes):
        rows[i * 100] |= change
    schema = RecordSchema(Plain)
    columns = pa.RecordBatch.from_pylist(rows, schema=schema.arrow_schema)

    taken = schema.accept(columns)

    assert taken is not None
    assert np.flatnonzero(~taken[1]).tolist() == [0, 100, 200, 300]
    assert taken[0].equals(columns)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("annotation", "default", "column", "accepted"),
    [
        (float, ..., pa.array([1.5, NAN, INF, -0.0, None]), [1, 1, 1, 1, 0]),
        (pydantic.FiniteFloat, ..., pa.array([1.5, NAN, INF, -INF]), [1, 0, 0, 0]),
        (Annotated[float, Field(ge=0)], ..., pa.array([-5e-324, -0.0, 0.0]), [0, 1, 1]),
        (Annotated[float, Field(gt=0, lt=2)], ..., pa.array([0, 1, 2]), [0, 1, 0]),
        (float, ..., pa.array([1, 2], pa.uint64()), [1, 1]),
        (float, ..., pa.array([1, 2], pa.float16()), [1, 1]),
        (Annotated[int, Field(le=2**53)], ..., pa.array([2**53, 2**53 + 1]), [1, 0]),
        (pydantic.PositiveInt, ..., pa.array([0, 1], pa.int8()), [0, 1]),
        (Literal[1, 2], ..., pa.array([1, 2, 3]), [1, 1, 0]),
        (bool, ..., pa.array([True, False, None]), [1, 1, 0]),
        (str, ..., pa.array(["", "\0", None]), [1, 1, 0]),
        (Annotated[str, Field(max_length=1)], ..., pa.array(["🦀", "e\u0301"]), [1, 0]),
        (Annotated[str, Field(min_length=2)], ..., pa.array(["🦀", "e\u0301"]), [0, 1]),
        (Literal["a"], ..., pa.array(["a", "A", "a "]), [1, 0, 0]),
        (TextEnum, ..., pa.array(["🦀", "CRAB"]).dictionary_encode(), [1, 0]),
        (NewTextEnum, ..., pa.array(["a", "A"], pa.large_string()), [1, 0]),
        (PlainEnum, ..., pa.array(["b", "B"], pa.string_view()), [1, 0]),
        (PlainNumberEnum, ..., pa.array([1, 2**53, 2**53 + 1]), [1, 0, 1]),
        # A null is taken where it and a missing key are both None, and nowhere else.
        (float | None, None, pa.array([1.0, None]), [1, 1]),
        (float | None, None, pa.nulls(2), [1, 1]),
        (float | None, ..., pa.array([1.0, None]), [1, 0]),
        (float | None, 5.0, pa.array([1.0, None]), [1, 0]),
        (float | None, Field(default_factory=lambda: None), pa.array([1.0, None]), [1, 0]),
        (float, 5.0, pa.array([1.0, None]), [1, 0]),
        (float, None, pa.array([1.0, None]), [1, 0]),
    ],
)
def test_accepted_rows(
    annotation: Any, default: Any, column: pa.Array, accepted: list[int]
) -> None:
    taken = RecordSchema(one_field(annotation, default)).accept(one_column(column))
    assert taken is not None
    assert taken[1].tolist() == [bool(row) for row in accepted]


def not_utf8() -> pa.Array:
    return pa.StringArray.from_buffers(
        1, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff")
    )


@pytest.mark.parametrize(
    ("annotation", "column"),
    [
        (float, pa.array([2**53 + 1])),  # no float64 holds it
        (float, pa.array([True])),
        (float, pa.array(["1"])),
        (float, pa.array([decimal.Decimal("1.5")])),
        (float, pa.array([1.0]).dictionary_encode()),
        (int, pa.array([2**63], pa.uint64())),
        (int, pa.array([1.0])),
        (int, pa.array([True])),
        (int, pa.array([datetime.datetime(2024, 1, 1)])),
        (bool, pa.array([1])),
        (str, pa.array([1])),
        (str, pa.array([b"a"])),
        (str, not_utf8()),
        (str, pa.DictionaryArray.from_arrays(pa.array([0]), not_utf8())),
        (str, pa.array([["a"]])),
        (Literal[1], pa.array([1.0])),
    ],
)
def test_a_column_of_a_type_that_only_the_judge_can_judge_is_left_to_it(
    annotation: Any, column: pa.Array
) -> None:
    schema = RecordSchema(one_field(annotation))
    assert schema.fast_accept_off is None
    assert schema.accept(one_column(column)) is None


def test_a_column_that_arrow_cannot_cast_is_left_to_the_judge() -> None:
    views = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["a"], pa.string_view()))
    assert RecordSchema(one_field(str)).accept(one_column(views)) is None


def test_any_length_that_pydantic_takes_is_a_bound() -> None:
    schema = RecordSchema(one_field(str, Field(max_length=2**63)))
    taken = schema.accept(one_column(pa.array(["a"])))
    assert taken is None or taken[1].all()


# --- for which classes it is on ------------------------------------------------------------------

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


@pytest.mark.parametrize("record_class", PLAIN.values(), ids=PLAIN)
def test_the_fast_accept_is_on_for_plain_classes(record_class: type[BaseModel]) -> None:
    assert RecordSchema(record_class).fast_accept_off is None


def test_the_fast_accept_is_on_where_two_fields_share_an_enum() -> None:
    shared = create_model("Model", first=(TextEnum, ...), second=(TextEnum, ...))
    assert RecordSchema(shared).fast_accept_off is None


def test_the_fast_accept_is_on_for_frozen_classes() -> None:
    assert RecordSchema(one_field(float, frozen=True)).fast_accept_off is None


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


@pytest.mark.parametrize("record_class", UNKNOWN.values(), ids=UNKNOWN)
def test_the_fast_accept_is_off_for_what_it_does_not_know(record_class: type[BaseModel]) -> None:
    schema = RecordSchema(record_class)
    columns = [pa.array([1.0, 2.0]) for _ in schema.names]
    assert schema.fast_accept_off
    assert schema.accept(pa.RecordBatch.from_arrays(columns, list(schema.names))) is None


def test_the_fast_accept_is_off_where_a_field_is_validated_as_another_type() -> None:
    as_int = pydantic.GetPydanticSchema(lambda source, handler: handler(int))
    schema = RecordSchema(one_field(Annotated[str, as_int]))
    assert schema.fast_accept_off


# --- the judge -----------------------------------------------------------------------------------


class Flower(BaseModel):
    petal_length: Annotated[float, Field(ge=0)]
    colour: TextEnum
    size: int = Field(1, alias="SIZE")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"petal_length": 1, "colour": "a"}, (1.0, "a", 1)),
        ({"petal_length": "1.5", "colour": "🦀", "SIZE": 2.0}, (1.5, "🦀", 2)),
        ({"petal_length": 1, "colour": "a", "other": [1]}, (1.0, "a", 1)),
    ],
)
def test_the_judge_is_pydantic(record: dict[str, Any], expected: tuple[Any, ...]) -> None:
    schema = RecordSchema(Flower)
    assert exactly(schema.values(schema.judge(record))) == exactly(expected)


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"petal_length": -1, "colour": "a"}, ["petal_length: "]),
        ({"petal_length": "x", "colour": "A"}, ["petal_length: ", "; colour: "]),
        ({"colour": "a"}, ["petal_length: Field required"]),
        ({"petal_length": None, "colour": None, "SIZE": 1.5}, ["petal_length", "colour", "SIZE"]),
    ],
)
def test_what_the_judge_refuses_names_the_fields(record: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(RecordError) as caught:
        RecordSchema(Flower).judge(record)
    assert caught.value.error == "ValidationError"
    assert all(text in caught.value.message for text in named)
    assert "http" not in caught.value.message
    assert "\n" not in caught.value.message


def test_fields_may_go_by_their_names_where_the_caller_says_so() -> None:
    schema = RecordSchema(Flower)
    record = {"petal_length": 1, "colour": "a", "size": 5}
    assert schema.values(schema.judge(record)) == (1.0, "a", 1)
    assert schema.values(schema.judge(record, by_name=True)) == (1.0, "a", 5)


def test_fields_may_go_by_their_names_where_the_class_says_so() -> None:
    schema = RecordSchema(one_field(float, Field(alias="other"), populate_by_name=True))
    assert schema.values(schema.judge({"field": 1})) == (1.0,)


def test_a_validator_of_the_record_as_a_whole_is_named_as_such() -> None:
    def refuse(record: Any) -> Any:
        raise ValueError("petals longer than sepals")

    with pytest.raises(RecordError, match=r"the record: .*petals longer than sepals"):
        RecordSchema(validated(pydantic.model_validator, "before", refuse)).judge({})


def raising(error: BaseException) -> RecordSchema:
    def validator(value: Any) -> Any:
        raise error

    return RecordSchema(one_field(Annotated[float, pydantic.AfterValidator(validator)]))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the table is locked"),
        KeyError("the table is locked"),
        RecursionError("the table is locked"),
        SystemExit("the table is locked"),
    ],
)
def test_an_error_of_the_authors_own_validator_is_the_verdict(error: BaseException) -> None:
    with pytest.raises(RecordError, match="the table is locked") as caught:
        raising(error).judge({"field": 1})
    assert caught.value.error == type(error).__name__


def test_an_error_that_cannot_even_be_told_is_the_verdict() -> None:
    class UntellableError(Exception):
        def __str__(self) -> str:
            raise OSError

    with pytest.raises(RecordError) as caught:
        raising(UntellableError()).judge({"field": 1})
    assert caught.value.error == "UntellableError"


def test_ctrl_c_is_no_verdict() -> None:
    with pytest.raises(KeyboardInterrupt):
        raising(KeyboardInterrupt()).judge({"field": 1})


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (float, 1.5, 1.5),
        (float, -0.0, -0.0),
        (float, 2, 2.0),
        (float, np.float64(1.5), 1.5),
        (float | None, None, None),
        (int, 2**63 - 1, 2**63 - 1),
        (str, "🦀", "🦀"),
        (bool, True, True),
        (TextEnum, TextEnum.CRAB, "🦀"),
        (NewTextEnum, NewTextEnum.A, "a"),
        (NumberEnum, NumberEnum.ONE, 1),
        (PlainNumberEnum | None, PlainNumberEnum.BIG, 2**53 + 1),
        (Literal["a"], "a", "a"),
    ],
)
def test_values_as_they_stand_in_columns(annotation: Any, value: Any, expected: Any) -> None:
    schema = RecordSchema(one_field(annotation))
    instance = schema.record_class.model_construct(field=value)
    assert exactly(schema.values(instance)) == exactly((expected,))


MANY_DIGITS = 10**5_000  # str() of it raises, by Python's own limit


@pytest.mark.parametrize(
    ("annotation", "value", "error"),
    [
        (int, True, "TypeError"),
        (float, True, "TypeError"),
        (int, 1.0, "TypeError"),
        (int, "1", "TypeError"),
        (int, np.int64(1), "TypeError"),
        (str, 1, "TypeError"),
        (str, b"a", "TypeError"),
        (bool, 1, "TypeError"),
        (float, None, "TypeError"),
        (float, [1.0], "TypeError"),
        (TextEnum, NumberEnum.ONE, "TypeError"),
        (list[int], [1], "TypeError"),
        (int, 2**63, "IntegerOutOfRange"),
        (int | None, -(2**63) - 1, "IntegerOutOfRange"),
        (str, "a\ud800", "InvalidUTF8"),
        pytest.param(
            *(float, 10**400, None),
        ),
        pytest.param(
            *(int, MANY_DIGITS, "IntegerOutOfRange"),
        ),
        pytest.param(
            *(str, MANY_DIGITS, "TypeError"),
        ),
    ],
    ids=lambda value: repr(value)[:30] if value is not MANY_DIGITS else "MANY_DIGITS",
)
def test_a_value_that_has_no_place_in_its_column_is_refused(
    annotation: Any, value: Any, error: str | None
) -> None:
    schema = RecordSchema(one_field(annotation))
    with pytest.raises(RecordError, match="field") as caught:
        schema.values(schema.record_class.model_construct(field=value))
    assert error in (None, caught.value.error)


def test_a_field_that_was_never_set_is_no_value() -> None:
    schema = RecordSchema(create_model("Model", a=(float | None, ...), b=(float, ...)))
    assert schema.values(schema.record_class.model_construct(b=1.0)) == (None, 1.0)
    with pytest.raises(RecordError, match=r"b: .* is no float"):
        schema.values(schema.record_class.model_construct(a=1.0))


def test_rows_of_values_become_columns() -> None:
    schema = RecordSchema(create_model("Model", a=(float | None, None), b=(TextEnum, ...)))
    rows = [(1.0, "a"), (None, "🦀")]
    assert schema.batch(rows).to_pydict() == {"a": [1.0, None], "b": ["a", "🦀"]}
    assert schema.batch([]).num_rows == 0
    assert schema.batch([]).schema == schema.batch(rows).schema == schema.arrow_schema


# --- what follows from a class -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "arrow_type", "nullable"),
    [
        (float, pa.float64(), False),
        (float | None, pa.float64(), True),
        (Annotated[int | None, Field(ge=0)], pa.int64(), True),
        (Annotated[int, Field(ge=0)] | None, pa.int64(), True),
        (pydantic.FiniteFloat, pa.float64(), False),
        (str, pa.string(), False),
        (bool, pa.bool_(), False),
        (Literal["a", "b"], pa.string(), False),
        (Literal["a"] | None, pa.string(), True),
        (Literal[1, 2], pa.int64(), False),
        (Literal[True], pa.bool_(), False),
        (Literal[TextEnum.A], pa.string(), False),
        (TextEnum, pa.string(), False),
        (NewTextEnum | None, pa.string(), True),
        (NumberEnum, pa.int64(), False),
    ],
)
def test_the_column_of_a_field(annotation: Any, arrow_type: pa.DataType, nullable: bool) -> None:
    schema = RecordSchema(one_field(annotation))
    assert schema.no_arrow_schema is None
    assert schema.arrow_schema == pa.schema([("field", arrow_type)])
    assert schema.nullable == {"field": nullable}


@pytest.mark.parametrize(
    "annotation",
    [
        *(list[float], dict[str, int], int | str, bytes, decimal.Decimal, datetime.date, Any),
        *(Parent, MixedEnum, Literal["a", 1], Literal["a", None], Literal["a", b"b"]),
    ],
)
def test_a_field_without_a_column_is_named(annotation: Any) -> None:
    record_class = create_model("Model", fine=(float, ...), odd=(annotation, ...))
    schema = RecordSchema(record_class)
    assert schema.arrow_schema is None
    assert schema.no_arrow_schema is not None
    assert "'odd' of Model" in schema.no_arrow_schema
    assert "'fine'" not in schema.no_arrow_schema


def test_the_columns_have_the_order_of_the_fields() -> None:
    schema = RecordSchema(create_model("Model", b=(float, ...), a=(int, ...), c=(str, "x")))
    assert schema.names == ("b", "a", "c")
    assert schema.arrow_schema is not None
    assert schema.arrow_schema.names == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("field", "read"),
    [
        (Field(), set()),
        (Field(alias="other"), {"other"}),
        (Field(validation_alias="other"), {"other"}),
        (Field(alias="out", validation_alias="other"), {"other"}),
        (Field(validation_alias=pydantic.AliasChoices("x", "y")), {"x", "y"}),
        (Field(validation_alias=pydantic.AliasPath("x", 0)), {"x"}),
        (
            Field(validation_alias=pydantic.AliasChoices("x", pydantic.AliasPath("y", 0))),
            {"x", "y"},
        ),
    ],
)
def test_the_keys_that_a_class_reads(field: Any, read: set[str]) -> None:
    assert read | {"field"} <= RecordSchema(one_field(float, field)).input_names


def test_the_keys_of_an_alias_generator_are_read() -> None:
    schema = RecordSchema(one_field(float, alias_generator=str.upper))
    assert schema.input_names == {"field", "FIELD"}


class ChildOfValidated(validated(pydantic.model_validator, "before", as_it_is)):  # type: ignore[misc]
    pass


@pytest.mark.parametrize(
    ("record_class", "whole"),
    [
        (one_field(float), False),
        (one_field(float, extra="ignore"), False),
        (validated(pydantic.field_validator, "before", as_it_is), False),
        (one_field(float, extra="allow"), True),
        (one_field(float, extra="forbid"), True),
        (UNKNOWN["model_validator before"], True),
        (UNKNOWN["model_validator wrap"], True),
        (ChildOfValidated, True),
        pytest.param(UNKNOWN["__init__"], True),
        pytest.param(UNKNOWN["model_validate"], True),
        pytest.param(UNKNOWN["__get_pydantic_core_schema__"], True),
    ],
)
def test_a_class_that_may_look_at_other_keys_reads_the_whole_record(
    record_class: type[BaseModel], whole: bool
) -> None:
    assert RecordSchema(record_class).reads_whole_record == whole


def test_a_class_without_fields_loses_no_rows() -> None:
    schema = RecordSchema(create_model("Model"))
    assert schema.no_arrow_schema is not None or schema.batch([(), ()]).num_rows == 2

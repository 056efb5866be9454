"""The fast accept never disagrees with the judge, and is off for whatever it does not know."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, NewType, TypeVar

import numpy as np
import pyarrow as pa
import pydantic
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from model_dofns.exceptions import RecordError
from model_dofns.schemas import RecordSchema


class TextEnum(str, enum.Enum):  # noqa: UP042  # not the same as a StrEnum, and still common
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


class MissingEnum(enum.Enum):
    A = "a"

    @classmethod
    def _missing_(cls, value: object) -> MissingEnum:
        return cls.A


def model(annotation: Any, default: Any = ..., **config: Any) -> type[BaseModel]:
    """A class with one field."""
    return create_model("Model", __config__=ConfigDict(**config), field=(annotation, default))


def batch(*columns: pa.Array) -> pa.RecordBatch:
    names = ["field"] if len(columns) == 1 else [f"field_{i}" for i in range(len(columns))]
    return pa.RecordBatch.from_arrays(list(columns), names)


def exactly(values: tuple[Any, ...]) -> list[tuple[type, str]]:
    """Equal only for values of one type that also agree in the sign of zero and in being NaN."""
    return [(type(value), repr(value)) for value in values]


# --- any class, any columns ----------------------------------------------------------------------

INTEGERS = [
    *(0, 1, -1, 7, 127, -128, 255, 65_504),
    *(2**24 + 1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1),
    *(2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64 - 1, 2**64, 10**40),
]
FLOATS = [
    *(0.0, -0.0, 0.5, -1.5, 1.0, 7.0, 5e-324, -5e-324, 1e308, 0.1, 3.4e38),
    *(math.nan, math.inf, -math.inf, 2.0**53, 2.0**63, -(2.0**63), 2.0**64),
]
TEXTS = [
    *("", "a", "b", "A", "a ", " a", "ab", "abc", "1", "1.0", "-0", "nan", "true", "null", "NULL"),
    *("é", "e\u0301", "🦀", "🦀🦀", "👩‍🔬", "\0", "a\0", "\ufeff", "\u2028", "\U0010ffff", "x" * 5_000),
]
BOOLS = [True, False]

INTEGER_TYPES = [pa.int64(), pa.int64(), pa.int8(), pa.int32(), pa.uint8(), pa.uint64()]
FLOAT_TYPES = [pa.float64(), pa.float64(), pa.float32(), pa.float16()]
TEXT_TYPES = [
    *(pa.string(), pa.string(), pa.large_string(), pa.string_view()),
    *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())),
]
FITTING_TYPES: dict[type, list[pa.DataType]] = {
    float: [*FLOAT_TYPES, *FLOAT_TYPES, *INTEGER_TYPES, pa.null()],
    int: [*INTEGER_TYPES, pa.null()],
    str: [*TEXT_TYPES, pa.null()],
    bool: [pa.bool_(), pa.bool_(), pa.null()],
}
OTHER_VALUES: dict[pa.DataType, list[Any]] = {
    pa.bool_(): BOOLS,
    pa.null(): [None],
    pa.decimal128(38, 3): [decimal.Decimal("1.000"), decimal.Decimal("1.5"), decimal.Decimal(7)],
    pa.timestamp("us"): [datetime.datetime(1970, 1, 1, 0, 0, 1), datetime.datetime(2024, 2, 29)],
    pa.date32(): [datetime.date(1970, 1, 2)],
    pa.binary(): [b"", b"a", b"1", b"\xff"],
    pa.list_(pa.int64()): [[], [1]],
    pa.struct({"x": pa.int64()}): [{"x": 1}],
    pa.dictionary(pa.int8(), pa.int64()): [1, 7],
}
ALL_TYPES = [*INTEGER_TYPES, *FLOAT_TYPES, *TEXT_TYPES, *OTHER_VALUES]


class Kind(NamedTuple):
    """A kind of field, and the values that are of interest for it."""

    plain: type
    annotation: Any
    near: list[Any]


class Case(NamedTuple):
    record_class: type[BaseModel]
    columns: pa.RecordBatch


def neighbours(bound: float) -> list[Any]:
    if isinstance(bound, int):
        return [bound - 1, bound, bound + 1]
    return [math.nextafter(bound, -math.inf), bound, math.nextafter(bound, math.inf)]


@st.composite
def numbers(draw: st.DrawFn, plain: type, bounds: list[Any]) -> Kind:
    drawn = draw(
        st.dictionaries(st.sampled_from(["ge", "gt", "le", "lt"]), st.sampled_from(bounds))
        if draw(st.booleans())
        else st.just({})
    )
    near = [value for bound in drawn.values() for value in neighbours(bound)]
    constraints: dict[str, Any] = dict(drawn)
    if plain is float and draw(st.booleans()):
        constraints["allow_inf_nan"] = draw(st.booleans())
    return Kind(plain, Annotated[plain, Field(**constraints)], near)


@st.composite
def texts(draw: st.DrawFn) -> Kind:
    lengths = st.none() | st.integers(0, 3) | st.sampled_from([2**31, 2**40])
    least, most = draw(lengths), draw(lengths)
    near = [letter * n for n in range(5) for letter in ("a", "🦀")]
    return Kind(str, Annotated[str, Field(min_length=least, max_length=most)], near)


@st.composite
def literals(draw: st.DrawFn) -> Kind:
    plain, values = draw(st.sampled_from([(str, TEXTS), (int, INTEGERS[:14])]))
    allowed = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4, unique=True))
    return Kind(plain, Literal[tuple(allowed)], allowed)


ENUMS = st.sampled_from(
    [
        *(Kind(str, enum_class, ["a", "b", "🦀"]) for enum_class in (TextEnum, NewTextEnum)),
        Kind(str, PlainEnum, ["a", "b"]),
        Kind(int, PlainNumberEnum, [1, 2**53 + 1]),
        Kind(int, NumberEnum, [1]),
    ]
)
SMALL_INTEGERS = [value for value in INTEGERS if abs(value) <= 2**64]
KINDS = st.one_of(
    numbers(float, [*SMALL_INTEGERS, *FLOATS]),
    numbers(int, INTEGERS),
    texts(),
    literals(),
    ENUMS,
    st.just(Kind(bool, bool, BOOLS)),
)


@st.composite
def defaults(draw: st.DrawFn, kind: Kind, nullable: bool) -> Any:
    values = st.sampled_from([*pool(kind.plain), *kind.near])
    choice = draw(st.sampled_from(["none", "None", "None", "other", "factory", "factory of None"]))
    match choice:
        case "None" if nullable or draw(st.booleans()):
            return Field(default=None)
        case "other":
            return Field(default=draw(values))
        case "factory":
            return Field(default_factory=partial(draw(st.just(lambda value: value)), draw(values)))
        case "factory of None":
            return Field(default_factory=lambda: None)
    return Field()


def pool(plain: type) -> list[Any]:
    return {float: [*FLOATS, *INTEGERS], int: INTEGERS, str: TEXTS, bool: BOOLS}[plain]


def values_of(arrow_type: pa.DataType, near: list[Any]) -> list[Any]:
    """Hostile values that a column of this type can hold."""
    if arrow_type in OTHER_VALUES:
        return OTHER_VALUES[arrow_type]
    text = arrow_type in TEXT_TYPES
    values: list[Any] = TEXTS if text else [*INTEGERS, *FLOATS]
    # Those of interest thrice, so that they are not lost among the others.
    values = [*values, *(value for value in near if isinstance(value, str) == text) for _ in "123"]
    return [value for value in values if holds(arrow_type, value)]


def holds(arrow_type: pa.DataType, value: Any) -> bool:
    if pa.types.is_floating(arrow_type) and not isinstance(value, float):
        return abs(value) <= 2**11
    if pa.types.is_integer(arrow_type) and not isinstance(value, int):
        return False
    try:
        pa.array([value], arrow_type)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A class of one to four fields, and hostile columns for it: mostly of fitting types."""
    rows = draw(st.integers(0, 6))
    fields, columns = {}, []
    for i in range(draw(st.integers(1, 4))):
        kind = draw(KINDS)
        nullable = draw(st.booleans())
        annotation = kind.annotation | None if nullable else kind.annotation
        fields[f"field_{i}"] = (annotation, draw(defaults(kind, nullable)))
        fits = draw(st.integers(0, 19)) > 0
        arrow_type = draw(st.sampled_from(FITTING_TYPES[kind.plain] if fits else ALL_TYPES))
        values = values_of(arrow_type, kind.near)
        nulls = st.sampled_from([None]) if draw(st.booleans()) else st.nothing()
        column = draw(st.lists(st.sampled_from(values) | nulls, min_size=rows, max_size=rows))
        # A slice, as blocks of Parquet are: what stands before it must not matter.
        columns.append(pa.array([values[0], *column], arrow_type).slice(1))
    return Case(
        create_model("Model", **fields), pa.RecordBatch.from_arrays(columns, list(fields))
    )

"""The fast accept never disagrees with the judge, whatever the class and the columns."""

from __future__ import annotations

import datetime
import decimal
import math
from collections import Counter
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import Field, create_model
from record_classes import (
    MissingEnum,
    NewTextEnum,
    NumberEnum,
    PlainEnum,
    PlainNumberEnum,
    TextEnum,
    exactly,
)

from model_dofns.exceptions import RecordError
from model_dofns.schemas.pydantic_classes import PydanticSchema

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
    schema: PydanticSchema
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
        PydanticSchema(create_model("Model", **fields)),
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


def verdict(schema: PydanticSchema, record: dict[str, Any]) -> tuple[Any, ...] | RecordError:
    try:
        return schema.values(schema.judge(record))
    except RecordError as error:
        return error


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

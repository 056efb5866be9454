"""What of a class the columns decide: which rows they accept, and for which classes they may."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pydantic
import pytest
from pydantic import BaseModel, Field, create_model
from record_classes import (
    PLAIN,
    UNKNOWN,
    NewTextEnum,
    PlainEnum,
    PlainNumberEnum,
    TextEnum,
    one_field,
)

from model_dofns.schemas.pydantic_classes import PydanticSchema


def one_column(column: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column], ["field"])


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
    schema = PydanticSchema(Plain)
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
    taken = PydanticSchema(one_field(annotation, default)).accept(one_column(column))
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
    schema = PydanticSchema(one_field(annotation))
    assert schema.fast_accept_off is None
    assert schema.accept(one_column(column)) is None


def test_a_column_that_arrow_cannot_cast_is_left_to_the_judge() -> None:
    views = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["a"], pa.string_view()))
    assert PydanticSchema(one_field(str)).accept(one_column(views)) is None


def test_any_length_that_pydantic_takes_is_a_bound() -> None:
    schema = PydanticSchema(one_field(str, Field(max_length=2**63)))
    taken = schema.accept(one_column(pa.array(["a"])))
    assert taken is None or taken[1].all()


# --- for which classes it is on ------------------------------------------------------------------


@pytest.mark.parametrize("record_class", PLAIN.values(), ids=PLAIN)
def test_the_fast_accept_is_on_for_plain_classes(record_class: type[BaseModel]) -> None:
    assert PydanticSchema(record_class).fast_accept_off is None


def test_the_fast_accept_is_on_where_two_fields_share_an_enum() -> None:
    shared = create_model("Model", first=(TextEnum, ...), second=(TextEnum, ...))
    assert PydanticSchema(shared).fast_accept_off is None


def test_the_fast_accept_is_on_for_frozen_classes() -> None:
    assert PydanticSchema(one_field(float, frozen=True)).fast_accept_off is None


@pytest.mark.parametrize("record_class", UNKNOWN.values(), ids=UNKNOWN)
def test_the_fast_accept_is_off_for_what_it_does_not_know(record_class: type[BaseModel]) -> None:
    schema = PydanticSchema(record_class)
    columns = [pa.array([1.0, 2.0]) for _ in schema.names]
    assert schema.fast_accept_off
    assert schema.accept(pa.RecordBatch.from_arrays(columns, list(schema.names))) is None


def test_the_fast_accept_is_off_where_a_field_is_validated_as_another_type() -> None:
    as_int = pydantic.GetPydanticSchema(lambda source, handler: handler(int))
    schema = PydanticSchema(one_field(Annotated[str, as_int]))
    assert schema.fast_accept_off

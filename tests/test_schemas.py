"""A class as columns: the judge's verdicts, the values in columns, and what a class reads."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NewType

import numpy as np
import pyarrow as pa
import pydantic
import pytest
from pydantic import BaseModel, Field, create_model
from record_classes import (
    UNKNOWN,
    MixedEnum,
    NewTextEnum,
    NumberEnum,
    Parent,
    PlainNumberEnum,
    TextEnum,
    as_it_is,
    exactly,
    one_field,
    validated,
)
from typing_extensions import TypedDict  # which pydantic asks for before Python 3.12

from model_dofns.exceptions import RecordError
from model_dofns.schemas.pydantic_classes import PydanticSchema

NOON = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
DECIMAL_5 = pa.decimal128(5, 0)


@dataclasses.dataclass
class Point:
    x: float
    y: int


class TypedPoint(TypedDict):
    x: float
    y: int


class Itself(BaseModel):
    inner: "Itself | None" = None  # noqa: UP037  # pydantic reads it as text


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
    schema = PydanticSchema(Flower)
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
        PydanticSchema(Flower).judge(record)
    assert caught.value.error == "ValidationError"
    assert all(text in caught.value.message for text in named)
    assert "http" not in caught.value.message
    assert "\n" not in caught.value.message


def test_fields_may_go_by_their_names_where_the_caller_says_so() -> None:
    schema = PydanticSchema(Flower)
    record = {"petal_length": 1, "colour": "a", "size": 5}
    assert schema.values(schema.judge(record)) == (1.0, "a", 1)
    assert schema.values(schema.judge(record, by_name=True)) == (1.0, "a", 5)


def test_fields_may_go_by_their_names_where_the_class_says_so() -> None:
    schema = PydanticSchema(one_field(float, Field(alias="other"), populate_by_name=True))
    assert schema.values(schema.judge({"field": 1})) == (1.0,)


def test_a_validator_of_the_record_as_a_whole_is_named_as_such() -> None:
    def refuse(record: Any) -> Any:
        raise ValueError("petals longer than sepals")

    with pytest.raises(RecordError, match=r"the record: .*petals longer than sepals"):
        PydanticSchema(validated(pydantic.model_validator, "before", refuse)).judge({})


def raising(error: BaseException) -> PydanticSchema:
    def validator(value: Any) -> Any:
        raise error

    return PydanticSchema(one_field(Annotated[float, pydantic.AfterValidator(validator)]))


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
    schema = PydanticSchema(one_field(annotation))
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
        (list[int], [1.5], "TypeError"),
        (list[int], 1, "TypeError"),
        (list[int], "text", "TypeError"),
        (dict[str, int], {1: 1}, "TypeError"),
        (dict[str, int], {"a": "1"}, "TypeError"),
        (dict[str, int], [("a", 1)], "TypeError"),
        (Parent, None, "TypeError"),
        (Parent, Parent.model_construct(field="x"), "TypeError"),
        (datetime.date, NOON, "TypeError"),
        (datetime.date, "2026-11-23", "TypeError"),
        (datetime.datetime, NOON.date(), "TypeError"),
        (pydantic.NaiveDatetime, NOON, "TypeError"),
        (datetime.time, NOON.timetz(), "TypeError"),
        (bytes, "text", "TypeError"),
        (uuid.UUID, 1, "TypeError"),
        (decimal.Decimal, 1.5, "TypeError"),
        (decimal.Decimal, True, "TypeError"),
        (decimal.Decimal, decimal.Decimal("NaN"), "NotFinite"),
        (decimal.Decimal, decimal.Decimal("1e-10"), "NumberOutOfRange"),
        (decimal.Decimal, decimal.Decimal("1e30"), "NumberOutOfRange"),
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
    schema = PydanticSchema(one_field(annotation))
    with pytest.raises(RecordError, match="field") as caught:
        schema.values(schema.record_class.model_construct(field=value))
    assert error in (None, caught.value.error)


def test_a_field_that_was_never_set_is_no_value() -> None:
    schema = PydanticSchema(create_model("Model", a=(float | None, ...), b=(float, ...)))
    assert schema.values(schema.record_class.model_construct(b=1.0)) == (None, 1.0)
    with pytest.raises(RecordError, match=r"b: .* is no float"):
        schema.values(schema.record_class.model_construct(a=1.0))


def test_rows_of_values_become_columns() -> None:
    schema = PydanticSchema(create_model("Model", a=(float | None, None), b=(TextEnum, ...)))
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
        (Literal["a", None], pa.string(), True),
        (datetime.date, pa.date32(), False),
        (datetime.datetime, pa.timestamp("us", "UTC"), False),
        (pydantic.AwareDatetime, pa.timestamp("us", "UTC"), False),
        (pydantic.NaiveDatetime | None, pa.timestamp("us"), True),
        (datetime.time, pa.time64("us"), False),
        (decimal.Decimal, pa.decimal128(38, 9), False),
        (Annotated[decimal.Decimal, Field(max_digits=5, decimal_places=0)], DECIMAL_5, False),
        (bytes, pa.binary(), False),
        (uuid.UUID, pa.string(), False),
        (list[float], pa.list_(pa.float64()), False),
        (tuple[int, ...] | None, pa.list_(pa.int64()), True),
        (Sequence[list[str]], pa.list_(pa.list_(pa.string())), False),
        (dict[str, int | None], pa.map_(pa.string(), pa.int64()), False),
        (Mapping[TextEnum, bool], pa.map_(pa.string(), pa.bool_()), False),
        (Parent, pa.struct([("field", pa.float64())]), False),
        (list[Parent] | None, pa.list_(pa.struct([("field", pa.float64())])), True),
        (Point, pa.struct([("x", pa.float64()), ("y", pa.int64())]), False),
        (TypedPoint, pa.struct([("x", pa.float64()), ("y", pa.int64())]), False),
        (NewType("Score", float), pa.float64(), False),
    ],
)
def test_the_column_of_a_field(annotation: Any, arrow_type: pa.DataType, nullable: bool) -> None:
    schema = PydanticSchema(one_field(annotation))
    assert schema.no_arrow_schema is None
    assert schema.arrow_schema == pa.schema([("field", arrow_type)])
    assert schema.nullable == {"field": nullable}


@pytest.mark.parametrize(
    "annotation",
    [
        *(int | str, Any, object, datetime.timedelta, list, dict, list[Any], dict[int, str]),
        *(set[str], tuple[int, str], list[int | str], MixedEnum, Literal["a", 1]),
        *(Literal["a", b"b"], Itself),
    ],
)
def test_a_field_without_a_column_is_named(annotation: Any) -> None:
    record_class = create_model("Model", fine=(float, ...), odd=(annotation, ...))
    schema = PydanticSchema(record_class)
    assert schema.arrow_schema is None
    assert schema.no_arrow_schema is not None
    assert "'odd' of Model" in schema.no_arrow_schema
    assert "'fine'" not in schema.no_arrow_schema


def test_the_columns_have_the_order_of_the_fields() -> None:
    schema = PydanticSchema(create_model("Model", b=(float, ...), a=(int, ...), c=(str, "x")))
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
    assert read | {"field"} <= PydanticSchema(one_field(float, field)).input_names


def test_the_keys_of_an_alias_generator_are_read() -> None:
    schema = PydanticSchema(one_field(float, alias_generator=str.upper))
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
    assert PydanticSchema(record_class).reads_whole_record == whole


def test_a_class_without_fields_loses_no_rows() -> None:
    schema = PydanticSchema(create_model("Model"))
    assert schema.no_arrow_schema is not None or schema.batch([(), ()]).num_rows == 2

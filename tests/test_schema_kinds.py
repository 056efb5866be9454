"""Schemas of other kinds than pydantic 2's classes: verdicts, words, and what they hand on."""

from __future__ import annotations

import datetime
import decimal
import typing
from typing import Any

import pyarrow as pa
import pytest
from pydantic import BaseModel, v1
from schema import And, Const, Literal, Optional, Or, Regex, Schema, Use

from model_dofns.exceptions import ModelError, RecordError
from model_dofns.schemas import record_schema


class Place(v1.BaseModel):
    name: str


class Trip(v1.BaseModel):
    distance: float = v1.Field(alias="DISTANCE", gt=0)
    legs: list[Place] = []
    note: str | None

    @v1.validator("legs")
    def few(cls, legs: list[Place]) -> list[Place]:  # noqa: N805  # as pydantic 1 has it
        if len(legs) > 2:
            raise ValueError("too many legs")
        return legs


TRIP = {
    "type": "object",
    "properties": {
        "distance": {"type": "number", "exclusiveMinimum": 0},
        "legs": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/place"}},
        "note": {"type": ["string", "null"]},
    },
    "required": ["distance"],
    "$defs": {
        "place": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        }
    },
}
OLD_TRIP = Schema(
    {
        "distance": And(float, lambda distance: distance > 0),
        Optional("legs"): And([{"name": str}], lambda legs: len(legs) <= 2),
        Optional("note"): Or(str, None),
    }
)
LEG = {"name": "a"}
COUNT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("schema", "record", "handed"),
    [
        (TRIP, {"distance": 5, "x": 1}, {"distance": 5.0}),
        (TRIP | {"minProperties": 1}, {"distance": 5, "x": 1}, {"distance": 5.0, "x": 1}),
        (TRIP, {"distance": 5.5, "note": None}, {"distance": 5.5, "note": None}),
        (TRIP, {"distance": 1, "legs": [LEG]}, {"distance": 1.0, "legs": [LEG]}),
        (OLD_TRIP, {"distance": 5, "x": 1}, {"distance": 5.0}),
        (OLD_TRIP, {"distance": 5, "note": None}, {"distance": 5.0, "note": None}),
        (OLD_TRIP, {"distance": 1, "legs": [LEG]}, {"distance": 1.0, "legs": [LEG]}),
        (Trip, {"DISTANCE": "5", "x": 1}, Trip(DISTANCE=5)),
        (Trip, {"DISTANCE": 1, "legs": [LEG]}, Trip(DISTANCE=1, legs=[Place(name="a")])),
    ],
)
def test_what_a_model_is_handed(schema: Any, record: dict[str, Any], handed: Any) -> None:
    before = repr(record)
    found = record_schema(schema).judge(record)
    assert found == handed
    if isinstance(found, dict):
        assert type(found["distance"]) is float
    assert repr(record) == before


@pytest.mark.parametrize(
    ("schema", "record", "error", "words"),
    [
        (TRIP, {}, "ValidationError", 'the record: "distance" is a required property'),
        (TRIP, {"distance": 0}, "ValidationError", "distance: 0.0 is less than or equal to"),
        (TRIP, {"distance": 1, "legs": [{}]}, "ValidationError", 'legs.0: "name" is a required'),
        (TRIP, {"distance": True, "note": 1}, "ValidationError", "; note: 1 is not of types"),
        (TRIP, {"distance": "1" * 999}, "ValidationError", "…"),
        (TRIP, {"distance": {1}}, "ValueError", "nsupported type"),
        (COUNT, {"n": decimal.Decimal("Infinity")}, "ValidationError", "n: "),
        (COUNT, {"n": 1.5}, "ValidationError", "n: 1.5 is not of type"),
        (OLD_TRIP, {}, "SchemaMissingKeyError", "Missing key: 'distance'"),
        (OLD_TRIP, {"distance": "x"}, "SchemaError", "Key 'distance' error: 'x' should be"),
        (OLD_TRIP, {"distance": 1, "legs": [LEG] * 3}, "SchemaError", "should evaluate to True"),
        (Schema({"a": Use(int)}), {"a": "x"}, "SchemaError", "invalid literal for int"),
        (Trip, {}, "ValidationError", "DISTANCE: field required"),
        (Trip, {"DISTANCE": 1, "legs": [LEG] * 3}, "ValidationError", "legs: too many legs"),
    ],
)
def test_what_is_refused_and_in_which_words(
    schema: Any, record: dict[str, Any], error: str, words: str
) -> None:
    with pytest.raises(RecordError) as caught:
        record_schema(schema).judge(record)
    assert caught.value.error == error
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("schema", [TRIP, OLD_TRIP])
def test_text_means_what_it_says(schema: Any) -> None:
    judged = record_schema(schema)
    texts = {"distance": "1e1", "legs": '[{"name": "5"}]', "note": "7"}
    said = {"distance": 10.0, "legs": [{"name": "5"}], "note": "7"}
    assert judged.judge(texts, as_text=True) == said
    for odd in ("0x10", "1_0", "inf", " 1", ""):
        with pytest.raises(RecordError):
            judged.judge({"distance": odd}, as_text=True)


def test_text_means_what_it_says_to_pydantic_1_too() -> None:
    found = record_schema(Trip).judge({"DISTANCE": "1e1", "legs": '[{"name": "5"}]'}, as_text=True)
    assert found == Trip(DISTANCE=10, legs=[Place(name="5")])


@pytest.mark.parametrize(
    ("node", "arrow_type", "nullable"),
    [
        (float, pa.float64(), False),
        (And(str, len), pa.string(), False),
        (And(len, str), pa.string(), False),
        (Or("a", "b"), pa.string(), False),
        (Or("a", None), pa.string(), True),
        (Or(int, float, None), pa.float64(), True),
        (Or(int, str), None, False),
        (Const(5), pa.int64(), False),
        (Regex("a+"), pa.string(), False),
        (Use(float), None, False),
        (And(Use(float), float), None, False),
        (object, None, False),
        (lambda value: True, None, False),
        ([float], pa.list_(pa.float64()), False),
        ({"x": int, Optional("y"): str}, pa.struct([("x", pa.int64()), ("y", pa.string())]), False),
        (Schema({"x": int}), pa.struct([("x", pa.int64())]), False),
        ({str: int}, None, False),
        (datetime.date, pa.date32(), False),
        (decimal.Decimal, pa.decimal128(38, 9), False),
    ],
)
def test_the_column_of_a_node_of_the_library_schema(
    node: Any, arrow_type: pa.DataType | None, nullable: bool
) -> None:
    schema = record_schema(Schema({Literal("field", description="said"): node}))
    assert schema.names == ("field",)
    if arrow_type is None:
        assert "'field' of the Schema" in str(schema.no_arrow_schema)
    else:
        assert schema.arrow_schema == pa.schema([("field", arrow_type)])
        assert schema.nullable == {"field": nullable}


@pytest.mark.parametrize(
    ("node", "arrow_type", "nullable"),
    [
        ({"type": "number"}, pa.float64(), False),
        ({"type": ["integer", "null"]}, pa.int64(), True),
        ({"type": ["integer", "number"]}, pa.float64(), False),
        ({"enum": ["a", None]}, pa.string(), True),
        ({"const": 5}, pa.int64(), False),
        ({"enum": ["a", 1]}, None, False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, pa.string(), True),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, None, False),
        ({"allOf": [{"$ref": "#/$defs/n"}]}, pa.float64(), False),
        ({"$ref": "#/$defs/n"}, pa.float64(), False),
        ({"$ref": "#/$defs/loop"}, None, False),
        ({"type": "array"}, None, False),
        ({"type": "object"}, None, False),
        ({}, None, False),
        (True, None, False),
        (
            {"type": "object", "additionalProperties": {"type": "boolean"}},
            pa.map_(pa.string(), pa.bool_()),
            False,
        ),
    ],
)
def test_the_column_of_a_node_of_a_json_schema(
    node: Any, arrow_type: pa.DataType | None, nullable: bool
) -> None:
    definitions = {
        "n": {"type": "number"},
        "loop": {"type": "object", "properties": {"inner": {"$ref": "#/$defs/loop"}}},
    }
    schema = record_schema({"properties": {"field": node}, "$defs": definitions})
    if arrow_type is None:
        assert "'field' of the JSON Schema" in str(schema.no_arrow_schema)
    else:
        assert schema.arrow_schema == pa.schema([("field", arrow_type)])
        assert schema.nullable == {"field": nullable}


@pytest.mark.parametrize(
    ("schema", "whole"),
    [
        (TRIP, False),
        (TRIP | {"title": "Trip", "additionalProperties": True}, False),
        (TRIP | {"additionalProperties": False}, True),
        (TRIP | {"minProperties": 2}, True),
        (TRIP | {"additionalProperties": True, "minProperties": 2}, True),
        (TRIP | {"required": ["distance", "id"]}, True),
        ({"$ref": "#/$defs/t", "$defs": {"t": COUNT}}, False),
        ({"$ref": "#/$defs/t", "$defs": {"t": COUNT}, "unevaluatedProperties": False}, True),
        (OLD_TRIP, False),
        (Trip, False),
        (type("Wide", (Trip,), {"Config": type("Config", (), {"extra": "allow"})}), True),
    ],
)
def test_whether_a_schema_reads_more_than_its_fields(schema: Any, whole: bool) -> None:
    assert record_schema(schema).reads_whole_record is whole


@pytest.mark.parametrize("schema", [TRIP, OLD_TRIP])
@pytest.mark.parametrize("absent", [{}, {"note": None}, {"legs": [LEG]}])
def test_what_is_absent_comes_back_from_columns(schema: Any, absent: dict[str, Any]) -> None:
    judged = record_schema(schema)
    values = judged.values({"distance": 1.0, **absent})
    assert judged.rejudged(judged.batch([values])) == values


def test_names_are_taken_for_aliases_where_that_is_said() -> None:
    schema = record_schema(Trip)
    assert schema.judge({"distance": 1}, by_name=True) == Trip(DISTANCE=1)
    assert schema.keys["distance"] == {"distance", "DISTANCE"}
    assert schema.nullable == {"distance": False, "legs": False, "note": True}


@pytest.mark.parametrize("schema", [TRIP, OLD_TRIP, Trip])
def test_each_kind_says_itself_as_json_schema_and_in_words(schema: Any) -> None:
    judged = record_schema(schema)
    assert judged.json_schema()["type"] == "object"
    assert judged.fast_accept_off
    assert [field.name for field in judged.described_fields()] == ["distance", "legs", "note"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "None is no schema"),
        ({"type": "nothing"}, "makes no sense"),
        ({"$ref": "https://example.com/schema.json"}, "is not in the schema itself"),
        ({"properties": {"a": {"pattern": "("}}}, "makes no sense"),
        (Schema([int]), "is no Schema of a dict"),
        (int, "is no schema"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        record_schema(schema)


class Inner(v1.BaseModel):
    x: int = v1.Field(alias="X")


class Outer(v1.BaseModel):
    inner: Inner = v1.Field(alias="INNER")
    many: list[Inner]
    named: dict[str, Inner]


def test_aliases_inside_are_found_too() -> None:
    schema = record_schema(Outer)
    one = {"X": 1}
    values = schema.values(schema.judge({"INNER": one, "many": [one], "named": {"a": one}}))
    assert schema.rejudged(schema.batch([values])) == values


@pytest.mark.parametrize("digits", [20, 400, 5_000])
@pytest.mark.parametrize("as_text", [False, True])
def test_an_integer_of_many_digits_is_no_reason_to_fail(digits: int, as_text: bool) -> None:
    schema = record_schema(COUNT)
    record = {"n": "9" * digits if as_text else 10**digits - 1}
    with pytest.raises(RecordError):
        schema.values(schema.judge(record, as_text=as_text))


class Strict(BaseModel, strict=True):
    n: int
    k: typing.Literal[1, 2] = 1
    flag: bool = False
    many: list[int] = []


class Lax(BaseModel):
    n: int
    k: typing.Literal[1, 2] = 1
    many: list[int] = []


@pytest.mark.parametrize(
    ("schema", "record", "taken"),
    [
        (Strict, {"n": "5", "flag": "true", "many": "[1]"}, True),
        (Strict, {"n": "x"}, False),
        (Strict, {"n": "5", "many": '["1"]'}, False),
        (Lax, {"n": " 5", "many": "[1]"}, True),
        (Lax, {"n": "5", "k": "1"}, False),  # pydantic takes no text for one of some numbers
        (Lax, {"n": "5", "many": "[1"}, False),
    ],
)
def test_cells_of_a_class_with_lists(schema: Any, record: dict[str, str], taken: bool) -> None:
    if taken:
        assert record_schema(schema).judge(record, as_text=True).n == 5
    else:
        with pytest.raises(RecordError):
            record_schema(schema).judge(record, as_text=True)

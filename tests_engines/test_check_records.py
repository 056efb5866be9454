"""The records that a model is tried with: made from any schema, and taken by its judge."""

from __future__ import annotations

import datetime
import decimal
import json
import subprocess
import sys
import uuid
from typing import Annotated, Any, Literal

import pydantic.v1
import pytest
import schema
from pydantic import AliasPath, BaseModel, Field

from model_dofns.checks.records import MADE_RECORDS, trials_of
from model_dofns.checks.strategies import made_values
from model_dofns.example import example_of
from model_dofns.fields import NoJsonSchemaError, fields_of, json_schema_of
from model_dofns.schemas import record_schema


class Item(BaseModel):
    price: float = Field(gt=0, multiple_of=0.5)
    tags: list[str] = []


class Order(BaseModel):
    kind: Literal["old", "new"]
    first: Item
    items: list[Item] = Field(min_length=1, max_length=3)
    day: datetime.date
    at: datetime.datetime
    time: datetime.time
    length: datetime.timedelta
    amount: decimal.Decimal = Field(max_digits=8, decimal_places=2)
    number: uuid.UUID
    raw: bytes
    place: tuple[float, int]
    counts: dict[str, int]
    code: str = Field(pattern=r"^[A-Z]{3}\d{2}$")
    maybe: Annotated[int, Field(ge=0, lt=2**40)] | None = None
    either: int | bool


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Alias(BaseModel):
    x: float = Field(alias="X")


class Path(BaseModel):
    x: float = Field(validation_alias=AliasPath("xs", 0))


class Strict(BaseModel, strict=True):
    day: datetime.date


class Callback(BaseModel):
    call: Any = Field(json_schema_extra={"type": "function"})


class Yes(BaseModel):
    yes: Literal[True]


@pytest.mark.parametrize("record_class", [Item, Order, Tree, Alias])
def test_most_records_that_are_made_are_taken(record_class: type[BaseModel]) -> None:
    trials = trials_of(record_schema(record_class), [])
    assert trials.none_made is None
    assert trials.made == len(trials.trials) > MADE_RECORDS / 4


def test_fields_that_need_not_be_there_are_there_at_times() -> None:
    trials = trials_of(record_schema(Order), []).trials
    assert {"maybe" in trial.values for trial in trials} == {True, False}
    assert any(trial.values.get("maybe", 0) is None for trial in trials)
    depths = [
        len(trial.values["children"])
        for trial in trials_of(record_schema(Tree), []).trials
        if trial.values.get("children")
    ]
    assert depths


def test_a_class_of_one_record_has_one() -> None:
    assert [t.values for t in trials_of(record_schema(Yes), []).trials] == [{"yes": True}]


class OldItem(pydantic.v1.BaseModel):
    price: float = pydantic.v1.Field(gt=0)
    tags: list[str] = []
    day: datetime.date


MAPPING = {
    "type": "object",
    "properties": {
        "price": {"type": "number", "exclusiveMinimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["price"],
}
OF_LIBRARY = schema.Schema({"price": float, "count": int, schema.Optional("name"): str})


@pytest.mark.parametrize("kind", [OldItem, MAPPING, OF_LIBRARY], ids=["v1", "mapping", "schema"])
def test_schemas_of_other_kinds_have_records_and_fields(kind: Any) -> None:
    found = record_schema(kind)
    trials = trials_of(found, [])
    assert trials.none_made is None
    assert trials.made > MADE_RECORDS / 4
    fields = {field.name: field for field in fields_of(found)}
    assert tuple(fields) == found.names
    assert (fields["price"].type, fields["price"].required) == ("number", True)
    document = json_schema_of(found)
    found.judge(example_of(document, document))


@pytest.mark.parametrize(
    ("record_class", "reason"),
    [
        (Path, "xs"),
        (Strict, "day: Input should be a valid date"),
        (Callback, "the type 'function'"),
    ],
)
def test_where_none_can_be_made_it_says_why(record_class: type[BaseModel], reason: str) -> None:
    trials = trials_of(record_schema(record_class), [])
    assert trials.trials == ()
    assert reason in (trials.none_made or "")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"$ref": "#/$defs/Missing"}, "refers to #/\\$defs/Missing"),
        ({"enum": []}, "no value fits"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "no value fits"),
        ({"type": "number", "minimum": 3, "maximum": 2}, "no value fits"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no value fits"),
        ({"type": "array", "minItems": 3, "maxItems": 2, "items": {"enum": []}}, "no value fits"),
        ({"type": "string", "pattern": "("}, "the pattern '\\('"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "without an"),
    ],
)
def test_a_schema_that_nothing_can_be_made_from_is_named(
    document: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NoJsonSchemaError, match=reason):
        made_values(document, 5)


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("lower", ["minimum", "exclusiveMinimum"])
@pytest.mark.parametrize("upper", ["maximum", "exclusiveMaximum"])
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (7, 9), (-100, 2_000_000)])
def test_numbers_keep_their_bounds(kind: str, lower: str, upper: str, low: int, high: int) -> None:
    values = made_values({"type": kind, lower: low, upper: high}, 50)
    assert values
    # Only a number that is rounded may meet an end that is excluded.
    assert all(low <= value <= high for value in values)
    if kind == "integer":
        assert all(type(value) is int for value in values)
        assert low not in values or lower == "minimum"
        assert high not in values or upper == "maximum"


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("bound", [{"minimum": 5_000_000}, {"maximum": -5_000_000}, {}])
def test_a_bound_may_be_far_out(kind: str, bound: dict[str, int]) -> None:
    values = made_values({"type": kind, **bound}, 20)
    assert len(set(values)) > 5
    assert all(value >= bound.get("minimum", value) for value in values)
    assert all(value <= bound.get("maximum", value) for value in values)


def test_allof_and_siblings_of_a_reference_hold_together() -> None:
    document = {
        "$defs": {
            "Base": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        },
        "allOf": [{"$ref": "#/$defs/Base"}],
        "properties": {"b": {"const": 1}},
        "required": ["b"],
    }
    values = made_values(document, 10)
    assert all(set(value) == {"a", "b"} and value["b"] == 1 for value in values)


def test_the_records_are_the_same_in_each_process() -> None:
    script = (
        "import json; from test_check_records import *;"
        "print(json.dumps([t.values for t in trials_of(record_schema(Order), []).trials]))"
    )
    path = [*sys.path]
    texts = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            env={"PYTHONPATH": ":".join(path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert json.loads(texts.pop())

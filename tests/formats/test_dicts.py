"""Records in memory: what is copied, what a reject shows, what is no record."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections import UserDict, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from pydantic import BaseModel, model_validator

from model_dofns import MLModel, ModelSpec, Scorer
from model_dofns.exceptions import RecordError
from model_dofns.formats.base import Layout
from model_dofns.formats.dicts import DictRecords, Examples, RowRecords

LAYOUT = Layout(input_names=frozenset(["x"]), output_names=("label",))
SCHEMA = pa.schema([("x", pa.float64()), ("name", pa.string())])
PREDICTIONS = pa.RecordBatch.from_pydict({"label": ["good"]})


class BrokenDict(UserDict[Any, Any]):
    def __iter__(self) -> Iterator[Any]:
        raise OSError("the database is gone")


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Point(NamedTuple):
    x: float
    tags: list[str]


@dataclasses.dataclass
class Place:
    point: Point
    name: str


# --- in ---


def test_columns_leave_out_what_the_judge_may_read_otherwise() -> None:
    records = [
        {"x": 1.5, "name": "a"},
        {"x": True, "name": "a"},
        {"x": 2**53 + 1, "name": "a"},
        {"x": 5},
        {"x": 1.5, "name": "\ud800"},
        {"x": 1.5, "name": "a", "prediction": 1},
        "no record",
        {"x": None, "name": "b"},
    ]
    rows, columns = DictRecords(records, LAYOUT).columns(SCHEMA)
    assert rows.tolist() == [0, 3, 7]
    assert columns.to_pylist() == [
        {"x": 1.5, "name": "a"},
        {"x": 5.0, "name": None},
        {"x": None, "name": "b"},
    ]
    assert columns.schema == SCHEMA


def test_no_records_have_columns_too() -> None:
    rows, columns = DictRecords([], LAYOUT).columns(SCHEMA)
    assert len(rows) == columns.num_rows == 0
    assert columns.schema == SCHEMA


def test_mappings_of_other_kinds_are_records() -> None:
    missing = defaultdict(lambda: 7.0, name="a")
    records = DictRecords([missing, UserDict(x=1.5)], LAYOUT)
    assert list(records.parse([0, 1])) == [{"name": "a"}, {"x": 1.5}]
    assert list(missing) == ["name"]  # none was asked for


def test_a_mapping_that_cannot_be_read_is_an_error() -> None:
    [error] = DictRecords([BrokenDict()], LAYOUT).parse([0])
    assert isinstance(error, RecordError)
    assert (error.error, error.message) == ("OSError", "a BrokenDict: the database is gone")


class MutatingInput(BaseModel):
    x: float

    @model_validator(mode="before")
    @classmethod
    def spoil(cls, values: dict[str, Any]) -> dict[str, Any]:
        values["x"] = values.pop("X")
        return values


class MutatingOutput(BaseModel):
    y: float


class MutatingModel(MLModel):
    display_name = qualified_name = description = "mutating"
    version = "1.0.0"
    input_schema = MutatingInput
    output_schema = MutatingOutput

    def predict(self, record: Any) -> Any:
        return MutatingOutput(y=record.x)


def test_a_record_is_as_it_was_even_where_a_validator_changes_what_it_gets() -> None:
    record = {"X": 1.5}
    scorer = Scorer(ModelSpec(f"{__name__}:MutatingModel"))
    records = DictRecords([record], scorer.layout)
    scored = scorer.score_records(records, "dict", None)
    [out] = records.joined(scored.rows, scored.predictions)
    assert record == {"X": 1.5}
    assert out == {"X": 1.5, "prediction": {"y": 1.5}}


def test_rows_inside_rows_are_dicts_for_the_judge_alone() -> None:
    place = Place(Point(1.5, ["a"]), "b")
    records = RowRecords([place], LAYOUT, ["point", "name"])
    assert list(records.parse([0])) == [{"point": {"x": 1.5, "tags": ["a"]}, "name": "b"}]
    [out] = records.joined(np.array([0]), PREDICTIONS)
    assert out == {"point": place.point, "name": "b", "prediction_label": "good"}
    assert out["point"] is place.point


def test_a_row_without_its_fields_is_an_error() -> None:
    [error] = RowRecords([Point(1.5, [])], LAYOUT, ["x", "name"]).parse([0])
    assert isinstance(error, RecordError)
    assert error.error == "AttributeError"


def test_examples_may_have_any_names() -> None:
    record = {"x": 1.5, "name": "a", "prediction": 1}
    assert Examples([record], LAYOUT).columns(SCHEMA)[0].tolist() == [0]
    assert list(Examples([record], LAYOUT).parse([0])) == [record]


# --- out ---


def test_what_comes_out_is_new_and_holds_the_same_values() -> None:
    record = {"x": 1.5, "tags": ["a"]}
    [out] = DictRecords([record], LAYOUT).joined(np.array([0]), PREDICTIONS)
    assert out == {"x": 1.5, "tags": ["a"], "prediction": {"label": "good"}}
    assert out["tags"] is record["tags"]
    assert "prediction" not in record


def cycle() -> dict[str, Any]:
    record: dict[str, Any] = {"x": 1}
    record["itself"] = [record]
    return record


SHOWN: dict[str, tuple[Any, Any]] = {
    "plain": ({"x": 1.5, "é": None}, {"x": 1.5, "é": None}),
    "not finite": ({"x": [math.nan, -math.inf]}, {"x": ["nan", "-inf"]}),
    "bytes": ({"x": b"\xff"}, {"x": "/w=="}),
    "keys": ({("a",): 1, b"b": math.nan}, {"('a',)": 1, "b'b'": "nan"}),
    "of a library": (
        {"a": np.int64(3), "b": Decimal("1.5"), "c": datetime.date(2020, 1, 2)},
        {"a": "3", "b": "1.5", "c": "2020-01-02"},
    ),
    "rows": (
        {"a": Place(Point(math.nan, []), "b")},
        {"a": {"point": {"x": "nan", "tags": []}, "name": "b"}},
    ),
    "a set": ({"x": {1}}, {"x": [1]}),
    "large integers": (
        {"x": 10**4_299, "y": 2**20_000},
        {"x": f"{10**4299:#x}", "y": hex(2**20_000)},
    ),
    "broken values": ({"x": Broken(), Broken(): 1}, {"x": "<Broken>", "<Broken>": 1}),
    "a broken mapping": (BrokenDict(), "<BrokenDict>"),
    "no mapping": (5, 5),
}


@pytest.mark.parametrize(("record", "shown"), SHOWN.values(), ids=SHOWN)
def test_a_reject_shows_any_record(record: Any, shown: Any) -> None:
    source = DictRecords([record], LAYOUT).source(0)
    assert source.keys() == {"input"}
    assert json.loads(source["input"]) == shown


def test_a_reject_shows_a_record_that_holds_itself() -> None:
    text = DictRecords([cycle()], LAYOUT).source(0)["input"]
    assert text.startswith('{"x": 1, "itself": [{"x": 1, "itself": [')
    assert '"…"' in text

"""Values of every type that a field may have, in and out of every format."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import uuid
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime, field_validator, v1

from model_dofns import ModelSpec, Scorer
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.ml_model import MLModel


class Place(BaseModel):
    name: str
    height: float | None = None


class AllKinds(BaseModel):
    number: float
    count: int
    text: str
    flag: bool
    letter: Literal["a", "b"]
    day: datetime.date
    instant: datetime.datetime
    aware: AwareDatetime
    local: NaiveDatetime
    time: datetime.time
    price: decimal.Decimal = Field(max_digits=12, decimal_places=2)
    exact: decimal.Decimal
    raw: bytes
    key: uuid.UUID
    numbers: list[float]
    places: list[Place]
    place: Place | None
    scores: dict[str, float]
    maybe: int | None = None


class Odd(v1.BaseModel):
    number: float
    day: datetime.date
    price: v1.condecimal(max_digits=12, decimal_places=2)  # type: ignore[valid-type]
    bounded: v1.confloat(ge=0)  # type: ignore[valid-type]
    numbers: list[float]
    scores: dict[str, float]
    maybe: int = None  # type: ignore[assignment]  # as pydantic 1 lets one write it


class EchoModel(MLModel):
    display_name = qualified_name = description = "echo"
    version = "1.0.0"
    input_schema = AllKinds
    output_schema = AllKinds

    def predict(self, record: Any) -> Any:
        return record


class BatchEchoModel(EchoModel):
    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch


class OldEchoModel(EchoModel):
    input_schema = Odd
    output_schema = Odd


class OldBatchEchoModel(OldEchoModel):
    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch


NUMBER_OR_NONE = {"type": ["number", "null"]}
PLACE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "height": NUMBER_OR_NONE},
    "required": ["name"],
}
JSON_SCHEMA = {
    "type": "object",
    "$defs": {"place": PLACE},
    "properties": {
        "number": {"type": "number"},
        "count": {"type": "integer"},
        "text": {"type": "string"},
        "flag": {"type": "boolean"},
        "letter": {"enum": ["a", "b"]},
        "day": {"type": "string", "format": "date"},
        "numbers": {"type": "array", "items": {"type": "number"}},
        "places": {"type": "array", "items": {"$ref": "#/$defs/place"}},
        "place": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]},
        "scores": {"type": "object", "additionalProperties": {"type": "number"}},
        "maybe": {"type": "integer"},
    },
    "required": ["number", "count", "text", "flag", "letter", "day"],
}


class DictEchoModel(EchoModel):
    input_schema = JSON_SCHEMA
    output_schema = JSON_SCHEMA


class DictBatchEchoModel(DictEchoModel):
    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch


ZONE = datetime.timezone(datetime.timedelta(hours=2))
# field -> its value in Parquet, in JSON as it may come, and in JSON as it comes out
VALUES: dict[str, tuple[Any, Any, Any]] = {
    "number": (1.5, 1.5, 1.5),
    "count": (2, 2, 2),
    "text": ("é,\n", "é,\n", "é,\n"),
    "flag": (True, True, True),
    "letter": ("b", "b", "b"),
    "day": (datetime.date(2026, 11, 23), "2026-11-23", "2026-11-23"),
    "instant": (
        datetime.datetime(2026, 11, 23, 12, tzinfo=ZONE),
        "2026-11-23T12:00:00+02:00",
        "2026-11-23T10:00:00+00:00",
    ),
    "aware": (
        datetime.datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=ZONE),
        "2026-11-23T12:00:00.000005+02:00",
        "2026-11-23T10:00:00.000005+00:00",
    ),
    "local": (
        datetime.datetime(2026, 11, 23, 12),
        "2026-11-23T12:00:00",
        "2026-11-23T12:00:00",
    ),
    "time": (datetime.time(12, 30), "12:30:00", "12:30:00"),
    "price": (decimal.Decimal("1234567890.12"), "1234567890.12", "1234567890.12"),
    "exact": (decimal.Decimal("0.000000001"), "0.000000001", "0.000000001"),
    "raw": (b"abc", "abc", "YWJj"),
    "key": (
        "12345678-1234-5678-1234-567812345678",
        "12345678-1234-5678-1234-567812345678",
        "12345678-1234-5678-1234-567812345678",
    ),
    "numbers": ([1.0, 2.5], [1, 2.5], [1.0, 2.5]),
    "places": (
        [{"name": "a", "height": 1.0}, {"name": "b", "height": None}],
        [{"name": "a", "height": 1}, {"name": "b"}],
        [{"name": "a", "height": 1.0}, {"name": "b", "height": None}],
    ),
    "place": (
        {"name": "c", "height": 2.0},
        {"name": "c", "height": 2},
        {"name": "c", "height": 2.0},
    ),
    "scores": ([("x", 1.0), ("y", 0.5)], {"x": 1, "y": 0.5}, {"x": 1.0, "y": 0.5}),
    "maybe": (7, 7, 7),
    "bounded": (3.0, 3.0, 3.0),
}
TYPES = {
    "price": pa.decimal128(12, 2),
    "exact": pa.decimal128(38, 9),
    "scores": pa.map_(pa.string(), pa.float64()),
}
MODELS = [
    *(EchoModel, BatchEchoModel, OldEchoModel, OldBatchEchoModel),
    *(DictEchoModel, DictBatchEchoModel),
]


def fields_of(model: type[MLModel]) -> list[str]:
    schema = model.input_schema
    if isinstance(schema, dict):
        return list(schema["properties"])
    return list(getattr(schema, "model_fields", None) or schema.__fields__)


def block_of(format_name: str, fields: list[str]) -> Block:
    """One record of these fields."""
    if format_name == "parquet":
        columns = {n: pa.array([VALUES[n][0]], TYPES.get(n)) for n in fields}
        return Block(format_name, "a", pa.RecordBatch.from_pydict(columns), 0)
    record = {name: VALUES[name][1] for name in fields}
    if format_name == "jsonl":
        return Block(format_name, "a", json.dumps(record).encode() + b"\n", 0)
    cells = [v if isinstance(v, str) else json.dumps(v) for v in record.values()]
    row = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    return Block(format_name, "a", row.encode() + b"\n", 0)


def scorer_of(model: type[MLModel]) -> Scorer:
    formats = FORMATS | {"csv": CsvFormat(columns=tuple(fields_of(model)), header=False)}
    return Scorer(ModelSpec(f"{__name__}:{model.__name__}"), formats=formats)


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("model", MODELS)
def test_every_type_goes_in_and_comes_out(model: type[MLModel], format_name: str) -> None:
    fields = fields_of(model)
    scored = scorer_of(model).score(block_of(format_name, fields))
    assert [reject.message for reject in scored.rejects] == []
    if format_name == "parquet":
        assert isinstance(scored.predictions, pa.RecordBatch)
        found = {
            name: scored.predictions.column(f"prediction_{name}")[0].as_py() for name in fields
        }
        said = {name: VALUES[name][0] for name in fields}
        if isinstance(model.input_schema, dict):  # which knows JSON's types alone
            said["day"] = VALUES["day"][1]
        assert found == said
    elif format_name == "jsonl":
        found = json.loads(bytes(scored.predictions))["prediction"]
        assert found == {name: VALUES[name][2] for name in fields}
    else:
        text = bytes(scored.predictions.rows).decode()
        for name in fields:
            said = VALUES[name][2]
            nested = isinstance(said, (list, dict))
            cell = json.dumps(said, separators=(",", ":")) if nested else said
            assert str(cell).replace('"', '""').replace("True", "true") in text


SEEN = {"type": "object", "properties": {"x": {"type": "number"}}}
KEYS = {"type": "object", "properties": {"keys": {"type": "string"}}}


class SeenModel(EchoModel):
    """Tells which keys it is handed."""

    input_schema = SEEN
    output_schema = KEYS

    def predict(self, record: Any) -> Any:
        return {"keys": ",".join(sorted(record))}


class WholeSeenModel(SeenModel):
    input_schema = SEEN | {"required": ["x", "y"]}


@pytest.mark.parametrize(("model", "keys"), [(SeenModel, "x"), (WholeSeenModel, "x,y")])
def test_a_model_is_handed_the_same_keys_from_every_format(model: type[MLModel], keys: str) -> None:
    formats = FORMATS | {"csv": CsvFormat(columns=("x", "y"), header=False)}
    scorer = Scorer(ModelSpec(f"{__name__}:{model.__name__}"), formats=formats)
    for format_name, data in (
        ("jsonl", b'{"x":1,"y":2}\n'),
        ("csv", b"1,2\n"),
        ("parquet", pa.RecordBatch.from_pydict({"x": [1.0], "y": [2]})),
    ):
        scored = scorer.score(Block(format_name, "a", data, 0))
        assert [reject.message for reject in scored.rejects] == []
        if format_name == "parquet":
            assert scored.predictions.column("prediction_keys").to_pylist() == [keys]
        else:
            told = scored.predictions if format_name == "jsonl" else scored.predictions.rows
            assert keys in bytes(told).decode()


class NestedOutput(BaseModel):
    scores: list[float | None]
    strict: dict[str, float]
    texts: list[str] = []


class NestedModel(MLModel):
    display_name = qualified_name = description = "nested"
    version = "1.0.0"
    input_schema = Place
    output_schema = NestedOutput

    def predict(self, record: Any) -> Any:
        raise NotImplementedError

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        bad_text = pa.array([b"\xff"]).view(pa.string())
        size = batch.num_rows
        texts = [pa.array(["a"]), bad_text, *[pa.array(["a"])] * (size - 2)]
        return pa.RecordBatch.from_arrays(
            [
                pa.array([[1.0, math.nan]] * size),
                pa.array(
                    [[("a", math.inf if i == 2 else 1.0)] for i in range(size)],
                    pa.map_(pa.string(), pa.float64()),
                ),
                pa.ListArray.from_arrays(list(range(size + 1)), pa.concat_arrays(texts)),
            ],
            names=["scores", "strict", "texts"],
        )


def test_a_float_inside_that_is_not_finite_is_null_or_a_reject_and_bad_text_a_reject() -> None:
    scorer = Scorer(ModelSpec(f"{__name__}:NestedModel"))
    lines = b'{"name":"a"}\n' * 4
    scored = scorer.score(Block("jsonl", "a", lines, 0))
    assert [(each.source["offset"], each.error) for each in scored.rejects] == [
        (13, "InvalidUTF8"),
        (26, "NotFinite"),
    ]
    told = [json.loads(line)["prediction"] for line in bytes(scored.predictions).splitlines()]
    assert told == [{"scores": [1.0, None], "strict": {"a": 1.0}, "texts": ["a"]}] * 2


class Percent(BaseModel):
    p: float

    @field_validator("p")
    @classmethod
    def hundredfold(cls, value: float) -> float:
        return value * 100


class PercentModel(MLModel):
    display_name = qualified_name = description = "percent"
    version = "1.0.0"
    input_schema = Place
    output_schema = Percent

    def predict(self, record: Any) -> Any:
        return Percent(p=record.height)


class StrictOutput(BaseModel, strict=True):
    pair: tuple[int, ...] = (1, 2)
    key: uuid.UUID = uuid.UUID(int=5)
    at: datetime.datetime


class ExtremeModel(PercentModel):
    output_schema = StrictOutput

    def predict(self, record: Any) -> Any:
        at = datetime.datetime(1, 1, 1, tzinfo=ZONE) if record.height else VALUES["aware"][0]
        return StrictOutput(at=at)


def test_what_predict_returned_is_judged_and_not_changed_again() -> None:
    scored = Scorer(ModelSpec(f"{__name__}:PercentModel")).score(PLACES)
    assert json.loads(bytes(scored.predictions).splitlines()[0])["prediction"] == {"p": 100.0}
    assert [(each.stage, each.error) for each in scored.rejects] == [("predict", "ValidationError")]


def test_a_strict_class_takes_its_own_instances_and_no_instant_beyond_time() -> None:
    scored = Scorer(ModelSpec(f"{__name__}:ExtremeModel")).score(PLACES)
    assert [(each.stage, each.error) for each in scored.rejects] == [("output", "UnfitOutput")]
    assert "in UTC" in scored.rejects[0].message
    (told,) = map(json.loads, bytes(scored.predictions).splitlines())
    assert told["prediction"]["pair"] == [1, 2]


PLACES = Block("jsonl", "a", b'{"name":"a","height":1}\n{"name":"b"}\n', 0)


def test_a_map_with_a_key_that_is_no_text_is_a_reject() -> None:
    keys = pa.array([b"\xff"]).view(pa.string())
    scores = pa.MapArray.from_arrays([0, 1], keys, pa.array([1.0]))
    fields = fields_of(OldEchoModel)
    columns = {n: pa.array([VALUES[n][0]], TYPES.get(n)) for n in fields} | {"scores": scores}
    block = Block("parquet", "a", pa.RecordBatch.from_pydict(columns), 0)
    (reject,) = scorer_of(OldEchoModel).score(block).rejects
    assert reject.error == "InvalidUTF8"


def test_cells_nested_too_deep_are_a_reject() -> None:
    fields = fields_of(DictEchoModel)
    for name in fields:
        cells = ["[" * 700 + "]" * 700 if each == name else "1" for each in fields]
        block = Block("csv", "a", ",".join(cells).encode() + b"\n", 0)
        assert [each.stage for each in scorer_of(DictEchoModel).score(block).rejects] == [
            "validate"
        ]

"""What a model is, reads and writes, in words and in JSON."""

from __future__ import annotations

import json
import math
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from model_dofns import ModelSpec, model_spec
from model_dofns.describe import main
from model_dofns.description import describe
from model_dofns.example import example_of
from model_dofns.fields import fields_of, json_schema_of, resolved, type_text
from model_dofns.schemas import record_schema


class Shape(Enum):
    ROUND = "round"
    SQUARE = "square"


class Part(BaseModel):
    size: float


class Thing(BaseModel):
    width: float = Field(gt=0, le=100, description="in cm")
    count: int = Field(3, ge=1, multiple_of=3)
    name: str = Field(min_length=2, max_length=9, pattern="^[a-z]+$", examples=["abc"])
    shape: Shape
    kind: Literal["a", "b"] | None = None
    maybe: Annotated[float, Field(ge=0)] | None
    weight: float = Field(alias="Weight")
    parts: list[Part] = Field(min_length=1)
    either: int | str = 1


def test_the_iris_model_in_words(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["iris_model.iris_predict:IrisModel"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    for line in (
        "model           iris_model 1.0.0: Iris species",
        "class           iris_model.iris_predict:IrisModel",
        "deterministic   yes",
        "predict_batch   yes",
        "fast accept     on: records are validated by the column",
        "input           sepal_length  number  double  required  > 0, <= 100",
        "a job reads     petal_length, petal_width, sepal_length, sepal_width",
        "                CSV, Parquet: prediction_species, prediction_probability",
    ):
        assert line in out.splitlines()
    assert "'setosa' | 'versicolor' | 'virginica'  string  required" in out
    assert 'example         {"sepal_length": 50.0, ' in out


def test_the_iris_model_in_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["iris_model.iris_predict:IrisModel", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["metadata"]["version"] == "1.0.0"
    assert said["input_fields"][0] == {
        "name": "sepal_length",
        "keys": ["sepal_length"],
        "type": "number",
        "arrow": "double",
        "nullable": False,
        "required": True,
        "has_default": False,
        "default": None,
        "bounds": {"exclusiveMinimum": 0.0, "maximum": 100.0},
        "description": "Length of the sepal, in cm",
    }
    assert said["prediction_columns"] == ["prediction_species", "prediction_probability"]
    assert (said["fast_accept_off"], said["has_predict_batch"]) == (None, True)
    example = said["example"]
    assert set(example["record"]) == {field["name"] for field in said["input_fields"]}
    assert set(example["prediction"]) == {"species", "probability"}
    assert example["problem"] is None


def test_what_a_model_prints_is_not_what_is_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_spec, "_instances", {})  # another test may have loaded them
    assert main(["broken_models:WritingModel", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["class_path"] == "broken_models:WritingModel"
    assert err == "loaded"
    assert main(["broken_models:PrintingModel", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["example"]["prediction"]["price"] == 1250.0
    assert err == "weighed\n"


def test_why_the_fast_accept_is_off_and_what_else_it_says_of_a_job() -> None:
    text = describe(ModelSpec("models:JudgedModel")).to_text()
    assert "off, each record is judged alone: the field 'n': 'function-after'" in text
    assert "no: a Python call a record" in describe(ModelSpec("models:RecordModel")).to_text()
    assert "no: callers take turns" in describe(ModelSpec("models:OneAtATimeModel")).to_text()
    forbidding = describe(ModelSpec("models:ForbiddingModel"))
    assert forbidding.reads_whole_record
    assert "and may look at all others" in forbidding.to_text()
    aliased = describe(ModelSpec("models:AliasedModel"))
    assert {"X", "number", "count", "colours"} < set(aliased.reads)
    assert "x (X) " in aliased.to_text()


def test_an_example_that_is_rejected_says_where() -> None:
    example = describe(ModelSpec("models:FailingModel")).example
    assert example.record is not None
    assert example.prediction is None
    assert example.problem == "rejected at predict: RuntimeError always"


def test_where_there_is_no_example_it_says_why() -> None:
    example = describe(ModelSpec("broken_models:SecretModel")).example
    assert (example.record, example.prediction) == (None, None)
    assert "not his name" in (example.problem or "")


def test_configuration_is_shown_as_it_may_be() -> None:
    spec = ModelSpec("models:PlainModel", {"offset": 2.0}, "", {"offset": "${OFFSET}"})
    text = describe(spec).to_text()
    assert 'configuration   {"offset": "${OFFSET}"}' in text
    assert "2.0" not in text.partition("example")[0]


def test_each_field_says_what_it_takes() -> None:
    schema = record_schema(Thing)
    fields = {field.name: field for field in fields_of(schema)}
    assert list(fields) == list(schema.names)
    assert {name: field.type for name, field in fields.items()} == {
        "width": "number",
        "count": "integer",
        "name": "string",
        "shape": "'round' | 'square'",
        "kind": "'a' | 'b'",
        "maybe": "number",
        "weight": "number",
        "parts": "array of object",
        "either": "integer | string",
    }
    assert fields["width"].bounds_text() == "> 0, <= 100"
    assert fields["width"].description == "in cm"
    assert fields["count"].bounds_text() == ">= 1, a multiple of 3"
    assert (fields["count"].required, fields["count"].default) == (False, 3)
    assert (fields["kind"].has_default, fields["kind"].default) == (True, None)
    assert [name for name, field in fields.items() if field.has_default] == [
        "count",
        "kind",
        "either",
    ]
    assert fields["name"].bounds_text() == (
        "at least 2 characters, at most 9 characters, like ^[a-z]+$"
    )
    assert fields["maybe"].bounds_text() == ">= 0"
    assert [name for name, field in fields.items() if field.nullable] == ["kind", "maybe"]
    assert fields["maybe"].required
    assert fields["weight"].keys == ("weight", "Weight")


def test_an_example_is_one() -> None:
    document = json_schema_of(record_schema(Thing))
    example = example_of(document, document)
    assert Thing.model_validate(example).name == "abc"
    assert example["count"] == 3
    assert example["parts"] == [{"size": 1.5}]


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "number"}, 1.5),
        ({"type": "number", "minimum": 2}, 3.0),
        ({"type": "number", "exclusiveMaximum": 0}, -1.0),
        ({"type": "number", "minimum": 0, "maximum": 1}, 0.5),
        ({"type": "integer", "minimum": 1, "maximum": 2}, 1),
        ({"type": "integer", "exclusiveMinimum": 1, "maximum": 2}, 2),
        ({"type": "integer", "multipleOf": 7, "minimum": 8}, 14),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": ["boolean", "null"]}, True),
        ({"type": "null"}, None),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"enum": [3, 4]}, 3),
        ({"const": "x"}, "x"),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "type": "array", "minItems": 2}, [1, 2]),
    ],
)
def test_an_example_is_within_its_bounds(schema: dict[str, Any], example: Any) -> None:
    assert example_of(schema, schema) == example


def test_a_schema_that_needs_itself_comes_to_an_end() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    assert example_of(schema, schema) is not None


def test_what_is_referred_to_is_found() -> None:
    document = {
        "$defs": {"A/b": {"type": "string", "description": "there"}},
        "allOf": [{"properties": {"x": {}}, "required": ["x"]}],
        "properties": {"y": {"$ref": "#/$defs/A~1b", "description": "here"}},
        "required": ["y"],
    }
    whole = resolved(document, document)
    assert (list(whole["properties"]), whole["required"]) == (["x", "y"], ["x", "y"])
    assert resolved(whole["properties"]["y"], document) == {"type": "string", "description": "here"}
    assert type_text({"type": ["string", "null"]}, {}) == "string | null"


def test_a_bound_that_json_has_no_word_for_is_text() -> None:
    description = describe(ModelSpec("models:PlainModel"))
    bounded = {**description.input_fields[0].__dict__, "bounds": {"minimum": -math.inf}}
    field = type(description.input_fields[0])(**bounded)
    text = type(description)(**{**description.__dict__, "input_fields": (field,)}).to_json()
    assert json.loads(text)["input_fields"][0]["bounds"] == {"minimum": "-inf"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["broken_models:ShapelessModel"], 4, "which has no column type"),
        (["broken_models:NowhereModel"], 4, "has nothing of that name"),
        (["broken_models:GoodModel", "--expect_version", ">=2"], 4, "has version 1.0.0"),
        (["nobody", "--models", "missing.yaml"], 4, "missing.yaml cannot be read"),
    ],
)
def test_what_does_not_load_ends_with_4(
    words: list[str], code: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    out, err = capfd.readouterr()
    assert (out, says in err) == ("", True)


@pytest.mark.parametrize("words", [[], ["a:B", "--jsn"], ["a:B", "c:D"]])
def test_words_that_make_no_sense_are_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2

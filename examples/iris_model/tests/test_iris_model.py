"""The iris model: its contract, its two ways to predict, its parameters, and its examples."""

from __future__ import annotations

import doctest
import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest
from iris_model import __version__, iris_predict
from iris_model.iris_predict import (
    FEATURES,
    SHIPPED_PARAMETERS,
    IrisInput,
    IrisModel,
    IrisOutput,
    Species,
)
from numpy.typing import ArrayLike
from pydantic import ValidationError
from sklearn.datasets import load_iris  # type: ignore[import-untyped]  # it ships no types

from model_dofns.ml_model import MLModel

PROJECT = Path(__file__).parents[1]
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


@pytest.fixture(scope="module")
def model() -> IrisModel:
    return IrisModel()


@pytest.fixture(scope="module")
def train() -> ModuleType:
    """Return train.py, a script beside the package, as a module."""
    spec = importlib.util.spec_from_file_location("iris_train", PROJECT / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parameters() -> dict[str, Any]:
    """Return what the shipped parameters file holds, to be changed at will."""
    loaded: dict[str, Any] = json.loads(SHIPPED_PARAMETERS.read_text(encoding="utf-8"))
    return loaded


def to_batch(measurements: ArrayLike) -> pa.RecordBatch:
    """Return the batch that a caller would hand over, of (n, 4) measurements."""
    columns = np.asarray(measurements, np.float64).reshape(-1, len(FEATURES)).T
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], names=FEATURES)


def write_json(file: Path, value: object) -> str:
    file.write_text(json.dumps(value), encoding="utf-8")
    return str(file)


def test_it_keeps_the_contract() -> None:
    assert issubclass(IrisModel, MLModel)
    assert IrisModel.qualified_name == "iris_model"
    assert IrisModel.display_name
    assert IrisModel.description
    assert IrisModel.version == __version__ == "1.0.0"
    assert IrisModel.input_schema is IrisInput
    assert IrisModel.output_schema is IrisOutput
    assert tuple(FLOWER) == FEATURES


def test_metadata_costs_no_import_of_scikit_learn() -> None:
    code = (
        "import sys; from iris_model.iris_predict import IrisModel as M; M.version;"
        "sys.exit('sklearn' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_predict_and_predict_batch_agree_on_every_iris(model: IrisModel) -> None:
    irises = load_iris().data
    batched = model.predict_batch(to_batch(irises))
    single = [model.predict(IrisInput(**dict(zip(FEATURES, iris, strict=True)))) for iris in irises]
    assert batched.column("species").to_pylist() == [output.species.value for output in single]
    assert batched.column("probability").to_pylist() == pytest.approx(
        [output.probability for output in single], rel=1e-9
    )
    assert {output.species for output in single} == set(Species)


def test_probability_is_the_softmax_of_the_parameters(
    model: IrisModel, parameters: dict[str, Any]
) -> None:
    scores = np.array(parameters["coef"]) @ list(FLOWER.values()) + parameters["intercept"]
    by_hand = np.exp(scores) / np.exp(scores).sum()
    prediction = model.predict(IrisInput(**FLOWER))
    assert prediction.species is Species.SETOSA
    assert prediction.probability == pytest.approx(by_hand[0], rel=1e-9)


@pytest.mark.parametrize("rows", [0, 1])
def test_predict_batch_returns_the_output_fields(model: IrisModel, rows: int) -> None:
    output = model.predict_batch(to_batch([list(FLOWER.values())] * rows))
    assert output.num_rows == rows
    assert output.schema == pa.schema([("species", pa.string()), ("probability", pa.float64())])
    assert output.schema.names == list(IrisOutput.model_fields)


def test_it_is_right_on_more_than_nine_in_ten_irises_held_out(
    model: IrisModel, train: ModuleType
) -> None:
    training, (measurements, species) = train.split_irises()
    assert (len(training[0]), len(measurements)) == (105, 45)
    predicted = model.predict_batch(to_batch(measurements)).column("species").to_pylist()
    assert np.mean(np.array(predicted) == species) > 0.9


def test_training_again_reproduces_the_shipped_parameters(
    train: ModuleType,
    tmp_path: Path,
    parameters: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    train.main([str(tmp_path / "again.json")])
    assert capsys.readouterr().out == "held-out accuracy 0.933 (45 irises)\n"
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert list(again) == list(parameters)
    assert again["features"] == parameters["features"]
    assert again["classes"] == parameters["classes"]
    np.testing.assert_allclose(again["coef"], parameters["coef"], atol=1e-5)
    np.testing.assert_allclose(again["intercept"], parameters["intercept"], atol=1e-5)


def test_other_parameters_predict_otherwise(tmp_path: Path, parameters: dict[str, Any]) -> None:
    parameters["coef"] = [[0.0] * 4] * 3
    parameters["intercept"] = [0.0, 0.0, math.log(2)]
    model = IrisModel(parameters=write_json(tmp_path / "other.json", parameters))
    prediction = model.predict(IrisInput(**FLOWER))
    assert prediction.species is Species.VIRGINICA
    assert prediction.probability == pytest.approx(0.5)


def test_a_missing_parameters_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"parameters of the iris model.*nowhere\.json"):
        IrisModel(parameters=str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"coef": [[1.0, 2.0, 3.0]] * 3},
        {"intercept": [0.0, 0.0]},
        {"intercept": [0.0, 0.0, math.nan]},
        {"features": ["petal_width", "petal_length", "sepal_width", "sepal_length"]},
        {"classes": ["virginica", "versicolor", "setosa"]},
        {"scale": [1.0, 1.0, 1.0, 1.0]},
    ],
    ids=str,
)
def test_parameters_of_another_model_are_refused(
    tmp_path: Path, parameters: dict[str, Any], wrong: dict[str, Any]
) -> None:
    file = write_json(tmp_path / "other.json", parameters | wrong)
    with pytest.raises(ValueError, match=r"other\.json does not hold parameters of the iris model"):
        IrisModel(parameters=file)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.json does not hold parameters of the iris model"):
        IrisModel(parameters=str(tmp_path / "other.json"))


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("value", [0, -1.4, 100.1, math.nan, math.inf, "n/a", None])
def test_a_bad_measurement_is_no_input(feature: str, value: object) -> None:
    with pytest.raises(ValidationError, match=feature):
        IrisInput.model_validate(FLOWER | {feature: value})


@pytest.mark.parametrize("feature", FEATURES)
def test_every_measurement_is_required_and_documented_in_cm(feature: str) -> None:
    with pytest.raises(ValidationError, match=feature):
        IrisInput.model_validate({name: FLOWER[name] for name in FEATURES if name != feature})
    assert (IrisInput.model_fields[feature].description or "").endswith("in cm")


def test_bounds_are_where_they_should_be() -> None:
    IrisInput.model_validate(dict.fromkeys(FEATURES, 100))
    IrisInput.model_validate(dict.fromkeys(FEATURES, 5e-324))


def test_the_examples_in_the_docs_run() -> None:
    in_module = doctest.testmod(iris_predict)
    in_readme = doctest.testfile(str(PROJECT / "README.md"), module_relative=False)
    assert (in_module.failed, in_readme.failed) == (0, 0)
    assert in_module.attempted
    assert in_readme.attempted

"""The models that are measured, and each of them bare: a function of columns, without a library.

Two ask nothing of the machine, so that all that is measured is the way to them: a logistic
regression (``examples/iris_model``) and one that has only ``predict``. Two ask much, trees of
scikit-learn, fitted here. One has an input class with a validator, which no column can decide.
``flights`` (``examples/flight_delay_model``) has nulls, text and categories.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
from iris_model.iris_predict import (
    FEATURES,
    SHIPPED_PARAMETERS,
    SPECIES,
    IrisInput,
    IrisModel,
    IrisOutput,
    read_parameters,
)
from pydantic import BaseModel, TypeAdapter, field_validator

from benchmarks.scenarios import MODELS
from model_dofns.ml_model import MLModel
from model_dofns.schemas import record_schema

Predict = Callable[[pa.RecordBatch], pa.RecordBatch]

PREDICT_FAILS, OUTPUT_IS_UNFIT = 99.0, 98.0
"""Widths of a petal, in cm, that mark a record for :class:`FaultyIris`."""


class OnlyPredict(MLModel):
    """The logistic regression of irises in plain Python: two microseconds a record."""

    display_name = "Iris species, record by record"
    qualified_name = "only_predict"
    description = "The species of an iris, by a model that has no predict_batch."
    version = "1.0.0"
    input_schema = IrisInput
    output_schema = IrisOutput

    def __init__(self) -> None:
        fitted = read_parameters(SHIPPED_PARAMETERS)
        self._classes = list(zip(fitted.coef, fitted.intercept, strict=True))

    def predict(self, record: IrisInput) -> IrisOutput:
        a, b, c, d = (
            record.sepal_length,
            record.sepal_width,
            record.petal_length,
            record.petal_width,
        )
        odds = [w[0] * a + w[1] * b + w[2] * c + w[3] * d + i for w, i in self._classes]
        top = max(odds)
        total = sum(math.exp(each - top) for each in odds)
        return IrisOutput(species=SPECIES[odds.index(top)], probability=1 / total)


class JudgedInput(IrisInput):
    """Measurements that a validator looks at, so that each record is judged alone."""

    @field_validator("petal_width")
    @classmethod
    def fits_in_a_hand(cls, width: float) -> float:
        if width > 20:
            raise ValueError("no petal is that wide")
        return width


class JudgedIris(IrisModel):
    """The logistic regression, behind an input class that the columns cannot decide."""

    qualified_name = "judged_iris"
    input_schema = JudgedInput


class FaultyIris(IrisModel):
    """The logistic regression, which fails on marked records: see ``PREDICT_FAILS``."""

    qualified_name = "faulty_iris"

    def predict(self, record: IrisInput) -> IrisOutput:
        if record.petal_width == PREDICT_FAILS:
            raise ArithmeticError("a record that was marked to fail")
        return super().predict(record)

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """As of the other; of a batch with a record that fails, nothing comes back."""
        width = batch.column("petal_width").to_numpy()
        if (width == PREDICT_FAILS).any():
            raise ArithmeticError("a record of the batch was marked to fail")
        outputs = super().predict_batch(batch)
        unfit = width == OUTPUT_IS_UNFIT
        if not unfit.any():
            return outputs
        probability = np.where(unfit, 2.0, outputs.column("probability").to_numpy())
        return outputs.set_column(1, "probability", pa.array(probability))


# --- fitted files ---------------------------------------------------------------------------------


def make_files(folder: Path) -> None:
    """Write the estimators that are fitted here, and a models file that names them."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    flowers = random.uniform(0.1, 8.0, (20_000, len(FEATURES)))
    regression = logistic_regression()
    # Labels as likely as the regression says: else the trees had next to nothing to learn.
    chances = regression.predict_proba(flowers).cumsum(axis=1)
    labels = regression.classes_[(random.random((len(flowers), 1)) > chances).sum(axis=1)]
    estimators = {
        "iris": regression,
        "forest": RandomForestClassifier(100, max_depth=10, random_state=0).fit(flowers, labels),
        "boosting": HistGradientBoostingClassifier(random_state=0).fit(flowers, labels),
    }
    entries = {}
    for name, estimator in estimators.items():
        file = folder / f"{name}.joblib"
        joblib.dump(estimator, file)
        entries[name] = {
            "class": "model_dofns.adapters.sklearn:SklearnModel",
            "configuration": {
                "file": str(file),
                "sha256": _sha256(file),
                "features": [{name: "float"} for name in FEATURES],
                "probabilities": True,
            },
        }
    (folder / "models.json").write_text(json.dumps({"models": entries}))


def _sha256(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


def logistic_regression() -> Any:
    """The estimator inside of the iris model."""
    from sklearn.linear_model import LogisticRegression

    fitted = read_parameters(SHIPPED_PARAMETERS)
    regression = LogisticRegression()
    regression.coef_ = np.array(fitted.coef)
    regression.intercept_ = np.array(fitted.intercept)
    regression.classes_ = np.array(fitted.classes)
    regression.n_features_in_ = len(fitted.features)
    return regression


# --- bare -----------------------------------------------------------------------------------------


def bare(name: str, folder: Path, *, validate: bool = False) -> tuple[pa.Schema, Predict]:
    """The columns that a model reads, and a function from them to predictions.

    Nothing is checked and nothing can be rejected; with ``validate``, each record goes through the
    input class, all of a batch in one call of pydantic's.
    """
    model = MODELS[name]
    if model.file:
        estimator = joblib.load(folder / f"{model.file}.joblib")
        return pa.schema([(feature, pa.float64()) for feature in FEATURES]), _estimator(estimator)
    instance = resolve_name(model.path)()
    schema = record_schema(instance.input_schema).arrow_schema
    if hasattr(instance, "predict_batch"):
        predict: Predict = instance.predict_batch
    else:
        predict = _record_by_record(instance)
    return schema, _validated(instance.input_schema, predict) if validate else predict


def _estimator(estimator: Any) -> Predict:
    """One call of ``predict_proba``; the label is the most probable class."""
    classes = pa.array(estimator.classes_.tolist())
    names = ["label", "probability", *(f"probability_{name}" for name in estimator.classes_)]

    def predict(batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = np.column_stack([column.to_numpy() for column in batch.columns])
        probabilities = estimator.predict_proba(rows)
        columns = [
            classes.take(pa.array(probabilities.argmax(axis=1))),
            pa.array(probabilities.max(axis=1)),
            *map(pa.array, np.ascontiguousarray(probabilities.T)),
        ]
        return pa.RecordBatch.from_arrays(columns, names)

    return predict


def _record_by_record(model: MLModel) -> Predict:
    construct = model.input_schema.model_construct
    names = list(model.output_schema.model_fields)

    def predict(batch: pa.RecordBatch) -> pa.RecordBatch:
        outputs = [model.predict(construct(**record)) for record in batch.to_pylist()]
        return pa.RecordBatch.from_pydict(
            {name: [getattr(output, name) for output in outputs] for name in names}
        )

    return predict


def _validated(input_schema: type[BaseModel], predict: Predict) -> Predict:
    validate = TypeAdapter(list[input_schema]).validate_python  # type: ignore[valid-type]

    def validated(batch: pa.RecordBatch) -> pa.RecordBatch:
        # What the class made of the values goes to the model, as it may have changed them.
        records = [vars(record) for record in validate(batch.to_pylist())]
        return predict(pa.RecordBatch.from_pylist(records, batch.schema))

    return validated

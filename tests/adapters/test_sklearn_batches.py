"""What a batch saves of an estimator's work, against the estimator's own methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from model_dofns import ModelSpec
from model_dofns.adapters import sklearn as adapter
from model_dofns.checks.context import Context
from model_dofns.checks.predicting import check_predict_batch
from model_dofns.checks.results import Verdict

RANDOM = np.random.default_rng(0)
GRID = RANDOM.integers(0, 4, (300, 2)).astype(float)  # of few places, so that forests have ties
TWO = RANDOM.integers(0, 2, 300)
THREE = np.array(["a", "b", "c"])[TWO + (GRID[:, 0] > 2)]
NOTHING = np.zeros((300, 2))  # to tell classes by
EVEN = np.arange(300) % 2


class Stubborn(RandomForestClassifier):
    """Predicts one class, whatever is probable."""

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), self.classes_[0])


class Reversed(HistGradientBoostingClassifier):
    """Finds probable what it does not predict."""

    def predict_proba(self, rows: Any) -> Any:
        return super().predict_proba(rows)[:, ::-1]


class Counted(TransformerMixin, BaseEstimator):
    """Counts how often rows pass."""

    calls = 0

    def fit(self, rows: Any, y: Any = None) -> Counted:
        return self

    def transform(self, rows: Any) -> Any:
        type(self).calls += 1
        return rows


def spec_of(estimator: Any, folder: Path) -> ModelSpec:
    joblib.dump(estimator, folder / "m.joblib")
    return ModelSpec(
        "model_dofns.adapters.sklearn:SklearnModel",
        {
            "file": str(folder / "m.joblib"),
            "features": [{"a": "float"}, {"b": "float"}],
            "probabilities": True,
        },
    )


def batch_of(rows: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(column) for column in rows.T], ["a", "b"])


@pytest.mark.parametrize(
    ("estimator", "rows", "y", "times"),
    [
        (RandomForestClassifier(2, random_state=0), GRID, TWO, 0),
        (ExtraTreesClassifier(4, max_depth=2, random_state=0), GRID, TWO == 1, 0),
        (RandomForestClassifier(3, random_state=0), GRID, THREE, 0),
        (RandomForestClassifier(2, random_state=0), NOTHING, EVEN * 0, 0),  # one class
        (HistGradientBoostingClassifier(max_iter=5), GRID, TWO, 0),
        (HistGradientBoostingClassifier(max_iter=5), GRID, THREE, 0),
        (GradientBoostingClassifier(n_estimators=5, random_state=0), GRID, TWO, 0),
        # Each class is as probable as the other, and these two do not decide it alike.
        (HistGradientBoostingClassifier(max_iter=5), NOTHING, EVEN, 1),
        (GradientBoostingClassifier(n_estimators=5, random_state=0), NOTHING, EVEN, 1),
        (Stubborn(2, random_state=0), GRID, TWO, 1),
        (Reversed(max_iter=5), GRID, TWO, 1),
        (FixedThresholdClassifier(LogisticRegression(), threshold=0.6), GRID, TWO, 1),
    ],
)
@pytest.mark.parametrize("piped", [False, True])
def test_labels_of_trees_are_found_with_their_probabilities(
    estimator: Any,
    rows: Any,
    y: Any,
    times: int,
    piped: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted = (make_pipeline(StandardScaler(), estimator) if piped else estimator).fit(rows, y)
    spec = spec_of(fitted, tmp_path)
    model: Any = spec.load()
    labels, probabilities = fitted.predict(rows), fitted.predict_proba(rows)
    alone = [model.predict(model.input_schema(a=a, b=b)) for a, b in rows[:20]]
    assert [one.label for one in alone] == labels[:20].tolist()

    kind = type(estimator)
    calls: list[Any] = []
    original = kind.predict

    def counted(*given: Any) -> Any:
        calls.append(given)
        return original(*given)

    monkeypatch.setattr(kind, "predict", counted)
    found = model.predict_batch(batch_of(rows)).to_pydict()
    assert len(calls) == times
    assert found.pop("label") == labels.tolist()
    of_label = probabilities[labels[:, None] == fitted.classes_[None, :]]
    assert found.pop("probability") == of_label.tolist()
    assert np.array_equal(np.transpose(list(found.values())), probabilities)


def test_ties_are_tried() -> None:
    """Or the forest above proved nothing of them."""
    forest = RandomForestClassifier(2, random_state=0).fit(GRID, TWO)
    halves = GradientBoostingClassifier(n_estimators=5).fit(NOTHING, EVEN)
    assert (np.ptp(forest.predict_proba(GRID), axis=1) < 0.5).any()
    assert halves.predict_proba(NOTHING)[0].tolist() == [0.5, 0.5]
    assert halves.predict(NOTHING)[0] == 1


def test_rows_pass_a_pipeline_once(tmp_path: Path) -> None:
    inner = make_pipeline("passthrough", Counted(), LogisticRegression())
    fitted = make_pipeline(Counted(), inner).fit(GRID, TWO)
    model: Any = spec_of(fitted, tmp_path).load()
    before = Counted.calls
    found = model.predict_batch(batch_of(GRID)).to_pydict()
    assert Counted.calls - before == 2
    assert found["label"] == fitted.predict(GRID).tolist()


def test_a_pipeline_that_changes_its_rows_in_place_is_given_new_ones(tmp_path: Path) -> None:
    rows = GRID + 5
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, THREE)
    labels, probabilities = fitted.predict(rows), fitted.predict_proba(rows)
    fitted[0].copy = False
    model: Any = spec_of(fitted, tmp_path).load()
    found = model.predict_batch(batch_of(rows)).to_pydict()
    alone = [model.predict(model.input_schema(a=a, b=b)) for a, b in rows[:20]]
    assert found["label"] == labels.tolist()
    assert [one.label for one in alone] == labels[:20].tolist()
    np.testing.assert_allclose(found["probability_a"], probabilities[:, 0], rtol=1e-9)


class Shifted(Pipeline):
    """A pipeline that predicts in a way of its own."""

    def predict(self, rows: Any, **params: Any) -> Any:
        return super().predict(rows, **params) * 0


def test_a_pipeline_of_another_class_is_asked_itself(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2, random_state=0)
    fitted = Shifted([("scale", StandardScaler()), ("forest", forest)]).fit(GRID, TWO)
    model: Any = spec_of(fitted, tmp_path).load()
    assert set(model.predict_batch(batch_of(GRID)).to_pydict()["label"]) == {0}


def test_check_would_find_labels_that_are_not_the_estimators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``predict`` is the estimator's own, or the check would compare a shortcut with itself."""
    stubborn = Stubborn(2, random_state=0).fit(GRID, TWO)
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    right, wrong = (spec_of(stubborn, tmp_path / name) for name in ("right", "wrong"))
    assert check_predict_batch(Context(right)).verdict is Verdict.OK
    monkeypatch.setattr(adapter, "_margin", lambda estimator: 0.0)
    finding = check_predict_batch(Context(wrong))
    assert finding.verdict is Verdict.FAILED
    assert "predict_batch and predict differ: label" in finding.message

"""Asking a model for answers, as a job would, and telling how two series of them differ."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from model_dofns.checks.records import Trial
from model_dofns.fields import schemas_of
from model_dofns.formats.base import Layout
from model_dofns.formats.dicts import DictRecords
from model_dofns.ml_model import MLModel
from model_dofns.prediction import BatchPredictor, Failure, Predictor, RecordPredictor
from model_dofns.schemas import is_interrupt, told

# Of two floats that are the same: a BLAS gives last bits that depend on the batch.
TOLERANCE: Final = 1e-9
# A name that no record has: what a prediction is called is not what is tried here.
_LAYOUT: Final = Layout(prediction_field="prediction_of_no_one")

# A prediction's fields by their names, or why there is none.
Answer: TypeAlias = Mapping[str, Any] | Failure


@dataclass(frozen=True)
class Answers:
    """What a model answered.

    Attributes:
        answers: one a record, in their order.
        calls: how often the model was called.
    """

    answers: tuple[Answer, ...]
    calls: int

    def failures(self, stage: str) -> list[tuple[int, Failure]]:
        """Those that failed at a stage, with the number of the record."""
        return [
            (row, answer)
            for row, answer in enumerate(self.answers)
            if isinstance(answer, Failure) and answer.stage == stage
        ]


class _Texts(DictRecords):
    """Records whose values are text, whatever they mean."""

    are_texts = True


def has_predict_batch(model: MLModel) -> bool:
    """Whether a job would hand the model batches."""
    return callable(getattr(model, "predict_batch", None))


def ask(
    model: MLModel,
    trials: Sequence[Trial],
    *,
    one_by_one: bool = False,
    batch_size: int | None = None,
) -> Answers:
    """The model's answers, by the way a job would ask it.

    Args:
        model: the model.
        trials: the records.
        one_by_one: by ``predict``, even where there is ``predict_batch``.
        batch_size: how many records ``predict_batch`` is handed at once; None for all.
    """
    answers: dict[int, Answer] = {}
    calls = 0
    for are_texts, kind in ((False, DictRecords), (True, _Texts)):
        rows = [row for row, trial in enumerate(trials) if trial.is_text is are_texts]
        if not rows:
            continue
        records = kind([trials[row].copied() for row in rows], _LAYOUT)
        outcome = _predictor(model, one_by_one, batch_size).score(records)
        calls += outcome.calls
        for failure in outcome.failures:
            answers[rows[failure.row]] = failure
        found = zip(outcome.rows.tolist(), outcome.predictions.to_pylist(), strict=True)
        for row, prediction in found:
            answers[rows[row]] = prediction
    return Answers(tuple(answers[row] for row in range(len(trials))), calls)


def attempt(method: Callable[[Any], Any], argument: Any) -> tuple[Any, str | None]:
    """What a method of a model returns, and None; or None, and the error that it raises."""
    try:
        return method(argument), None
    except BaseException as error:
        if is_interrupt(error):
            raise
        return None, cut(f"{type(error).__name__}: {told(error)}")


def difference(
    one: Answers, other: Answers, trials: Sequence[Trial], *, answered_by_both: bool = False
) -> str | None:
    """How two series of answers to the same records differ first; None where they do not.

    Args:
        one, other: the answers.
        trials: the records.
        answered_by_both: pass over records of which one of them has no prediction.
    """
    for trial, a, b in zip(trials, one.answers, other.answers, strict=True):
        what = None
        if isinstance(a, Failure) or isinstance(b, Failure):
            if isinstance(a, Failure) is not isinstance(b, Failure) and not answered_by_both:
                what = f"{_shown(a)} and {_shown(b)}"
        else:
            name = next((name for name in a if not same(a[name], b.get(name))), None)
            what = None if name is None else f"{name} = {a[name]!r} and {b.get(name)!r}"
        if what is not None:
            return f"{what}, of the record {shown_record(trial)}"
    return None


def lost(one: Answers, other: Answers, trials: Sequence[Trial]) -> str | None:
    """The first record of which the one has a prediction, and the other failed; None if none."""
    for trial, a, b in zip(trials, one.answers, other.answers, strict=True):
        if not isinstance(a, Failure) and isinstance(b, Failure) and b.stage == "predict":
            return f"{shown_failure(b)}, for the record {shown_record(trial)}"
    return None


def same(one: Any, other: Any) -> bool:
    """Whether two values of predictions are the same: floats within 1e-9, all else exactly."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def shown_record(trial: Trial) -> str:
    """A record, for a message."""
    return cut(repr(dict(trial.values)))


def shown_failure(failure: Failure) -> str:
    """Why there is no prediction, for a message."""
    return cut(f"{failure.error}: {failure.message}" if failure.message else failure.error)


def _shown(answer: Answer) -> str:
    return shown_failure(answer) if isinstance(answer, Failure) else cut(repr(dict(answer)))


def cut(text: str, length: int = 200) -> str:
    """A text on one line, for a message."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _predictor(model: MLModel, one_by_one: bool, batch_size: int | None) -> Predictor:
    input_schema, output_schema = schemas_of(model)
    turn = contextlib.nullcontext()  # who asks from several threads sees to that
    if one_by_one or not has_predict_batch(model):
        return RecordPredictor(model, input_schema, output_schema, turn)
    return BatchPredictor(model, input_schema, output_schema, turn, batch_size)

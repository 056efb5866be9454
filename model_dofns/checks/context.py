"""What checks of a model have in common: the model, the records it is tried with, its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from model_dofns.checks.answers import Answers, ask, has_predict_batch
from model_dofns.checks.child import ChildRun, Forbidden, run_child
from model_dofns.checks.records import MAX_SAMPLES, Trial, Trials, read_samples, trials_of
from model_dofns.checks.results import CheckResult, Verdict
from model_dofns.exceptions import RecordError
from model_dofns.fields import schemas_of
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelSpec
from model_dofns.schemas import RecordSchema
from model_dofns.scorer import Scorer


@dataclass(frozen=True, eq=False)
class Context:
    """The model that is checked; what several checks want of it is made once, when it is wanted.

    Attributes:
        spec: the model.
        sample_files: files with records of the author's own.
        sample_records: such records themselves.
    """

    spec: ModelSpec
    sample_files: tuple[str, ...] = ()
    sample_records: tuple[Trial, ...] = ()

    @cached_property
    def scorer(self) -> Scorer:
        """As a job has it.

        Raises:
            ModelError: the model does not load, or a job could not use it.
        """
        return Scorer(self.spec)

    @cached_property
    def model(self) -> MLModel:
        return self.spec.load()

    @property
    def is_batched(self) -> bool:
        """Whether it has ``predict_batch``."""
        return has_predict_batch(self.model)

    @cached_property
    def schemas(self) -> tuple[RecordSchema, RecordSchema]:
        """Its input and its output schema."""
        return schemas_of(self.model)

    @cached_property
    def records(self) -> Trials:
        samples: list[Trial | RecordError] = list(self.sample_records[:MAX_SAMPLES])
        samples += read_samples(self.sample_files, self.scorer.layout)
        return trials_of(self.schemas[0], samples)

    @property
    def trials(self) -> Sequence[Trial]:
        """The records that it is tried with."""
        return self.records.trials

    @cached_property
    def answers(self) -> Answers:
        """Its answers to the records, by the way a job would ask."""
        return ask(self.model, self.trials)

    @cached_property
    def single_answers(self) -> Answers:
        """Its answers by ``predict``."""
        return ask(self.model, self.trials, one_by_one=True)

    @cached_property
    def fresh(self) -> ChildRun:
        """The same in a new process."""
        return run_child(self.spec, self.trials)

    def forbidding(self, forbidden: Forbidden) -> ChildRun:
        """The same in a new process where something is forbidden."""
        return run_child(self.spec, self.trials, forbidden)


@dataclass(frozen=True)
class Finding:
    """What a check found: a result without the check's name."""

    verdict: Verdict
    message: str
    hint: str = ""


def ok(message: str) -> Finding:
    """The model does what is asked."""
    return Finding(Verdict.OK, message)


def failed(message: str, hint: str) -> Finding:
    """It does not."""
    return Finding(Verdict.FAILED, message, hint)


def warning(message: str, hint: str) -> Finding:
    """It does, but something should be looked at."""
    return Finding(Verdict.WARNING, message, hint)


def not_tried(message: str) -> Finding:
    """Nobody knows."""
    return Finding(Verdict.NOT_TRIED, message)


@dataclass(frozen=True)
class Check:
    """One thing that is asked of a model.

    Attributes:
        name: as it stands in the table.
        look: what finds out.
        needs: checks without which it would say nothing; where one failed, it is not tried.
    """

    name: str
    look: Callable[[Context], Finding]
    needs: tuple[str, ...] = ()

    def result(self, context: Context, earlier: Sequence[CheckResult]) -> CheckResult:
        """Try it, unless what it needs is missing."""
        finding = None
        for needed in (result for result in earlier if result.check in self.needs):
            if needed.verdict is Verdict.FAILED:
                finding = not_tried(f"as {needed.check} failed")
            elif needed.verdict is Verdict.NOT_TRIED:
                finding = not_tried(needed.message)
        finding = finding or self.look(context)
        return CheckResult(self.name, finding.verdict, finding.message, finding.hint)

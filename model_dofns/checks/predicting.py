"""Checks of what a model answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from model_dofns.checks.answers import (
    Answers,
    ask,
    attempt,
    cut,
    difference,
    shown_failure,
    shown_record,
)
from model_dofns.checks.context import Context, Finding, failed, not_tried, ok, warning
from model_dofns.checks.records import instance_of

# Of batches: of one row, and such that the last one is smaller.
_BATCH_SIZES = (1, 2, 7)


def check_answers(context: Context) -> Finding:
    """``predict`` has answers to records of its input class."""
    failures = context.single_answers.failures("predict")
    count = len(context.trials)
    if not failures:
        return ok(f"predict answers all {count} records")
    row, failure = failures[0]
    message = (
        f"predict raises for {len(failures)} of {count} records that its input class takes:"
        f" {shown_failure(failure)}, for {shown_record(context.trials[row])}"
    )
    if len(failures) == count:
        return failed(message, "does the input class say all that predict asks of a record?")
    return warning(
        message,
        "a job rejects such records at predict; what is never right is better refused by the"
        " input class",
    )


def check_output(context: Context) -> Finding:
    """What it returns is of its output class."""
    for way, answers in _ways(context):
        if failures := answers.failures("output"):
            row, failure = failures[0]
            return failed(
                f"{way} returns what is not of the output class, for {len(failures)} of"
                f" {len(context.trials)} records: {failure.message}, for"
                f" {shown_record(context.trials[row])}",
                "return each field in its type and its bounds; a float that may be NaN or infinite"
                " is declared as float | None, and becomes null",
            )
    return ok("all predictions are of the output class")


def check_deterministic(context: Context) -> Finding:
    """The same record gets the same prediction, again and in another process."""
    if not context.model.deterministic:
        return not_tried("as it does not claim to be deterministic")
    hint = (
        "seed what is random in each prediction; or say deterministic = False, if it is meant to be"
    )
    for way, answers in _ways(context):
        again = ask(context.model, context.trials, one_by_one=way == "predict")
        if found := difference(answers, again, context.trials):
            return failed(f"{way} answers otherwise when it is asked again: {found}", hint)
    there = context.fresh.answers
    if there is None:
        return ok("the same when asked again; another process could not be asked")
    if found := difference(context.answers, there, context.trials, answered_by_both=True):
        return failed(
            f"another process answers otherwise: {found}",
            f"{hint}; do not depend on hash() of text, on the order of a set, or on the process",
        )
    return ok("the same when asked again, and in another process")


def check_predict_batch(context: Context) -> Finding:
    """``predict_batch`` means what ``predict`` means."""
    if not context.is_batched:
        return not_tried("as it has no predict_batch")
    if found := difference(
        _without_unfit(context.answers, context.single_answers),
        _without_unfit(context.single_answers, context.answers),
        context.trials,
    ):
        return failed(
            f"predict_batch and predict differ: {found}",
            "predict is the meaning of the model: floats must agree within 1e-9, all else exactly;"
            " let both call the same function where they can",
        )
    return ok(f"predict_batch agrees with predict on {len(context.trials)} records")


def check_batching(context: Context) -> Finding:
    """An answer does not depend on what else is in the batch."""
    hint = "compute each row from that row alone: no mean, rank or scale over the rows of a batch"
    trials = context.trials
    for size in _BATCH_SIZES:
        answers = ask(context.model, trials, batch_size=size)
        if found := difference(context.answers, answers, trials):
            return failed(f"all at once and by {size} at once differ: {found}", hint)
    order = list(range(len(trials)))
    random.Random(0).shuffle(order)
    shuffled = ask(context.model, [trials[row] for row in order])
    back = sorted(range(len(order)), key=order.__getitem__)
    answers = Answers(tuple(shuffled.answers[row] for row in back), shuffled.calls)
    if found := difference(context.answers, answers, trials):
        return failed(f"in this order and in another they differ: {found}", hint)
    if problem := _raises_for_many(context):
        return failed(
            problem, "a job goes on record by record, which is slow: let a batch raise for no one"
        )
    if problem := _no_rows(context):
        return failed(problem, "for a batch without rows return the output columns without rows")
    sizes = ", ".join(map(str, _BATCH_SIZES))
    return ok(f"the same by {sizes} and all rows at once, in another order, and without rows")


def _ways(context: Context) -> list[tuple[str, Answers]]:
    """Each way to ask it, and its answers."""
    ways = [("predict", context.single_answers)]
    return [("predict_batch", context.answers), *ways] if context.is_batched else ways


def _without_unfit(answers: Answers, others: Answers) -> Answers:
    """The answers; both failures where one is unfit, which is what :func:`check_output` tells."""
    unfit = dict(answers.failures("output")) | dict(others.failures("output"))
    both = (unfit.get(row, answer) for row, answer in enumerate(answers.answers))
    return Answers(tuple(both), answers.calls)


def _raises_for_many(context: Context) -> str | None:
    """Whether it raised for some records together, of which each alone has an answer."""
    kinds = len({trial.is_text for trial in context.trials})
    if context.answers.failures("predict") or context.answers.failures("output"):
        return None  # that is why it was called more often
    if context.answers.calls <= kinds:
        return None
    return (
        f"predict_batch raised, or returned what does not fit, for {len(context.trials)} records"
        f" at once, and not for parts of them: {_raised(context)}"
    )


def _raised(context: Context) -> str:
    schema, _ = context.schemas
    rows = [schema.values(instance_of(schema, trial)) for trial in context.trials]
    result, error = attempt(_predict_batch(context), schema.batch(rows))
    return error or f"a {type(result).__name__}"


def _no_rows(context: Context) -> str | None:
    """What is wrong with the answer to a batch without rows."""
    input_schema, output_schema = context.schemas
    result, error = attempt(_predict_batch(context), input_schema.batch([]))
    if error is not None:
        return f"predict_batch raises for a batch without rows: {error}"
    names: Sequence[str] = output_schema.names
    if not isinstance(result, pa.RecordBatch) or sorted(result.schema.names) != sorted(names):
        return (
            "predict_batch returns no RecordBatch with the output columns for a batch without"
            f" rows: {cut(str(result))}"
        )
    if result.num_rows:
        return f"predict_batch returns {result.num_rows} rows for a batch without rows"
    return None


def _predict_batch(context: Context) -> Any:
    """The method, which not every model has."""
    return context.model.predict_batch  # type: ignore[attr-defined]

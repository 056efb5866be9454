"""What predictions cost: figures, and whether memory is lost on the way."""

from __future__ import annotations

import gc
import itertools
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from model_dofns.checks.answers import Answer
from model_dofns.checks.context import Context, Finding, not_tried, warning
from model_dofns.checks.records import instance_of
from model_dofns.checks.results import Verdict
from model_dofns.prediction import Failure

_BATCH_ROWS = 1_000
_MEASURED_SECONDS = 0.3
_WORTH_IT = 2.0  # times as fast

_WINDOWS = 4  # memory that grows in each of them is lost
_WINDOW_SECONDS = 0.5
_WINDOW_CALLS = (10, 200)
# Of a call, on average: what one more object takes, or one more place in a list with a small one.
_LOST_BYTES = 24


@dataclass(frozen=True)
class _Calls:
    """A way to ask the model again and again.

    Attributes:
        name: of the method.
        rows: how many records a call has.
        call: makes one call, with other records each time.
    """

    name: str
    rows: int
    call: Callable[[], Any]


def measure_time(context: Context) -> Finding:
    """How long a prediction takes."""
    calls = _calls(context)
    if not calls:
        return not_tried("as it answers no record")
    seconds = {each.name: _seconds(each) / each.rows for each in calls}
    message = f"predict takes {_short(seconds['predict'])} a record"
    if "predict_batch" not in seconds:
        return Finding(
            Verdict.INFO,
            message,
            "add predict_batch: computing with columns may be hundreds of times as fast",
        )
    gain = seconds["predict"] / seconds["predict_batch"]
    message += (
        f", predict_batch {_short(seconds['predict_batch'])} ({_BATCH_ROWS:,} at once,"
        f" {gain:,.1f} times as fast)"
    )
    if gain >= _WORTH_IT:
        return Finding(Verdict.INFO, message)
    return Finding(
        Verdict.INFO, message, "predict_batch gains next to nothing: is it a loop in Python?"
    )


def measure_memory(context: Context) -> Finding:
    """How much memory a prediction takes, and whether it is given back."""
    calls = _calls(context)
    if not calls:
        return not_tried("as it answers no record")
    peaks = []
    with _traced():
        for each in calls:
            peaks.append(f"{each.name} takes {_peak(each) / each.rows:,.0f} bytes a record")
            lost = _lost_bytes(each)
            if lost is not None:
                return warning(
                    f"{each.name} loses {lost:,.0f} bytes a call, over and over",
                    "a worker asks millions of times: does it keep records or predictions, or"
                    " fill a cache without an end?",
                )
    return Finding(
        Verdict.INFO, f"{', '.join(peaks)} while it runs, and gives it back (Python's and Arrow's)"
    )


def _calls(context: Context) -> list[_Calls]:
    """The ways to ask it, with records that it answers."""
    schema, _ = context.schemas
    answered = zip(context.trials, context.single_answers.answers, strict=True)
    instances = [instance_of(schema, trial) for trial, answer in answered if _is_one(answer)]
    if not instances:
        return []
    model: Any = context.model
    turns = itertools.cycle(instances)
    calls = [_Calls("predict", 1, lambda: model.predict(next(turns)))]
    if context.is_batched and any(map(_is_one, context.answers.answers)):
        rows = [schema.values(instance) for instance in instances]
        batch = schema.batch(list(itertools.islice(itertools.cycle(rows), _BATCH_ROWS)))
        calls.append(_Calls("predict_batch", _BATCH_ROWS, lambda: model.predict_batch(batch)))
    return calls


def _is_one(answer: Answer) -> bool:
    return not isinstance(answer, Failure)


def _seconds(calls: _Calls) -> float:
    """Of a call, on average; the first one, which may make what is made once, is left out."""
    calls.call()
    begin = now = time.perf_counter()
    count = 0
    while now - begin < _MEASURED_SECONDS:
        calls.call()
        count += 1
        now = time.perf_counter()
    return (now - begin) / count


def _peak(calls: _Calls) -> int:
    """The most bytes that Python had in a call, beyond those before it."""
    calls.call()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    calls.call()
    return max(tracemalloc.get_traced_memory()[1] - before, 0)


def _lost_bytes(calls: _Calls) -> float | None:
    """How many bytes each call loses, if there are such in each of several windows."""
    begin = time.perf_counter()
    calls.call()
    fewest, most = _WINDOW_CALLS
    count = int(_WINDOW_SECONDS / max(time.perf_counter() - begin, 1e-6))
    count = min(max(count, fewest), most)
    held = [_held(calls, count) for _ in range(_WINDOWS + 1)]  # what is made once, in the first
    growth = [(after - before) / count for before, after in itertools.pairwise(held)]
    return min(growth) if min(growth) >= _LOST_BYTES else None


def _held(calls: _Calls, count: int) -> int:
    """The bytes that Python and Arrow have after so many calls."""
    for _ in range(count):
        calls.call()
    gc.collect()
    return tracemalloc.get_traced_memory()[0] + int(pa.total_allocated_bytes())


@contextmanager
def _traced() -> Iterator[None]:
    if tracemalloc.is_tracing():
        yield
        return
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _short(seconds: float) -> str:
    """A time, in a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"

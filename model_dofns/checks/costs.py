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

from model_dofns.checks.answers import attempt
from model_dofns.checks.context import Context, Finding, not_tried, warning
from model_dofns.checks.records import instance_of
from model_dofns.checks.results import Verdict
from model_dofns.prediction import Failure

_BATCH_ROWS = 1_000
_SMALL_BATCH_ROWS = 100
_MEASURED_SECONDS = 0.3
_WORTH_IT = 2.0  # times as fast

_WINDOWS = 4  # memory that grows in each of them is lost
_WINDOW_SECONDS = 0.5
# Few calls drown in what Python itself makes meanwhile: some hundred bytes a window.
_WINDOW_CALLS = (30, 200)
# Of a call, on average: what one more object and its place in a list take.
_LOST_BYTES = 40
_TOO_SLOW_SECONDS = 0.5


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
    calls, problem = _calls(context, _BATCH_ROWS)
    if not calls:
        return not_tried(problem)
    seconds = {each.name: _seconds(each) / each.rows for each in calls}
    message = f"predict takes {_short(seconds['predict'])} a record"
    if problem:
        return Finding(Verdict.INFO, f"{message}; {problem}")
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
    calls, problem = _calls(context, _SMALL_BATCH_ROWS)
    if not calls:
        return not_tried(problem)
    peaks, too_slow = [], False
    with _traced():
        for each in calls:
            peaks.append(f"{each.name} takes {_peak(each) / each.rows:,.0f} bytes a record")
            begin = time.perf_counter()
            each.call()
            seconds = time.perf_counter() - begin
            if seconds > _TOO_SLOW_SECONDS:
                too_slow = True
            elif lost := _lost_bytes(each, seconds):
                return warning(
                    f"{each.name} loses {lost:,.0f} bytes a call, over and over",
                    "a worker asks millions of times: does it keep records or predictions, or"
                    " fill a cache without an end?",
                )
    back = "it is too slow to see whether all is given back" if too_slow else "and gives it back"
    return Finding(Verdict.INFO, f"{', '.join(peaks)} of Python's and Arrow's memory, {back}")


def _calls(context: Context, batch_rows: int) -> tuple[list[_Calls], str]:
    """The ways to ask it, with records that it answers; and why one of them is missing."""
    schema, _ = context.schemas
    answered = zip(context.trials, context.single_answers.answers, strict=True)
    instances = [
        instance_of(schema, trial) for trial, answer in answered if not isinstance(answer, Failure)
    ]
    if not instances:
        return [], "as predict has no answer that is of the output class"
    model: Any = context.model
    turns = itertools.cycle(instances)
    calls = [_Calls("predict", 1, lambda: attempt(model.predict, next(turns)))]
    if not context.is_batched:
        return calls, ""
    rows = [schema.values(instance) for instance in instances]
    batch = schema.batch(list(itertools.islice(itertools.cycle(rows), batch_rows)))
    _, error = attempt(model.predict_batch, batch)
    if error is not None:
        return calls, f"predict_batch raises for {batch_rows:,} records at once: {error}"
    return [
        *calls,
        _Calls("predict_batch", batch_rows, lambda: attempt(model.predict_batch, batch)),
    ], ""


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


def _lost_bytes(calls: _Calls, seconds: float) -> float:
    """How many bytes each call loses, if it does in each of several windows; else 0.

    Args:
        calls: the calls.
        seconds: how long one takes, about.
    """
    fewest, most = _WINDOW_CALLS
    count = min(max(int(_WINDOW_SECONDS / max(seconds, 1e-6)), fewest), most)
    lost = _growth(calls, count)
    # What else grew a little meanwhile does not grow with the calls.
    return _growth(calls, 4 * count) if lost else 0.0


def _growth(calls: _Calls, count: int) -> float:
    held = [_held(calls, count) for _ in range(_WINDOWS + 1)]  # what is made once, in the first
    growth = [(after - before) / count for before, after in itertools.pairwise(held)]
    return min(growth) if min(growth) >= _LOST_BYTES else 0.0


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

"""Checks of how a model behaves towards who uses it: its records, and other threads."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from model_dofns.checks.answers import Answers, ask, attempt, difference, shown_record
from model_dofns.checks.context import Context, Finding, failed, ok
from model_dofns.checks.records import instance_of

_THREADS = 4
_BATCH_SIZE = 10  # so that each thread asks some times
_SWITCH_SECONDS = 1e-5  # between threads, so that they get in each other's way


def check_input_unchanged(context: Context) -> Finding:
    """It leaves its records as they are."""
    hint = "work on a copy: the record goes on to the output, and others may be looking at it"
    schema, _ = context.schemas
    for trial in context.trials:
        instance = instance_of(schema, trial)
        before = copy.deepcopy(instance)
        # What it answers, or raises, is for other checks.
        attempt(context.model.predict, instance)
        if instance != before:
            return failed(f"predict changes its record: {shown_record(trial)}", hint)
    if context.is_batched:
        rows = [schema.values(instance_of(schema, trial)) for trial in context.trials]
        batch = _writable(schema.batch(rows))
        contents = _contents(batch)
        attempt(context.model.predict_batch, batch)  # type: ignore[attr-defined]  # it has one
        if _contents(batch) != contents:
            return failed("predict_batch writes into its batch, which in a job is read-only", hint)
    return ok("records and batches are left as they are")


def check_threads(context: Context) -> Finding:
    """Several threads at once get the answers that one gets, where it says so."""
    if not context.model.thread_safe:
        return ok("it does not claim to be thread safe, and its callers take turns")
    ways = [True, False] if context.is_batched else [True]
    for one_by_one in ways:
        # A new one, which has not been used: what is made at first use may be made by each thread.
        model = context.spec.load(fresh=True)
        alone = ask(context.model, context.trials, one_by_one=one_by_one, batch_size=_BATCH_SIZE)
        for answers in _asked_at_once(model, context, one_by_one):
            found = difference(alone, answers, context.trials)
            if found is None and answers.calls > alone.calls:
                found = "it raises, and not when it is asked by one thread"
            if found:
                return failed(
                    f"{_THREADS} threads at once do not get the answers of one: {found}",
                    "keep nothing of a record in self while predicting, or hold a lock; or say"
                    " thread_safe = False, and callers take turns",
                )
    return ok(f"{_THREADS} threads at once get the answers of one")


def _asked_at_once(model: Any, context: Context, one_by_one: bool) -> list[Answers]:
    begin = threading.Barrier(_THREADS)

    def answers() -> Answers:
        begin.wait()
        return ask(model, context.trials, one_by_one=one_by_one, batch_size=_BATCH_SIZE)

    with _switching_often(), ThreadPoolExecutor(_THREADS) as threads:
        return [one.result() for one in [threads.submit(answers) for _ in range(_THREADS)]]


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _writable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in memory that can be written to; those of nested columns as they are."""

    def copied(buffer: pa.Buffer | None) -> pa.Buffer | None:
        return None if buffer is None else pa.py_buffer(bytearray(buffer))

    columns = [
        column
        if column.type.num_fields
        else pa.Array.from_buffers(
            column.type, len(column), list(map(copied, column.buffers())), offset=column.offset
        )
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _contents(batch: pa.RecordBatch) -> list[bytes]:
    buffers = [buffer for column in batch.columns for buffer in column.buffers()]
    return [b"" if buffer is None else bytes(buffer) for buffer in buffers]

"""Asking a model for predictions, so that one bad record never takes a good one down.

Two ways to ask, chosen by what the model has; both take the records of a block and give one
:class:`Outcome`. :class:`BatchPredictor` hands over columns and bisects what fails;
:class:`RecordPredictor` hands over one record after the other.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.arrays import all_finite, has_infinities
from model_dofns.batches import (
    as_columns,
    as_dicts,
    ascending,
    concatenated,
    merged,
    read_only,
)
from model_dofns.bisecting import bisect
from model_dofns.exceptions import EveryPredictionFailsError, RecordError
from model_dofns.formats.base import Candidates, Rows
from model_dofns.schemas import RecordSchema, is_interrupt, told
from model_dofns.schemas.fast_accept import Mask

# A task whose first so many records all fail in predict stops: the model cannot work on this data.
MAX_FAILURES_FROM_START = 1_000


@dataclass(frozen=True)
class Failure:
    """A record of a block that could not be scored."""

    row: int
    stage: str
    error: str
    message: str


@dataclass
class Outcome:
    """What became of the records of a block: every one is in ``rows`` or in ``failures``.

    Attributes:
        rows: the records that were scored, ascending.
        predictions: their predictions, one row each, in the columns of the output class.
        failures: all others, in no order.
        calls: how often the model was called.
        seconds: how long those calls took.
    """

    rows: Rows
    predictions: pa.RecordBatch
    failures: list[Failure] = field(default_factory=list)
    calls: int = 0
    seconds: float = 0.0


class UnfitOutputError(Exception):
    """A model returned something that is not of its output class."""


class Predictor(ABC):
    """Scores the records of one block after the other; made once a task.

    Args:
        model: the model.
        input_schema, output_schema: its classes.
        turn: entered round each call of the model: a lock where the model is not thread safe.
    """

    def __init__(
        self,
        model: Any,
        input_schema: RecordSchema,
        output_schema: RecordSchema,
        turn: AbstractContextManager[Any],
    ) -> None:
        self._model = model
        self._input = input_schema
        self._output = output_schema
        self._turn = turn
        self._failures_from_start: int | None = 0  # None once a prediction has succeeded

    @abstractmethod
    def score(self, records: Candidates) -> Outcome:
        """Decode, validate, predict and check the records of a block.

        Raises:
            EveryPredictionFailsError: the first 1,000 records of this task all failed in predict.
        """

    def _judged(
        self, records: Candidates, rows: Rows, failures: list[Failure]
    ) -> Iterator[tuple[int, Any]]:
        """The records that the judge takes, as instances of the input class."""
        for row, record in zip(rows.tolist(), records.parse(rows.tolist()), strict=True):
            if isinstance(record, RecordError):
                failures.append(Failure(row, "decode", record.error, record.message))
                continue
            try:
                yield row, self._input.judge(record, as_text=records.are_texts)
            except RecordError as error:
                failures.append(Failure(row, "validate", error.error, error.message))

    def _failure(self, row: int, error: BaseException) -> Failure:
        """What the model did to this record, alone."""
        if isinstance(error, UnfitOutputError):
            self._failures_from_start = None
            return Failure(row, "output", "UnfitOutput", str(error))
        failures = self._failures_from_start  # read once: threads of RunInference share this
        if failures is not None:
            self._failures_from_start = failures + 1
            if failures + 1 >= MAX_FAILURES_FROM_START:
                raise EveryPredictionFailsError(
                    f"the first {MAX_FAILURES_FROM_START} records of this task all failed in"
                    f" predict; the last with {type(error).__name__}: {told(error)}; does the"
                    " model fit this data, and does it work on this worker?"
                ) from error
        return Failure(row, "predict", type(error).__name__, told(error))

    def _checked(
        self,
        rows: Rows,
        outputs: pa.RecordBatch,
        failures: list[Failure],
        *,
        are_judged: bool = False,
    ) -> tuple[Rows, pa.RecordBatch]:
        """The predictions that the output class takes; the others become failures.

        A float that is not finite becomes null where the field may be None, and is refused where
        it may not: no format but Parquet could say it.
        """
        outputs, finite = self._without_infinities(rows, outputs, failures)
        taken = None if are_judged else self._output.accept(outputs)
        accepted = finite & (are_judged if taken is None else taken[1])
        if accepted.all():
            return rows, outputs
        judged: list[tuple[Any, ...]] = []
        judged_rows: list[int] = []
        for i in np.flatnonzero(finite & ~accepted):  # none of those that are judged
            row = int(rows[i])
            try:
                judged.append(self._output.rejudged(outputs.slice(i, 1)))
                judged_rows.append(row)
            except RecordError as error:
                failures.append(Failure(row, "output", error.error, error.message))
            except UnicodeDecodeError as error:
                message = f"{error.reason} at byte {error.start}"
                failures.append(Failure(row, "output", "InvalidUTF8", message))
        return merged(
            (rows[accepted], outputs.filter(pa.array(accepted))),
            (np.array(judged_rows, np.int64), self._output.batch(judged)),
        )

    def _without_infinities(
        self, rows: Rows, outputs: pa.RecordBatch, failures: list[Failure]
    ) -> tuple[pa.RecordBatch, Mask]:
        """The outputs with null for what is not finite, and which of them need no refusal."""
        fit: Mask = np.ones(len(rows), dtype=np.bool_)
        columns = []
        for name, column in zip(self._output.names, outputs.columns, strict=True):
            if pa.types.is_floating(column.type) and not all_finite(column):
                finite = pc.fill_null(pc.is_finite(column), True).to_numpy(zero_copy_only=False)
                if not self._output.nullable[name]:
                    for i in np.flatnonzero(fit & ~finite):
                        message = f"{name}: {column[i].as_py()} is not finite"
                        failures.append(Failure(int(rows[i]), "output", "NotFinite", message))
                    fit &= finite
                else:
                    column = pc.if_else(pa.array(finite), column, None)
            elif pa.types.is_nested(column.type) and has_infinities(column):
                column = self._nested_without_infinities(rows, name, column, fit, failures)
            columns.append(column)
        return pa.RecordBatch.from_arrays(columns, schema=outputs.schema), fit

    def _nested_without_infinities(
        self, rows: Rows, name: str, column: pa.Array, fit: Mask, failures: list[Failure]
    ) -> pa.Array:
        """The same for the floats inside the values of a column; ``fit`` is kept up."""
        values = []
        indices = np.arange(len(column))
        for i in np.flatnonzero(fit):
            try:
                values.append(self._output.column_types[name].finite(name, column[i].as_py()))
                indices[i] = len(column) + len(values) - 1
            except RecordError as error:
                failures.append(Failure(int(rows[i]), "output", error.error, error.message))
                fit[i] = False
            except Exception:  # noqa: BLE001, S112  # what Python cannot hold is for the judge
                continue
        return pa.concat_arrays([column, pa.array(values, column.type)]).take(pa.array(indices))


class BatchPredictor(Predictor):
    """For a model that has ``predict_batch``."""

    def __init__(
        self,
        model: Any,
        input_schema: RecordSchema,
        output_schema: RecordSchema,
        turn: AbstractContextManager[Any],
        batch_size: int | None = None,
    ) -> None:
        super().__init__(model, input_schema, output_schema, turn)
        self._batch_size = batch_size

    def score(self, records: Candidates) -> Outcome:
        failures: list[Failure] = []
        rows, inputs = self._inputs(records, failures)
        outcome = Outcome(rows[:0], self._output.batch([]), failures)
        scored: list[tuple[Rows, pa.RecordBatch]] = []
        step = self._batch_size or max(len(rows), 1)
        for begin in range(0, len(rows), step):
            batch = read_only(inputs.slice(begin, step))

            def call(start: int, stop: int, batch: pa.RecordBatch = batch) -> pa.RecordBatch:
                return self._predict(batch.slice(start, stop - start), outcome)

            for start, stop, result in bisect(call, batch.num_rows):
                part = rows[begin + start : begin + stop]
                if isinstance(result, BaseException):
                    failures.append(self._failure(int(part[0]), result))
                else:
                    self._failures_from_start = None
                    scored.append((part, result))
        if scored:
            scored_rows = np.concatenate([part for part, _ in scored])
            predictions = concatenated([outputs for _, outputs in scored])
            outcome.rows, outcome.predictions = self._checked(scored_rows, predictions, failures)
        return outcome

    def _inputs(self, records: Candidates, failures: list[Failure]) -> tuple[Rows, pa.RecordBatch]:
        """The valid records as columns, whichever way each was found to be valid; rows ascend."""
        assert self._input.arrow_schema is not None
        if self._input.fast_accept_off is None:
            rows, columns = records.columns(self._input.arrow_schema)
            taken = self._input.accept(columns, as_text=records.are_texts)
        else:
            rows, taken = np.empty(0, np.int64), None
        if taken is None:
            fast, inputs = rows[:0], self._input.batch([])
        else:
            inputs, accepted = taken
            fast = rows
            if not accepted.all():
                fast, inputs = rows[accepted], inputs.filter(pa.array(accepted))
        if len(fast) == len(records):
            return fast, inputs
        alone = np.setdiff1d(np.arange(len(records)), fast, assume_unique=True)
        judged: list[int] = []
        raw: list[tuple[Any, ...]] = []
        for row, instance in self._judged(records, alone, failures):
            try:
                raw.append(self._input.raw_values(instance))
                judged.append(row)
            except RecordError as error:
                failures.append(Failure(row, "validate", error.error, error.message))
        others, other_inputs, unfit = as_columns(judged, raw, self._input)
        failures += [Failure(row, "validate", e.error, e.message) for row, e in unfit]
        return merged((fast, inputs), (others, other_inputs))

    def _predict(self, batch: pa.RecordBatch, outcome: Outcome) -> pa.RecordBatch:
        begin = time.perf_counter()
        outcome.calls += 1
        try:
            with self._turn:
                outputs = self._model.predict_batch(batch)
        finally:
            outcome.seconds += time.perf_counter() - begin
        return self._fit(outputs, batch.num_rows)

    def _fit(self, outputs: Any, size: int) -> pa.RecordBatch:
        """The outputs in the columns of the output class.

        Raises:
            UnfitOutputError: they are of another type, length or form.
        """
        schema = self._output.arrow_schema
        assert schema is not None
        if not isinstance(outputs, pa.RecordBatch):
            raise UnfitOutputError(
                f"predict_batch must return a pyarrow.RecordBatch, and returned a"
                f" {type(outputs).__name__}"
            )
        if sorted(outputs.schema.names) != sorted(schema.names):
            raise UnfitOutputError(
                f"predict_batch must return the columns {schema.names}, and returned"
                f" {outputs.schema.names}"
            )
        if outputs.num_rows != size:
            raise UnfitOutputError(
                f"predict_batch must return as many rows as it got, and returned"
                f" {outputs.num_rows} for {size}"
            )
        columns = []
        for column_field in schema:
            column = outputs.column(column_field.name)
            try:
                same = column.type == column_field.type
                columns.append(column if same else column.cast(column_field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise UnfitOutputError(
                    f"predict_batch returned {column_field.name} as {column.type}, which is no"
                    f" {column_field.type}: {error}"
                ) from error
        return pa.RecordBatch.from_arrays(columns, schema=schema)


class RecordPredictor(Predictor):
    """For a model that has only ``predict``: it is handed just what its input class makes."""

    def score(self, records: Candidates) -> Outcome:
        failures: list[Failure] = []
        outcome = Outcome(np.empty(0, np.int64), self._output.batch([]), failures)
        are_judged = self._output.fast_accept_off is not None
        rows: list[int] = []
        values: list[tuple[Any, ...]] = []
        # Records and predictions are let go of one by one: of thousands, the garbage collector
        # would look at each again and again.
        for row, instance in self._valid(records, failures):
            try:
                output = self._predict(instance, outcome)
                raw = self._output.raw_values(output)
                values.append(self._judged_values(output, raw) if are_judged else raw)
                rows.append(row)
                self._failures_from_start = None
            except RecordError as error:  # the output class refuses what was returned
                self._failures_from_start = None
                failures.append(Failure(row, "output", error.error, error.message))
            except BaseException as error:
                if is_interrupt(error):
                    raise
                failures.append(self._failure(row, error))
        if are_judged:
            scored, outputs = np.array(rows, np.int64), self._output.batch(values)
        else:
            scored, outputs, unfit = as_columns(rows, values, self._output)
            failures += [self._failure(row, UnfitOutputError(e.message)) for row, e in unfit]
        outcome.rows, outcome.predictions = self._checked(
            *ascending(scored, outputs), failures, are_judged=are_judged
        )
        return outcome

    def _valid(self, records: Candidates, failures: list[Failure]) -> Iterator[tuple[int, Any]]:
        """The valid records, as instances of the input class; those found by the block first.

        What columns have of a record that the fast accept takes is all that the judge would read
        of it, where it has no nulls, which may be a null or nothing; and decoding columns takes
        less time than decoding as many records.
        """
        fast = np.empty(0, np.int64)
        schema = None if self._input.reads_whole_record else self._input.arrow_schema
        if schema is not None and self._input.fast_accept_off is None:
            rows, columns = records.columns(schema)
            taken = self._input.accept(columns, as_text=records.are_texts)
            if taken is not None:
                inputs, accepted = taken
                for column in inputs.columns:
                    if column.null_count:
                        accepted &= column.is_valid().to_numpy(zero_copy_only=False)
                if not accepted.all():
                    rows, inputs = rows[accepted], inputs.filter(pa.array(accepted))
                fast = rows
                for row, record in zip(rows.tolist(), as_dicts(inputs), strict=True):
                    try:
                        instance = self._input.judge(record)
                    except RecordError as error:  # the judge has the last word
                        failures.append(Failure(row, "validate", error.error, error.message))
                    else:
                        yield row, instance
        alone = np.setdiff1d(np.arange(len(records)), fast, assume_unique=True)
        yield from self._judged(records, alone, failures)

    def _predict(self, instance: Any, outcome: Outcome) -> Any:
        begin = time.perf_counter()
        outcome.calls += 1
        try:
            with self._turn:
                output = self._model.predict(instance)
        finally:
            outcome.seconds += time.perf_counter() - begin
        if not self._output.is_record(output):
            raise UnfitOutputError(
                f"predict must return a {self._output.record_name}, and returned a"
                f" {type(output).__name__}"
            )
        return output

    def _judged_values(self, output: Any, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values of a prediction that the judge takes.

        Its verdict alone: a validator that changes values has changed these already.
        """
        try:
            values = self._output.stored(raw)
        except RecordError as error:
            raise UnfitOutputError(error.message) from error
        self._output.refuse_unfit(output)
        return values

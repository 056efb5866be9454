"""The scoring itself, without any engine: block in; predictions, rejects and counts out.

A DoFn and a mapper are thin shells round :class:`Scorer`. Whatever decides what becomes of a
record is here or below, so it is the same on every engine.
"""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from model_dofns import counters
from model_dofns.exceptions import ModelError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import (
    MAX_RECORD_BYTES,
    Block,
    Candidates,
    Layout,
    Payload,
    Rows,
)
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.prediction import BatchPredictor, Predictor, RecordPredictor
from model_dofns.rejects import Reject
from model_dofns.schemas import RecordSchema


@dataclass(frozen=True)
class ScoredBlock:
    """What became of a block: ``records_read == records_scored + len(rejects)``.

    Attributes:
        predictions: the scored records, each with its prediction, in the block's format; None
            where there are none.
        records_scored: how many those are.
        rejects: one for each other record, by where they stand in the file.
        records_read: how many records the block had.
        counts: counter name -> how much to add (see :mod:`model_dofns.counters`).
    """

    predictions: Payload | None
    records_scored: int
    rejects: list[Reject]
    records_read: int
    counts: dict[str, int]


@dataclass(frozen=True, eq=False)
class Scored:
    """What became of some records: each is in ``rows`` or in ``rejected``.

    Attributes:
        rows: the numbers of the scored records, ascending.
        predictions: a row for each of them, in the columns of the model's output class.
        rejected: the numbers of the others, ascending.
        rejects: one for each of those.
        counts: counter name -> how much to add (see :mod:`model_dofns.counters`).
    """

    rows: Rows
    predictions: pa.RecordBatch
    rejected: list[int]
    rejects: list[Reject]
    counts: dict[str, int]


class Scorer:
    """Scores blocks with one model. Making one loads the model, or finds it loaded.

    It belongs to one task; any number may live in a process and share a model's instance.

    Args:
        spec: the model.
        prediction_field: the name that a prediction gets in its record.
        max_record_bytes: a record of text that is longer is rejected.
        batch_size: how many records the model is handed at once; None for all of a block's.

    Raises:
        ModelError: the model does not load, or a field of its classes has no column type.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        prediction_field: str = "prediction",
        max_record_bytes: int = MAX_RECORD_BYTES,
        batch_size: int | None = None,
    ) -> None:
        begin = time.perf_counter()
        model = spec.load()
        self.model_load_seconds = time.perf_counter() - begin
        self.metadata = ModelMetadata.of(model)
        input_schema, output_schema = (
            RecordSchema(model.input_schema),
            RecordSchema(model.output_schema),
        )
        self.layout = Layout(
            input_names=input_schema.input_names,
            output_names=output_schema.names,
            whole_record=input_schema.reads_whole_record,
            prediction_field=prediction_field,
            max_record_bytes=max_record_bytes,
        )
        turn = contextlib.nullcontext() if model.thread_safe else spec.lock()
        self._predictor = _predictor(model, input_schema, output_schema, turn, batch_size)

    def score(self, block: Block) -> ScoredBlock:
        """Score the records of a block.

        Raises:
            EveryPredictionFailsError: the first 1,000 records of this task all failed in predict.
        """
        records = FORMATS[block.format].records(block, self.layout)
        scored = self.score_records(records, block.format, block.path)
        predictions = None
        if len(scored.rows):
            predictions = records.with_predictions(scored.rows, scored.predictions)
        return ScoredBlock(
            predictions, len(scored.rows), scored.rejects, len(records), scored.counts
        )

    def score_records(self, records: Candidates, format_name: str, file: str | None) -> Scored:
        """Score records from anywhere; of what format and file they are is for their rejects.

        Raises:
            EveryPredictionFailsError: the first 1,000 records of this task all failed in predict.
        """
        outcome = self._predictor.score(records)
        failures = sorted(outcome.failures, key=lambda failure: failure.row)
        rejects = [
            Reject(
                stage=failure.stage,
                error=failure.error,
                message=failure.message,
                source=records.source(failure.row),
                format=format_name,
                file=file,
                model=self.metadata.qualified_name,
                version=self.metadata.version,
            )
            for failure in failures
        ]
        counts = {
            counters.RECORDS_READ: len(records),
            counters.RECORDS_SCORED: len(outcome.rows),
            counters.BATCHES_SCORED: outcome.calls,
            counters.PREDICT_MILLISECONDS: round(outcome.seconds * 1_000),
        }
        for stage, count in counters.rejected_by_stage(rejects).items():
            counts[counters.records_rejected(stage)] = count
        rejected = [failure.row for failure in failures]
        return Scored(outcome.rows, outcome.predictions, rejected, rejects, counts)


def _predictor(
    model: MLModel,
    input_schema: RecordSchema,
    output_schema: RecordSchema,
    turn: AbstractContextManager[Any],
    batch_size: int | None,
) -> Predictor:
    """The way to ask this model.

    Raises:
        ModelError: a field of its classes would need a column, and its type has none.
    """
    batched = callable(getattr(model, "predict_batch", None))
    for schema, needed in ((input_schema, batched), (output_schema, True)):
        if needed and schema.no_arrow_schema is not None:
            raise ModelError(f"{type(model).__name__}: {schema.no_arrow_schema}")
    if batched:
        return BatchPredictor(model, input_schema, output_schema, turn, batch_size)
    return RecordPredictor(model, input_schema, output_schema, turn)

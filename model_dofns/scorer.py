"""The scoring itself, without any engine: block in; predictions, rejects and counts out.

A DoFn and a mapper are thin shells round :class:`Scorer`. Whatever decides what becomes of a
record is here or below, so it is the same on every engine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from model_dofns import counters
from model_dofns.exceptions import ModelError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import (
    Block,
    Candidates,
    Format,
    Layout,
    Payload,
    Records,
    Rows,
    payload_bytes,
)
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.prediction import BatchPredictor, Predictor, RecordPredictor
from model_dofns.rejects import Reject
from model_dofns.schemas import RecordSchema, record_schema

# What --with_version adds to a prediction.
_VERSION: Final = ("model", "version")


@dataclass(frozen=True)
class ScoredRecords:
    """The scored records of a block, as its format writes them."""

    payload: Payload
    rows: int

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return payload_bytes(self.payload)


@dataclass(frozen=True)
class ScoredBlock:
    """What became of a block: ``records_read == records_scored + len(rejects)``.

    Attributes:
        predictions: the scored records, each with its prediction, in the block's format or in
            the one that the layout says; None where there are none.
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
        layout: how records are read and written; what the model says of them is added here.
        formats: the formats of blocks, by name, as the job has them.
        batch_size: how many records the model is handed at once; None for all of a block's.

    Raises:
        ModelError: the model does not load, or a field of its classes has no column type.
        InputError: records are known to have a field that is named as the prediction will be.
    """

    def __init__(
        self,
        spec: ModelSpec,
        layout: Layout | None = None,
        *,
        formats: Mapping[str, Format] = FORMATS,
        batch_size: int | None = None,
    ) -> None:
        begin = time.perf_counter()
        model = spec.load()
        self.model_load_seconds = time.perf_counter() - begin
        self.metadata = ModelMetadata.of(model)
        self._formats = formats
        self.input_schema = record_schema(model.input_schema)
        self.output_schema = record_schema(model.output_schema)
        layout = layout or Layout()
        self.layout = replace(
            layout,
            input_names=self.input_schema.input_names,
            input_types=self.input_schema.text_types,
            output_names=self.output_schema.names + (_VERSION if layout.with_version else ()),
            whole_record=self.input_schema.reads_whole_record,
        )
        if len(set(self.layout.output_names)) < len(self.layout.output_names):
            raise ModelError(
                f"{type(model).__name__} predicts a field named model or version itself, and so"
                " does --with_version"
            )
        self.layout.refuse_clashes()
        turn = contextlib.nullcontext() if model.thread_safe else spec.lock()
        self._predictor = _predictor(model, self.input_schema, self.output_schema, turn, batch_size)

    def score(self, block: Block) -> ScoredBlock:
        """Score the records of a block.

        Raises:
            EveryPredictionFailsError: the first 1,000 records of this task all failed in predict.
        """
        records = self.records(block)
        scored = self.score_records(records, block.format, block.path)
        predictions = None
        if len(scored.rows):
            predictions = self.written(block, records, scored)
        return ScoredBlock(
            predictions, len(scored.rows), scored.rejects, len(records), scored.counts
        )

    def records(self, block: Block) -> Records:
        """The records of a block, to be scored."""
        return self._formats[block.format].records(block, self.layout)

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
        predictions = outcome.predictions
        if self.layout.with_version:
            predictions = self._with_version(predictions)
        rejected = [failure.row for failure in failures]
        return Scored(outcome.rows, predictions, rejected, rejects, counts)

    def written(self, block: Block, records: Records, scored: Scored) -> Payload:
        """The scored records with their predictions, in the format they go into."""
        output_format = self.layout.output_format or block.format
        if output_format == block.format and self.layout.schema is None:
            return records.with_predictions(scored.rows, scored.predictions)
        into = self._formats[output_format]
        return into.encode(records.fields(scored.rows), scored.predictions, self.layout)

    def _with_version(self, predictions: pa.RecordBatch) -> pa.RecordBatch:
        """The predictions with the model's name and version, as columns and as metadata."""
        texts = (self.metadata.qualified_name, self.metadata.version)
        said = dict(zip(_VERSION, texts, strict=True))
        for name, text in said.items():
            column = pa.array([text] * predictions.num_rows, pa.string())
            predictions = predictions.append_column(name, column)
        return predictions.replace_schema_metadata(
            {f"model_dofns.{name}": text for name, text in said.items()}
        )


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

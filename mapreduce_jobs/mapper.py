"""A mapper that scores, for jobs of mrjob's that read their own input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from mrjob.job import MRJob
from mrjob.protocol import BytesValueProtocol

from mapreduce_jobs.printing import stdout_is_data
from model_dofns.counters import MODEL_LOAD_MILLISECONDS, NAMESPACE
from model_dofns.exceptions import ScoringError
from model_dofns.formats.base import Block, Candidates
from model_dofns.formats.dicts import DictRecords, as_dicts
from model_dofns.model_spec import ModelSpec
from model_dofns.rejects import Reject
from model_dofns.scorer import Scorer

_OF_THE_RECORD: Final = ("input", "input_base64")
_FILE_VARIABLES: Final = ("mapreduce_map_input_file", "map_input_file")


class ScoreMapperMixin:
    """The mapper of a step: ``class MyJob(ScoreMapperMixin, MRJob)``.

    Values are records: lines of JSON, unless a job has another ``INPUT_PROTOCOL``; or dicts, of
    whatever step or protocol makes them. The model is loaded in ``mapper_init``, once a task. Where
    a job has steps of its own, they name ``mapper_init``, ``mapper`` and ``mapper_final`` together.

    On a cluster lines come through Hadoop Streaming, which also ends them at a carriage return: a
    record with one between its tokens, white space elsewhere, is two broken ones there. With
    ``-D textinputformat.record.delimiter=$'\\n'`` it ends them at line ends alone. Files that are
    read by :class:`~mapreduce_jobs.score.ScoreJob` do not pass it.

    Attributes:
        MODEL: the model.
        BATCH_SIZE: how many records are scored at once.
    """

    INPUT_PROTOCOL = BytesValueProtocol  # another one would make text of what is no UTF-8
    MODEL: ClassVar[ModelSpec]
    BATCH_SIZE: ClassVar[int] = 10_000

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterable[tuple[Any, Any]]:
        """Pairs for the reducer, of a record and its prediction; as they are, unless overridden."""
        yield None, {**record, "prediction": prediction}

    def rejected(self, reject: Reject) -> Iterable[tuple[Any, Any]]:
        """Pairs for the reducer, of a record that could not be scored.

        Args:
            reject: as in the job's ``_rejects``, without the place of the record in its file, which
                mrjob does not tell.

        Raises:
            ScoringError: unless overridden, as no record may vanish without a word.
        """
        raise ScoringError(
            f"a record was rejected at {reject.stage}: {reject.error}: {reject.message}:"
            f" {reject.source}: override rejected() to go on without it"
        )

    def mapper_init(self) -> None:
        """Load the model, or find it loaded."""
        self._scorer = Scorer(self.MODEL)
        self._batch: list[Any] = []
        count(self, {MODEL_LOAD_MILLISECONDS: round(self._scorer.model_load_seconds * 1_000)})

    def mapper(self, _: Any, value: Any) -> Iterator[tuple[Any, Any]]:
        """Gather records, and score them when there are enough."""
        self._batch.append(value)
        if len(self._batch) >= self.BATCH_SIZE:
            yield from self._scored()

    def mapper_final(self) -> Iterator[tuple[Any, Any]]:
        """Score the records that are left."""
        yield from self._scored()

    def run_mapper(self, step_num: int = 0) -> None:
        """See :class:`MRJob`; what the model prints is kept out of what the job prints."""
        with stdout_is_data(self):
            super().run_mapper(step_num)  # type: ignore[misc]  # MRJob comes behind this class

    def _scored(self) -> Iterator[tuple[Any, Any]]:
        batch, self._batch = self._batch, []
        if not batch:
            return
        file = next((os.environ[name] for name in _FILE_VARIABLES if name in os.environ), None)
        records, format_name = self._records(batch, file)
        scored = self._scorer.score_records(records, format_name, file)
        count(self, scored.counts)
        for reject in scored.rejects:
            source = {name: text for name, text in reject.source.items() if name in _OF_THE_RECORD}
            yield from self.rejected(replace(reject, source=source))
        predictions = as_dicts(scored.predictions, self._scorer.output_schema.names)
        whole = records.parse(scored.rows.tolist())
        for record, prediction in zip(whole, predictions, strict=True):
            assert not isinstance(record, ScoringError), "it has been scored"
            yield from self.key_values(record, prediction)

    def _records(self, batch: Sequence[Any], file: str | None) -> tuple[Candidates, str]:
        """The records of a batch, and their format: lines of text or bytes, or dicts."""
        if all(isinstance(value, bytes | str) for value in batch):
            lines = b"\n".join(x.encode() if isinstance(x, str) else x for x in batch)
            return self._scorer.records(Block("jsonl", file or "", lines, 0)), "jsonl"
        return DictRecords(batch, self._scorer.layout), "dict"


def count(job: MRJob, counts: Mapping[str, int]) -> None:
    """Add to a job's counters."""
    for name, amount in counts.items():
        if amount:
            job.increment_counter(NAMESPACE, name, amount)

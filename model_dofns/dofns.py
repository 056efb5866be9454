"""Scoring blocks of files as a Beam DoFn: a thin shell round :class:`~model_dofns.Scorer`.

For records that a pipeline has in memory see :mod:`model_dofns.transforms`.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from typing import Any, Final

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from model_dofns import counters
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block, Format, Layout
from model_dofns.model_spec import ModelSpec
from model_dofns.scorer import ScoredRecords, Scorer

PREDICTIONS: Final = "predictions"
REJECTS: Final = "rejects"
RECORDS_READ: Final = "records_read"
MODELS: Final = "models"


class _SizedCoder(beam.coders.Coder):  # type: ignore[misc]  # Beam's classes are not typed
    """Pickles, where a runner must; says how large an element is without doing so.

    Beam weighs a sample of what passes between two DoFns even in one process, and its own coder
    would pickle megabytes for that: a sixth of the time of a job of 2 M rows.
    """

    def encode(self, value: Any) -> bytes:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        return pickle.loads(encoded)

    def estimate_size(self, value: Block | ScoredRecords) -> int:
        return min(value.nbytes, 2**31 - 1)  # Beam counts in 32 bits

    def is_deterministic(self) -> bool:
        return False


for _element in (Block, ScoredRecords):
    beam.coders.registry.register_coder(_element, _SizedCoder)


class ScoreDoFn(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Blocks in; predictions out, and under tags of their own rejects and counts.

    The model is loaded in ``setup``, once a process for however many instances; constructing and
    pickling this DoFn loads nothing.

    Outputs:
        ``predictions``, the main one: :class:`ScoredRecords`.
        ``rejects``: :class:`~model_dofns.Reject`.
        ``records_read``: ``(file, records)``, for each block.
        ``models``: :class:`~model_dofns.model_spec.ModelMetadata` of the model that scored.

    Args:
        spec: the model.
        layout, formats, batch_size: as :class:`~model_dofns.Scorer` takes them.
        report: told the counts of each block, on the worker; it travels with this DoFn.
    """

    def __init__(
        self,
        spec: ModelSpec,
        layout: Layout | None = None,
        *,
        formats: Mapping[str, Format] = FORMATS,
        batch_size: int | None = None,
        report: counters.Report | None = None,
    ) -> None:
        self._spec = spec
        self._layout = layout
        self._formats = formats
        self._batch_size = batch_size
        self._report = report
        self._scorer: Scorer | None = None
        self._said_which_model = False

    def setup(self) -> None:
        self._scorer = Scorer(
            self._spec, self._layout, formats=self._formats, batch_size=self._batch_size
        )
        self._said_which_model = False

    def process(self, element: Block) -> Iterator[ScoredRecords | TaggedOutput]:
        assert self._scorer is not None, "setup() comes first"
        scored = self._scorer.score(element)
        count(scored.counts, self._report)
        if not self._said_which_model:  # here, as what is counted in setup() is lost
            milliseconds = round(self._scorer.model_load_seconds * 1_000)
            count({counters.MODEL_LOAD_MILLISECONDS: milliseconds})
            yield TaggedOutput(MODELS, self._scorer.metadata)
            self._said_which_model = True
        yield TaggedOutput(RECORDS_READ, (element.path, scored.records_read))
        if scored.predictions is not None:
            yield ScoredRecords(scored.predictions, scored.records_scored)
        for reject in scored.rejects:
            yield TaggedOutput(REJECTS, reject)

    def teardown(self) -> None:
        self._scorer = None


def count(counts: Mapping[str, int], report: counters.Report | None = None) -> None:
    """Add to Beam's counters, and tell whoever wants to know at once."""
    for name, amount in counts.items():
        Metrics.counter(counters.NAMESPACE, name).inc(amount)
    if report is not None:
        report(counts)

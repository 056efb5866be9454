"""A model of this library under Beam's own RunInference."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from model_dofns import counters
from model_dofns.dofns import count
from model_dofns.formats.dicts import Examples, as_dicts
from model_dofns.model_spec import ModelSpec
from model_dofns.scorer import Scorer


class MLModelHandler(ModelHandler):  # type: ignore[misc]  # Beam's classes are not typed
    """For ``RunInference(MLModelHandler(spec))`` over dicts, or other mappings.

    The ``inference`` of a :class:`PredictionResult` is the prediction as a dict; of a record that
    could not be scored, its :class:`~model_dofns.Reject`, which takes no other record down. The
    ``model_id`` is the model's qualified name and version.

    Args:
        spec: the model; loaded on the workers, once a process.
        min_batch_size, max_batch_size, max_batch_duration_secs, max_batch_weight, element_size_fn:
            as of Beam's own handlers.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        min_batch_size: int | None = None,
        max_batch_size: int | None = None,
        max_batch_duration_secs: int | None = None,
        max_batch_weight: int | None = None,
        element_size_fn: Callable[[Any], int] | None = None,
    ) -> None:
        super().__init__(
            min_batch_size=min_batch_size,
            max_batch_size=max_batch_size,
            max_batch_duration_secs=max_batch_duration_secs,
            max_batch_weight=max_batch_weight,
            element_size_fn=element_size_fn,
        )
        self._spec = spec

    def load_model(self) -> Scorer:
        """The model, with all that it takes to ask it.

        Raises:
            ModelError: it does not load.
        """
        return Scorer(self._spec)

    def run_inference(
        self,
        batch: Sequence[Mapping[str, Any]],
        model: Scorer,
        inference_args: dict[str, Any] | None = None,
    ) -> list[PredictionResult]:
        """A result for each record, in their order.

        Raises:
            EveryPredictionFailsError: the first 1,000 records of this process all failed in
                predict.
        """
        records = Examples(batch, model.layout)
        scored = model.score_records(records, "dict", None)
        count(scored.counts)
        inferences: list[Any] = [None] * len(batch)
        found = as_dicts(scored.predictions, scored.predictions.schema.names)
        for row, inference in zip(scored.rows.tolist(), found, strict=True):
            inferences[row] = inference
        for row, reject in zip(scored.rejected, scored.rejects, strict=True):
            inferences[row] = reject
        model_id = f"{model.metadata.qualified_name} {model.metadata.version}"
        return [
            PredictionResult(example, inference, model_id)
            for example, inference in zip(batch, inferences, strict=True)
        ]

    def validate_inference_args(self, inference_args: dict[str, Any] | None) -> None:
        """Refuse them.

        Raises:
            ValueError: there are some.
        """
        if inference_args:
            raise ValueError(
                f"a model takes no inference_args, and was given {sorted(inference_args)}: what it"
                " needs to know belongs into the configuration of its ModelSpec"
            )

    def get_num_bytes(self, batch: Sequence[Mapping[str, Any]]) -> int:
        """Bytes of memory of the records, without what their values hold in turn."""
        return sum(sys.getsizeof(record) for record in batch)

    def get_metrics_namespace(self) -> str:
        """The library's own."""
        return counters.NAMESPACE

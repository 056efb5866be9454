"""A model of ours under Beam's RunInference itself."""

from __future__ import annotations

import json
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.testing.test_pipeline import TestPipeline as CheckedPipeline
from apache_beam.testing.util import assert_that, equal_to

from model_dofns import ModelSpec, Reject
from model_dofns.model_handler import MLModelHandler

SPEC = ModelSpec("models:PoisonModel")
GOOD = {"x": 1.5, "n": 2, "colour": "red", "name": "a"}
POISON = GOOD | {"x": 13.0}
PREDICTION = {"label": "a is red", "score": 5.0, "ratio": 0.75}


def shown(result: PredictionResult) -> tuple[Any, ...]:
    inference = result.inference
    if isinstance(inference, Reject):
        inference = (inference.stage, inference.error, json.loads(inference.source["input"]))
    return result.example, inference, result.model_id


@pytest.mark.parametrize("runner", ["FnApiRunner", "DirectRunner"])
def test_each_record_has_its_inference_or_its_reject(runner: str) -> None:
    with_the_name = GOOD | {"prediction": 1}
    examples = [GOOD, POISON, with_the_name, GOOD | {"n": "two"}]
    with CheckedPipeline(runner=runner) as pipeline:
        results = pipeline | beam.Create(examples) | RunInference(MLModelHandler(SPEC))
        unfit = GOOD | {"n": "two"}
        expected = [
            (GOOD, PREDICTION, "plain 1.2.3"),
            (POISON, ("predict", "ValueError", POISON), "plain 1.2.3"),
            (with_the_name, PREDICTION, "plain 1.2.3"),
            (unfit, ("validate", "ValidationError", unfit), "plain 1.2.3"),
        ]
        assert_that(results | beam.Map(shown), equal_to(expected))


def test_inferences_stand_in_the_order_of_their_records() -> None:
    handler = MLModelHandler(SPEC)
    batch = [GOOD | {"n": n, "x": 13.0 if n % 7 == 3 else 1.5} for n in range(1, 50)]
    results = handler.run_inference(batch, handler.load_model())
    assert [result.example for result in results] == batch
    for n, result in enumerate(results, 1):
        if n % 7 == 3:
            assert isinstance(result.inference, Reject)
        else:
            assert result.inference["score"] == 3.0 + n


def test_keys_go_with_their_records() -> None:
    pairs = [(n, GOOD | {"n": n, "x": 13.0 if n % 7 == 3 else 1.5}) for n in range(1, 50)]
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        results = (
            pipeline
            | beam.Create(pairs)
            | RunInference(KeyedModelHandler(MLModelHandler(SPEC, min_batch_size=10)))
            | beam.MapTuple(lambda key, result: (key, result.example["n"]))
        )
        assert_that(results, equal_to([(n, n) for n, _ in pairs]))


def test_its_sizes_are_those_of_the_batches() -> None:
    handler = MLModelHandler(SPEC, min_batch_size=3, max_batch_size=3)
    assert handler.batch_elements_kwargs() == {"min_batch_size": 3, "max_batch_size": 3}
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        results = pipeline | beam.Create([GOOD] * 9, reshuffle=False) | RunInference(handler)
        assert_that(results | beam.combiners.Count.Globally(), equal_to([9]))
    found = {
        counter.key.metric.name: counter.result
        for counter in pipeline.result.metrics().query()["counters"]
        if counter.key.metric.namespace == "model_dofns"
    }
    # Beam's own count and ours, in one namespace.
    assert found["num_inferences"] == found["records_scored"] == found["records_read"] == 9
    assert found["batches_scored"] == 3


def test_inference_arguments_are_refused() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    with pytest.raises(ValueError, match=r"\['temperature'\].*ModelSpec"):
        _ = (
            pipeline
            | beam.Create([GOOD])
            | RunInference(MLModelHandler(SPEC), inference_args={"temperature": 1})
        )


def test_it_travels_without_the_model() -> None:
    handler = MLModelHandler(SPEC)
    size = len(pickler.dumps(handler))
    handler.load_model()
    assert len(pickler.dumps(handler)) == size


def test_it_weighs_a_batch_without_pickling_it() -> None:
    handler = MLModelHandler(SPEC)
    unpicklable = GOOD | {"lock": pytest}
    assert handler.get_num_bytes([unpicklable] * 2) == 2 * handler.get_num_bytes([unpicklable]) > 0

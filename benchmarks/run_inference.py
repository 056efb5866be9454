"""Beam's RunInference with its scikit-learn handler, as one would write it who knows both.

A record is the key of its own features, so that it is found again beside its prediction, and
``predict_proba`` is called once a batch.

    python -m benchmarks.run_inference ESTIMATOR FOLDER OUTPUT_PREFIX --label species
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.ml.inference.sklearn_inference import ModelFileType, SklearnModelHandlerNumpy
from apache_beam.options.pipeline_options import PipelineOptions

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
Record = dict[str, Any]


def probabilities(
    estimator: Any, batch: Sequence[np.ndarray], inference_args: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """The label of each row, its probability, and those of all classes."""
    found = estimator.predict_proba(np.stack(batch))
    labels = estimator.classes_[found.argmax(axis=1)].tolist()
    return list(zip(labels, found.max(axis=1).tolist(), found.tolist(), strict=True))


def keyed(record: Record) -> tuple[Record, np.ndarray]:
    return record, np.array([record[name] for name in FEATURES])


class Named:
    """Puts what was inferred into the prediction's fields."""

    def __init__(self, label: str, classes: Sequence[str]) -> None:
        self.names = [f"probability_{name}" for name in classes]
        self.label = label

    def prediction(self, result: PredictionResult) -> Record:
        label, probability, each = result.inference
        return {
            self.label: label,
            "probability": probability,
            **dict(zip(self.names, each, strict=False)),
        }

    def nested(self, pair: tuple[Record, PredictionResult]) -> str:
        record, result = pair
        return json.dumps({**record, "prediction": self.prediction(result)})

    def flat(self, pair: tuple[Record, PredictionResult]) -> Record:
        record, result = pair
        found = self.prediction(result)
        return {**record, **{f"prediction_{name}": value for name, value in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Score the files of a folder with RunInference.")
    parser.add_argument("estimator", help="a file of joblib's")
    parser.add_argument("input", type=Path, help="a folder")
    parser.add_argument("output", help="a prefix")
    parser.add_argument("--label", required=True, help="the name of the first field predicted")
    parser.add_argument("--classes", nargs="*", default=(), help="whose probabilities are written")
    arguments = parser.parse_args()
    # How many rows a batch has is left to Beam: batches of 1,000 and more were no faster.
    handler = SklearnModelHandlerNumpy(
        arguments.estimator, ModelFileType.JOBLIB, inference_fn=probabilities
    )
    named = Named(arguments.label, arguments.classes)
    files = f"{arguments.input}/*"
    parquet = arguments.input.suffix == ".parquet"
    with beam.Pipeline(options=PipelineOptions(["--runner", "FnApiRunner"])) as pipeline:
        if parquet:
            records = pipeline | beam.io.ReadFromParquet(files)
        else:
            records = pipeline | beam.io.ReadFromText(files) | beam.Map(json.loads)
        scored = records | beam.Map(keyed) | RunInference(KeyedModelHandler(handler))
        if parquet:
            schema = pq.read_schema(min(arguments.input.iterdir()))
            schema = schema.append(pa.field(f"prediction_{named.label}", pa.string()))
            for name in ("probability", *named.names):
                schema = schema.append(pa.field(f"prediction_{name}", pa.float64()))
            write = beam.io.WriteToParquet(
                arguments.output, schema, codec="snappy", file_name_suffix=".parquet"
            )
            _ = scored | "Flat" >> beam.Map(named.flat) | write
        else:
            write = beam.io.WriteToText(arguments.output, file_name_suffix=".jsonl")
            _ = scored | "Nested" >> beam.Map(named.nested) | write


if __name__ == "__main__":
    main()

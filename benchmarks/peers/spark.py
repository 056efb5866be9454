"""Spark on this machine: its readers and writers, and ``mapInArrow`` between them.

    python -m benchmarks.peers.spark PACKAGE.MODULE:CLASS INPUT_FOLDER OUTPUT_FOLDER

Schemas are given, so that no time goes into guessing them; there is a worker a core, and batches
are larger than the default of 10,000.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

from benchmarks.peers.loading import FEATURES, loaded, scored

RECORD = ", ".join(["id bigint", *(f"{name} double" for name in FEATURES)])
NESTED = "prediction struct<species: string, probability: double>"
FLAT = "prediction_species string, prediction_probability double"


def score(
    batches: Iterator[pa.RecordBatch], *, model: str, nested: bool
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield scored(loaded(model), batch, nested=nested)


def main() -> None:
    model, source, target = sys.argv[1:]
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else workers are the first python3 of PATH
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 50_000)
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", False)
        .getOrCreate()
    )
    nested = not source.endswith(".parquet")
    records = session.read.schema(RECORD)
    frame = records.json(source) if nested else records.parquet(source)
    predictions = frame.mapInArrow(
        functools.partial(score, model=model, nested=nested),
        f"{RECORD}, {NESTED if nested else FLAT}",
    )
    writer = predictions.write.mode("overwrite")
    if nested:
        writer.json(target)
    else:
        writer.parquet(target)
    session.stop()


if __name__ == "__main__":
    main()

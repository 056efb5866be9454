"""Ray Data on this machine: its readers and writers, and ``map_batches`` between them.

    python -m benchmarks.peers.ray_data PACKAGE.MODULE:CLASS INPUT_FOLDER OUTPUT_FOLDER

Batches are Arrow tables. The function is a plain one, which Ray runs in the task that reads, and
the model is loaded once a process.
"""

from __future__ import annotations

import sys

import pyarrow as pa
import ray

from benchmarks.peers.loading import loaded, scored


def score(table: pa.Table, model: str, nested: bool) -> pa.Table:
    parts = [scored(loaded(model), batch, nested=nested) for batch in table.to_batches()]
    return pa.Table.from_batches(parts)


def main() -> None:
    model, source, target = sys.argv[1:]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    nested = not source.endswith(".parquet")
    records = ray.data.read_json(source) if nested else ray.data.read_parquet(source)
    predictions = records.map_batches(
        score,
        batch_format="pyarrow",
        batch_size=None,  # as they are read
        fn_kwargs={"model": model, "nested": nested},
    )
    if nested:
        predictions.write_json(target)
    else:
        predictions.write_parquet(target)
    ray.shutdown()


if __name__ == "__main__":
    main()

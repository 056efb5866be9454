"""The data that is scored, made here and the same every time.

Irises have an ``id`` and four measurements in steps of a millimetre, drawn at random; flights are
those of New York in 2013 (``examples/make_flight_data.py``), over and over. Of spoiled irises a
share is bad: spread at random, and each would be rejected at one and the same stage.

    python -m benchmarks.inputs DATA FORMAT ROWS FILE [--stage STAGE --share SHARE]

makes a file, in a process of its own, so that the one that measures stays small.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from iris_model.iris_predict import FEATURES

from benchmarks.models import OUTPUT_IS_UNFIT, PREDICT_FAILS

CHUNK_ROWS = 500_000
# What makes an iris bad: the field that is changed, and its value. A line is cut short for decode.
BAD_VALUES = {
    "validate": ("petal_length", -1.0),
    "predict": ("petal_width", PREDICT_FAILS),
    "output": ("petal_width", OUTPUT_IS_UNFIT),
}


def irises(rows: int) -> Iterator[pa.Table]:
    """Chunks of irises; the first rows are the same, however many there are."""
    for begin in range(0, rows, CHUNK_ROWS):
        size = min(CHUNK_ROWS, rows - begin)
        millimetres = np.random.default_rng(begin).integers(1, 80, (CHUNK_ROWS, len(FEATURES)))
        columns = dict(zip(FEATURES, millimetres[:size].T / 10, strict=True))
        yield pa.table({"id": np.arange(begin, begin + size), **columns})


def flights(rows: int) -> Iterator[pa.Table]:
    """Chunks of flights, over and over."""
    from flight_delay_model.flights import read_flights

    table = read_flights()
    for begin in range(0, rows, len(table)):
        yield table.slice(0, rows - begin)


def bad_rows(rows: int, share: float) -> np.ndarray:
    """Which rows are bad, ascending: so many, spread at random."""
    return np.sort(np.random.default_rng(1).choice(rows, round(rows * share), replace=False))


def spoiled(tables: Iterator[pa.Table], stage: str, bad: np.ndarray) -> Iterator[pa.Table]:
    """The tables with the values of bad rows changed."""
    begin = 0
    for table in tables:
        if stage in BAD_VALUES:
            name, value = BAD_VALUES[stage]
            column = table.column(name).to_numpy().copy()
            column[bad[(bad >= begin) & (bad < begin + len(table))] - begin] = value
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(column))
        begin += len(table)
        yield table


def write(tables: Iterator[pa.Table], kind: str, file: Path) -> None:
    """Write tables in one of the formats, a chunk after the other."""
    if kind == "parquet":
        first = next(tables)
        with pq.ParquetWriter(file, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        return
    with gzip.open(file, "wb", 6) if kind.endswith(".gz") else open(file, "wb") as out:
        for number, table in enumerate(tables):
            frame, text = polars.from_arrow(table), io.BytesIO()
            if kind.startswith("jsonl"):
                frame.write_ndjson(text)
            else:
                quotes = "always" if kind == "csv, quoted" else "necessary"
                frame.write_csv(text, include_header=number == 0, quote_style=quotes)
            text.seek(0)
            shutil.copyfileobj(text, out)


def cut_short(file: Path, bad: np.ndarray) -> None:
    """Cut lines of a file short, so that they are no JSON any more."""
    lines = file.read_bytes().splitlines()
    for row in bad:
        lines[row] = lines[row][:-10]
    file.write_bytes(b"\n".join([*lines, b""]))


def truth(rows: int, bad: np.ndarray) -> dict[str, float]:
    """What must come of spoiled irises: rows that are scored, and the sum of probabilities."""
    from iris_model.iris_predict import IrisModel

    model, begin, total = IrisModel(), 0, 0.0
    for table in irises(rows):
        (batch,) = table.select(FEATURES).combine_chunks().to_batches()
        good = np.ones(len(table), np.bool_)
        good[bad[(bad >= begin) & (bad < begin + len(table))] - begin] = False
        begin += len(table)
        total += float(model.predict_batch(batch).column("probability").to_numpy()[good].sum())
    return {"rows": rows - len(bad), "rejected": len(bad), "probability": total}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a file of data to score.")
    parser.add_argument("data", choices=["irises", "flights"])
    parser.add_argument("format")
    parser.add_argument("rows", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--stage", default="")
    parser.add_argument("--share", type=float, default=0.0)
    arguments = parser.parse_args()
    tables = {"irises": irises, "flights": flights}[arguments.data](arguments.rows)
    file = arguments.file
    unfinished = file.with_name(f"unfinished-{file.name}")
    if arguments.stage:
        bad = bad_rows(arguments.rows, arguments.share)
        write(spoiled(tables, arguments.stage, bad), arguments.format, unfinished)
        if arguments.stage == "decode":
            cut_short(unfinished, bad)
        file.with_suffix(".truth.json").write_text(json.dumps(truth(arguments.rows, bad)))
    else:
        write(tables, arguments.format, unfinished)
    unfinished.rename(file)


if __name__ == "__main__":
    main()

"""The data sets that are scored: folders of files, made here and the same every time.

Irises have an ``id`` and four measurements in steps of a millimetre, drawn at random; flights are
those of New York in 2013 (``examples/make_flight_data.py``), over and over. Of spoiled irises a
share is bad: spread at random, and each would be rejected at one and the same stage.

    python -m benchmarks.inputs DATA FORMAT ROWS FOLDER [--stage STAGE --share SHARE]

makes one, in a process of its own, so that the one that measures stays small.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from iris_model.iris_predict import FEATURES, IrisModel

from benchmarks.models import OUTPUT_IS_UNFIT, PREDICT_FAILS
from benchmarks.scenarios import FORMATS

FILES = 4
CHUNK_ROWS = 500_000
# What makes an iris bad: the field that is changed, and its value. A line is cut short for decode.
BAD_VALUES = {
    "validate": ("petal_length", -1.0),
    "predict": ("petal_width", PREDICT_FAILS),
    "output": ("petal_width", OUTPUT_IS_UNFIT),
}

Chunk = Callable[[int, int], pa.Table]
"""The records from one number to another."""


def irises(begin: int, end: int) -> pa.Table:
    random = np.random.default_rng(begin)
    lengths = random.integers(1, 80, (len(FEATURES), end - begin)) / 10
    return pa.table({"id": np.arange(begin, end), **dict(zip(FEATURES, lengths, strict=True))})


@functools.cache
def _all_flights() -> pa.Table:
    from flight_delay_model.flights import read_flights

    return read_flights().combine_chunks()


def flights(begin: int, end: int) -> pa.Table:
    return _all_flights().take(pa.array(np.arange(begin, end) % len(_all_flights())))


def chunks(rows: int) -> list[tuple[int, int]]:
    """Where chunks begin and end: of one size, so that all files get as many."""
    step = min(CHUNK_ROWS, -(-rows // FILES))
    return [(begin, min(begin + step, rows)) for begin in range(0, rows, step)]


@dataclass(frozen=True)
class Spoiled:
    """Irises of which some are bad.

    Attributes:
        stage: at which they are rejected.
        bad: their numbers, ascending.
    """

    stage: str
    bad: np.ndarray

    @classmethod
    def share(cls, stage: str, share: float, rows: int) -> Spoiled:
        """A share of so many, spread at random."""
        bad = np.random.default_rng(1).choice(rows, round(rows * share), replace=False)
        return cls(stage, np.sort(bad))

    def within(self, begin: int, end: int) -> np.ndarray:
        """The bad ones of a chunk, counted from its beginning."""
        return self.bad[(self.bad >= begin) & (self.bad < end)] - begin

    def __call__(self, begin: int, end: int) -> pa.Table:
        table = irises(begin, end)
        if self.stage not in BAD_VALUES:
            return table
        name, value = BAD_VALUES[self.stage]
        column = table.column(name).to_numpy().copy()
        column[self.within(begin, end)] = value
        return table.set_column(table.schema.get_field_index(name), name, pa.array(column))

    def text(self, lines: bytes, begin: int, end: int) -> bytes:
        """The lines of a chunk: those that cannot be decoded are cut short."""
        if self.stage != "decode":
            return lines
        cut = lines.splitlines()
        for row in self.within(begin, end):
            cut[row] = cut[row][:-10]
        return b"\n".join([*cut, b""])

    def truth(self, rows: int) -> dict[str, float]:
        """What must come of them: rows that are scored, and the sum of their probabilities."""
        model, total = IrisModel(), 0.0
        for begin, end in chunks(rows):
            (batch,) = irises(begin, end).select(FEATURES).to_batches()
            probability = model.predict_batch(batch).column("probability").to_numpy()
            total += float(np.delete(probability, self.within(begin, end)).sum())
        return {"rows": rows - len(self.bad), "rejected": len(self.bad), "probability": total}


def write(chunk: Chunk, kind: str, rows: int, folder: Path) -> None:
    """Write records in one of the formats, into files of the same size."""
    for number in range(FILES):
        places = chunks(rows)[number::FILES]
        if places:
            tables = ((chunk(*place), place) for place in places)
            file = folder / f"{number}{FORMATS[kind]}"
            if kind == "parquet":
                _write_parquet(tables, file)
            else:
                spoil = chunk.text if isinstance(chunk, Spoiled) else None
                _write_text(tables, kind, file, spoil)


Tables = Iterator[tuple[pa.Table, tuple[int, int]]]


def _write_parquet(tables: Tables, file: Path) -> None:
    first, _ = next(tables)
    with pq.ParquetWriter(file, first.schema) as writer:
        writer.write_table(first)
        for table, _ in tables:
            writer.write_table(table)


def _write_text(
    tables: Tables, kind: str, file: Path, spoil: Callable[[bytes, int, int], bytes] | None
) -> None:
    with gzip.open(file, "wb", 6) if kind.endswith(".gz") else open(file, "wb") as out:
        for table, (begin, end) in tables:
            frame, text = polars.from_arrow(table), io.BytesIO()
            if kind.startswith("jsonl"):
                frame.write_ndjson(text)
            else:
                quotes = "always" if kind == "csv, quoted" else "necessary"
                frame.write_csv(text, include_header=out.tell() == 0, quote_style=quotes)
            lines = text.getvalue()
            out.write(spoil(lines, begin, end) if spoil else lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a data set to score.")
    parser.add_argument("data", choices=["irises", "flights"])
    parser.add_argument("format", choices=list(FORMATS))
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stage", default="")
    parser.add_argument("--share", type=float, default=0.0)
    arguments = parser.parse_args()
    rows, folder = arguments.rows, arguments.folder
    unfinished = folder.with_name(f"unfinished-{folder.name}")
    unfinished.mkdir(parents=True)
    chunk: Chunk = {"irises": irises, "flights": flights}[arguments.data]
    if arguments.stage:
        chunk = Spoiled.share(arguments.stage, arguments.share, rows)
        truth = folder.with_name(f"{folder.name}.truth.json")
        truth.write_text(json.dumps(chunk.truth(rows)))
    write(chunk, arguments.format, rows, unfinished)
    unfinished.rename(folder)


if __name__ == "__main__":
    main()

"""Write scikit-learn's irises as data to score, with a few hostile records mixed in.

``python examples/make_iris_data.py FOLDER`` writes three files of each format::

    FOLDER/jsonl/irises-0.jsonl … irises-2.jsonl
    FOLDER/csv/irises-0.csv … irises-2.csv
    FOLDER/parquet/irises-0.parquet … irises-2.parquet

Each holds 50 of the 150 real irises, shuffled: ``id`` (0 to 149), the four measurements in cm and
``species_observed``. Between them stand hostile records, each a copy of a real iris with an ``id``
from 150 on and one thing wrong. In JSON lines: a line cut short, a negative length, a text where a
number is due, a missing field and a NaN. In CSV: a cell too few, a negative length, a stray quote
and an empty cell. In Parquet: a null and a negative length.

The same files come out every time; those there are replaced.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # as above
from sklearn.datasets import load_iris  # type: ignore[import-untyped]  # it ships no types

FILES = 3
SEED = 0

MEASUREMENTS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        *((name, pa.float64()) for name in MEASUREMENTS),
        ("species_observed", pa.string()),
    ]
)

Record: TypeAlias = dict[str, Any]
T = TypeVar("T")


def real_irises() -> list[Record]:
    """Return the 150 irises, shuffled, the same way every time."""
    irises = load_iris()
    return [
        {
            "id": int(number),
            **dict(zip(MEASUREMENTS, irises.data[number].tolist(), strict=True)),
            "species_observed": str(irises.target_names[irises.target[number]]),
        }
        for number in np.random.default_rng(SEED).permutation(len(irises.data))
    ]


def hostile_lines(irises: list[Record]) -> list[str]:
    """Return the hostile JSON lines."""
    cut, negative, text, missing, nan = (
        {**iris, "id": len(irises) + number} for number, iris in enumerate(irises[:5])
    )
    negative["petal_length"] *= -1
    text["sepal_width"] = "n/a"
    del missing["petal_width"]
    nan["sepal_length"] = math.nan
    return [json.dumps(cut)[:50], *map(json.dumps, (negative, text, missing, nan))]


def csv_row(iris: Record) -> str:
    """Return an iris as a row of CSV; no cell of it needs quotes."""
    return ",".join(map(str, iris.values()))


def hostile_cells(irises: list[Record]) -> list[str]:
    """Return the hostile rows of CSV."""
    few, negative, stray, empty = (
        {**iris, "id": len(irises) + number} for number, iris in enumerate(irises[:4])
    )
    del few["species_observed"]
    negative["petal_length"] *= -1
    stray["sepal_length"] = '"5.1'
    empty["petal_width"] = ""
    return list(map(csv_row, (few, negative, stray, empty)))


def hostile_rows(irises: list[Record]) -> list[Record]:
    """Return the hostile Parquet rows."""
    null, negative = (
        {**iris, "id": len(irises) + number} for number, iris in enumerate(irises[:2])
    )
    null["petal_width"] = None
    negative["sepal_length"] *= -1
    return [null, negative]


def deal(real: list[T], hostile: list[T]) -> list[list[T]]:
    """Deal the records into ``FILES`` files, the hostile ones in turn and never at an end."""
    size = len(real) // FILES
    files = [real[number * size : (number + 1) * size] for number in range(FILES)]
    for number, record in enumerate(hostile):
        files[number % FILES].insert(10 * (number + 1), record)
    return files


def write(folder: Path) -> str:
    """Write all formats below ``folder``, which need not exist; return a line that says so."""
    irises = real_irises()
    bad_lines, bad_rows = hostile_lines(irises), hostile_rows(irises)

    (folder / "jsonl").mkdir(parents=True, exist_ok=True)
    for number, lines in enumerate(deal([json.dumps(iris) for iris in irises], bad_lines)):
        file = folder / "jsonl" / f"irises-{number}.jsonl"
        file.write_bytes("".join(f"{line}\n" for line in lines).encode())

    bad_cells = hostile_cells(irises)
    (folder / "csv").mkdir(exist_ok=True)
    for number, rows in enumerate(deal(list(map(csv_row, irises)), bad_cells)):
        file = folder / "csv" / f"irises-{number}.csv"
        file.write_bytes("".join(f"{row}\n" for row in (",".join(SCHEMA.names), *rows)).encode())

    (folder / "parquet").mkdir(exist_ok=True)
    for number, records in enumerate(deal(irises, bad_rows)):
        table = pa.Table.from_pylist(records, schema=SCHEMA)
        pq.write_table(table, folder / "parquet" / f"irises-{number}.parquet")

    return (
        f"Wrote {len(irises)} irises to {folder}, in {FILES} files a format: jsonl with"
        f" {len(bad_lines)} hostile records more, csv with {len(bad_cells)}, parquet with"
        f" {len(bad_rows)}."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the data into the folder that the command line names, and say what was written."""
    parser = argparse.ArgumentParser(description="Write irises as data to score.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    print(write(parser.parse_args(argv).folder))


if __name__ == "__main__":
    main()

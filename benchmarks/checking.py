"""Whether all contenders predicted the same: no time counts before that is known.

What is compared is independent of order and batches: how many records came out; the sum of their
keys' hashes; of each field predicted, the sum of its floats, or how often each of its values stands
there; and both once more by record, each weighed with the hash of its key, so that no prediction
stands beside another's record. Sums of floats may differ by 1e-9 of them: their order, and a BLAS,
show in the last bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RELATIVE_TOLERANCE = 1e-9
# Fields of the input that are numbers, and are to come out as they went in.
KEYS = ("id", "flight")


class WrongResultError(Exception):
    """A contender did not predict what the limit did."""


@dataclass(frozen=True)
class Checksum:
    """What was predicted, in short.

    Attributes:
        rows: records with a prediction.
        sums: of each field of floats; and weighed by record.
        counts: of each other field, how often each value stands there, and the sum of the hashes of
            those records; of keys, that of all.
    """

    rows: int
    sums: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]]


def refuse_difference(contender: str, found: Checksum, expected: Checksum, rows: int) -> None:
    """Fail loudly where a contender predicted otherwise than is right.

    Args:
        contender: for the message.
        found, expected: its checksum, and that of the limit.
        rows: how many records there are to score.

    Raises:
        WrongResultError: there is a difference.
    """

    def refuse(what: str, has: object, should: object) -> None:
        raise WrongResultError(f"{contender}: {what} is {has}, and should be {should}")

    if found.rows != rows or expected.rows != rows:
        refuse("the number of records", found.rows, rows)
    if found.sums.keys() != expected.sums.keys():
        refuse("what has floats", sorted(found.sums), sorted(expected.sums))
    if found.counts != expected.counts:
        refuse("how often each value stands there", found.counts, expected.counts)
    for name, total in expected.sums.items():
        if not math.isclose(found.sums[name], total, rel_tol=RELATIVE_TOLERANCE):
            refuse(f"the sum of {name}", found.sums[name], total)


def checksum(folder: Path) -> Checksum:
    """The checksum of the part files in a folder.

    It imports pyarrow: call it in another process than the one that measures.

    Raises:
        WrongResultError: there is none.
    """
    files = [file for file in part_files(folder) if file.stat().st_size]
    if not files:
        raise WrongResultError(f"there is no part file in {folder}")
    rows = 0
    sums: dict[str, list[float]] = {}
    counts: dict[str, dict[str, int]] = {}
    for file in files:
        rows += _add(file, sums, counts)
    return Checksum(
        rows,
        {name: math.fsum(totals) for name, totals in sums.items()},
        {name: dict(sorted(found.items())) for name, found in counts.items()},
    )


def part_files(folder: Path) -> Sequence[Path]:
    """The files in a folder with predictions; what begins with ``_`` or ``.`` has none."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] not in "._")


def _add(file: Path, sums: dict[str, list[float]], counts: dict[str, dict[str, int]]) -> int:
    """Add what is in a file; return how many records there are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = 0
    for batch in _batches(file):
        rows += batch.num_rows
        hashes = _hashes(next(batch.column(name) for name in KEYS if name in batch.schema.names))
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in KEYS:
                found = counts.setdefault(name, {"by record": 0})
                found["by record"] += int(_hashes(column).sum())
            elif pa.types.is_floating(column.type):
                if column.null_count:
                    raise WrongResultError(f"{file} has nulls in {name}")
                floats = column.to_numpy()
                sums.setdefault(name, []).append(float(floats.sum()))
                sums.setdefault(f"{name}, by record", []).append(float(floats @ (hashes / 2**32)))
            else:
                found = counts.setdefault(name, {})
                for value in pc.unique(column):
                    there = pc.equal(column, value).to_numpy(zero_copy_only=False)
                    for what, more in (("", there.sum()), (", by record", hashes[there].sum())):
                        label = f"{value}{what}"
                        found[label] = found.get(label, 0) + int(more)
    return rows


def _hashes(keys: Any) -> Any:
    """A number below 2**32 for each integer, by multiplicative hashing (Knuth)."""
    import numpy as np

    return keys.to_numpy().astype(np.int64) * 2_654_435_761 % 2**32


def _batches(file: Path) -> Iterator[Any]:
    """Batches of keys and predictions; a prediction's fields are columns."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet as pq

    def wanted(names: Sequence[str]) -> list[str]:
        return [name for name in names if name in KEYS or name.startswith("prediction")]

    if file.suffix == ".parquet":
        opened = pq.ParquetFile(file)
        yield from opened.iter_batches(1 << 20, columns=wanted(opened.schema_arrow.names))
    elif file.suffix == ".csv":
        with open(file) as lines:
            names = lines.readline().strip().replace('"', "").split(",")
        options = pyarrow.csv.ConvertOptions(include_columns=wanted(names))
        yield from pyarrow.csv.open_csv(file, convert_options=options)
    else:
        options = pyarrow.json.ReadOptions(block_size=16 << 20)
        for batch in pyarrow.json.open_json(file, options):
            fields = batch.column("prediction")
            keys = batch.select([name for name in wanted(batch.schema.names) if name in KEYS])
            yield pa.RecordBatch.from_arrays(
                [*keys.columns, *fields.flatten()],
                [*keys.schema.names, *(f"prediction_{name}" for name in fields.type.names)],
            )

"""What the tests of crossing formats share: a job without an engine, and its files read plainly.

What comes out is read by ``json``, ``csv`` and pyarrow alone, never by what is tested.
"""

from __future__ import annotations

import base64
import csv
import datetime
import decimal
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model_dofns import ModelSpec, Reject, Scorer
from model_dofns.exceptions import UnreadableFileError
from model_dofns.formats.base import BLOCK_BYTES, MAX_RECORD_BYTES, Layout, Range
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.manifest import InputFile
from model_dofns.settling import Settled, settle

csv.field_size_limit(sys.maxsize)


def open_file(path: str) -> Any:
    try:
        return open(path, "rb")
    except OSError as error:
        raise UnreadableFileError(path) from error


@dataclass(frozen=True)
class Crossed:
    """What a job gave.

    Attributes:
        path: the part file; None where nothing was scored.
        rejects: in the order of the files.
        read: how many records the files had.
        scored: how many of them came out, as is said.
        settled: at launch.
    """

    path: Path | None
    rejects: list[Reject]
    read: int
    scored: int
    settled: Settled

    def verdicts(self) -> list[tuple[Any, ...]]:
        """Each reject, but for its message."""
        return [(one.file, one.stage, one.error, *one.source.values()) for one in self.rejects]


def settled(
    paths: Iterable[Path],
    spec: ModelSpec,
    dialect: Mapping[str, Any] | None = None,
    *,
    preflight: bool = True,
    **layout: Any,
) -> Settled:
    """What a job settles at launch."""
    files = [InputFile(str(path), path.stat().st_size) for path in sorted(paths)]
    at_launch = Scorer(spec, Layout(**layout)).layout if preflight else Layout(**layout)
    return settle(files, at_launch, CsvFormat(**dialect or {}), open_file)


def cross(
    paths: Sequence[Path],
    out: Path,
    model: str | ModelSpec,
    output_format: str,
    *,
    block_bytes: int = BLOCK_BYTES,
    dialect: Mapping[str, Any] | None = None,
    preflight: bool = True,
    max_record_bytes: int = MAX_RECORD_BYTES,
    **layout: Any,
) -> Crossed:
    """Score files as a job does, into one part file whose name begins with ``out``."""
    spec = model if isinstance(model, ModelSpec) else ModelSpec(model)
    found = settled(
        paths,
        spec,
        dialect,
        preflight=preflight,
        output_format=output_format,
        max_record_bytes=max_record_bytes,
        **layout,
    )
    scorer = Scorer(spec, found.layout, formats=found.formats)
    writes = found.formats[str(found.layout.output_format)]
    path = out.with_suffix(writes.part_suffix())
    rejects: list[Reject] = []
    read = scored = 0
    last = None
    with path.open("wb") as opened:
        writer = writes.writer(opened)
        for file in found.files:
            format_ = found.formats[file.format]
            with open(file.path, "rb") as data:
                for block in format_.read_blocks(
                    format_.opened(data, file.path),
                    Range(file.path, 0, sys.maxsize),
                    block_bytes=block_bytes,
                    max_record_bytes=max_record_bytes,
                ):
                    one = scorer.score(block)
                    assert one.records_read == one.records_scored + len(one.rejects)
                    read, scored = read + one.records_read, scored + one.records_scored
                    rejects += one.rejects
                    if one.predictions is not None:
                        assert last is None or writes.same_file(one.predictions, last)
                        last = one.predictions
                        writer.write(last)
        writer.close()
    return Crossed(path if scored else None, rejects, read, scored, found)


# --- files, read plainly ---


def json_value(text: str) -> Any:
    """A JSON text by Python's json; an integer of more digits than that takes is text."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 4_300 else digits)


def json_lines(path: Path | None) -> list[dict[str, Any]]:
    """The records of a JSON lines file."""
    lines = b"" if path is None else path.read_bytes()
    assert not lines or lines.endswith(b"\n")
    return [json_value(line) for line in lines.decode().split("\n")[:-1]]


def csv_rows(path: Path | None, **dialect: Any) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, by Python's csv: there is a cell for each column."""
    if path is None:
        return []
    text = io.StringIO(path.read_bytes().decode(), newline="")
    header, *rows = csv.reader(text, strict=True, **dialect)
    assert len(set(header)) == len(header)
    return [dict(zip(header, row, strict=True)) for row in rows]


def parquet_rows(path: Path | None) -> list[dict[str, Any]]:
    """The rows of a Parquet file, with what its columns do not say; absent is what it says is."""
    if path is None:
        return []
    table = pq.read_table(path, partitioning=None)
    rows: list[dict[str, Any]] = table.to_pylist()
    if (table.schema.field("_extra").metadata or {}).get(b"model_dofns") != b"extra":
        return rows
    return [whole(row) for row in rows]


def whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of columns with the column ``_extra``, as the record that it stands for."""
    said = json_value(row["_extra"]) if row["_extra"] else {}
    told = {name: _told(value) for name, value in row.items() if value is not None}
    return {**{name: value for name, value in told.items() if name != "_extra"}, **said}


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _told(item) for name, item in value.items() if item is not None}
    return [_told(item) for item in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same: of numbers, 5 and 5.0 are; of nothing else."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    numbers = (int, float)
    if type(one) in numbers and type(other) in numbers:
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def plain(value: Any) -> Any:
    """A value of Arrow as JSON can say it: bytes in base64, what is no JSON as its text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def write(path: Path, content: bytes | str | pa.Table, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pa.Table):
        pq.write_table(content, path, **options)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path

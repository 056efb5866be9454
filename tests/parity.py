"""Tables of hostile files, and what must become of their records on whichever engine.

A table is all hostile cases of a format that one job can read; what is expected of it is what one
:class:`~model_dofns.Scorer` does without any engine, which other tests hold against slow, obvious
versions.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from crossing import settled
from hostile import CASES, Case

from model_dofns import ModelSpec, Reject, Scorer
from model_dofns.exceptions import InputError, UnreadableFileError
from model_dofns.formats.base import Payload, Range
from model_dofns.formats.csv.records import CsvRows
from model_dofns.settling import Settled

# One whose rows are decided by the column, and one that judges each alone and has only `predict`.
MODELS = ("models:PlainModel", "models:JudgedModel")
_CSV_COLUMNS = ("id", "x", "n", "colour", "name", "weight", "z")
_LIMITS = {"jsonl": 2 << 20, "csv": 32_768, "parquet": 2 << 20}


@dataclass(frozen=True)
class Table:
    """Hostile files for one job.

    Attributes:
        format: of the files.
        output_format: of the predictions.
        model: the class path of the model.
    """

    format: str
    output_format: str
    model: str

    def __str__(self) -> str:
        return f"{self.format} into {self.output_format} by {self.model.partition(':')[2]}"

    @property
    def flags(self) -> tuple[str, ...]:
        """What the job is told, as the Beam job spells it."""
        return (
            *("--model", self.model, "--output_format", self.output_format),
            *("--max_record_bytes", str(_LIMITS[self.format])),
            *("--max_errors", "100%", "--skip_bad_files"),
        )

    def write(self, folder: Path) -> Path:
        """Write the files."""
        folder.mkdir(parents=True)
        for number, case in enumerate(CASES):
            if self._is_of_this(case):
                path = folder / f"é {number:03}.{case.format}"
                path.write_bytes(case.content)
                if self.format == "parquet" and not self._fits(sorted(folder.iterdir())):
                    path.unlink()  # columns that one job cannot hold together
        assert len(list(folder.iterdir())) >= 20
        return folder

    def _is_of_this(self, case: Case) -> bool:
        usual = (",", '"', _CSV_COLUMNS, True)
        names = ("delimiter", "quote", "columns", "header")
        return (
            case.format == self.format
            and case.max_record_bytes == _LIMITS[self.format]
            and (self.format != "csv" or tuple(map(case.dialect.get, names)) == usual)
        )

    def _fits(self, paths: Sequence[Path]) -> bool:
        try:
            self._settled(paths)
        except InputError:
            return False
        return True

    def _settled(self, paths: Sequence[Path]) -> Settled:
        limit = _LIMITS[self.format]
        spec = ModelSpec(self.model)
        return settled(paths, spec, output_format=self.output_format, max_record_bytes=limit)

    def expected(self, folder: Path) -> Outcome:
        """What becomes of the records of the files, without any engine."""
        found = self._settled(sorted(folder.iterdir()))
        scorer = Scorer(ModelSpec(self.model), found.layout, formats=found.formats)
        format_ = found.formats[self.format]
        outcome = Outcome(Counter(), Counter(), Counter())
        for file in found.files:
            with open(file.path, "rb") as data:
                try:
                    for block in format_.read_blocks(
                        data,
                        Range(file.path, 0, sys.maxsize),
                        max_record_bytes=_LIMITS[self.format],
                    ):
                        scored = scorer.score(block)
                        outcome.rejects.update(map(text, scored.rejects))
                        if scored.predictions is not None:
                            outcome.predictions.update(lines(scored.predictions))
                except UnreadableFileError:
                    outcome.unreadable[file.path] += 1
        return outcome


@dataclass(frozen=True)
class Outcome:
    """Multisets: predictions as they are written, rejects in full, files that cannot be read."""

    predictions: Counter[str]
    rejects: Counter[str]
    unreadable: Counter[str]


def text(reject: Reject) -> str:
    return reject.to_json().decode()


def lines(payload: Payload) -> list[str]:
    """The records of a payload; of CSV lines of rows, each with the names of its columns."""
    if isinstance(payload, CsvRows):
        return csv_lines(bytes(payload.header) + bytes(payload.rows))
    if isinstance(payload, pa.RecordBatch):
        return list(map(repr, payload.to_pylist()))
    return bytes(payload).decode().split("\n")[:-1]


def csv_lines(data: bytes) -> list[str]:
    header, *rows = data.decode().split("\n")[:-1]
    return [f"{header}: {row}" for row in rows]


def written(out: Path) -> Outcome:
    """What stands in an output folder."""
    predictions: Counter[str] = Counter()
    for path in out.glob("part-*"):
        if path.suffix == ".parquet":
            predictions.update(map(repr, pq.read_table(path, partitioning=None).to_pylist()))
        elif path.suffix == ".csv":
            predictions.update(csv_lines(path.read_bytes()))
        else:
            predictions.update(path.read_bytes().decode().split("\n")[:-1])
    rejects: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    for path in (out / "_rejects").glob("part-*"):
        for line in path.read_bytes().splitlines(keepends=True):
            reject = json.loads(line)
            if reject["stage"] == "read":
                unreadable[reject["file"]] += 1
            else:
                rejects[line.decode()] += 1
    return Outcome(predictions, rejects, unreadable)


TABLES = [
    Table(format_name, into, model)
    for format_name, into in (
        ("jsonl", "jsonl"),
        ("csv", "csv"),
        ("parquet", "parquet"),
        ("parquet", "jsonl"),
    )
    for model in MODELS
]

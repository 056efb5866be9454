"""Hostile input: a bad record is a reject that says where and why, and takes no good one down."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crossing import cross, csv_rows, json_lines
from hostile import CASES, Case, id_of, id_of_row
from obvious import (
    assert_same_csv,
    assert_same_lines,
    assert_same_rows,
    csv_ranges,
    score_csv,
    score_lines,
    score_rows,
)

from model_dofns import ModelSpec, Reject, ScoredBlock, Scorer
from model_dofns.exceptions import InputError, UnreadableFileError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Layout
from model_dofns.formats.csv.format import CsvFormat


def scored(path: Path, case: Case, ranges: int) -> Iterator[ScoredBlock]:
    """Score a file as a job does."""
    format_ = CsvFormat(**case.dialect) if case.format == "csv" else FORMATS[case.format]
    limit, size = case.max_record_bytes, path.stat().st_size
    scorer = Scorer(
        ModelSpec(case.model),
        layout=Layout(max_record_bytes=limit),
        formats={**FORMATS, case.format: format_},
    )
    if case.format == "csv":
        parts = csv_ranges(format_, case.content, size // ranges + 1, limit, str(path))
    else:
        parts = format_.ranges(str(path), size, size // ranges + 1)
    for part in parts:
        with path.open("rb") as file:
            for block in format_.read_blocks(file, part, max_record_bytes=limit):
                yield scorer.score(block)


@pytest.mark.parametrize("ranges", [1, 7])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.format}: {case.name}")
def test_good_records_are_scored_as_alone_and_bad_ones_are_rejects(
    case: Case, ranges: int, tmp_path: Path
) -> None:
    path = case.write(tmp_path)
    if case.unreadable:
        with pytest.raises(UnreadableFileError, match=path.name):
            list(scored(path, case, ranges))
        return
    blocks = list(scored(path, case, ranges))
    rejects = [reject for block in blocks for reject in block.rejects]
    where = "row" if case.format == "parquet" else "offset"
    assert [(one.source[where], one.stage, one.error) for one in rejects] == list(case.rejects)
    assert all(reject.file == str(path) and reject.message for reject in rejects)
    assert all(json.loads(reject.to_json()) for reject in rejects)
    assert sum(block.records_scored for block in blocks) == len(case.scored)
    assert sum(block.records_read for block in blocks) == len(case.scored) + len(case.rejects)
    payloads = [block.predictions for block in blocks if block.predictions is not None]
    hold_against_the_obvious(case, payloads)


def hold_against_the_obvious(case: Case, payloads: list[Any]) -> None:
    """The ids that the table expects, and each record as it came with its prediction alone."""
    spec, limit = ModelSpec(case.model), case.max_record_bytes
    if case.format == "csv":
        expected = score_csv(case.content, spec, max_record_bytes=limit, **case.dialect)
        ids = [id_of_row(record) for record, _ in expected.scored]
        written = b"".join(bytes(one.rows) for one in payloads)
        assert_same_csv(written, expected, case.dialect["delimiter"], case.dialect["quote"])
    elif case.format == "jsonl":
        written = b"".join(map(bytes, map(memoryview, payloads)))
        ids = [id_of(line) for line in written.split(b"\n")[:-1]]
        expected = score_lines(case.content, spec, max_record_bytes=limit)
        assert_same_lines(written, expected)
    else:
        came = pq.read_table(io.BytesIO(case.content))
        table = pa.Table.from_batches(payloads) if payloads else None
        ids = table.column("id").to_pylist() if table is not None else []
        assert_same_rows(table, came, score_rows(came, spec))
    assert ids == list(case.scored)


# Columns that the prediction would take in another format.
CLASHES = {
    ("a column of the prediction's name", "csv"): "prediction_score",
    ("the name of the prediction alone", "jsonl"): "prediction",
}


# Each into one other format by turns, and into both where a name may clash.
CROSSINGS = [
    pytest.param(case, into, id=f"{case.format} into {into}: {case.name}")
    for number, case in enumerate(CASES)
    for turn, into in enumerate(name for name in FORMATS if name != case.format)
    if not case.unreadable and (turn == number % 2 or (case.name, into) in CLASHES)
]


@pytest.mark.parametrize(("case", "into"), CROSSINGS)
def test_the_same_records_are_scored_and_rejected_into_whichever_format(
    case: Case, into: str, tmp_path: Path
) -> None:
    path = case.write(tmp_path)
    more = {"dialect": case.dialect, "max_record_bytes": case.max_record_bytes}
    if clash := CLASHES.get((case.name, into)):
        with pytest.raises(InputError, match=f"named {clash} already"):
            cross([path], tmp_path / "out", case.model, into, **more)
        return
    crossed = cross([path], tmp_path / "out", case.model, into, **more)
    own = [reject for block in scored(path, case, 1) for reject in block.rejects]
    # What clashes with the prediction in its own format is a field like others here.
    own = [reject for reject in own if reject.error != "NameClash"]
    assert list(map(shown, crossed.rejects)) == list(map(shown, own))
    assert crossed.read == len(case.scored) + len(case.rejects)
    assert crossed.scored == crossed.read - len(own)
    if into == "parquet":
        rows = 0 if crossed.path is None else pq.read_metadata(crossed.path).num_rows
    elif into == "jsonl":
        rows = len(json_lines(crossed.path))
    else:
        rows = len(csv_rows(crossed.path, **written_as(case.dialect)))
    assert rows == crossed.scored


def shown(reject: Reject) -> tuple[Any, ...]:
    return reject.stage, reject.error, reject.message, reject.file, dict(reject.source)


def written_as(dialect: Mapping[str, Any]) -> dict[str, Any]:
    """What Python's csv calls a dialect."""
    return {"delimiter": dialect.get("delimiter", ","), "quotechar": dialect.get("quote", '"')}


def test_every_case_has_a_name_of_its_own() -> None:
    names = [(case.format, case.name) for case in CASES]
    assert len(set(names)) == len(names)

"""The promise, on a real Hadoop: the same records, predictions and rejects as without it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from job_runs import (
    EVERY_STAGE,
    assert_whole,
    read_result,
    records,
    scored_directly,
    write_hostile_data,
    write_lines,
)
from parity import MODELS, TABLES, Table, written
from scoring import SMALL_RANGES, Beside, Scoring

CHOSEN = [table for table in TABLES if table.model == MODELS[0] or str(table).startswith("csv")]
HOSTILE = ("--model", EVERY_STAGE, "--max-errors", "50%")
MORE_TASKS = ("-D", "mapreduce.job.maps=3")
OUTPUT = "scoredé;$a&b"


@pytest.fixture(scope="module")
def jobs(scoring: Scoring, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Beside]]:
    """All of them, two at once, as most of a small job is waiting."""
    above = tmp_path_factory.mktemp("parity")
    with ThreadPoolExecutor(2) as threads:
        started = {}
        for number, table in enumerate(CHOSEN):
            files = table.write(above / str(number) / "hostile é files")
            flags = (*table.flags, *MORE_TASKS)
            started[str(table)] = Beside(scoring, threads, files, *flags, name=OUTPUT)
        lines = write_lines_of_all_kinds(above / "lines")
        small = (*HOSTILE, *MORE_TASKS)
        started["jsonl"] = Beside(
            *(scoring, threads, lines, *small, "--compression", "gzip"), program=SMALL_RANGES
        )
        write_hostile_data(above / "rows", "csv")
        started["csv"] = Beside(scoring, threads, above / "rows", *small, program=SMALL_RANGES)
        yield started


def write_lines_of_all_kinds(folder: Path) -> Path:
    """Compressed, which is read by one task; and one file that is cut into ranges."""
    write_hostile_data(folder, "jsonl")
    plain = folder / "a.jsonl"
    (folder / "a again.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    write_lines(folder / "deeper" / "long.jsonl", records(100))
    return folder


@pytest.mark.parametrize("table", CHOSEN, ids=str)
def test_what_becomes_of_each_record_does_not_depend_on_hadoop(
    table: Table, jobs: dict[str, Beside]
) -> None:
    job = jobs[str(table)]
    out = job.output()
    expected = table.expected(job.folder)
    rejects, unreadable = job.there(expected.rejects), job.there(expected.unreadable)
    assert written(out) == replace(expected, rejects=rejects, unreadable=unreadable)
    manifest = assert_whole(out)
    assert len(manifest.outputs) == 3
    assert (manifest.engine, manifest.runner) == ("mapreduce", "hadoop")


@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
def test_cutting_files_into_ranges_changes_nothing(
    format_name: str, jobs: dict[str, Beside]
) -> None:
    job = jobs[format_name]
    out = job.output()
    manifest = assert_whole(out)
    assert len(manifest.outputs) == 3
    assert {"predict", "output"} < manifest.records["rejected"].keys()
    if format_name == "csv":
        assert any("\r\n" in row for row in read_result(out).predictions)
    expected = scored_directly(job.folder, format_name)
    assert read_result(out) == replace(expected, rejects=job.there(expected.rejects))

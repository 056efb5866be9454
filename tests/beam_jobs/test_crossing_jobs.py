"""The command line of jobs whose output is not as their input: formats, fields, limits, shards."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_runs import PLAIN, Score, contents, read_manifest, record, write_lines, write_rows

BAD = b'{"id": 99, "x": NaN}'


def good(numbers: range) -> list[dict[str, Any]]:
    """Records that are the same in every format, but for what CSV takes for text."""
    return [record(number, id=f"id {number}") for number in numbers]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A file of each format, the second record of all a bad one; 5, 4 and 6 records."""
    folder = tmp_path / "in"
    write_lines(folder / "a.jsonl", [*good(range(1)), BAD, *good(range(2, 5))])
    write_csv(folder / "b.csv", good(range(5, 9)))
    write_rows(folder / "c.parquet", good(range(9, 15)), row_group_size=4)
    return folder


def words(given: Path, out: Path, *more: object) -> list[object]:
    return ["--model", PLAIN, "--input", given, "--output", out, "--max_errors", 1, *more]


def ids(folder: Path) -> list[str]:
    """Of the records that were scored."""
    found = []
    for path in folder.glob("part-*"):
        if path.suffix == ".parquet":
            found += pq.read_table(path, partitioning=None).column("id").to_pylist()
        elif path.suffix == ".csv":
            with path.open(newline="") as file:
                found += [row["id"] for row in csv.DictReader(file)]
        else:
            found += [json.loads(line)["id"] for line in path.read_text().splitlines()]
    return sorted(found, key=lambda one: int(one.removeprefix("id ")))


ALL = [f"id {number}" for number in range(15) if number != 1]


@pytest.mark.parametrize("into", ["jsonl", "csv", "parquet"])
def test_files_of_several_formats_become_one(
    into: str, mixed: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    ended = score(*words(mixed, out, "--output_format", into))
    assert ended.exit_code == 0, ended.err
    manifest = read_manifest(out)
    assert manifest.records == {"read": 15, "scored": 14, "rejected": {"decode": 1}}
    assert [Path(file.path).suffix for file in manifest.outputs] == [f".{into}"] * len(
        manifest.outputs
    )
    assert ids(out) == ALL


def test_the_same_in_several_processes(mixed: Path, tmp_path: Path, score: Score) -> None:
    out = tmp_path / "out"
    more = ("--direct_running_mode", "multi_processing", "--direct_num_workers", 2)
    crossing = ("--output_format", "parquet", "--num_shards", 2, "--with_version")
    keep = ("--keep_fields", "id,name")
    ended = score(*words(mixed, out, *crossing, *keep, *more))
    assert ended.exit_code == 0, ended.err
    assert ids(out) == ALL
    schemas = {str(pq.read_schema(path)) for path in out.glob("part-*")}
    assert len(schemas) == 1
    (path, *_) = out.glob("part-*")
    assert pq.read_schema(path).names == [
        "id", "name", "_extra", "prediction_label", "prediction_score", "prediction_ratio",
        "prediction_model", "prediction_version",
    ]  # fmt: skip
    assert len(list(out.glob("part-*"))) <= 2


def test_folders_name_fields_and_no_partition_is_lost(tmp_path: Path, score: Score) -> None:
    for year, numbers in ((2025, range(3)), (2026, range(3, 5))):
        write_rows(tmp_path / "in" / f"year={year}" / "a.parquet", good(numbers))
        write_lines(tmp_path / "in" / f"year={year}" / "b.jsonl", good(range(10, 12)))
    out = tmp_path / "out"
    ended = score(*words(tmp_path / "in", out, "--output_format", "parquet"))
    assert ended.exit_code == 0, ended.err
    table = pa.concat_tables(pq.read_table(path) for path in out.glob("part-*"))
    years = sorted(zip(table["id"].to_pylist(), table["year"].to_pylist(), strict=True))
    ten = [("id 10", 2025), ("id 10", 2026), ("id 11", 2025), ("id 11", 2026)]
    assert years == sorted(
        [("id 0", 2025), ("id 1", 2025), ("id 2", 2025), ("id 3", 2026), ("id 4", 2026), *ten]
    )


# --- limits and shards ---


@pytest.mark.parametrize("limit", [1, 6, 12, 100])
def test_a_limit_takes_the_first_records_good_and_bad(
    limit: int, mixed: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    ended = score(*words(mixed, out, "--output_format", "jsonl", "--limit", limit))
    assert ended.exit_code == 0, ended.err
    first = [f"id {number}" for number in range(min(limit, 15)) if number != 1]
    assert ids(out) == first
    assert read_manifest(out).records["read"] == min(limit, 15)
    read = [file.records for file in read_manifest(out).inputs]
    assert read == [min(limit, 5), min(max(limit - 5, 0), 4), min(max(limit - 9, 0), 6)]


def test_a_limit_counts_what_could_be_read_of_bad_files(
    mixed: Path, tmp_path: Path, score: Score
) -> None:
    write_rows(mixed / "aa.parquet", good(range(20, 25)), row_group_size=2)
    (mixed / "ab.parquet").write_bytes((mixed / "aa.parquet").read_bytes()[:-9])
    (mixed / "ac.jsonl.gz").write_bytes(gzip.compress(b'{"id":1}\n')[:9])
    flags = ("--output_format", "jsonl", "--skip_bad_files", "--limit", 12)
    out = tmp_path / "out"
    ended = score(*words(mixed, out, *flags))
    assert ended.exit_code == 0, ended.err
    manifest = read_manifest(out)
    assert manifest.records["read"] == 12
    assert [(Path(file.path).name, file.records) for file in manifest.inputs] == [
        ("a.jsonl", 5), ("aa.parquet", 5), ("ab.parquet", 0), ("ac.jsonl.gz", 0),
        ("b.csv", 2), ("c.parquet", 0),
    ]  # fmt: skip
    assert [bool(file.error) for file in manifest.inputs] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("shards", "output_format"), [(1, "jsonl"), (3, "csv"), (2, "parquet")])
def test_no_more_part_files_than_asked_for(
    shards: int, output_format: str, mixed: Path, tmp_path: Path, score: Score
) -> None:
    for number in range(9):
        write_lines(mixed / f"more-{number}.jsonl", good(range(20 + number, 21 + number)))
    flags = ("--output_format", output_format, "--num_shards", shards)
    out = tmp_path / "out"
    ended = score(*words(mixed, out, *flags))
    assert ended.exit_code == 0, ended.err
    assert 1 <= len(read_manifest(out).outputs) <= shards
    assert ids(out) == [*ALL, *(f"id {number}" for number in range(20, 29))]


# --- what does not fit ---


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "a.jsonl", [record(1, prediction_label="old")])
    write_rows(tmp_path / "a.parquet", [record(1)])
    write_rows(tmp_path / "text.parquet", [record(1, id="one")])
    write_rows(tmp_path / "own.parquet", [record(1, _extra=5)])
    write_csv(tmp_path / "a.csv", [record(1)])
    write_csv(tmp_path / "other.csv", [{"id": 1, "y": 2}])
    write_csv(tmp_path / "clash.csv", [record(1, prediction_version="old")])
    (tmp_path / "twice.csv").write_text("id,x,id\n1,2,3\n")
    names, column = ["id", "x", "id"], pa.array([1])
    pq.write_table(pa.table([column] * 3, names), tmp_path / "twice.parquet")
    return tmp_path


DOES_NOT_FIT = {
    "several formats": (2, ["a.jsonl", "a.parquet"], [], "--output_format"),
    "several formats, the same": (2, ["a.csv", "a.parquet"], ["--output_format", "same"], "a.csv"),
    "an unknown format": (2, ["a.csv"], ["--output_format", "avro"], "'avro'"),
    "two characters between cells": (2, ["a.csv"], ["--csv_delimiter", "ab"], "'ab'"),
    "no shards": (2, ["a.csv"], ["--num_shards", "0"], "--num_shards"),
    "no records": (2, ["a.csv"], ["--limit", "0"], "--limit"),
    "a kept field twice": (2, ["a.csv"], ["--keep_fields", "id,x,id"], "twice"),
    "types that do not unify": (4, ["a.parquet", "text.parquet"], [], "'id' is of type int64"),
    "the same of two formats": (4, ["a.csv", "a.parquet"], ["--output_format", "csv"], "'id'"),
    "headers that differ": (4, ["a.csv", "other.csv"], [], "other.csv"),
    "a header with a name twice": (4, ["twice.csv"], [], "'id' twice"),
    "a column twice": (4, ["twice.parquet"], [], "'id' twice"),
    "an unknown field to keep": (4, ["a.csv"], ["--keep_fields", "id,colur"], "mean 'colour'?"),
    "the same of Parquet": (4, ["a.parquet"], ["--keep_fields", "none,x"], "'none'"),
    "a name of the prediction's": (4, ["a.jsonl"], ["--output_format", "csv"], "prediction_label"),
    "a name of the version's": (4, ["clash.csv"], ["--with_version"], "prediction_version"),
    "_extra of its own": (
        4, ["own.parquet", "a.csv"], ["--output_format", "parquet", "--keep_fields", "x,_extra"],
        "own.parquet has a column '_extra'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("exit_code", "files", "flags", "hint"), DOES_NOT_FIT.values(), ids=DOES_NOT_FIT
)
def test_what_does_not_fit_is_said_before_anything_is_written(
    exit_code: int, files: list[str], flags: list[str], hint: str, here: Path, score: Score
) -> None:
    before = contents(here)
    inputs = [word for file in files for word in ("--input", file)]
    ended = score("--model", PLAIN, *inputs, "--output", "out", *flags)
    assert ended.exit_code == exit_code, ended.err
    assert ended.err.startswith("error: ")
    assert hint in ended.err
    assert contents(here) == before

"""``--plan``: what a job would do, said before anything is written."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from job_runs import (
    EVERY_STAGE,
    PLAIN,
    Score,
    contents,
    record,
    records,
    snapshot,
    write_lines,
    write_rows,
)
from test_refusals import DOES_NOT_FIT, USAGE, here, words  # noqa: F401  # a fixture

from beam_jobs.score import foreseen, parse_args, run
from model_dofns.exceptions import UsageError


def planned(score: Score, folder: Path, *arguments: object, exit_code: int = 0) -> dict[str, str]:
    """The sections of a plan by their names; nothing has been written for it."""
    before = snapshot(folder)
    ended = score("--output", folder / "out", "--plan", *arguments)
    assert ended.exit_code == exit_code, ended.err
    assert snapshot(folder) == before
    sections: dict[str, str] = {}
    for line in ended.out.splitlines():
        if name := line[:16].strip():
            sections[name] = line[16:]
        elif line:
            sections[[*sections][-1]] += "\n" + line[16:]
    return sections


def test_a_plan_says_what_would_be_read_and_written(tmp_path: Path, score: Score) -> None:
    bad = [b"{broken", record(1, n="two"), record(2, x=13.0), record(3, x=99.0)]
    for name in ("a", "b", "c", "d"):
        write_lines(tmp_path / "in" / f"{name}.jsonl", [*records(9), *bad])
    packed = gzip.compress((tmp_path / "in" / "a.jsonl").read_bytes())
    (tmp_path / "in" / "e.jsonl.gz").write_bytes(packed)
    size = sum(path.stat().st_size for path in (tmp_path / "in").iterdir())

    plan = planned(
        score, tmp_path, "--model", EVERY_STAGE, "--input", tmp_path / "in", "--compression", "zstd"
    )

    assert plan["model"] == f"plain 1.2.3: Plain\n{EVERY_STAGE}"
    assert plan["runner"] == "FnApiRunner"
    assert plan["input"].splitlines() == [
        f"5 files, {size:,} bytes: 4 .jsonl, 1 .jsonl.gz",
        *(f"{tmp_path}/in/{name}.jsonl" for name in "abc"),
        "… and 2 more",
    ]
    assert plan["records"] == "65"
    assert [line.split() for line in plan["fields read"].splitlines()[:5]] == [
        ["x", "float", "required", "found"],
        ["n", "int", "required", "found"],
        ["colour", "Literal['red',", "'green',", "'blue']", "required", "found"],
        ["name", "str", "required", "found"],
        ["weight", "float", "|", "None", "default", "None", "NOT", "FOUND"],
    ]
    assert [re.split("  +", line)[0] for line in plan["fields written"].splitlines()] == [
        "the record",
        "prediction.label",
        "prediction.score",
        "prediction.ratio",
    ]
    assert plan["sample"].startswith(
        "of 65 records from 5 files 45 would be scored, and 20 rejected\n"
    )
    for error in ("InvalidJSON", "ValueError"):
        assert re.search(rf"^  {error} +5  a.jsonl, byte \d+$", plan["sample"], re.MULTILINE)
    assert "more than --max_errors 0 allows" in plan["sample"]
    assert plan["output"] == f"{tmp_path}/out\npart-*.jsonl.zst, compression zstd"
    assert "Nothing has been" in plan


def test_a_plan_is_what_the_job_does(data: Path, tmp_path: Path, score: Score) -> None:
    for format_name, files in (("jsonl", 3), ("parquet", 4)):  # not those of no bytes at all
        arguments = ("--model", EVERY_STAGE, "--input", data / format_name, "--max_errors", "50%")
        plan = planned(score, tmp_path, *arguments)
        ended = score(*arguments, "--output", tmp_path / format_name)
        read, scored = map(int, re.findall(r"^(?:records read|scored) +(\d+)", ended.out, re.M))
        assert plan["records"] == f"{read}"
        assert f"of {read} records from {files} files {scored} would be scored" in plan["sample"]
        for line in plan["sample"].splitlines()[1:-1]:
            assert line in ended.out  # where and why records are rejected
        named = {line.split()[0] for line in plan["fields written"].splitlines()}
        assert ("prediction.label" if format_name == "jsonl" else "prediction_label") in named


def test_a_plan_says_what_is_kept_and_how_much_is_read(
    data: Path, tmp_path: Path, score: Score
) -> None:
    flags = ("--output_format", "csv", "--keep_fields", "id,yeer", "--with_version", "--limit", 7)
    arguments = ("--model", PLAIN, "--input", data / "jsonl", "--max_errors", "50%", *flags)
    plan = planned(score, tmp_path, *arguments)
    assert plan["records"].endswith("of which the first 7 are scored, as --limit says")
    written = [line.split()[0] for line in plan["fields written"].splitlines()]
    assert written[:2] == ["id", "_extra"]
    assert re.search(r"^yeer +NOT FOUND in the sample$", plan["fields written"], re.M)
    assert written[2:][-2:] == ["prediction_model", "prediction_version"]
    assert plan["output"].splitlines()[1] == "part-*.csv, compression none, the default"


def test_of_many_records_a_sample_is_tried(tmp_path: Path, score: Score) -> None:
    for name in ("a", "b", "c"):
        write_lines(tmp_path / "in" / f"{name}.jsonl", records(20_000, start=10_000))
    plan = planned(score, tmp_path, "--model", PLAIN, "--input", tmp_path / "in")
    about = re.fullmatch(r"about ([\d,]+), by the size of those looked at", plan["records"])
    assert about
    assert 57_000 <= int(about[1].replace(",", "")) <= 63_000
    tried = re.match(r"of ([\d,]+) records from 3 files \1 would be scored, and 0", plan["sample"])
    assert tried
    assert 999 <= int(tried[1].replace(",", "")) < 5_000
    assert "allows" not in plan["sample"]


@pytest.mark.parametrize("codec", ["gzip", "bz2", "zstd"])
def test_compressed_records_are_estimated_by_their_compressed_size(
    codec: str, tmp_path: Path, score: Score
) -> None:
    names = random.Random(1)
    lines = write_lines(
        tmp_path / "lines", (record(i, name=str(names.random())) for i in range(150_000))
    )
    suffix = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"}[codec]
    with pa.CompressedOutputStream(str(tmp_path / f"a.jsonl{suffix}"), codec) as file:
        file.write(lines.read_bytes())
    plan = planned(score, tmp_path, "--model", PLAIN, "--input", tmp_path / f"a.jsonl{suffix}")
    about = re.match(r"about ([\d,]+)", plan["records"])
    assert about
    assert 120_000 <= int(about[1].replace(",", "")) <= 180_000


def test_parquet_says_itself_how_many_rows_it_has(tmp_path: Path, score: Score) -> None:
    for name in ("a", "b"):
        write_rows(tmp_path / "in" / f"{name}.parquet", records(30_000), row_group_size=1_000)
    plan = planned(score, tmp_path, "--model", PLAIN, "--input", tmp_path / "in")
    assert plan["records"] == "60,000"
    assert "looked for in" in plan["fields read"]


def test_empty_files_are_no_trouble(tmp_path: Path, score: Score) -> None:
    write_lines(tmp_path / "a.jsonl", [])
    plan = planned(score, tmp_path, "--model", PLAIN, "--input", tmp_path / "a.jsonl")
    assert plan["records"] == "0"
    assert plan["sample"].startswith("of 0 records")
    assert "FOUND" not in plan["fields read"]


def test_a_model_that_is_not_loaded_here_is_not_tried(tmp_path: Path, score: Score) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    plan = planned(score, tmp_path, "--model", "nowhere:M", "--input", given, "--no_preflight")
    assert "--no_preflight" in plan["model"]
    assert plan["records"] == "3"
    assert "not tried" in plan["sample"]


def test_a_plan_says_what_would_be_replaced(tmp_path: Path, score: Score) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    arguments = ("--model", PLAIN, "--input", given)
    assert score(*arguments, "--output", tmp_path / "out").exit_code == 0
    planned(score, tmp_path, *arguments, exit_code=4)
    plan = planned(score, tmp_path, *arguments, "--overwrite")
    assert "replacing what an earlier job wrote there" in plan["output"]


def test_a_file_that_cannot_be_read_fails_a_plan_unless_it_is_skipped(
    tmp_path: Path, score: Score
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl.gz").write_bytes(b"not gzip")
    write_lines(tmp_path / "in" / "b.jsonl", records(3))
    arguments = ("--model", PLAIN, "--input", tmp_path / "in")
    planned(score, tmp_path, *arguments, exit_code=1)
    plan = planned(score, tmp_path, *arguments, "--skip_bad_files")
    assert plan["sample"].startswith(f"would be skipped: {tmp_path}/in/a.jsonl.gz cannot be read")
    assert "of 3 records from 1 file 3 would be scored" in plan["sample"]


def test_a_model_that_always_fails_fails_a_plan(tmp_path: Path, score: Score) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3_000))
    planned(score, tmp_path, "--model", "models:FailingModel", "--input", given, exit_code=1)


REFUSED = {name: (2, *case) for name, case in USAGE.items()} | {
    name: (4, *case) for name, case in DOES_NOT_FIT.items()
}


@pytest.mark.parametrize(("exit_code", "arguments", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_plan_is_refused_as_the_job_would_be(
    exit_code: int,
    arguments: Sequence[str],
    hint: str,
    here: Path,  # noqa: F811  # the fixture
    score: Score,
) -> None:
    before = snapshot(here)
    ended = score(*arguments, "--plan")
    assert (ended.exit_code, ended.out) == (exit_code, "")
    assert hint in ended.err
    assert ended.err == score(*arguments).err  # to the letter
    assert snapshot(here) == before


def test_a_plan_runs_nothing_from_python_either(tmp_path: Path) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    options = parse_args([*words(PLAIN, str(given), str(tmp_path / "out")), "--plan"])
    with pytest.raises(UsageError, match="foreseen"):
        run(options)
    assert "of 3 records" in foreseen(options)
    assert contents(tmp_path) == {"a.jsonl"}

"""The same job as on Beam, in one process and in several, and the same results as without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    PLAIN,
    Score,
    assert_whole,
    contents,
    read_result,
    record,
    records,
    scored_directly,
    write_lines,
    write_rows,
)

from mapreduce_jobs.options import Options
from model_dofns.formats import FORMATS
from model_dofns.manifest import library_version


@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_three_tasks_equal_direct_scoring(
    format_name: str, data: Path, tmp_path: Path, score: Score, three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    ended = score(
        *("--model", EVERY_STAGE, "--max-errors", "50%", *three_tasks),
        *("--output-dir", out, data / format_name),
    )
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(out)
    assert (manifest.engine, manifest.runner, len(manifest.inputs)) == ("mapreduce", "inline", 4)
    assert len(manifest.outputs) == 3
    assert {"predict", "output"} < manifest.records["rejected"].keys()
    assert read_result(out) == scored_directly(data / format_name, format_name)


@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_two_processes_equal_direct_scoring(
    format_name: str, data: Path, tmp_path: Path, score: Score
) -> None:
    out, tmp = tmp_path / "out", tmp_path / "tmp"
    ended = score(
        *("-r", "local", "--num-cores", "2", "--local-tmp-dir", tmp),
        *("--model", EVERY_STAGE, "--max-errors", "50%", "--output-dir", out, data / format_name),
    )
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(out)
    assert manifest.runner == "local"
    assert len(manifest.outputs) == 2
    assert read_result(out) == scored_directly(data / format_name, format_name)
    assert list(tmp.iterdir()) == []


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("range_bytes", [4, 400])
def test_cutting_files_into_ranges_changes_nothing(
    format_name: str,
    range_bytes: int,
    data: Path,
    tmp_path: Path,
    score: Score,
    three_tasks: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(FORMATS[format_name]).ranges, "__defaults__", (range_bytes,))
    out = tmp_path / "out"
    ended = score(
        *("--model", EVERY_STAGE, "--max-errors", "50%", *three_tasks),
        *("--output-dir", out, data / format_name),
    )
    assert ended.exit_code == 0, ended.err
    assert len(assert_whole(out).outputs) >= 2  # a range may have no row group
    assert read_result(out) == scored_directly(data / format_name, format_name)


# --- the manifest and the summary ---


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Three files: five good records and two; one that is rejected in predict; an empty one."""
    write_lines(tmp_path / "in" / "a.jsonl", records(5))
    write_lines(tmp_path / "in" / "b.jsonl", [record(5, x=13.0), *records(2, 6)])
    write_lines(tmp_path / "in" / "c.jsonl", [])
    return tmp_path / "in"


def test_the_manifest_says_what_was_done(
    given: Path, tmp_path: Path, score: Score, three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    ended = score(
        *("--model", EVERY_STAGE, "--output-dir", out, "--max-errors", "12.5%"),
        *(*three_tasks, given),
    )
    assert ended.exit_code == 0, ended.err
    manifest, job = assert_whole(out), json.loads((out / "_job.json").read_text())
    assert (manifest.job, manifest.started) == (job["job"], job["started"])
    assert (manifest.engine, manifest.runner) == ("mapreduce", "inline")
    assert manifest.library_version == library_version()
    assert (manifest.model["class"], manifest.model["version"]) == (EVERY_STAGE, "1.2.3")
    assert [(file.path, file.bytes, file.records, file.error) for file in manifest.inputs] == [
        (str(given / name), (given / name).stat().st_size, count, None)
        for name, count in (("a.jsonl", 5), ("b.jsonl", 3), ("c.jsonl", 0))
    ]
    assert sorted(file.rows["scored"] for file in manifest.outputs) == [2, 5]
    assert [file.rows for file in manifest.rejects] == [{"predict": 1}]
    assert manifest.records == {"read": 8, "scored": 7, "rejected": {"predict": 1}}
    assert [(reason.error, reason.count) for reason in manifest.reasons] == [("ValueError", 1)]
    assert manifest.status == "done"
    assert manifest.options.keys() == set(Options.__dataclass_fields__)
    assert manifest.options["input"] == [str(given)]


def test_the_summary_accounts_for_every_record(given: Path, tmp_path: Path, score: Score) -> None:
    out = tmp_path / "out"
    ended = score("--model", EVERY_STAGE, "--output-dir", out, "--max-errors", 1, given)
    assert [line.split() for line in ended.out.splitlines()] == [
        ["records", "read", "8", "3", "files"],
        ["scored", "7", "1", "part", "file"],
        ["rejected", "at", "predict", "1"],
        ["ValueError", "1", "b.jsonl,", "byte", "0"],
        ["poison"],
        ["time", *ended.out.split("time")[1].split()[:1]],
        ["predictions", str(out)],
        ["rejects", f"{out}/_rejects"],
    ]


def test_the_values_of_a_configuration_stay_in_the_tasks(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, models_file = tmp_path / "out", tmp_path / "models.yaml"
    monkeypatch.setenv("OFFSET", "1234.5")
    models_file.write_text(
        "models:\n"
        "  shifted:\n"
        "    class: models:PlainModel\n"
        "    configuration:\n"
        "      offset: ${OFFSET}\n"
    )
    score("--models", models_file, "--model", "shifted", "--output-dir", out, given)
    assert assert_whole(out).model["configuration"] == {"offset": "${OFFSET}"}
    assert b"1234.5" not in (out / "_job.json").read_bytes() + (out / "_manifest.json").read_bytes()
    scores = [json.loads(line)["prediction"]["score"] for line in read_result(out).predictions]
    assert min(scores) == 1234.5  # of the first record, which has only zeros


@pytest.mark.parametrize(("max_errors", "exit_code"), [("0", 3), ("1", 0), ("12.4%", 3)])
def test_too_many_rejects(
    max_errors: str, exit_code: int, given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    ended = score("--model", EVERY_STAGE, "--output-dir", out, "--max-errors", max_errors, given)
    assert ended.exit_code == exit_code
    assert assert_whole(out).records["scored"] == 7
    assert (f"--max_errors {max_errors} allows" in ended.err) == bool(exit_code)


# --- flags ---


def test_a_plan_writes_nothing(given: Path, tmp_path: Path, score: Score) -> None:
    before = contents(tmp_path)
    ended = score("--model", EVERY_STAGE, "--output-dir", tmp_path / "out", "--plan", given)
    assert ended.exit_code == 0, ended.err
    assert "3 files" in ended.out
    assert contents(tmp_path) == before


def test_a_limit_is_of_the_first_records(
    given: Path, tmp_path: Path, score: Score, three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    words = ("--model", EVERY_STAGE, "--output-dir", out, "--max-errors", "1", *three_tasks)
    assert score(*words, "--limit", "7", given).exit_code == 0
    assert [file.records for file in assert_whole(out).inputs] == [5, 2, 0]
    assert sorted(json.loads(line)["id"] for line in read_result(out).predictions) == [*range(5), 6]


@pytest.mark.parametrize("shards", [1, 2])
def test_shards_bound_the_part_files(
    shards: int, data: Path, tmp_path: Path, score: Score, three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    ended = score(
        *("--model", EVERY_STAGE, "--output-dir", out, "--max-errors", "50%", *three_tasks),
        *("--num-shards", shards, data / "jsonl"),
    )
    assert ended.exit_code == 0, ended.err
    assert len(assert_whole(out).outputs) == shards
    assert read_result(out) == scored_directly(data / "jsonl", "jsonl")


def test_another_format_and_fewer_fields(
    given: Path, tmp_path: Path, score: Score, three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    ended = score(
        *("--model", EVERY_STAGE, "--output-dir", out, "--max-errors", "1", *three_tasks),
        *("--output-format", "parquet", "--keep-fields", "id", "--with-version"),
        *("--compression", "zstd", given),
    )
    assert ended.exit_code == 0, ended.err
    assert [Path(file.path).suffix for file in assert_whole(out).outputs] == [".parquet"] * 2
    rows = [json.loads(row) for row in read_result(out).predictions]
    assert sorted(row["id"] for row in rows) == [*range(5), 6, 7]
    assert all(row.keys() > {"id", "prediction_score"} and "x" not in row for row in rows)
    assert {row["prediction_version"] for row in rows} == {"1.2.3"}


def test_compressed_input_and_output(tmp_path: Path, score: Score) -> None:
    write_rows(tmp_path / "in" / "a.parquet", records(5))
    first, second = tmp_path / "first", tmp_path / "second"
    words = ("--model", PLAIN, "--output-format", "jsonl", "--compression", "gzip")
    assert score(*words, "--output-dir", first, tmp_path / "in").exit_code == 0
    assert [path.name for path in first.glob("part-*")] == ["part-00000-of-00001.jsonl.gz"]
    words = ("--model", PLAIN, "--prediction-field", "second", "--compression", "bz2")
    assert score(*words, "--output-dir", second, f"{first}/part-*").exit_code == 0
    assert assert_whole(second).records == {"read": 5, "scored": 5, "rejected": {}}
    assert all(
        {"prediction", "second"} < json.loads(x).keys() for x in read_result(second).predictions
    )

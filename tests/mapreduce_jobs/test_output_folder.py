"""What a job finds in its output folder, and what it leaves there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from count_colours import CountColours
from job_runs import (
    PLAIN,
    Score,
    assert_whole,
    contents,
    read_result,
    record,
    records,
    scored_directly,
    snapshot,
    write_lines,
)

from mapreduce_jobs import launching


@pytest.fixture
def given(tmp_path: Path) -> Path:
    for name in "abc":
        write_lines(tmp_path / "in" / f"{name}.jsonl", records(4))
    return tmp_path / "in"


def test_overwrite_leaves_nothing_of_the_job_before(
    given: Path, tmp_path: Path, score: Score, three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    bad = write_lines(tmp_path / "bad.jsonl", [record(0, x=13.0)])
    words = ("--model", "models:PoisonModel", "--output-dir", out, "--max-errors", "1")
    assert score(*words, *three_tasks, given, bad).exit_code == 0
    assert len(list(out.glob("part-*"))) == 3
    assert (out / "_rejects").exists()
    (out / "notes.txt").write_text("a person's")
    words = ("--model", PLAIN, "--output-dir", out, "--overwrite", "--num-shards", "1")
    assert score(*words, given).exit_code == 0
    assert (out / "notes.txt").read_text() == "a person's"
    (out / "notes.txt").unlink()
    assert_whole(out)
    assert len(list(out.glob("part-*"))) == 1
    assert read_result(out) == scored_directly(given, "jsonl", PLAIN)


def test_overwrite_leaves_nothing_of_a_job_with_reducers(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    words = ["--model", PLAIN, "--output-dir", str(out), "--keep-predictions", str(given)]
    assert CountColours.main(words) == 0
    assert {"part-00000", "_predictions/part-00000-of-00001.jsonl"} < contents(out)
    assert score("--model", PLAIN, "--output-dir", out, "--overwrite", given).exit_code == 0
    assert_whole(out)


def test_a_folder_is_refused_without_overwrite_and_if_it_is_not_ours(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    assert score("--model", PLAIN, "--output-dir", out, given).exit_code == 0
    before = snapshot(out)
    ended = score("--model", PLAIN, "--output-dir", out, given)
    assert (ended.exit_code, "--overwrite" in ended.err) == (4, True)
    assert snapshot(out) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "part-00000").touch()
    words = ("--model", PLAIN, "--output-dir", tmp_path / "other", "--overwrite")
    assert score(*words, given).exit_code == 4
    assert contents(tmp_path / "other") == {"part-00000"}


def test_a_job_that_was_lost_commits_nothing_into_the_folder_of_the_next(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another is launched with --overwrite when the tasks of the first have just ended."""
    out, run_tasks = tmp_path / "out", launching.run_tasks
    between = {}

    def overtaken(*arguments: object) -> None:
        run_tasks(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(launching, "run_tasks", run_tasks)
        assert score("--model", PLAIN, "--output-dir", out, "--overwrite", given).exit_code == 0
        between.update(snapshot(out))

    monkeypatch.setattr(launching, "run_tasks", overtaken)
    ended = score("--model", PLAIN, "--output-dir", out, given)
    assert ended.exit_code == 1
    assert "has been launched into" in ended.err
    assert snapshot(out) == between
    assert_whole(out)


@pytest.mark.parametrize("name", ["é {x} a+b 100% 'y'\t", "[ab] *", "a\nb"])
def test_a_folder_of_input_may_have_any_name(name: str, tmp_path: Path, score: Score) -> None:
    write_lines(tmp_path / name / f"{name}.jsonl", records(2))
    out = tmp_path / ("out" if "[" in name else f"{name} out")
    ended = score("--model", PLAIN, "--output-dir", out, tmp_path / name)
    assert ended.exit_code == 0, ended.err
    assert [file.path for file in assert_whole(out).inputs] == [
        str(tmp_path / name / f"{name}.jsonl")
    ]


def test_paths_are_settled_where_the_job_is_launched(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks have working folders of their own."""
    monkeypatch.chdir(tmp_path)
    assert score("--model", PLAIN, "--output-dir", "out/", "in").exit_code == 0
    assert {str(Path(file.path).parent) for file in assert_whole(tmp_path / "out").inputs} == {
        str(given)
    }


def test_of_empty_files_nothing_comes_but_a_manifest(tmp_path: Path, score: Score) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", [])
    write_lines(tmp_path / "in" / "b.jsonl", [b"", b"  "])
    out = tmp_path / "out"
    assert score("--model", PLAIN, "--output-dir", out, tmp_path / "in").exit_code == 0
    assert contents(out) == {"_job.json", "_manifest.json"}
    assert assert_whole(out).records == {"read": 0, "scored": 0, "rejected": {}}


def test_the_manifest_of_a_job_with_reducers_lists_all_its_files(
    given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["--model", PLAIN, "--output-dir", str(out), "--keep-predictions", str(given)]
    assert CountColours.main(words) == 0
    manifest = json.loads((out / "_manifest.json").read_text())
    listed = {Path(file["path"]).relative_to(out).as_posix() for file in manifest["outputs"]}
    parts = {name for name in contents(out) if "part-" in name}
    assert listed == parts
    for file in manifest["outputs"]:
        assert Path(file["path"]).stat().st_size == file["bytes"]
    assert not (out / "_temporary").exists()

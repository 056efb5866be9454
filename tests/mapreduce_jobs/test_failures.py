"""Jobs that fail: an exit code, the cause, the way out, and nothing that counts is left."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from job_runs import (
    PLAIN,
    Score,
    assert_no_process_is_left,
    assert_not_whole,
    assert_whole,
    contents,
    disk_of,
    read_result,
    record,
    records,
    scored_directly,
    start_apart,
    wait_for,
    write_lines,
    write_rows,
)

from mapreduce_jobs import launching
from mapreduce_jobs.score import ScoreJob
from mapreduce_jobs.tasks import Task, TaskPlan
from model_dofns.exceptions import ScoringError

LOCAL = ("-r", "local", "--num-cores", "2")


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return fill(tmp_path / "in")


def fill(folder: Path) -> Path:
    """Two sound files, of which the second has poison; enough to fill a small disk."""
    write_lines(folder / "a.jsonl", records(1_200))
    write_lines(folder / "b.jsonl", [*records(3), record(3, x=13.0)])
    return folder


def assert_rerun_is_exact(given: Path, out: Path, score: Score) -> None:
    """The same again with the cause mended, as the message says."""
    ended = score("--model", PLAIN, "--output-dir", out, "--overwrite", given)
    assert ended.exit_code == 0, ended.err
    assert_whole(out)
    assert read_result(out) == scored_directly(given, "jsonl", PLAIN)


# --- files ---


def after_launch(patch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Something happens when the job is planned and nothing has been read yet."""
    run_tasks = launching.run_tasks

    def late(*arguments: Any) -> None:
        happens()
        run_tasks(*arguments)

    patch.setattr(launching, "run_tasks", late)


def test_a_file_that_vanishes_fails_the_job(
    given: Path,
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        after_launch(patch, (given / "b.jsonl").unlink)
        ended = score("--model", PLAIN, "--output-dir", out, given)
    assert ended.exit_code == 1
    for hint in ("FileNotFoundError", f"{given}/b.jsonl", "--overwrite", "--skip", str(out)):
        assert hint in ended.err
    assert "Traceback" not in ended.err
    assert_not_whole(out, "failed")
    assert "FileNotFoundError" in json.loads((out / "_job.json").read_text())["error"]
    assert_rerun_is_exact(fill(given), out, score)


def test_files_that_cannot_be_read_can_be_skipped(
    given: Path,
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
    three_tasks: tuple[str, ...],
) -> None:
    """One vanishes, one changes, one is no whole .gz; a fourth is cut short and is many ranges."""
    out = tmp_path / "out"
    write_lines(given / "c.jsonl", records(9))
    (given / "d.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 cut short")
    write_rows(given / "e.parquet", records(900), row_group_size=300)
    os.truncate(given / "e.parquet", 2_000)
    monkeypatch.setattr("model_dofns.formats.base.Format.ranges.__defaults__", (500,))

    def happens() -> None:
        (given / "b.jsonl").unlink()
        os.truncate(given / "c.jsonl", 10)

    after_launch(monkeypatch, happens)
    ended = score(
        *("--model", PLAIN, "--output-dir", out, "--skip-bad-files", "--output-format", "jsonl"),
        *(*three_tasks, given),
    )
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(out)
    why = {Path(file.path).name: file.error or "" for file in manifest.inputs}
    assert why["a.jsonl"] == ""
    assert "FileNotFoundError" in why["b.jsonl"]
    assert "has 10 now" in why["c.jsonl"]
    assert all("cannot be read" in why[name] for name in ("d.jsonl.gz", "e.parquet"))
    assert manifest.records == {"read": 1_200, "scored": 1_200, "rejected": {}}
    rejects = [json.loads(line) for line in read_result(out).rejects.elements()]
    assert sorted(Path(reject["file"]).name for reject in rejects) == sorted(set(why) - {"a.jsonl"})
    assert {(reject["stage"], reject["format"]) for reject in rejects} == {
        ("read", "jsonl"),
        ("read", "parquet"),
    }


def test_a_truncated_gz_fails_the_job(tmp_path: Path, score: Score) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 cut short")
    out = tmp_path / "out"
    ended = score("--model", PLAIN, "--output-dir", out, tmp_path / "a.jsonl.gz")
    assert ended.exit_code == 1
    assert "a.jsonl.gz cannot be read" in ended.err
    assert_not_whole(out, "failed")
    ended = score(
        *("--model", PLAIN, "--output-dir", out, "--overwrite", "--skip-bad-files"),
        tmp_path / "a.jsonl.gz",
    )
    assert ended.exit_code == 1
    assert "none of the 1 files could be read" in ended.err
    assert_not_whole(out, "failed")


# --- tasks ---


@dataclass(frozen=True)
class Trouble:
    """Why a job fails, and what must be said of it."""

    cause: str
    model: str = PLAIN
    words: tuple[str, ...] = ()
    meanwhile: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    status: str = "failed"
    exit_code: int = 1


TROUBLES = {
    "a model that does not load there": Trouble(
        "the parameters are gone", "worker_models:BrokenModel", ("--no-preflight",)
    ),
    "a model that is not there in a process": Trouble(
        "MissingModel", "worker_models:MissingModel", LOCAL
    ),
    "a model that fails always": Trouble(
        "the first 1000 records of this task all failed in predict", "models:FailingModel"
    ),
    "a full disk": Trouble("File too large", meanwhile=functools.partial(disk_of, 20_000)),
    "Ctrl-C": Trouble(
        "interrupted", "worker_models:InterruptedModel", status="interrupted", exit_code=130
    ),
    "SIGTERM": Trouble(
        "interrupted", "worker_models:TerminatedModel", status="interrupted", exit_code=130
    ),
    "a killed task": Trouble("SIGKILL", "worker_models:KilledModel", LOCAL),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_in_a_task_fails_the_job(
    trouble: Trouble, given: Path, tmp_path: Path, score: Score
) -> None:
    out, tmp = tmp_path / "out", tmp_path / "tmp"
    words = ("--model", trouble.model, "--output-dir", out, "--local-tmp-dir", tmp)
    with trouble.meanwhile():
        ended = score(*words, *trouble.words, given)
    assert ended.exit_code == trouble.exit_code
    assert_not_whole(out, trouble.status)
    for hint in (trouble.cause, "--overwrite", str(out)):
        assert hint in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert list(tmp.iterdir()) == []  # of mrjob
    assert_rerun_is_exact(given, out, score)


def test_a_disk_too_full_to_say_so_leaves_a_folder_that_can_be_overwritten(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    with disk_of(200):  # enough for what is written at launch
        ended = score("--model", PLAIN, "--output-dir", out, given)
    assert ended.exit_code == 1
    assert contents(out) == {"_job.json"}
    assert_rerun_is_exact(given, out, score)


def test_a_task_that_dies_leaves_nothing_that_counts(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Hadoop: an attempt that dies when it has written its files, and two that end well."""
    out, score_order = tmp_path / "out", Task.score

    def repeatedly(task: Task, order: Any) -> Any:
        for ending in ("dies", "lives"):
            monkeypatch.setenv("mapreduce_task_attempt_id", f"attempt_{ending}")
            another = Task(task._plan, task._store, lambda _: None)
            list(score_order(another, order))
            if ending == "lives":
                another.finish()
            else:
                another._scoring[0]._predictions.close()
        return score_order(task, order)

    with monkeypatch.context() as patch:
        patch.setattr(Task, "score", repeatedly)
        ended = score("--model", PLAIN, "--output-dir", out, given)
    assert ended.exit_code == 0, ended.err
    assert_whole(out)
    assert read_result(out) == scored_directly(given, "jsonl", PLAIN)


def test_a_runner_that_forgets_a_task_fails_the_job(
    given: Path,
    tmp_path: Path,
    score: Score,
    three_tasks: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, finish = tmp_path / "out", Task.finish
    forgotten: list[Task] = []

    def forgetting(task: Task) -> None:
        if forgotten:
            finish(task)
        forgotten.append(task)

    monkeypatch.setattr(Task, "finish", forgetting)
    ended = score("--model", PLAIN, "--output-dir", out, *three_tasks, given)
    assert ended.exit_code == 1
    assert "1 of 2 orders were not done" in ended.err
    assert_not_whole(out, "failed")


def test_a_task_with_another_version_of_the_library_says_so(given: Path, tmp_path: Path) -> None:
    words = ["--model", PLAIN, "--output-dir", str(tmp_path / "out"), str(given)]
    text = TaskPlan(ScoreJob.of(words)._planned()).to_bytes()
    assert TaskPlan.from_bytes(text).job.folder.path == str(tmp_path / "out")
    _, _, pickled = text.partition(b"\n")
    with pytest.raises(ScoringError, match=r"launched by model-dofns 9\.9.*install one version"):
        TaskPlan.from_bytes(b"9.9\n" + pickled)


# --- signals ---


def slow(given: Path, out: Path, folder: Path) -> tuple[object, ...]:
    """A job whose model takes half a minute for a batch, and leaves a file when it has begun."""
    models_file = folder / "models.yaml"
    models_file.write_text(
        "models:\n"
        "  slow:\n"
        "    class: worker_models:SlowModel\n"
        f"    configuration: {{busy: {folder / 'busy'}}}\n"
    )
    return ("--models", models_file, "--model", "slow", "--output-dir", out, given)


@pytest.mark.parametrize(
    ("ending", "send"),
    [
        (signal.SIGINT, os.killpg),  # as a terminal does
        (signal.SIGTERM, os.kill),  # to it alone, as a scheduler does
        (signal.SIGKILL, os.kill),
    ],
)
def test_ending_the_launcher_ends_its_tasks(
    ending: signal.Signals,
    send: Callable[[int, int], None],
    given: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, tmp = tmp_path / "out", tmp_path / "tmp"
    tmp.mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp))
    program = ("-m", "mapreduce_jobs.score", *LOCAL)
    process = start_apart(*slow(given, out, tmp_path), program=program)
    give_up = time.monotonic() + 60
    while not (tmp_path / "busy").exists() and process.poll() is None:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    send(process.pid, ending)
    ended = wait_for(process)
    assert_no_process_is_left(process.pid)
    assert not (out / "_manifest.json").exists()
    if ending == signal.SIGKILL:  # which no one can do anything about, but its tasks
        return
    assert ended.exit_code == 130, ended.err
    assert_not_whole(out, "interrupted")
    assert ended.out == ""
    assert "interrupted" in ended.err
    assert "--overwrite" in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp.iterdir()) == []


def test_what_is_ignored_ends_no_job(given: Path, tmp_path: Path, score: Score) -> None:
    """As with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ended = score(
            *("--model", "worker_models:HungUpModel", "--output-dir", tmp_path / "out", given)
        )
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.exit_code == 0, ended.err
    assert_whole(tmp_path / "out")

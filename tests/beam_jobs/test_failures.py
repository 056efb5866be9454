"""Jobs that fail: an exit code, the cause, the way out, and a folder that does not look whole."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems
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
    write_csv,
    write_lines,
    write_rows,
)

from beam_jobs import running
from model_dofns.formats.csv.format import CsvFormat

TWO_PROCESSES = ("--direct_num_workers", "2", "--direct_running_mode", "multi_processing")
TWO_THREADS = ("--direct_num_workers", "2", "--direct_running_mode", "multi_threading")
POISON = {"x": 13.0}


def fill(folder: Path, format_name: str) -> Path:
    """Two sound files, of which the second has poison; enough to fill a small disk."""
    for name, rows in (("a", records(1_200)), ("b", [*records(3), record(3, **POISON)])):
        if format_name == "jsonl":
            write_lines(folder / f"{name}.jsonl", rows)
        elif format_name == "csv":
            write_csv(folder / f"{name}.csv", rows)
        else:
            write_rows(folder / f"{name}.parquet", rows, row_group_size=300)
    return folder


def assert_rerun_is_exact(given: Path, out: Path, score: Score) -> None:
    """The same again with the cause mended, as the message says."""
    format_name = next(given.glob("a.*")).suffix[1:]
    ended = score("--model", PLAIN, "--input", given, "--output", out, "--overwrite")
    assert ended.exit_code == 0, ended.err
    assert_whole(out)
    assert read_result(out) == scored_directly(given, format_name, PLAIN)


# --- what goes wrong with files ---


def after_launch(patch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Something happens when the job is planned and nothing has been read yet."""
    build = running.build

    def late(*arguments: Any) -> Any:
        happens()
        return build(*arguments)

    patch.setattr(running, "build", late)


def vanishes(file: Path, patch: pytest.MonkeyPatch) -> None:
    after_launch(patch, file.unlink)


def vanishes_before_it_is_cut(file: Path, patch: pytest.MonkeyPatch) -> None:
    """CSV is read to be cut."""
    patch.setattr(CsvFormat.ranges, "__defaults__", (500,))
    vanishes(file, patch)


def grows(file: Path, patch: pytest.MonkeyPatch) -> None:
    after_launch(patch, lambda: write_lines(file, records(5)))


def shrinks(file: Path, patch: pytest.MonkeyPatch) -> None:
    after_launch(patch, lambda: os.truncate(file, 10))


def is_cut_short(file: Path, patch: pytest.MonkeyPatch) -> None:
    os.truncate(file, file.stat().st_size // 2)


def is_spoilt_inside(file: Path, patch: pytest.MonkeyPatch) -> None:
    """The footer is sound, and so are the first rows."""
    data = bytearray(file.read_bytes())
    third_group = pq.ParquetFile(file).metadata.row_group(2).column(0).data_page_offset
    data[third_group : third_group + 200] = b"\xff" * 200
    file.write_bytes(data)


def may_not_be_read(file: Path, patch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so no mode of the file will do."""
    open_ = FileSystems.open

    def refusing(path: str, *arguments: Any, **options: Any) -> Any:
        if path == str(file):
            raise PermissionError(13, "Permission denied", path)
        return open_(path, *arguments, **options)

    patch.setattr(FileSystems, "open", staticmethod(refusing))


BAD_FILES: dict[str, tuple[str, Callable[[Path, pytest.MonkeyPatch], None], str]] = {
    "vanishes": ("a.jsonl", vanishes, "FileNotFoundError"),
    "grows": ("b.jsonl", grows, "when the job was launched"),
    "shrinks": ("a.jsonl", shrinks, "has 10 now"),
    "may not be read": ("a.jsonl", may_not_be_read, "PermissionError"),
    "vanishes before it is cut": ("a.csv", vanishes_before_it_is_cut, "FileNotFoundError"),
    "is cut short": ("a.parquet", is_cut_short, "cannot be read as Parquet"),
    "is spoilt inside": ("a.parquet", is_spoilt_inside, "cannot be read as Parquet"),
}


@pytest.mark.parametrize(("name", "happens", "cause"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_fails_the_job(
    name: str,
    happens: Callable[[Path, pytest.MonkeyPatch], None],
    cause: str,
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, out = fill(tmp_path / "in", name.partition(".")[2]), tmp_path / "out"
    with monkeypatch.context() as patch:
        happens(given / name, patch)
        ended = score("--model", PLAIN, "--input", given, "--output", out)

    assert ended.exit_code == 1
    for hint in (cause, str(given / name), "--overwrite", str(out)):
        assert hint in ended.err
    assert_not_whole(out, "failed")
    assert cause in json.loads((out / "_job.json").read_text())["error"]
    fill(given, name.partition(".")[2])
    assert_rerun_is_exact(given, out, score)


@pytest.mark.parametrize(("name", "happens", "cause"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_can_be_skipped(
    name: str,
    happens: Callable[[Path, pytest.MonkeyPatch], None],
    cause: str,
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    format_name = name.partition(".")[2]
    given, out = fill(tmp_path / "in", format_name), tmp_path / "out"
    with monkeypatch.context() as patch:
        happens(given / name, patch)
        ended = score("--model", PLAIN, "--input", given, "--output", out, "--skip_bad_files")

    assert ended.exit_code == 0, ended.err
    assert "files not read whole" in ended.out
    manifest = assert_whole(out)
    by_name = {Path(file.path).name: file for file in manifest.inputs}
    bad, good = by_name.pop(name), by_name.popitem()[1]
    assert cause in (bad.error or "")
    assert good.error is None
    # The rows before the spoilt ones are scored, and counted as read.
    assert bad.records == (600 if happens is is_spoilt_inside else 0)
    assert manifest.records["read"] == bad.records + good.records
    assert manifest.records["rejected"] == {}
    result = read_result(out)
    (reject,) = map(json.loads, result.rejects.elements())
    assert (reject["stage"], reject["file"], reject["message"]) == ("read", bad.path, bad.error)
    (given / name).unlink(missing_ok=True)
    assert result.predictions >= scored_directly(given, format_name, PLAIN).predictions


def test_a_bad_file_of_many_ranges_is_named_once(
    tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, out = fill(tmp_path / "in", "parquet"), tmp_path / "out"
    is_cut_short(given / "a.parquet", monkeypatch)
    monkeypatch.setattr("model_dofns.formats.base.Format.ranges.__defaults__", (500,))
    ended = score("--model", PLAIN, "--input", given, "--output", out, "--skip_bad_files")
    assert ended.exit_code == 0, ended.err
    assert_whole(out)
    assert read_result(out).rejects.total() == 1


def test_where_all_files_are_bad_the_job_fails(tmp_path: Path, score: Score) -> None:
    given, out = write_lines(tmp_path / "a.parquet", [b"not Parquet"]), tmp_path / "out"
    ended = score("--model", PLAIN, "--input", given, "--output", out, "--skip_bad_files")
    assert ended.exit_code == 1
    assert "none of the 1 files could be read" in ended.err
    assert_not_whole(out, "failed")


# --- what goes wrong on workers ---


@contextlib.contextmanager
def renaming_fails() -> Iterator[None]:
    """Of part files, after the first one, which has its final name then."""
    rename = FileSystems.rename

    def failing(sources: list[str], targets: list[str]) -> None:
        if "/part-" not in targets[0]:
            return rename(sources, targets)
        rename(sources[:1], targets[:1])
        raise OSError("the store is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileSystems, "rename", staticmethod(failing))
        yield


@contextlib.contextmanager
def nothing_more() -> Iterator[None]:
    yield


@dataclass(frozen=True)
class Trouble:
    """Why a job fails, and what must be said of it."""

    cause: str
    model: str = PLAIN
    words: tuple[str, ...] = ()
    meanwhile: Callable[[], contextlib.AbstractContextManager[None]] = nothing_more
    status: str = "failed"
    exit_code: int = 1


TROUBLES = {
    "a model that does not load there": Trouble(
        "the parameters are gone", "worker_models:BrokenModel", ("--no_preflight",)
    ),
    "a model of another version there": Trouble(
        "has version 1.2.3", PLAIN, ("--no_preflight", "--expect_version", ">=2")
    ),
    "a model that fails always": Trouble(
        "the first 1000 records of this task all failed in predict", "models:FailingModel"
    ),
    "a full disk": Trouble("File too large", meanwhile=functools.partial(disk_of, 20_000)),
    "a store that fails when files are renamed": Trouble(
        "the store is gone", PLAIN, TWO_THREADS, meanwhile=renaming_fails
    ),
    "Ctrl-C": Trouble(
        "interrupted", "worker_models:InterruptedModel", status="interrupted", exit_code=130
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_on_a_worker_fails_the_job(trouble: Trouble, tmp_path: Path, score: Score) -> None:
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    with trouble.meanwhile():
        ended = score("--model", trouble.model, "--input", given, "--output", out, *trouble.words)

    assert ended.exit_code == trouble.exit_code
    assert_not_whole(out, trouble.status)
    for hint in (trouble.cause, "--overwrite", str(out)):
        assert hint in ended.err
    assert_rerun_is_exact(given, out, score)


def test_parquet_on_a_full_disk_fails_the_job(tmp_path: Path, score: Score) -> None:
    """It is written when a part is closed."""
    given, out = fill(tmp_path / "in", "parquet"), tmp_path / "out"
    with disk_of(4_000):
        ended = score("--model", PLAIN, "--input", given, "--output", out)
    assert ended.exit_code == 1
    assert "File too large" in ended.err
    assert_not_whole(out, "failed")
    assert_rerun_is_exact(given, out, score)


def test_a_disk_too_full_to_say_so_leaves_a_folder_that_can_be_overwritten(
    tmp_path: Path, score: Score
) -> None:
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    with disk_of(200):  # enough for what is written at launch
        ended = score("--model", PLAIN, "--input", given, "--output", out)
    assert ended.exit_code == 1
    assert contents(out) == {"_job.json"}
    assert_rerun_is_exact(given, out, score)


def test_a_folder_is_whole_just_where_the_job_is_done(
    tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the manifest stands, and what was temporary cannot be removed."""
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"

    def refusing(paths: list[str]) -> None:
        raise PermissionError(13, "Permission denied", paths[0])

    monkeypatch.setattr(FileSystems, "delete", staticmethod(refusing))
    ended = score("--model", PLAIN, "--input", given, "--output", out)
    assert (out / "_manifest.json").exists() == (ended.exit_code == 0)


# --- what a cluster says ---


@dataclass
class RemoteResult:
    """A job elsewhere, which someone here has interrupted, or which ended in a state."""

    state: str | None = None
    cancelling_fails: bool = False
    cancelled: bool = False

    def wait_until_finish(self) -> str:
        if self.state is None:
            raise KeyboardInterrupt
        return self.state

    def cancel(self) -> None:
        self.cancelled = True
        if self.cancelling_fails:
            raise ValueError("Cannot invoke RPC on closed channel!")


@pytest.mark.parametrize("cancelling_fails", [False, True])
def test_interrupting_the_launcher_cancels_a_job_elsewhere(
    cancelling_fails: bool, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beam's client of a job server has closed its channel by then."""
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    result = RemoteResult(cancelling_fails=cancelling_fails)
    monkeypatch.setattr("apache_beam.Pipeline.run", lambda _: result)
    ended = score("--model", PLAIN, "--input", given, "--output", out)
    assert (ended.exit_code, result.cancelled) == (130, True)
    assert_not_whole(out, "interrupted")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "UNKNOWN"])
def test_a_job_that_ends_elsewhere_without_being_done_has_failed(
    state: str, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    monkeypatch.setattr("apache_beam.Pipeline.run", lambda _: RemoteResult(state))
    ended = score("--model", PLAIN, "--input", given, "--output", out)
    assert ended.exit_code == 1
    assert state in ended.err
    assert_not_whole(out, "failed")


@pytest.mark.parametrize("state", [None, "UNKNOWN"], ids=["interrupted", "lost"])
def test_a_folder_is_whole_just_where_the_exit_code_says_so(
    state: str | None, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher loses sight of a job that has just written its manifest."""
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    run = beam.Pipeline.run

    def finishing(*arguments: Any) -> RemoteResult:
        run(*arguments)
        return RemoteResult(state)

    monkeypatch.setattr(beam.Pipeline, "run", finishing)
    ended = score("--model", PLAIN, "--input", given, "--output", out)
    assert (out / "_manifest.json").exists() == (ended.exit_code == 0)


# --- what ends a process ---


def test_a_killed_worker_fails_the_job(tmp_path: Path, score: Score) -> None:
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    process = start_apart(
        *("--model", "worker_models:KilledModel", "--input", given, "--output", out, *TWO_PROCESSES)
    )
    ended = wait_for(process)
    assert ended.exit_code == 1, ended.err
    assert_no_process_is_left(process.pid)
    assert_not_whole(out, "failed")
    assert "error: the job failed" in ended.err
    assert "--overwrite" in ended.err
    assert_rerun_is_exact(given, out, score)


def test_interrupting_the_launcher_ends_its_workers(tmp_path: Path, score: Score) -> None:
    given, out, busy = fill(tmp_path / "in", "jsonl"), tmp_path / "out", tmp_path / "busy"
    models_file = tmp_path / "models.yaml"
    models_file.write_text(
        f"models: {{slow: {{class: 'worker_models:SlowModel', configuration: {{busy: {busy}}}}}}}"
    )
    process = start_apart(
        *("--models", models_file, "--model", "slow", "--input", given, "--output", out),
        *TWO_PROCESSES,
    )
    give_up = time.monotonic() + 120
    while not busy.exists() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)  # to it alone, as a scheduler does

    ended = wait_for(process)

    assert ended.exit_code == 130, ended.err
    assert_no_process_is_left(process.pid)
    assert_not_whole(out, "interrupted")
    assert "interrupted" in ended.err
    assert "--overwrite" in ended.err
    assert_rerun_is_exact(given, out, score)


@pytest.mark.parametrize("stream", [">/dev/full", "| head -c 0", "2>&-"])
def test_a_job_that_cannot_say_so_is_done_all_the_same(stream: str, tmp_path: Path) -> None:
    given, out = fill(tmp_path / "in", "jsonl"), tmp_path / "out"
    words = ["--model", PLAIN, "--input", str(given), "--output", str(out)]
    command = shlex.join([sys.executable, "-m", "beam_jobs.score", *words])
    script = f"{command} {stream}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    assert_whole(out)

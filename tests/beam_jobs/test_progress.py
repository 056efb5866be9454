"""Progress: what is counted while a job runs, what a terminal shows of it, and what is left."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import gzip
import logging
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from job_runs import (
    EVERY_STAGE,
    PLAIN,
    Score,
    assert_not_whole,
    assert_whole,
    read_manifest,
    records,
    write_lines,
)

from beam_jobs import progress
from beam_jobs.live_counts import Ledger, LiveCounts, asked
from beam_jobs.options import parse_args
from beam_jobs.pipeline import build, plan
from beam_jobs.runner import empty_pipeline
from model_dofns.counters import BYTES_READ, RECORDS_READ, records_rejected

WORKERS = ("--direct_num_workers", "2", "--direct_running_mode")
TALKING, LEISURELY = "worker_models:TalkingModel", "worker_models:LeisurelyModel"


def fill(folder: Path, files: int = 12) -> Path:
    for i in range(files):
        write_lines(folder / f"{i:02}.jsonl", [*records(5), b"{broken"])
    return folder


# --- what is counted ---


@pytest.mark.parametrize("format_name", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "words",
    [(), (*WORKERS, "multi_threading"), (*WORKERS, "multi_processing")],
    ids=["one process", "two threads", "two processes"],
)
def test_workers_of_this_machine_count_what_the_manifest_says(
    words: tuple[str, ...], format_name: str, data: Path, tmp_path: Path
) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    (tmp_path / "ledger").mkdir()
    options = parse_args(
        [
            *("--model", EVERY_STAGE, "--input", str(data / format_name)),
            *("--output", str(tmp_path / "out"), *words),
        ]
    )
    pipeline = empty_pipeline(options)
    build(pipeline, plan(options), ledger)
    result = pipeline.run()
    result.wait_until_finish()

    manifest = read_manifest(tmp_path / "out")
    assert ledger.read() == LiveCounts(
        bytes=sum(file.bytes for file in manifest.inputs),
        files=len(manifest.inputs),
        records=manifest.records["read"],
        rejects=sum(manifest.records["rejected"].values()),
    )
    assert asked(result) == ledger.read()  # and a runner's counters say the same
    processes = len(list((tmp_path / "ledger").iterdir()))
    assert processes == (2 if "multi_processing" in words else 1)


def test_bytes_of_many_ranges_and_compressed_files_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", records(300))
    packed = gzip.compress((tmp_path / "in" / "a.jsonl").read_bytes())
    (tmp_path / "in" / "b.jsonl.gz").write_bytes(packed)
    monkeypatch.setattr("model_dofns.formats.base.Format.ranges.__defaults__", (1_000,))
    monkeypatch.setattr(
        "model_dofns.formats.jsonl.format.JsonLinesFormat.read_blocks.__kwdefaults__",
        {"block_bytes": 300, "max_record_bytes": 1_000},
    )
    seen: list[Mapping[str, int]] = []
    monkeypatch.setattr(Ledger, "__call__", lambda _, counts: seen.append(dict(counts)))
    options = parse_args(
        ["--model", PLAIN, "--input", f"{tmp_path}/in", "--output", f"{tmp_path}/out"]
    )
    pipeline = empty_pipeline(options)
    build(pipeline, plan(options), Ledger("anywhere"))
    pipeline.run()

    amounts = [counts.get(BYTES_READ, 0) for counts in seen]
    assert min(amounts) >= 0
    assert sum(amounts) == sum(file.bytes for file in read_manifest(tmp_path / "out").inputs)
    assert sum(amount > 0 for amount in amounts) > 20  # as they are read, not at the end
    assert sum(counts.get("files_read", 0) for counts in seen) == 2


def test_a_ledger_that_cannot_be_written_harms_no_one(tmp_path: Path) -> None:
    gone = Ledger(str(tmp_path / "gone"))
    gone({RECORDS_READ: 1})
    assert not (tmp_path / "gone").exists()
    gone.forget()
    (tmp_path / "gone").mkdir()
    gone({RECORDS_READ: 2, records_rejected("decode"): 1, records_rejected("output"): 1})
    assert gone.read() == LiveCounts(records=2, rejects=2)


class JobServerResult:
    """Keeps the first metrics it gets, as Beam's result of a job server does."""

    def __init__(self, result: Any) -> None:
        self.result, self.asked, self._metrics = result, [0], None

    def metrics(self) -> Any:
        if self._metrics is None:
            self.asked[0] += 1
            self._metrics = self.result.metrics()
        return self._metrics


def test_a_runner_is_asked_anew_each_time(data: Path, tmp_path: Path) -> None:
    words = ["--model", PLAIN, "--input", str(data / "jsonl"), "--output", str(tmp_path / "out")]
    pipeline = beam.Pipeline(runner="FnApiRunner")
    build(pipeline, plan(parse_args(words)))
    result = JobServerResult(pipeline.run())
    counts = [asked(result) for _ in range(3)]
    assert counts[0] == counts[2] != LiveCounts()
    assert result.asked == [3]


# --- what a terminal shows ---


@dataclass(frozen=True)
class OnTerminal:
    exit_code: int
    out: str
    shown: str  # on the terminal, which is stderr

    def lines(self) -> list[str]:
        """What is left on its lines when all is over, the cursor's moves carried out."""
        left = []
        for line in self.shown.replace("\r\n", "\n").split("\n"):
            cells: list[str] = []
            for piece in line.split("\r"):
                cells[: len(piece)] = piece
            left.append("".join(cells).rstrip())
        return left


def on_terminal(
    *words: object, columns: int = 80, term: str = "xterm", interrupt_at: str = ""
) -> OnTerminal:
    """The command line with a terminal for stderr; Ctrl-C once it shows some text."""
    terminal, stderr = pty.openpty()
    fcntl.ioctl(stderr, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "beam_jobs.score", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "TERM": term},
        start_new_session=True,
    )
    os.close(stderr)
    shown, give_up = b"", time.monotonic() + 120
    with contextlib.suppress(OSError):  # at the end
        while time.monotonic() < give_up:
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 1 << 16)
            if interrupt_at and re.search(interrupt_at.encode(), shown):
                os.killpg(process.pid, signal.SIGINT)
                interrupt_at = ""
    os.close(terminal)
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None and time.monotonic() >= give_up:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    out = process.stdout.read().decode()
    return OnTerminal(process.wait(), out, shown.decode())


BAR = re.compile(r"\r *(\d+)%\|.*?\| (\d+) records, [\d.,]+/s, (\d+) rejects, (\d+)/12 files \[")


@pytest.mark.parametrize(
    ("model", "words"),
    [(TALKING, ()), (LEISURELY, (*WORKERS, "multi_processing"))],
    ids=["one process", "two processes"],
)
def test_a_terminal_shows_how_far_the_job_is(
    model: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    given, out = fill(tmp_path / "in"), tmp_path / "out"
    ended = on_terminal(
        *("--model", model, "--input", given, "--output", out, "--max_errors", 12, *words)
    )
    assert ended.exit_code == 0, ended.shown
    shown = [tuple(map(int, found)) for found in BAR.findall(ended.shown)]
    assert len(shown) >= 3
    assert shown == sorted(shown)  # never backwards
    assert 0 <= shown[0][1] < shown[-1][1] <= 72
    assert all(rejects == read / 6 for _, read, rejects, _ in shown)
    assert all(len(piece) <= 80 for piece in ended.shown.split("\r") if "%|" in piece)
    # Nothing of it is left, no log line is torn, and the summary is alone on stdout.
    left = ended.lines()
    assert not [line for line in left if "%|" in line]
    said = [line for line in left if "a batch of 5" in line]
    assert said == ["WARNING talking: a batch of 5"] * (12 if model == TALKING else 0)
    assert ended.out.startswith("records read                    72")
    assert "%|" not in ended.out


def test_interrupted_on_a_terminal(tmp_path: Path) -> None:
    given, out = fill(tmp_path / "in"), tmp_path / "out"
    ended = on_terminal(
        *("--model", TALKING, "--input", given, "--output", out), interrupt_at=r"%\|"
    )
    assert ended.exit_code == 130
    assert_not_whole(out, "interrupted")
    left = ended.lines()
    assert not [line for line in left if "%|" in line]
    assert "error: the job was interrupted" in left
    assert "Traceback" not in ended.shown
    assert ended.out == ""


def test_failed_on_a_terminal(tmp_path: Path) -> None:
    given, out = fill(tmp_path / "in", 8), tmp_path / "out"
    write_lines(given / "99.jsonl.gz", [b"not gzip"])
    ended = on_terminal("--model", TALKING, "--input", given, "--output", out)
    assert ended.exit_code == 1
    assert "%|" in ended.shown
    left = ended.lines()
    assert not [line for line in left if "%|" in line]
    assert [line for line in left if line.startswith("error: the job failed")]


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path: Path) -> None:
    given, out = fill(tmp_path / "in"), tmp_path / "out"
    ended = on_terminal(
        *("--model", TALKING, "--input", given, "--output", out, "--max_errors", 12), term="dumb"
    )
    assert ended.exit_code == 0
    assert "%|" not in ended.shown
    assert "\r" not in ended.shown.replace("\r\n", "\n")


def test_a_narrow_terminal_is_not_overrun(tmp_path: Path) -> None:
    given, out = fill(tmp_path / "in"), tmp_path / "out"
    ended = on_terminal(
        *("--model", TALKING, "--input", given, "--output", out, "--max_errors", 12), columns=30
    )
    bars = [piece for piece in ended.shown.split("\r") if "%|" in piece]
    assert bars
    assert max(map(len, bars)) <= 30


def test_a_terminal_without_a_size_that_goes_away_stops_no_job(tmp_path: Path) -> None:
    given, out = fill(tmp_path / "in"), tmp_path / "out"
    terminal, stderr = pty.openpty()
    words = ["--model", TALKING, "--input", given, "--output", out, "--max_errors", 12]
    process = subprocess.Popen(
        [sys.executable, "-m", "beam_jobs.score", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(stderr)
    shown = b""
    while b"%|" not in shown:
        shown += os.read(terminal, 1 << 16)
    os.close(terminal)
    summary, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert summary.startswith(b"records read")
    assert_whole(out)


# --- what is said elsewhere ---


def test_elsewhere_a_line_is_logged_now_and_then(
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.3)
    given = fill(tmp_path / "in")
    score("--model", TALKING, "--input", given, "--output", tmp_path / "out", "--max_errors", 12)
    lines = [r.getMessage() for r in caplog.records if r.name == "beam_jobs.progress"]
    assert len(lines) >= 3
    size = sum(path.stat().st_size for path in given.iterdir())
    pattern = (
        rf"(\d+) % of {size:,} bytes, (\d+) of 12 files: (\d+) records read \(\d+ a second\),"
        r" (\d+) rejected, after 00:0\d"
    )
    found = [re.fullmatch(pattern, line) for line in lines]
    assert all(found), lines
    amounts = [tuple(map(int, match.groups())) for match in found if match]
    assert amounts == sorted(amounts)
    assert 0 < amounts[-1][2] <= 72


def test_of_a_short_job_nothing_is_said_meanwhile(
    data: Path, tmp_path: Path, score: Score, caplog: pytest.LogCaptureFixture
) -> None:
    score("--model", PLAIN, "--input", data / "jsonl", "--output", tmp_path / "out")
    ours = ("beam_jobs", "model_dofns")
    said = [record.name for record in caplog.records if record.name.startswith(ours)]
    assert said == ["model_dofns"]


def test_a_job_that_cannot_count_is_done_all_the_same(
    data: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refusing)
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    words = ("--model", PLAIN, "--input", data / "jsonl", "--max_errors", "50%")
    assert score(*words, "--output", tmp_path / "out").exit_code == 0
    monkeypatch.undo()
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    monkeypatch.setattr(Ledger, "read", refusing)
    assert score(*words, "--output", tmp_path / "out2").exit_code == 0
    monkeypatch.setattr(progress.LogView, "show", refusing)
    assert score(*words, "--output", tmp_path / "out3").exit_code == 0


# --- what is left ---


@contextlib.contextmanager
def without_pytests_own() -> Iterator[None]:
    """No handler of logging but those of the job."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = handlers


@pytest.mark.parametrize("words", [(), ("--max_errors", "50%"), ("--plan",), ("--runner", "X")])
def test_a_run_leaves_nothing_behind_in_its_process(
    words: tuple[str, ...],
    data: Path,
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    score("--model", PLAIN, "--input", data / "jsonl", "--output", tmp_path / "warm")

    def state() -> Any:
        names = ("", "beam_jobs", "model_dofns", "apache_beam.runners.common")
        loggers = [logging.getLogger(name) for name in names]
        return (
            {thread.name for thread in threading.enumerate() if thread.name == "progress"},
            [(each.level, list(each.handlers), list(each.filters)) for each in loggers],
            [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)],
            list(tmp_path.glob("model_dofns-*")),
        )

    with without_pytests_own():
        before = copy.copy(state())
        for run in ("a", "b"):
            score(
                *("--model", PLAIN, "--input", data / "jsonl", "--output", tmp_path / run, *words)
            )
            assert state() == before

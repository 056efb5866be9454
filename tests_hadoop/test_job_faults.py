"""What goes wrong while a job runs: its folder is that of an undisturbed run, or says it is not."""

from __future__ import annotations

import contextlib
import gzip
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from attempt_models import GO
from cluster import Cluster
from configuration import SUPERUSER
from job_runs import (
    Ended,
    Result,
    assert_not_whole,
    assert_whole,
    contents,
    read_result,
    record,
    records,
    scored_directly,
    write_lines,
)
from models import POISON
from processes import ContainerProcess, Kind, wait_for_end
from scoring import Scoring, end, while_running

# Two orders of two files each: a larger one first, and it is the second one of an order whose
# first has been scored before poison is met.
TWO_TASKS = ("-D", "mapreduce.job.maps=2", "--max-errors", "90%")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two large files and two small ones, of which one has poison; and rejects in all."""
    folder = tmp_path_factory.mktemp("faults") / "data"
    for name, start in (("large a", 0), ("large b", 200)):
        write_lines(folder / f"{name}.jsonl", [*records(150, start), b'{"id": 1', record(1, n="a")])
    poison = record(500, x=POISON, n=1)
    write_lines(folder / "small a.jsonl", [*records(20, 60), poison, b"[]"])
    write_lines(folder / "small b.jsonl", [*records(20, 70), b"{}"])
    return folder


@pytest.fixture(scope="module")
def files(scoring: Scoring, folder: Path) -> str:
    return scoring.put(folder)


@dataclass(frozen=True)
class Run:
    """A job of which attempts leave notes.

    Attributes:
        process: its launcher.
        output: its folder.
        notes: a folder; the name of a file in it is that of an attempt that has come to poison.
    """

    scoring: Scoring
    process: subprocess.Popen[str]
    output: str
    notes: Path

    def attempts(self) -> list[str]:
        return sorted(note.name for note in self.notes.iterdir() if note.name != GO)

    def wait_for_attempts(self, count: int = 1, seconds: float = 120) -> list[str]:
        """So many attempts that have come to poison."""
        for _ in while_running(self.process, seconds):
            if len(found := self.attempts()) >= count:
                return found
        raise AssertionError(f"{count} attempts were to come to poison: {self.attempts()}")

    def process_of(self, kind: Kind, attempt: str) -> ContainerProcess:
        """The mapper of an attempt, or the JVM that has started it."""
        (found,) = (
            each
            for each in self.scoring.cluster.processes(kind)
            if attempt in (each.attempt, *each.command)
        )
        return found

    def line_with(self, name: str) -> bytes:
        """The line of input of the task that reads a file of this name."""
        client, path = self.scoring.client(), self.output.removeprefix("hdfs://")
        (orders,) = (
            status.path
            for status in client.list_status(f"{path}/_temporary", True)
            if status.path.endswith("/orders")
        )
        lines = bytes(client.read(orders).read()).splitlines(keepends=True)
        (found,) = (line for line in lines if name.encode() in line)
        return found

    def go_on(self) -> None:
        (self.notes / GO).touch()

    def whole(self) -> tuple[Result, dict[str, int]]:
        """What has been written: all of it, and how many records were in each file."""
        ended = end(self.process)
        assert ended.exit_code == 0, ended.err
        out = self.scoring.fetch(self.output)
        manifest = assert_whole(out)
        assert len(manifest.outputs) == 2
        return read_result(out), {file.path: file.records or 0 for file in manifest.inputs}

    def not_whole(self, status: str) -> Ended:
        """How it ended; nothing is left but a word on that."""
        ended = end(self.process)
        out = self.scoring.fetch(self.output)
        assert_not_whole(out, status)
        assert contents(out) == {"_job.json"}
        return ended


@contextlib.contextmanager
def running(scoring: Scoring, notes: Path, model: str, *flags: object) -> Iterator[Run]:
    """A job with one of the models of `attempt_models`."""
    notes.mkdir(parents=True, exist_ok=True)
    models_file = notes.with_name("models.yaml")
    entry = {"class": f"attempt_models:{model}", "configuration": {"folder": str(notes)}}
    models_file.write_text(json.dumps({"models": {"disturbed": entry}}))
    output = scoring.new_folder()
    flags = ("--models", models_file, "--model", "disturbed", "--output-dir", output, *flags)
    with scoring.started(*flags) as process:
        yield Run(scoring, process, output, notes)


@pytest.fixture(scope="module")
def undisturbed(
    scoring: Scoring, files: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, dict[str, int]]:
    notes = tmp_path_factory.mktemp("undisturbed") / "notes"
    with running(scoring, notes, "TastingModel", *TWO_TASKS, files) as run:
        result, read = run.whole()
        assert len(run.attempts()) == 1
    expected = scored_directly(folder, "jsonl", "models:BoundModel")
    assert result.predictions == expected.predictions
    assert result.rejects.total() == expected.rejects.total() > 0
    return result, read


@pytest.mark.parametrize("kind", ["mapper", "task"])
def test_a_task_that_is_killed_is_done_once_more(
    kind: Kind, scoring: Scoring, files: str, undisturbed: object, tmp_path: Path
) -> None:
    with running(scoring, tmp_path / "notes", "WaitingModel", *TWO_TASKS, files) as run:
        (first,) = run.wait_for_attempts()
        mapper = run.process_of("mapper", first).process
        run.process_of(kind, first).process.signal(signal.SIGKILL)
        assert run.whole() == undisturbed
        assert len(run.attempts()) == 2
        assert wait_for_end([mapper], 10)  # of itself, when its JVM is gone


def test_a_task_that_fails_once_is_done_once_more(
    scoring: Scoring, files: str, undisturbed: object, tmp_path: Path
) -> None:
    with running(scoring, tmp_path / "notes", "DyingModel", *TWO_TASKS, files) as run:
        assert run.whole() == undisturbed
        assert len(run.attempts()) == 2


def test_of_two_attempts_that_both_end_one_counts(
    scoring: Scoring, files: str, undisturbed: object, tmp_path: Path
) -> None:
    """The second one is started here, as Hadoop takes a task that has read its only line for done.

    So it hardly ever starts a second attempt beside a slow one; and it would kill one of the two.
    """
    with running(scoring, tmp_path / "notes", "WaitingModel", *TWO_TASKS, files) as run:
        (first,) = run.wait_for_attempts()
        mapper = run.process_of("mapper", first)
        proc = Path(f"/proc/{mapper.process.pid}")
        pairs = (proc / "environ").read_text().rstrip("\0").split("\0")
        second = f"{first.removesuffix('_0')}_1"
        environment = {
            name: value.replace(first, second)
            for name, _, value in (pair.partition("=") for pair in pairs)
        }
        subprocess.run(
            mapper.command,
            input=run.line_with("small a"),
            env=environment,
            cwd=proc / "cwd",
            stderr=subprocess.DEVNULL,
            check=True,
        )
        assert run.attempts() == [first, second]
        run.go_on()
        assert run.whole() == undisturbed


def test_a_node_that_is_lost_costs_nothing_but_time(
    scoring: Scoring, hadoop: Cluster, files: str, undisturbed: object, tmp_path: Path
) -> None:
    with running(scoring, tmp_path / "notes", "WaitingModel", *TWO_TASKS, files) as run:
        run.wait_for_attempts()
        hadoop.restart_node_manager()
        assert run.whole() == undisturbed
        assert len(run.attempts()) == 2


def test_a_task_that_always_fails_says_why(scoring: Scoring, files: str, tmp_path: Path) -> None:
    flags = (*TWO_TASKS, "-D", "mapreduce.map.maxattempts=2", files)
    with running(scoring, tmp_path / "notes", "FailingModel", *flags) as run:
        ended = run.not_whole("failed")
        assert ended.exit_code == 1
        assert f"RuntimeError: no licence for é on this node, {run.notes}" in ended.err
        assert "--overwrite" in ended.err
        tasks = {attempt.rpartition("_")[0] for attempt in run.attempts()}
        assert len(run.attempts()) > len(tasks)


def test_an_interrupt_ends_what_runs_on_the_cluster(
    scoring: Scoring, files: str, tmp_path: Path
) -> None:
    with running(scoring, tmp_path / "notes", "WaitingModel", *TWO_TASKS, files) as run:
        (first,) = run.wait_for_attempts()
        mapper = run.process_of("mapper", first)
        run.process.send_signal(signal.SIGINT)
        ended = run.not_whole("interrupted")
        assert ended.exit_code == 130, ended.err
        assert "killing it failed" not in ended.err
        assert wait_for_end([mapper.process], 30)
        job = mapper.application.replace("application", "job")
        assert "Job state: KILLED" in scoring.cluster.hadoop("job", "-status", job).stdout


ONE_TRY = ("-D", "mapreduce.job.maps=1", "-D", "mapreduce.map.maxattempts=1")


def write_poison_first(folder: Path) -> None:
    """A large file with poison, which is read first, and small ones."""
    write_lines(folder / "a.jsonl", [*records(300), record(500, x=POISON, n=1)])
    for name in ("closed", "vanishing é"):
        write_lines(folder / f"{name}.jsonl", records(5))


def test_a_file_that_vanishes_after_the_launch_fails_the_job(
    scoring: Scoring, tmp_path: Path
) -> None:
    write_poison_first(tmp_path / "data")
    files = scoring.put(tmp_path / "data")
    vanishing = f"{files}/vanishing é.jsonl"
    with running(scoring, tmp_path / "notes", "WaitingModel", *ONE_TRY, files) as run:
        run.wait_for_attempts()
        scoring.client().delete(vanishing.removeprefix("hdfs://"))
        run.go_on()
        ended = run.not_whole("failed")
    assert ended.exit_code == 1
    why = f"error: the job failed: UnreadableFileError: {vanishing} cannot be opened"
    assert why in ended.err
    assert "--skip_bad_files" in ended.err


def test_bad_files_are_skipped_and_named_if_told_so(scoring: Scoring, tmp_path: Path) -> None:
    write_poison_first(tmp_path / "data")
    lines = write_lines(tmp_path / "lines", [record(1)] * 80_000).read_bytes()  # a block and more
    (tmp_path / "data" / "cut short.jsonl.gz").write_bytes(gzip.compress(lines)[:-1_000])
    files = scoring.put(tmp_path / "data")
    cut, closed, vanishing = (
        f"{files}/{name}" for name in ("cut short.jsonl.gz", "closed.jsonl", "vanishing é.jsonl")
    )
    flags = (*ONE_TRY, "--skip-bad-files", "--max-errors", "90%", files)
    with running(scoring, tmp_path / "notes", "WaitingModel", *flags) as run:
        run.wait_for_attempts()
        scoring.client().delete(vanishing.removeprefix("hdfs://"))
        scoring.client().set_permission(closed.removeprefix("hdfs://"), 0)
        run.go_on()
        ended = end(run.process)
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(scoring.fetch(run.output))
    errors = {file.path: file.error or "" for file in manifest.inputs if file.error}
    assert set(errors) == {cut, closed, vanishing}
    assert not any("\n" in error for error in errors.values())  # where Java's traces would be
    assert "FileNotFoundError" in errors[vanishing]
    assert "PermissionError" in errors[closed]
    read = {file.path: file.records or 0 for file in manifest.inputs}
    assert (read[f"{files}/a.jsonl"], read[closed], read[vanishing]) == (301, 0, 0)
    assert 0 < read[cut] < 80_000


@pytest.mark.parametrize("character", [" ", ",", "%", "'", "{", "#"])
def test_a_folder_that_hadoop_could_not_be_told_of_is_refused(
    character: str, scoring: Scoring, files: str
) -> None:
    output = scoring.new_folder(f"scored{character}1")
    ended = scoring.run("--model", "models:PlainModel", "--output-dir", output, files)
    assert ended.exit_code == 4, ended.err
    last = ended.err.splitlines()[-1]  # behind what mrjob says of its configuration
    assert last.startswith(f"error: the output folder {output} has {character!r} in its name")


def test_what_is_another_user_s_is_refused_before_anything_starts(
    scoring: Scoring, folder: Path, files: str
) -> None:
    closed = scoring.put(folder, "closed")
    scoring.client().set_permission(closed.removeprefix("hdfs://"), 0)
    theirs, ours = f"hdfs:///user/{SUPERUSER}/scored", scoring.new_folder()
    for output, source, about in (
        (theirs, files, f"error: the output folder {theirs} cannot be used: "),
        (ours, closed, f"error: the input '{closed}' cannot be looked up: "),
    ):
        flags = ("--model", "models:PlainModel", "--output-dir", output, source)
        ended = scoring.run(*flags, caller="refused")
        assert ended.exit_code == 4, ended.err
        last = ended.err.splitlines()[-1]
        assert last.startswith(about)
        assert "Permission denied: user=scorer, access=" in last
    assert scoring.calls("refused") == []

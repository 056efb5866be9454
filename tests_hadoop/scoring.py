"""Scoring jobs on the cluster, as a user launches them, and copies of what is on HDFS."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from configuration import SCORER
from hdfs_native import Client
from job_runs import Ended
from processes import ContainerProcess

ROOT = Path(__file__).parent.parent
SCORE = ("-m", "mapreduce_jobs.score")
SMALL_RANGES = (str(ROOT / "tests_hadoop" / "small_ranges.py"), "400")
# The checkout and the models of tests, for launcher and tasks: the nodes are this machine.
PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
_SECONDS = 300.0


class Scoring:
    """Launches jobs as the cluster's user, and moves folders to and from HDFS.

    Args:
        cluster: one that runs.
        folder: for what is written on this machine.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._calls = folder / "calls"
        self._numbers = itertools.count()
        self._folder = folder
        no_ones = folder / "mrjob.conf"  # not that of whoever runs the tests
        no_ones.write_text("runners: {}\n")
        self.environment = {
            **os.environ,
            **cluster.environment(),
            "PYTHONPATH": PYTHONPATH,
            "MRJOB_CONF": str(no_ones),
        }
        self._hadoop = self._counted_hadoop(cluster)

    def _counted_hadoop(self, cluster: Cluster) -> Path:
        """A `hadoop` that notes each call, a line with its words."""
        program = self._folder / "hadoop"
        real = shlex.quote(str(Path(cluster.environment()["HADOOP_HOME"]) / "bin" / "hadoop"))
        program.write_text(f'#!/bin/sh\necho "$CALLER $*" >> {self._calls}\nexec {real} "$@"\n')
        program.chmod(0o755)
        self._calls.touch()
        return program

    def calls(self, caller: str) -> list[list[str]]:
        """The words of each call of `hadoop` that a job of this name has made."""
        calls = map(str.split, self._calls.read_text().splitlines())
        return [words for first, *words in calls if first == caller]

    # --- folders ---

    def client(self, user: str = SCORER) -> Any:
        """HDFS, as a user: whom the environment names when it is asked for the first time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HADOOP_USER_NAME", user)
            client = Client(self.cluster.uri)
            client.get_file_info("/")
        return client

    def new_folder(self, name: str = "out") -> str:
        """A name for a folder that is not there."""
        return f"hdfs:///user/{SCORER}/{next(self._numbers)}/{name}"

    def put(self, folder: Path, name: str | None = None) -> str:
        """Copy a folder, and return where it is."""
        url = self.new_folder(name or folder.name)
        client = self.client()
        client.mkdirs(_inner(url), create_parent=True)

        def copy(file: Path) -> None:
            path = f"{_inner(url)}/{file.relative_to(folder).as_posix()}"
            client.mkdirs(path.rpartition("/")[0], create_parent=True)
            with contextlib.closing(client.create(path)) as written:
                written.write(file.read_bytes())

        with ThreadPoolExecutor(16) as threads:  # to close one may take half a second
            list(threads.map(copy, filter(Path.is_file, folder.rglob("*"))))
        return url

    def fetch(self, url: str) -> Path:
        """Copy an output folder; the copy's manifest says where the copy is."""
        local = self._folder / f"fetched-{next(self._numbers)}"
        client = self.client()
        for status in client.list_status(_inner(url), True):
            name = status.path.removeprefix(f"{_inner(url)}/")
            path = local / name
            if status.isdir:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            data = client.read(status.path).read()
            if name == "_manifest.json":
                data = data.replace(f"{url}/".encode(), f"{local}/".encode())
            path.write_bytes(data)
        return local

    # --- jobs ---

    def words(self, *flags: object) -> list[str]:
        """Of a command line, with those that all jobs here have."""
        return [
            *("-r", "hadoop", "--hadoop-bin", str(self._hadoop), "--python-bin", sys.executable),
            *("--cmdenv", f"PYTHONPATH={PYTHONPATH}", *map(str, flags)),
        ]

    @contextlib.contextmanager
    def started(
        self, *flags: object, program: Sequence[str] = SCORE, caller: str = "anyone"
    ) -> Iterator[subprocess.Popen[str]]:
        """A job that runs; it is cancelled if it still does in the end."""
        with subprocess.Popen(
            [sys.executable, *program, *self.words(*flags)],
            env={**self.environment, "CALLER": caller},
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    end(process, 60)

    def run(self, *flags: object, program: Sequence[str] = SCORE, caller: str = "anyone") -> Ended:
        """Run a job to its end."""
        with self.started(*flags, program=program, caller=caller) as process:
            return end(process)

    def wait_for_mapper(
        self, process: subprocess.Popen[str], not_of: Sequence[str] = ()
    ) -> ContainerProcess:
        """A mapper that runs, of another attempt than these."""
        for _ in while_running(process):
            for found in self.cluster.processes("mapper"):
                if found.attempt not in not_of:
                    return found
        raise AssertionError(f"no mapper was seen: {end(process)}")


class Beside:
    """A job that runs beside others.

    Attributes:
        folder: its input, on this machine.
    """

    def __init__(
        self,
        scoring: Scoring,
        threads: ThreadPoolExecutor,
        folder: Path,
        *flags: object,
        name: str = "out",
        program: Sequence[str] = SCORE,
    ) -> None:
        self.folder = folder
        self._scoring = scoring
        self._input = scoring.put(folder)
        self._output = scoring.new_folder(name)
        self._ended: Future[Ended] = threads.submit(
            scoring.run, *flags, "--output-dir", self._output, self._input, program=program
        )

    def output(self) -> Path:
        """A copy of what it has written, when it has ended."""
        ended = self._ended.result()
        assert ended.exit_code == 0, ended.err
        return self._scoring.fetch(self._output)

    def there(self, texts: Counter[str]) -> Counter[str]:
        """Texts that name files of the folder, as they name those that the job has read."""
        names = str(self.folder), self._input
        return Counter({text.replace(*names): count for text, count in texts.items()})


def end(process: subprocess.Popen[str], seconds: float = _SECONDS) -> Ended:
    """The end of a launcher; one that hangs is killed."""
    try:
        out, err = process.communicate(timeout=seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Ended(process.returncode, out, err)


def while_running(process: subprocess.Popen[str], seconds: float = 120) -> Iterator[None]:
    """Look several times a second, as long as a job runs."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop and process.poll() is None:
        yield
        time.sleep(0.1)


def _inner(url: str) -> str:
    return url.removeprefix("hdfs://")

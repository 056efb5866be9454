"""Every engine that runs on one machine, and a job on it in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
BUILT = ROOT / "build" / "prism"  # by make prism
PRISM = os.environ.get("PRISM") or shutil.which("prism") or str(BUILT)


@dataclass(frozen=True)
class Engine:
    """How a job is run.

    Attributes:
        module: its command line.
        flags: what names the engine there.
        workers: how many part files there are at least, as each worker writes its own.
    """

    module: str
    flags: tuple[str, ...]
    workers: int = 1

    def words(self, job_flags: Sequence[str], files: Path, out: Path) -> list[str]:
        """What Python is told to score the files."""
        beam = ("--input", str(files), "--output", str(out))
        mrjob = ("--output-dir", str(out), str(files))
        places = beam if self.module.startswith("beam") else mrjob
        return ["-m", self.module, *job_flags, *self.flags, *places]


def _beam(*flags: str, workers: int = 1) -> Engine:
    return Engine("beam_jobs.score", flags, workers)


def _mrjob(*flags: str, workers: int = 1) -> Engine:
    return Engine("mapreduce_jobs.score", flags, workers)


_TWO = ("--direct_num_workers", "2", "--direct_running_mode")

ENGINES = {
    "FnApiRunner": _beam(),
    "FnApiRunner, two threads": _beam(*_TWO, "multi_threading", workers=2),
    "FnApiRunner, two processes": _beam(*_TWO, "multi_processing", workers=2),
    "DirectRunner": _beam("--runner", "DirectRunner"),
    "Prism": _beam("--runner", "PrismRunner", "--prism_location", PRISM),
    "mrjob inline": _mrjob("-r", "inline"),
    "mrjob local": _mrjob("-r", "local", "--num-cores", "3", workers=3),
}


def run(
    engine: str,
    job_flags: Sequence[str],
    files: Path,
    out: Path,
    python: str = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Run a job to its end."""
    if engine == "Prism" and not os.access(PRISM, os.X_OK):
        in_ci = os.environ.get("CI") and shutil.which("go")  # where it has been built
        assert not in_ci, f"{PRISM} is missing"
        pytest.skip(f"no Prism binary: not in $PRISM, not on the PATH, and not at {PRISM}")
    python_path = os.pathsep.join([str(ROOT), str(TESTS)])
    return subprocess.run(
        [python, *ENGINES[engine].words(job_flags, files, out)],
        env={**os.environ, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

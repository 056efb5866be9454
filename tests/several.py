"""Jobs of several models, on the engines that run in this process or beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import beam_jobs.score
import mapreduce_jobs.score
from model_dofns.formats import FORMATS


@dataclass(frozen=True)
class Engine:
    """How a job is run.

    Attributes:
        main: its command line.
        flags: what it is told beside the job's own flags.
    """

    main: Callable[[Sequence[str]], int]
    flags: tuple[str, ...] = ()

    def words(self, *job_flags: object, files: Path, out: Path) -> list[str]:
        """A whole command line; the job's flags are spelled as for Beam."""
        beam = ("--input", files, "--output", out)
        places = beam if self.main is beam_jobs.score.main else ("--output-dir", out, files)
        return [str(word) for word in (*job_flags, *self.flags, *places)]


_TWO = ("--direct_num_workers", "2", "--direct_running_mode")

# In one process: of mrjob three tasks, see conftest.
HERE = {
    "Beam": Engine(beam_jobs.score.main),
    "mrjob": Engine(mapreduce_jobs.score.main, ("-r", "inline", "--num-cores", "3")),
}
APART = {
    "Beam, two processes": Engine(beam_jobs.score.main, (*_TWO, "multi_processing")),
    "mrjob, two processes": Engine(mapreduce_jobs.score.main, ("-r", "local", "--num-cores", "2")),
}
BOTH = pytest.mark.parametrize("engine", HERE.values(), ids=HERE)

# Of files and of predictions.
CROSSINGS = [("jsonl", "jsonl"), ("csv", "csv"), ("parquet", "parquet"), ("parquet", "jsonl")]


def in_small_ranges(monkeypatch: pytest.MonkeyPatch, range_bytes: int = 400) -> None:
    """Have files of any format be read in many ranges."""
    for format_ in FORMATS.values():
        monkeypatch.setattr(type(format_).ranges, "__defaults__", (range_bytes,))


def models_file(folder: Path, **entries: str) -> Path:
    """A models file: names of entries and the paths of their classes."""
    path = folder / "models.yaml"
    lines = [f"  {name}: {{class: '{class_path}'}}" for name, class_path in entries.items()]
    path.write_text("\n".join(["models:", *lines, ""]))
    return path

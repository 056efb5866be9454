"""How each contender is started: the command that scores a folder into another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import scenarios as who
from benchmarks.scenarios import FORMATS, MODELS

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Task:
    """A data set to score.

    Attributes:
        model: key of ``MODELS``.
        source: the folder of its files.
        target: the folder to score it into; it is not there, or empty.
        files: the folder of fitted models, with ``models.json``, a models file.
        environments: the folder of the peers' virtual environments.
    """

    model: str
    source: Path
    target: Path
    files: Path
    environments: Path


def environment(threads: int) -> dict[str, str]:
    """The same for all: so many threads for BLAS, OpenMP and Arrow, in each process.

    Modules are compiled once, whatever this process was told: else each start compiles them all.
    """
    own = {
        # For benchmarks.models, wherever workers start; and for peers, who have not installed it.
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "examples" / "iris_model")]),
        **dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
        ),
    }
    others = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**others, **own}


def command(contender: str, task: Task) -> list[str]:
    """The command line of a contender.

    Raises:
        KeyError: there is no such contender.
    """
    return COMMANDS[contender](task)


def _model_flags(task: Task) -> list[str]:
    model = MODELS[task.model]
    if model.file:
        return ["--models", str(task.files / "models.json"), "--model", model.file]
    return ["--model", model.path]


def _limit(task: Task, *flags: str) -> list[str]:
    script = [sys.executable, "-m", "benchmarks.limit", task.model]
    return [*script, str(task.source), str(task.target), "--files", str(task.files), *flags]


def _beam(task: Task, *flags: str) -> list[str]:
    script = [sys.executable, "-m", "beam_jobs.score", *_model_flags(task)]
    return [*script, "--input", str(task.source), "--output", str(task.target), *flags]


def _mrjob(task: Task, runner: str) -> list[str]:
    script = [sys.executable, "-m", "mapreduce_jobs.score", "-r", runner, *_model_flags(task)]
    return [*script, "--output-dir", str(task.target), str(task.source)]


def _run_inference(task: Task) -> list[str]:
    file = MODELS[task.model].file or "iris"
    script = [sys.executable, "-m", "benchmarks.run_inference", str(task.files / f"{file}.joblib")]
    script += [str(task.source), str(task.target / "part")]
    if not MODELS[task.model].file:
        return [*script, "--label", "species"]
    return [*script, "--label", "label", "--classes", "setosa", "versicolor", "virginica"]


def _line_mapper(task: Task) -> list[str]:
    script = [sys.executable, "-m", "benchmarks.line_mapper", "-r", "inline", "--no-conf"]
    script += ["--model", MODELS[task.model].path, "--output-dir", str(task.target)]
    return [*script, str(task.source / "*")]


def _peer(task: Task, name: str) -> list[str]:
    python = task.environments / name / "bin" / "python"
    script = [str(python), "-m", f"benchmarks.peers.{name}", MODELS[task.model].path]
    return [*script, str(task.source), str(task.target)]


COMMANDS: dict[str, Callable[[Task], list[str]]] = {
    who.LIMIT: _limit,
    who.VALIDATED: lambda task: _limit(task, "--validate"),
    who.BEAM: _beam,
    who.BEAM_2: lambda task: _beam(
        task, "--direct_running_mode", "multi_processing", "--direct_num_workers", "2"
    ),
    who.MRJOB: lambda task: _mrjob(task, "inline"),
    who.MRJOB_LOCAL: lambda task: _mrjob(task, "local"),
    who.RUN_INFERENCE: _run_inference,
    who.LINE_MAPPER: _line_mapper,
    who.SPARK: lambda task: _peer(task, "spark"),
    who.RAY: lambda task: _peer(task, "ray_data"),
}


def tolerant_beam(task: Task) -> list[str]:
    """Our job in one process, whatever share of the records is rejected."""
    return _beam(task, "--max_errors", "100%")


def missing_peers(environments: Path) -> str:
    """What Spark and Ray need and is not there; empty where all is."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    if shutil.which(java) is None:
        return "Spark needs Java, and there is none: neither JAVA_HOME nor PATH has it"
    for name, module in (("spark", "pyspark.sql"), ("ray_data", "ray.data")):
        python = environments / name / "bin" / "python"
        if (
            not python.exists()
            or subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode
        ):
            return f"{module} cannot be imported in {environments / name}: PEERS=1 make bench"
    return ""


def importing(modules: str) -> list[str]:
    """Python, which imports modules and ends."""
    return [sys.executable, "-c", f"import {modules}"]


def folder_name(data: str, rows: int, kind: str, spoiled: str = "") -> str:
    """The name of a data set's folder."""
    return f"{data}-{rows}{spoiled}{FORMATS[kind]}"

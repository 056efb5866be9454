"""A model in a new process, made from its specification alone: what it answers, and what it prints.

The process is a new interpreter, as that of a worker, and not a copy of this one; it finds modules
where this one does. :mod:`model_dofns.checks.child_main` is what runs there.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from model_dofns.checks.answers import Answers
from model_dofns.checks.records import Trial
from model_dofns.model_spec import ModelSpec

# The network, to a model that is loaded and asked there; or pickling the model.
Forbidden: TypeAlias = Literal["network", "pickling"]

REQUEST: Final = "request.pickle"
REPLY: Final = "reply.pickle"
PHASES: Final = ("imported", "loaded", "asked", "left")

_PATIENCE_SECONDS: Final = 900
_SHOWN_STDERR: Final = 300  # characters


@dataclass(frozen=True)
class Request:
    """What a new process is to do. Of the model it has the specification alone."""

    spec: ModelSpec
    trials: tuple[Trial, ...]
    forbidden: Forbidden | None


@dataclass(frozen=True)
class Reply:
    """What came of it.

    Attributes:
        answers: the model's answers; None where it could not be asked.
        error: why not.
        printed: by phase, how many bytes stdout had when it ended.
        attempts: what was tried of what is forbidden.
    """

    answers: Answers | None
    error: str = ""
    printed: Mapping[str, int] = field(default_factory=dict)
    attempts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChildRun:
    """A reply, and what a process printed on stdout, by phase; nothing of a phase without a print.

    Attributes:
        answers, error, attempts: see :class:`Reply`.
        printed: what was printed while the model was imported, loaded, asked and left.
    """

    answers: Answers | None
    error: str
    attempts: tuple[str, ...]
    printed: Mapping[str, bytes]


def run_child(
    spec: ModelSpec, trials: Sequence[Trial], forbidden: Forbidden | None = None
) -> ChildRun:
    """Load the model and ask it in a new process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        request = Request(spec, tuple(trials), forbidden)
        (folder / REQUEST).write_bytes(pickle.dumps(request))
        with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
            try:
                ended = subprocess.run(
                    [sys.executable, "-P", "-m", "model_dofns.checks.child_main", str(folder)],
                    env=os.environ
                    | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    timeout=_PATIENCE_SECONDS,
                    check=False,
                )
                end = f"the process ended with exit code {ended.returncode}"
            except subprocess.TimeoutExpired:
                end = f"the process had not ended after {_PATIENCE_SECONDS} seconds"
        reply = Reply(None, end)
        if (folder / REPLY).exists():
            reply = pickle.loads((folder / REPLY).read_bytes())
        elif said := (folder / "stderr").read_text("utf-8", "replace").strip():
            reply = Reply(None, f"{end}, and said …{said[-_SHOWN_STDERR:]}")
        printed = (folder / "stdout").read_bytes()
    return ChildRun(reply.answers, reply.error, reply.attempts, _by_phase(printed, reply))


def _by_phase(printed: bytes, reply: Reply) -> dict[str, bytes]:
    found, begin = {}, 0
    for phase in PHASES:
        end = reply.printed.get(phase, len(printed))
        if end > begin:
            found[phase] = printed[begin:end]
        begin = max(begin, end)
    return found

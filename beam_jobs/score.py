"""Score files with a model on Apache Beam: ``python -m beam_jobs.score --help``.

From Python the same in steps: :func:`parse_args`, :func:`plan`, :func:`build` to add a job to a
pipeline of one's own, :func:`run` to run it to its end; :func:`foreseen` only says what that would
be.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from beam_jobs.loading import load_beam
from beam_jobs.options import Options, parse_args
from model_dofns.jobs.command_line import exit_code_of, say, show
from model_dofns.jobs.logs import logging_at
from model_dofns.jobs.summary import Summary

if TYPE_CHECKING:
    from beam_jobs.pipeline import build, plan
    from beam_jobs.running import foreseen, run
    from model_dofns.jobs.planning import Job

__all__ = ["Job", "Options", "Summary", "build", "foreseen", "main", "parse_args", "plan", "run"]

# What is only imported when it is asked for: Beam takes a second, and --help needs none of it.
_WITH_BEAM: Final = {
    "Job": "model_dofns.jobs.planning",
    "build": "beam_jobs.pipeline",
    "foreseen": "beam_jobs.running",
    "plan": "beam_jobs.pipeline",
    "run": "beam_jobs.running",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_BEAM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load_beam()
    return getattr(importlib.import_module(_WITH_BEAM[name]), name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, print what became of it, and return the exit code."""
    return exit_code_of(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: Sequence[str]) -> None:
    options = parse_args(argv)
    load_beam()
    # Here, as --help and a missing flag need no Beam.
    from beam_jobs.logs import errors_told_once
    from beam_jobs.running import foreseen, run

    with logging_at(options.log_level), errors_told_once():
        if options.plan:
            say(foreseen(options), sys.stdout)
        else:
            show(run(options, show_progress=True))


if __name__ == "__main__":
    sys.exit(main())

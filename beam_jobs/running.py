"""Running a job on one of Beam's runners, to its end."""

from __future__ import annotations

import itertools
import logging
import re
from typing import Any

from beam_jobs.options import Options
from beam_jobs.pipeline import build, plan
from beam_jobs.progress import shown
from beam_jobs.runner import cores_shared, empty_pipeline, runner_name
from model_dofns.exceptions import ScoringError, UsageError
from model_dofns.jobs.forecast import forecast
from model_dofns.jobs.running import carry_out
from model_dofns.jobs.summary import Summary

_LOGGER = logging.getLogger("beam_jobs.score")  # by the name of the command line
_WHILE_RUNNING = re.compile(r" \[while running '[^']*'\]")


def run(options: Options, *, show_progress: bool = False) -> Summary:
    """Run a job to its end.

    Args:
        options: the command line.
        show_progress: on stderr, while it runs: a line that is redrawn if that is a terminal, else
            a log line now and then.

    Raises:
        UsageError: there is no such runner; or only a plan was asked for.
        DoesNotFitError: found before it started: a model, the input or an output folder.
        InterruptedJobError: it was interrupted, and has been cancelled.
        ScoringError: it failed; an output folder is not whole.
    """
    if options.plan:
        raise UsageError("with --plan nothing is run: foreseen() says what would be")
    pipeline = empty_pipeline(options)
    job = plan(options, runner_name(pipeline))

    def work() -> None:
        with cores_shared(pipeline), shown(job, pipeline.runner, show_progress) as progress:
            build(pipeline, job, progress.report)
            result = pipeline.run()
            progress.follow(result)
            _wait(result)

    return carry_out(job, work, cause_of)


def foreseen(options: Options) -> str:
    """What a job would do, for people; nothing is written.

    Raises:
        ScoringError: as :func:`run` would raise it.
    """
    return forecast(plan(options, runner_name(empty_pipeline(options))))


def _wait(result: Any) -> None:
    """Wait for a runner's result; a job that is interrupted here is cancelled there."""
    try:
        state = result.wait_until_finish()
    except KeyboardInterrupt:
        try:
            result.cancel()
        except Exception as error:  # noqa: BLE001  # a client may have closed its channel by now
            _LOGGER.warning("The job may still be running; cancelling it failed: %s", error)
        raise
    if state != "DONE":
        raise ScoringError(f"the runner ended the job in the state {state}")


def cause_of(error: BaseException) -> str:
    """What went wrong, without the traceback that a runner hands on as an error's message."""
    message = _WHILE_RUNNING.sub("", str(error)).strip()
    _, traceback, last = message.rpartition("Traceback (most recent call last):\n")
    if not traceback:
        return f"{type(error).__name__}: {message}" if message else type(error).__name__
    lines = last.splitlines()
    frames = itertools.takewhile(lambda line: line.startswith("  "), lines)
    return "\n".join(lines[len(list(frames)) :]).strip()

"""Score files with a model on Apache Beam: ``python -m beam_jobs.score --help``.

From Python the same in steps: :func:`parse_args`, :func:`plan`, :func:`build` to add a job to a
pipeline of one's own, :func:`run` to run it to its end; :func:`foreseen` only says what that would
be.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from beam_jobs.forecast import forecast
from beam_jobs.logs import logging_at
from beam_jobs.options import Options, parse_args
from beam_jobs.pipeline import Job, build, plan
from beam_jobs.progress import shown
from beam_jobs.runner import empty_pipeline, runner_name
from beam_jobs.summary import Summary, many
from model_dofns.exceptions import (
    EXIT_DONE,
    InterruptedJobError,
    ScoringError,
    TooManyErrorsError,
    UnreadableFileError,
    UsageError,
)

__all__ = ["Job", "Options", "Summary", "build", "foreseen", "main", "parse_args", "plan", "run"]

_LOGGER = logging.getLogger("beam_jobs.score")  # also where this runs as __main__
_WHILE_RUNNING = re.compile(r" \[while running '[^']*'\]")


def run(options: Options, *, show_progress: bool = False) -> Summary:
    """Run a job to its end.

    Args:
        options: the command line.
        show_progress: on stderr, while it runs: a line that is redrawn if that is a terminal, else
            a log line now and then.

    Raises:
        UsageError: there is no such runner; or only a plan was asked for.
        DoesNotFitError: found before it started: the model, the input or the output folder.
        InterruptedJobError: it was interrupted, and has been cancelled.
        ScoringError: it failed; the output folder is not whole.
    """
    if options.plan:
        raise UsageError("with --plan nothing is run: foreseen() says what would be")
    pipeline = empty_pipeline(options)
    job = plan(options, runner_name(pipeline))
    folder = job.folder
    folder.prepare(overwrite=options.overwrite)
    _LOGGER.info("%s", _announcement(job))
    try:
        with shown(job, pipeline.runner, show_progress) as progress:
            build(pipeline, job, progress.report)
            result = pipeline.run()
            progress.follow(result)
            _wait(result)
        return Summary(folder.path, folder.read_manifest())
    except (Exception, KeyboardInterrupt) as error:
        if folder.is_whole():
            _LOGGER.warning("The job is done, but it ended with %s", cause_of(error))
            return Summary(folder.path, folder.read_manifest())
        _LOGGER.debug("The job ended early.", exc_info=True)
        failure = _failure(error, folder.path)
        status = "interrupted" if isinstance(failure, InterruptedJobError) else "failed"
        folder.mark(status, cause_of(error))
        folder.remove_temporary()
        raise failure from error


def foreseen(options: Options) -> str:
    """What a job would do, for people; nothing is written.

    Raises:
        ScoringError: as :func:`run` would raise it.
    """
    job = plan(options, runner_name(empty_pipeline(options)))
    return forecast(job, replaces=job.folder.check(overwrite=options.overwrite))


def _announcement(job: Job) -> str:
    name = job.options.model
    if job.metadata is not None:
        name = f"{job.metadata.qualified_name} {job.metadata.version}"
    size = sum(file.bytes for file in job.files)
    return (
        f"Scoring {many(len(job.files), 'file')} ({size:,} bytes) with {name} on {job.runner} into"
        f" {job.folder.path}, as job {job.id}"
    )


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


def _failure(error: BaseException, folder: str) -> ScoringError:
    """What to tell the user: the cause, and the way out."""
    way_out = (
        f"The output folder {folder} is not whole: it has no _manifest.json. Mend the cause and"
        " run the same command with --overwrite."
    )
    cause = cause_of(error)
    # Beam may hand on an interrupt as an error of its own, with that name at its end.
    if isinstance(error, KeyboardInterrupt) or cause.endswith("KeyboardInterrupt"):
        return InterruptedJobError(f"the job was interrupted\n{way_out}")
    if UnreadableFileError.__name__ in cause:
        way_out += " Or leave out files that cannot be read, with --skip_bad_files."
    return ScoringError(f"the job failed: {cause}\n{way_out}")


def cause_of(error: BaseException) -> str:
    """What went wrong, without the traceback that a runner hands on as an error's message."""
    message = _WHILE_RUNNING.sub("", str(error)).strip()
    _, traceback, last = message.rpartition("Traceback (most recent call last):\n")
    if not traceback:
        return f"{type(error).__name__}: {message}" if message else type(error).__name__
    lines = last.splitlines()
    frames = itertools.takewhile(lambda line: line.startswith("  "), lines)
    return "\n".join(lines[len(list(frames)) :]).strip()


def _say(text: str, stream: TextIO | None) -> None:
    """Print, where that can be done: a closed pipe changes nothing about how a job ended."""
    if stream is None:  # closed before Python started
        return
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError):
        # Or Python would try once more when it ends, and end with an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if stream is sys.stdout else 2)


@contextlib.contextmanager
def _endings_as_interrupts() -> Iterator[None]:
    """What a scheduler sends is taken as what a person sends: the job is cancelled and marked."""
    endings = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(ending, signal.default_int_handler) for ending in endings]
    try:
        yield
    finally:
        for ending, handler in zip(endings, before, strict=True):
            signal.signal(ending, handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, print what became of it, and return the exit code."""
    try:
        options = parse_args(sys.argv[1:] if argv is None else argv)
        with logging_at(options.log_level), _endings_as_interrupts():
            return _main(options)
    except ScoringError as error:
        _say(f"error: {error}", sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the job had started
        _say("interrupted", sys.stderr)
        return InterruptedJobError.exit_code


def _main(options: Options) -> int:
    if options.plan:
        _say(foreseen(options), sys.stdout)
        return EXIT_DONE
    summary = run(options, show_progress=True)
    _say(summary.table(), sys.stdout)
    if summary.too_many_errors:
        raise TooManyErrorsError(
            "more records were rejected than --max_errors"
            f" {summary.manifest.options['max_errors']} allows: see {summary.output}/_rejects"
        )
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())

"""Score files with a model on Apache Beam: ``python -m beam_jobs.score --help``.

From Python the same in steps: :func:`parse_args`, :func:`plan`, :func:`build` to add a job to a
pipeline of one's own, :func:`run` to run it to its end.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner

from beam_jobs.options import Options, parse_args
from beam_jobs.pipeline import Job, build, plan
from model_dofns.exceptions import (
    EXIT_DONE,
    InterruptedJobError,
    ScoringError,
    TooManyErrorsError,
    UnreadableFileError,
    UsageError,
)
from model_dofns.manifest import TOO_MANY_ERRORS, Manifest

__all__ = ["Job", "Options", "Summary", "build", "main", "parse_args", "plan", "run"]

_LOGGER = logging.getLogger("beam_jobs.score")  # also where this runs as __main__
# The runner that needs nothing but this process; Beam's DirectRunner may be one of several.
_DEFAULT_RUNNER = "FnApiRunner"
_WHILE_RUNNING = re.compile(r" \[while running '[^']*'\]")


@dataclass(frozen=True)
class Summary:
    """How a job ended that ran to its end."""

    output: str
    manifest: Manifest

    @property
    def too_many_errors(self) -> bool:
        return self.manifest.status == TOO_MANY_ERRORS

    def table(self) -> str:
        """What became of every record, for people."""
        records, rejects = self.manifest.records, self.manifest.rejects
        rows = [("records read", records["read"], f"{len(self.manifest.inputs)} files")]
        rows.append(("scored", records["scored"], f"{len(self.manifest.outputs)} part files"))
        rows += [
            (f"rejected at {stage}", count, "") for stage, count in records["rejected"].items()
        ]
        bad_files = [file for file in self.manifest.inputs if file.error is not None]
        if bad_files:  # the rows before the damage are scored, and counted
            rows.append(("files not read whole", len(bad_files), bad_files[0].path))
        lines = [f"{name:<22}{count:>12,}  {note}".rstrip() for name, count, note in rows]
        where = f"{self.output}/_rejects" if rejects else "none"
        return "\n".join([*lines, f"{'predictions':<22}{self.output}", f"{'rejects':<22}{where}"])


def run(options: Options) -> Summary:
    """Run a job to its end.

    Raises:
        UsageError: there is no such runner.
        DoesNotFitError: found before it started: the model, the input or the output folder.
        InterruptedJobError: it was interrupted, and has been cancelled.
        ScoringError: it failed; the output folder is not whole.
    """
    pipeline_options = PipelineOptions(list(options.pipeline_args))
    standard = pipeline_options.view_as(StandardOptions)
    standard.runner = standard.runner or _DEFAULT_RUNNER
    try:
        # It checks the flags, and starts nothing.
        pipeline = beam.Pipeline(_runner(pipeline_options), options=pipeline_options)
    except (ValueError, ImportError) as error:
        raise UsageError(f"--runner {standard.runner}: {error}") from error
    job = plan(options, standard.runner)
    folder = job.folder
    folder.prepare(overwrite=options.overwrite)
    _LOGGER.info("%s", _announcement(job))
    try:
        build(pipeline, job)
        _wait(pipeline.run())
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


def _runner(options: PipelineOptions) -> str | PipelineRunner:
    """The runner by its name; but Beam's own in-process one such that its workers get the flags.

    As it stands it starts worker processes without any, which then look for s3:// elsewhere.
    """
    name: str = options.view_as(StandardOptions).runner
    if name != _DEFAULT_RUNNER:
        return name
    flags = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    return FnApiRunner(
        provision_info=ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=flags)
        )
    )


def _announcement(job: Job) -> str:
    name = job.options.model
    if job.metadata is not None:
        name = f"{job.metadata.qualified_name} {job.metadata.version}"
    size = sum(file.bytes for file in job.files)
    return (
        f"Scoring {len(job.files)} files ({size:,} bytes) with {name} on {job.runner} into"
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


def _has_a_traceback_to_show(record: logging.LogRecord) -> bool:
    """False for an error of ours, which says what was wrong and is printed when the job ends."""
    return not (record.exc_info and isinstance(record.exc_info[1], ScoringError))


def _say(text: str, stream: TextIO) -> None:
    """Print, where that can be done: a closed pipe changes nothing about how a job ended."""
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError):
        # Or Python would try once more when it ends, and end with an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if stream is sys.stdout else 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, print what became of it, and return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _LOGGER.setLevel(logging.INFO)
    # What a scheduler sends is taken as what a person sends: the job is cancelled and marked.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    logging.getLogger("apache_beam.runners.common").addFilter(_has_a_traceback_to_show)
    try:
        summary = run(parse_args(sys.argv[1:] if argv is None else argv))
        _say(summary.table(), sys.stdout)
        if summary.too_many_errors:
            raise TooManyErrorsError(
                "more records were rejected than --max_errors"
                f" {summary.manifest.options['max_errors']} allows: see {summary.output}/_rejects"
            )
        return EXIT_DONE
    except ScoringError as error:
        _say(f"error: {error}", sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the job had started
        _say("interrupted", sys.stderr)
        return InterruptedJobError.exit_code


if __name__ == "__main__":
    sys.exit(main())

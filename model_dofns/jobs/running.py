"""Running a job to its end, whatever runs it: the folder is made ready, and never half a lie."""

from __future__ import annotations

import logging
from collections.abc import Callable

from model_dofns.exceptions import InterruptedJobError, ScoringError, UnreadableFileError
from model_dofns.jobs.planning import Job
from model_dofns.jobs.summary import Summary, many

_LOGGER = logging.getLogger("model_dofns")


def carry_out(
    job: Job, work: Callable[[], None], cause_of: Callable[[BaseException], str]
) -> Summary:
    """Make the output folder ready, do the work, and see that the folder says how that ended.

    Args:
        job: the job.
        work: reads, scores, writes, and ends with the manifest.
        cause_of: what to say of an error that the engine raises.

    Raises:
        OutputFolderError: the folder cannot be used.
        InterruptedJobError: the work was interrupted.
        ScoringError: it failed; the folder is not whole.
    """
    folder = job.folder
    folder.prepare(overwrite=job.options.overwrite)
    _LOGGER.info("%s", _announcement(job))
    try:
        work()
        return Summary(folder.path, folder.read_manifest())
    except (Exception, KeyboardInterrupt) as error:
        if folder.is_whole():
            _LOGGER.warning("The job is done, but it ended with %s", cause_of(error))
            return Summary(folder.path, folder.read_manifest())
        _LOGGER.debug("The job ended early.", exc_info=True)
        failure = _failure(error, cause_of(error), folder.path)
        status = "interrupted" if isinstance(failure, InterruptedJobError) else "failed"
        folder.mark(status, cause_of(error))
        folder.remove_temporary()
        raise failure from error


def _announcement(job: Job) -> str:
    name = job.options.model
    if job.metadata is not None:
        name = f"{job.metadata.qualified_name} {job.metadata.version}"
    size = sum(file.bytes for file in job.files)
    return (
        f"Scoring {many(len(job.files), 'file')} ({size:,} bytes) with {name} on {job.runner} into"
        f" {job.folder.path}, as job {job.id}"
    )


def _failure(error: BaseException, cause: str, folder: str) -> ScoringError:
    """What to tell the user: the cause, and the way out."""
    way_out = (
        f"The output folder {folder} is not whole: it has no _manifest.json. Mend the cause and"
        " run the same command with --overwrite."
    )
    # Beam may hand on an interrupt as an error of its own, with that name at its end.
    if isinstance(error, KeyboardInterrupt) or cause.endswith("KeyboardInterrupt"):
        return InterruptedJobError(f"the job was interrupted\n{way_out}")
    if UnreadableFileError.__name__ in cause:
        way_out += " Or leave out files that cannot be read, with --skip_bad_files."
    return ScoringError(f"the job failed: {cause}\n{way_out}")

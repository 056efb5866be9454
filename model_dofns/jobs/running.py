"""Running a job to its end, whatever runs it: the folder is made ready, and never half a lie."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from model_dofns.exceptions import InterruptedJobError, ScoringError, UnreadableFileError
from model_dofns.jobs.planning import Job
from model_dofns.jobs.summary import FolderSummary, Summary, many

_LOGGER = logging.getLogger("model_dofns")


def carry_out(
    job: Job, work: Callable[[], None], cause_of: Callable[[BaseException], str]
) -> Summary:
    """Make the output folders ready, do the work, and see that they say how that ended.

    Args:
        job: the job.
        work: reads, scores, writes, and ends with the manifests.
        cause_of: what to say of an error that the engine raises.

    Raises:
        OutputFolderError: a folder cannot be used.
        InterruptedJobError: the work was interrupted.
        ScoringError: it failed; a folder is not whole.
    """
    job.prepare()
    _LOGGER.info("%s", _announcement(job))
    try:
        work()
        return _summary(job)
    except (Exception, KeyboardInterrupt) as error:
        unfinished = [folder.path for folder in job.folders if not folder.is_whole()]
        if not unfinished:
            _LOGGER.warning("The job is done, but it ended with %s", cause_of(error))
            return _summary(job)
        _LOGGER.debug("The job ended early.", exc_info=True)
        failure = _failure(error, cause_of(error), unfinished)
        status = "interrupted" if isinstance(failure, InterruptedJobError) else "failed"
        job.mark(status, cause_of(error))
        raise failure from error


def _summary(job: Job) -> Summary:
    names = [*(target.name for target in job.targets), "all, and records that name none"]
    return Summary(
        tuple(
            FolderSummary(name, folder.path, folder.read_manifest())
            for name, folder in zip(names, job.folders, strict=False)
        )
    )


def _announcement(job: Job) -> str:
    size = sum(file.bytes for file in job.files)
    is_several = job.options.is_several
    models = ", ".join(each.name if is_several else each.called for each in job.targets)
    return (
        f"Scoring {many(len(job.files), 'file')} ({size:,} bytes) with {models} on {job.runner}"
        f" into {job.folder.path}, as job {job.id}"
    )


def _failure(error: BaseException, cause: str, unfinished: Sequence[str]) -> ScoringError:
    """What to tell the user: the cause, and the way out."""
    if len(unfinished) == 1:
        state = f"The output folder {unfinished[0]} is not whole: it has no _manifest.json."
    else:
        folders = ", ".join(unfinished)
        state = f"The output folders {folders} are not whole: they have no _manifest.json."
    way_out = f"{state} Mend the cause and run the same command with --overwrite."
    # Beam may hand on an interrupt as an error of its own, with that name at its end.
    if isinstance(error, KeyboardInterrupt) or cause.endswith("KeyboardInterrupt"):
        return InterruptedJobError(f"the job was interrupted\n{way_out}")
    if UnreadableFileError.__name__ in cause:
        way_out += " Or leave out files that cannot be read, with --skip_bad_files."
    return ScoringError(f"the job failed: {cause}\n{way_out}")

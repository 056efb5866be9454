"""What Beam and its workers log: as the launcher does, where Beam's own flags say nothing else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions

from model_dofns.exceptions import ScoringError
from model_dofns.jobs.logs import OURS, level_of_others

# Beam's worker program: from info on it logs every flag, and some are secrets; its warnings are of
# what this job has no use for.
_WORKER_PROGRAM: Final = "__main__"


def set_levels_of_workers(options: PipelineOptions, log_level: str) -> None:
    """Have workers log so, from a level on."""
    workers = options.view_as(WorkerOptions)
    level = workers.default_sdk_harness_log_level or level_of_others(log_level).upper()
    workers.default_sdk_harness_log_level = level
    workers.sdk_harness_log_level_overrides = {
        **dict.fromkeys(OURS, log_level.upper()),
        _WORKER_PROGRAM: "ERROR",
        **(workers.sdk_harness_log_level_overrides or {}),
    }


@contextlib.contextmanager
def errors_told_once() -> Iterator[None]:
    """Without the tracebacks of errors that are printed when the job ends."""
    of_workers = logging.getLogger("apache_beam.runners.common")
    of_workers.addFilter(_has_a_traceback_to_show)
    try:
        yield
    finally:
        of_workers.removeFilter(_has_a_traceback_to_show)


def _has_a_traceback_to_show(record: logging.LogRecord) -> bool:
    """False for an error of ours, which says what was wrong and is printed when the job ends.

    And for Ctrl-C, which finds some line at work, and it is no matter which.
    """
    told = (ScoringError, KeyboardInterrupt)
    return not (record.exc_info and isinstance(record.exc_info[1], told))

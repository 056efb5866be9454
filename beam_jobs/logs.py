"""What is logged: ours from ``--log_level`` on, and of Beam, and of models, what matters.

All that is set for a run is put back when it ends, as a process may have other uses than one job.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions

from model_dofns.exceptions import ScoringError

LEVELS: Final = ("debug", "info", "warning", "error")

_OURS = ("beam_jobs", "model_dofns")
_FORMAT = "%(levelname)s %(name)s: %(message)s"
# Beam's worker program: from info on it logs every flag, and some are secrets; its warnings are of
# what this job has no use for.
_WORKER_PROGRAM = "__main__"


def level_of_others(log_level: str) -> str:
    """The level of all loggers that are not ours: a level calmer, and no word below a warning.

    Only ``debug`` shows more, as Beam says at ``info`` what its workers do.
    """
    return {"debug": "info", "error": "error"}.get(log_level, "warning")


@contextlib.contextmanager
def logging_at(log_level: str) -> Iterator[None]:
    """Log to stderr, unless this process has set up logging of its own."""
    root = logging.getLogger()
    levels = dict.fromkeys(_OURS, log_level)
    handler = None
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
        levels[""] = level_of_others(log_level)
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level.upper())
    of_workers = logging.getLogger("apache_beam.runners.common")
    of_workers.addFilter(_has_a_traceback_to_show)
    try:
        yield
    finally:
        of_workers.removeFilter(_has_a_traceback_to_show)
        for name, earlier in before.items():
            logging.getLogger(name).setLevel(earlier)
        if handler is not None:
            root.removeHandler(handler)


def _has_a_traceback_to_show(record: logging.LogRecord) -> bool:
    """False for an error of ours, which says what was wrong and is printed when the job ends.

    And for Ctrl-C, which finds some line at work, and it is no matter which.
    """
    told = (ScoringError, KeyboardInterrupt)
    return not (record.exc_info and isinstance(record.exc_info[1], told))


def set_levels_of_workers(options: PipelineOptions, log_level: str) -> None:
    """Have workers log as the launcher does, where Beam's own flags do not say otherwise."""
    workers = options.view_as(WorkerOptions)
    level = workers.default_sdk_harness_log_level or level_of_others(log_level).upper()
    workers.default_sdk_harness_log_level = level
    workers.sdk_harness_log_level_overrides = {
        **dict.fromkeys(_OURS, log_level.upper()),
        _WORKER_PROGRAM: "ERROR",
        **(workers.sdk_harness_log_level_overrides or {}),
    }

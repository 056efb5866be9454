"""What is logged: ours from ``--log_level`` on, and of others, engines and models, what matters.

All that is set for a run is put back when it ends, as a process may have other uses than one job.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

OURS: Final = ("beam_jobs", "mapreduce_jobs", "model_dofns")
_FORMAT = "%(levelname)s %(name)s: %(message)s"


def level_of_others(log_level: str) -> str:
    """The level of all loggers that are not ours: a level calmer, and no word below a warning.

    Only ``debug`` shows more, as engines say at ``info`` what their workers do.
    """
    return {"debug": "info", "error": "error"}.get(log_level, "warning")


@contextlib.contextmanager
def logging_at(log_level: str) -> Iterator[None]:
    """Log to stderr, unless this process has set up logging of its own."""
    root = logging.getLogger()
    levels = dict.fromkeys(OURS, log_level)
    handler = None
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
        levels[""] = level_of_others(log_level)
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level.upper())
    try:
        yield
    finally:
        for name, earlier in before.items():
            logging.getLogger(name).setLevel(earlier)
        if handler is not None:
            root.removeHandler(handler)

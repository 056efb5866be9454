"""Scoring jobs for Apache Beam."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without warnings: Beam, where its gcp extra is not installed, says so whenever imported."""
    root, disabled = logging.getLogger(), logging.root.manager.disable
    handlers = list(root.handlers)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers  # a warning before any configuration adds one


with _quietly():
    try:
        import apache_beam  # noqa: F401  # here once, so that it is quiet wherever it is used
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "beam_jobs needs Apache Beam: pip install 'model-dofns[beam]'", name=error.name
        ) from error

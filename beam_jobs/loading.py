"""Importing Beam, which takes a second of CPU time: when it is needed, and without a word."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


def load_beam() -> None:
    """Import Apache Beam, if no one has done so.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how to.
    """
    with _quietly():
        try:
            import apache_beam  # noqa: F401  # here, as --help needs none of it
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "beam_jobs needs Apache Beam: pip install 'model-dofns[beam]'", name=error.name
            ) from error


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

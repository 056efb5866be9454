"""What a task prints is data to Hadoop; what a model prints is not, and goes to stderr."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from mrjob.job import MRJob


@contextlib.contextmanager
def stdout_is_data(job: MRJob) -> Iterator[None]:
    """Only the job itself writes to its stdout; what others print, log or warn goes to stderr.

    mrjob's inline runner puts binary files in the place of ``sys.stdout`` and ``sys.stderr``, where
    any ``print`` would fail; elsewhere they are the process's own, and a library of C may print as
    well.
    """
    given = sys.stdout, sys.stderr
    job_streams = job._stdout, job._stderr
    own_stdout = os.dup(1)
    os.dup2(2, 1)
    text = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), "utf-8", "backslashreplace")
    data, notes = _binary(sys.stdout, own_stdout), getattr(sys.stderr, "buffer", sys.stderr)
    job._stdout, job._stderr = job._stdout or data, job._stderr or notes
    sys.stdout = sys.stderr = text
    try:
        yield
        job._stdout.flush()
    finally:
        sys.stdout, sys.stderr = given
        job._stdout, job._stderr = job_streams
        text.flush()
        os.dup2(own_stdout, 1)
        os.close(own_stdout)


def _binary(stream: Any, own_stdout: int) -> Any:
    """A stream as mrjob writes to it; that of the process itself by its number before this."""
    try:
        is_own = stream.fileno() == 1
    except (AttributeError, OSError, ValueError):  # it has none
        is_own = False
    if is_own:
        return os.fdopen(own_stdout, "wb", closefd=False)
    return getattr(stream, "buffer", stream)

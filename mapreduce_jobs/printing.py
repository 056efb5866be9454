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
    any ``print`` would fail. Elsewhere they are the process's own, and a library of C may print as
    well; such a process is a task, which has nothing more to print when this ends, so its stdout is
    not given back: models print when Python ends, too. What is printed before this, while the job's
    own script is imported, is kept out only as far as it is still in Python's buffer.
    """
    given = sys.stdout, sys.stderr
    job_streams = job._stdout, job._stderr
    is_a_task_s = job._stdout is None and _is_own_stdout(sys.stdout)
    text = io.TextIOWrapper(
        io.FileIO(2, "wb", closefd=False), "utf-8", "backslashreplace", line_buffering=True
    )
    with _stdout_to_stderr(gives_back=not is_a_task_s) as own_stdout:
        if is_a_task_s:
            job._stdout = os.fdopen(own_stdout, "wb", closefd=False)
        job._stdout = job._stdout or getattr(sys.stdout, "buffer", sys.stdout)
        job._stderr = job._stderr or getattr(sys.stderr, "buffer", sys.stderr)
        sys.stdout = sys.stderr = text
        try:
            yield
            job._stdout.flush()
        finally:
            sys.stdout, sys.stderr = given
            job._stdout, job._stderr = job_streams


@contextlib.contextmanager
def stdout_is_the_launcher_s() -> Iterator[None]:
    """What a model prints where a job is launched is not what became of the job."""
    with (
        _stdout_to_stderr(gives_back=True),
        open(os.devnull, "w", encoding="utf-8", errors="backslashreplace") as nowhere,
        contextlib.redirect_stderr(sys.stderr or nowhere) as notes,  # mrjob wants both open
        contextlib.redirect_stdout(notes),
    ):
        yield


def nothing_more_is_printed() -> None:
    """For the end of a process: a model may print even then."""
    with _stdout_to_stderr(gives_back=False):
        sys.stdout = sys.stderr


@contextlib.contextmanager
def _stdout_to_stderr(*, gives_back: bool) -> Iterator[int]:
    """Let the number 1 be that of stderr, for this process and those that it starts.

    Args:
        gives_back: at the end 1 is stdout again; and what had been printed before is printed there.

    Yields:
        The number that stdout has meanwhile.
    """
    _open_standard_streams()
    if gives_back:
        _flush_own_stdout()
    own_stdout = os.dup(1)
    os.dup2(2, 1)
    _flush_own_stdout()
    try:
        yield own_stdout
    finally:
        _flush_own_stdout()  # some hold on to it, as sys.__stdout__ or by a reference
        if gives_back:
            os.dup2(own_stdout, 1)
            os.close(own_stdout)


def _open_standard_streams() -> None:
    """A process may be started with some of them closed, and any file would take their numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _flush_own_stdout() -> None:
    if sys.__stdout__ is not None:
        with contextlib.suppress(OSError, ValueError):  # a full disk, or closed: no one reads it
            sys.__stdout__.flush()


def _is_own_stdout(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == 1)
    except (AttributeError, OSError, ValueError):  # it has no number
        return False

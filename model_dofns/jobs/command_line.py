"""From words to an exit code: what all command lines of jobs do, whichever engine they are for."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

from model_dofns.exceptions import (
    EXIT_DONE,
    InterruptedJobError,
    ScoringError,
    TooManyErrorsError,
)
from model_dofns.jobs.summary import Summary


def exit_code_of(command: Callable[[], None]) -> int:
    """Run a command, say on stderr what went wrong, and return the exit code."""
    try:
        with endings_as_interrupts():
            command()
    except ScoringError as error:
        say(f"error: {error}", sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the job had started
        say("interrupted", sys.stderr)
        return InterruptedJobError.exit_code
    return EXIT_DONE


def show(summary: Summary) -> None:
    """Print what became of every record.

    Raises:
        TooManyErrorsError: too many were rejected, of one model at least.
    """
    say(summary.table(), sys.stdout)
    if failed := [each for each in summary.folders if each.too_many_errors]:
        raise TooManyErrorsError(
            "more records were rejected than --max_errors"
            f" {failed[0].manifest.options['max_errors']} allows: see"
            f" {', '.join(each.rejects_are for each in failed)}"
        )


def say(text: str, stream: TextIO | None) -> None:
    """Print, where that can be done: a closed pipe changes nothing about how a job ended."""
    if stream is None:  # closed before Python started
        return
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError):
        # Or Python would try once more when it ends, and end with an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if stream is sys.stdout else 2)


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """What a model prints meanwhile, in Python or C, is not what the command has to say."""
    sys.stdout.flush()
    own_stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()  # some hold on to it
        os.dup2(own_stdout, 1)
        os.close(own_stdout)


@contextlib.contextmanager
def endings_as_interrupts() -> Iterator[None]:
    """What a scheduler sends is taken as what a person sends: the job is cancelled and marked.

    What is ignored stays so, as SIGHUP is with nohup. A thread that is not the main one cannot say
    what signals mean, and leaves that alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    endings = (signal.SIGTERM, signal.SIGHUP)
    heard = [ending for ending in endings if signal.getsignal(ending) not in (signal.SIG_IGN, None)]
    before = [signal.signal(ending, signal.default_int_handler) for ending in heard]
    try:
        yield
    finally:
        for ending, handler in zip(heard, before, strict=True):
            signal.signal(ending, handler)

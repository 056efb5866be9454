"""Showing how far a job has come: a line that is redrawn on a terminal, a log line now and then
elsewhere, and neither for a job that is done before anyone wonders.

Whatever goes wrong with it, the job goes on.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol, TextIO

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from beam_jobs.live_counts import Ledger, LiveCounts, asked
from model_dofns.counters import Report
from model_dofns.jobs.planning import Job

_LOGGER = logging.getLogger(__name__)

REDRAW_SECONDS: Final = 0.25
LOG_SECONDS: Final = 30.0
# A runner elsewhere is asked over a network.
ASK_SECONDS: Final = 5.0
# Workers say on stderr that they start; a line is drawn when one counts, or when that takes long.
_PATIENCE_SECONDS = 15.0
# The rate is that of the last seconds: the first ones go into starting.
_RATE_SECONDS = 20.0
_RUNNER_SECONDS = 5.0  # to answer when the job has ended
_LOCAL_RUNNERS = ("FnApiRunner", "SwitchingDirectRunner")


class View(Protocol):
    """Where progress is shown."""

    seconds: float  # between two times

    def show(self, counts: LiveCounts, rate: float) -> None:
        """Show counts, and the records of a second."""

    def close(self) -> None: ...


class LogView:
    """A log line every half a minute."""

    def __init__(self, job: Job) -> None:
        self.seconds = LOG_SECONDS
        self._job = job
        self._begin = time.monotonic()

    def show(self, counts: LiveCounts, rate: float) -> None:
        size = sum(file.bytes for file in self._job.files)
        took = time.monotonic() - self._begin
        _LOGGER.info(
            "%.0f %% of %s bytes, %s of %s files: %s records read (%s a second), %s rejected,"
            " after %s",
            100 * counts.bytes / max(size, 1),
            f"{size:,}",
            f"{counts.files:,}",
            f"{len(self._job.files):,}",
            f"{counts.records:,}",
            f"{rate:,.0f}",
            f"{counts.rejects:,}",
            tqdm.format_interval(took),
        )

    def close(self) -> None:
        """Nothing is left."""


class _Bar(tqdm):  # type: ignore[misc]  # tqdm ships no types
    monitor_interval = 0  # no thread of its own: this module's redraws it


class TerminalView:
    """A line at the end of a terminal, which goes when the job ends; log lines scroll above it."""

    def __init__(self, job: Job, stream: TextIO) -> None:
        self.seconds = REDRAW_SECONDS
        self._files = len(job.files)
        self._size = max(sum(file.bytes for file in job.files), 1)
        self._stream = stream
        self._begin = time.monotonic()
        self._open = contextlib.ExitStack()
        self._bar: Any = None

    def show(self, counts: LiveCounts, rate: float) -> None:
        patient = time.monotonic() - self._begin < _PATIENCE_SECONDS
        if self._bar is None and patient and counts == LiveCounts():
            return
        text = (
            f"{_short(counts.records)} records, {_short(round(rate))}/s,"
            f" {_short(counts.rejects)} rejects, {_short(counts.files)}/{_short(self._files)} files"
        )
        if self._bar is None:
            self._bar = self._opened(text)
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(counts.bytes - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._open.close()

    def _opened(self, text: str) -> _Bar:
        _Bar.set_lock(threading.RLock())  # its own would be one between processes
        known = os.get_terminal_size(self._stream.fileno()).columns > 0
        bar = _Bar(
            desc=text,
            total=self._size,
            file=self._stream,
            leave=False,
            dynamic_ncols=known,
            **({} if known else {"ncols": 80, "nrows": 24}),
            mininterval=0,
            delay=1e-9,  # nothing is drawn before the time is set right
            bar_format="{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]",
        )
        bar.start_t -= time.monotonic() - self._begin
        bar.last_print_t = bar.start_t
        self._open.enter_context(logging_redirect_tqdm(tqdm_class=_Bar))
        return bar


def _short(count: int) -> str:
    return f"{count:,}" if count < 100_000 else str(tqdm.format_sizeof(count))


class Progress:
    """The progress of one job, shown by a thread of its own until it is stopped.

    Args:
        view: where; None for nowhere.
        ledger: what workers of this machine write to, if they do.
        models: how many there are, each of which counts the records that it is given.
    """

    def __init__(self, view: View | None, ledger: Ledger | None, models: int = 1) -> None:
        self.report: Report | None = ledger
        self._view = view
        self._models = models
        self._ask: Callable[[], LiveCounts] = ledger.read if ledger is not None else LiveCounts
        self._pause = view.seconds if view is not None else 0
        self._done = threading.Event()
        self._counts = LiveCounts()
        self._samples = deque([(time.monotonic(), 0)])
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        if self._view is not None:
            self._thread.start()

    def follow(self, result: Any) -> None:
        """Ask a runner from now on, where no workers of this machine report."""
        if self.report is None:
            self._pause = max(self._pause, ASK_SECONDS)
            self._ask = functools.partial(asked, result)

    def stop(self) -> None:
        self._done.set()
        if self._view is not None:
            self._thread.join(_RUNNER_SECONDS)
            with contextlib.suppress(OSError, ValueError):  # a terminal that went away
                self._view.close()

    def _run(self) -> None:
        assert self._view is not None
        try:
            while not self._done.wait(self._pause):
                self._look()
                if not self._done.is_set():  # a runner may have taken its time
                    self._view.show(self._counts, self._rate())
        except Exception:  # such as a terminal that went away
            _LOGGER.debug("Progress is not shown any more.", exc_info=True)

    def _look(self) -> None:
        try:
            counts = self._ask()
            self._counts = replace(counts, records=counts.records // self._models)
        except Exception:  # a client may raise anything, and answer the next time
            _LOGGER.debug("How far the job has come cannot be seen.", exc_info=True)
        now = time.monotonic()
        self._samples.append((now, self._counts.records))
        while len(self._samples) > 2 and self._samples[0][0] < now - _RATE_SECONDS:
            self._samples.popleft()

    def _rate(self) -> float:
        (begin, before), (end, after) = self._samples[0], self._samples[-1]
        return max(after - before, 0) / max(end - begin, 1e-3)


@contextlib.contextmanager
def shown(job: Job, runner: object, show: bool = True) -> Iterator[Progress]:
    """Show a job's progress on stderr while it runs on a runner of Beam's; or nothing at all."""
    view = _view(job) if show else None
    with contextlib.ExitStack() as stack:
        ledger = None
        if view is not None and type(runner).__name__ in _LOCAL_RUNNERS:
            try:
                folder = tempfile.TemporaryDirectory(
                    prefix="model_dofns-", ignore_cleanup_errors=True
                )
            except OSError as error:  # without one only the time that passes can be shown
                _LOGGER.debug("No folder for progress: %s", error)
            else:
                ledger = Ledger(stack.enter_context(folder))
                stack.callback(ledger.forget)
        # Where records name their models, each is scored by one.
        models = len(job.targets) if job.router is None else 1
        progress = Progress(view, ledger, models)
        stack.callback(progress.stop)
        progress.start()
        yield progress


def _view(job: Job) -> View | None:
    stderr: TextIO | None = sys.stderr  # None where it is closed, as some schedulers do
    if stderr and stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return TerminalView(job, stderr)
    return LogView(job) if _LOGGER.isEnabledFor(logging.INFO) else None

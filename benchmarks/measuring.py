"""What a command costs: wall time, CPU time and peak memory, of it and all that it starts.

CPU time is what the kernel accounts for the process and the children it has waited for; processes
that outlive their parent become ours (Linux's child subreaper) and are waited for here. Memory is
the resident set, summed over the processes of the tree: sampled 20 times a second from
``/proc/PID/statm``, which does not stop a process; and the kernel's own peak of the largest one,
which no sample can miss. What processes share is counted in each.

This process must stay small: a child's peak counts what it had before it became another program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.05
# Looking for new processes takes longer than reading how large the known ones are.
LOOK_SECONDS = 0.5
# So long may processes go on that the command has left behind.
PATIENCE_SECONDS = 10.0
_PR_SET_CHILD_SUBREAPER = 36
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class CommandFailedError(Exception):
    """A command ended with another exit code than 0."""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, seconds of CPU, and bytes of memory at its peak."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Cost:
    """Run a command to its end, in a folder that is there, and say what it took.

    Interrupted, it ends the command and all that it has started.

    Raises:
        CommandFailedError: it failed; the last of its words are in the message.
    """
    _adopt_orphans()
    others = _children()
    log = folder / "log.txt"
    with open(log, "wb") as file:
        begin = time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=folder,
                env=environment,
            )
            memory = _MemorySampler(process.pid)
            memory.start()
            try:
                _, status, usage = os.wait4(process.pid, 0)
            finally:
                memory.stop()
            wall_seconds = time.perf_counter() - begin
            cpu_seconds = usage.ru_utime + usage.ru_stime + _cpu_seconds_of_orphans(others)
        except KeyboardInterrupt:
            _end_all(others)
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailedError(
            f"exit code {process.returncode} of {' '.join(command)}\n"
            + log.read_text(errors="replace")[-4_000:]
        )
    return Cost(wall_seconds, cpu_seconds, max(memory.peak_bytes, usage.ru_maxrss * 1024))


class _MemorySampler(threading.Thread):
    """Keeps the largest sum of the resident sets of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._pid = pid
        self._ended = threading.Event()

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        pids, looked = [self._pid], time.monotonic()
        while not self._ended.wait(SAMPLE_SECONDS):
            if time.monotonic() - looked >= LOOK_SECONDS:
                pids, looked = [self._pid, *_descendants(self._pid)], time.monotonic()
            self.peak_bytes = max(self.peak_bytes, sum(map(_resident_bytes, pids)))


def _resident_bytes(pid: int) -> int:
    try:
        statm = Path(f"/proc/{pid}/statm").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    return int(statm.split()[1]) * _PAGE_BYTES


def _descendants(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def _adopt_orphans() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this process cannot adopt orphans")


def _cpu_seconds_of_orphans(others: set[int]) -> float:
    """What processes took that a command has left behind; these are waited for, then killed.

    Args:
        others: children of this process that are none of the command's.
    """
    seconds, patience_ends = 0.0, time.monotonic() + PATIENCE_SECONDS
    while orphans := _children() - others:
        for pid in orphans:
            ended, _, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                seconds += usage.ru_utime + usage.ru_stime
            elif time.monotonic() > patience_ends:
                os.kill(pid, signal.SIGKILL)
        time.sleep(SAMPLE_SECONDS)
    return seconds


def _end_all(others: set[int]) -> None:
    """Kill all children of this process and theirs, but for others; whom they orphan, too."""
    while pids := _children() - others:
        for pid in pids:
            for each in (*_descendants(pid), pid):
                with contextlib.suppress(ProcessLookupError):  # it has ended
                    os.kill(each, signal.SIGKILL)
            os.waitpid(pid, 0)

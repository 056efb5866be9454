"""Processes of this machine: whether a pid is still the one that was started, and containers'."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_PROC = Path("/proc")
_KINDS: dict[str, Kind] = {
    "org.apache.hadoop.mapreduce.v2.app.MRAppMaster": "master",
    "org.apache.hadoop.mapred.YarnChild": "task",
}
Kind = Literal["master", "task", "mapper", "shell"]


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same pid by when it began.

    Attributes:
        pid: its number.
        began: in clock ticks since the machine was booted.
    """

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process of this number, unless it has ended, if only to become a zombie."""
        stat = _read(pid, "stat")
        if stat is None:
            return None
        # The name, in parentheses, may hold anything; fields are counted from behind it.
        fields = stat[stat.rindex(b")") + 2 :].split()
        return None if fields[0] in (b"Z", b"X") else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return Process.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended in between


@dataclass(frozen=True)
class ContainerProcess:
    """One that a NodeManager's container has started.

    Attributes:
        process: it.
        kind: `master` is the application master's JVM, `task` a task's, `mapper` a program that
            streaming runs for a task, and `shell` what is about these.
        application: as in `application_1700000000000_0001`.
        attempt: of the task, as Hadoop writes it, for a mapper; else empty.
        command: its words.
    """

    process: Process
    kind: Kind
    application: str
    attempt: str
    command: tuple[str, ...]


def container_processes(local: Path) -> list[ContainerProcess]:
    """Those of the containers that work below this folder, in order of their pids."""
    found = []
    for pid in sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()):
        process = Process.of(pid)
        environment = _environment(pid)
        container = environment.get("CONTAINER_ID")
        if process is None or container is None:
            continue
        if not any(Path(name).is_relative_to(local) for name in _local_folders(environment)):
            continue
        command = _words(pid)
        found.append(
            ContainerProcess(
                process=process,
                kind=_kind(command, environment),
                application=_application(container),
                attempt=environment.get("mapreduce_task_attempt_id", ""),
                command=command,
            )
        )
    return found


def end(processes: Sequence[Process], seconds: float = 5) -> None:
    """Ask them to end; kill those that have not in time."""
    for process in processes:
        process.signal(signal.SIGTERM)
    if not wait_for_end(processes, seconds):
        for process in processes:
            process.signal(signal.SIGKILL)
        wait_for_end(processes, seconds)


def wait_for_end(processes: Sequence[Process], seconds: float) -> bool:
    """Whether all of them have ended in this time."""
    end = time.monotonic() + seconds
    while any(process.alive for process in processes):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _kind(command: tuple[str, ...], environment: dict[str, str]) -> Kind:
    program = Path(command[0]).name if command else ""
    if program == "java":
        return next((kind for name, kind in _KINDS.items() if name in command), "shell")
    # Streaming hands the job's settings to the program as its environment.
    if "mapreduce_task_attempt_id" in environment and program not in ("sh", "bash"):
        return "mapper"
    return "shell"


def _application(container: str) -> str:
    """`container_e05_17_0001_01_000002` (or without the epoch) is of `application_17_0001`."""
    words = [word for word in container.split("_")[1:] if not word.startswith("e")]
    return f"application_{words[0]}_{words[1]}"


def _local_folders(environment: dict[str, str]) -> list[str]:
    return environment.get("LOCAL_DIRS", "").split(",")


def _environment(pid: int) -> dict[str, str]:
    pairs = _split(_read(pid, "environ"))
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _words(pid: int) -> tuple[str, ...]:
    return tuple(_split(_read(pid, "cmdline")))


def _split(data: bytes | None) -> list[str]:
    return (data or b"").decode(errors="replace").rstrip("\0").split("\0")


def _read(pid: int, file: str) -> bytes | None:
    """None where the process has ended, or is another user's."""
    try:
        return (_PROC / str(pid) / file).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None

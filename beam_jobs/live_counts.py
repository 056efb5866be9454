"""How far a job has come while it runs: from the workers of this machine, or from a runner.

FnApiRunner hands out no counters before it has ended, so its workers, in this process or in others
of this machine, keep a :class:`Ledger`. Other runners return at once, and are asked.
"""

from __future__ import annotations

import copy
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from apache_beam.metrics import MetricsFilter

from model_dofns.counters import (
    BYTES_READ,
    FILES_READ,
    NAMESPACE,
    RECORDS_READ,
    is_rejected,
)


@dataclass(frozen=True)
class LiveCounts:
    """What has been read so far, for people: a bundle that is tried twice may count twice."""

    bytes: int = 0
    files: int = 0
    records: int = 0
    rejects: int = 0

    @classmethod
    def of(cls, counters: Mapping[str, int]) -> LiveCounts:
        """From counters by their names."""
        return cls(
            bytes=counters.get(BYTES_READ, 0),
            files=counters.get(FILES_READ, 0),
            records=counters.get(RECORDS_READ, 0),
            rejects=sum(count for name, count in counters.items() if is_rejected(name)),
        )

    def __add__(self, other: LiveCounts) -> LiveCounts:
        return LiveCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))


_FORMAT = struct.Struct("<4q")
# What this process has counted, by the ledger's folder and the process's id.
_counted: dict[tuple[str, int], LiveCounts] = {}
_counted_lock = threading.Lock()


@dataclass(frozen=True)
class Ledger:
    """A folder of this machine with a file of 32 bytes a process, which says what it has counted.

    It is called on workers, as a :data:`~model_dofns.counters.Report`, and travels to them as the
    folder's path. Nothing that goes wrong with it may harm a job.
    """

    folder: str

    def __call__(self, counts: Mapping[str, int]) -> None:
        key = (self.folder, os.getpid())
        with _counted_lock:
            total = _counted.get(key, LiveCounts()) + LiveCounts.of(counts)
            _counted[key] = total
            try:
                # Over what it wrote before, in one piece: a reader never finds half of it.
                file = os.open(os.path.join(self.folder, str(key[1])), os.O_WRONLY | os.O_CREAT)
                try:
                    os.pwrite(file, _FORMAT.pack(*astuple(total)), 0)
                finally:
                    os.close(file)
            except OSError:  # the disk is full; or the launcher has gone, and the folder with it
                return

    def read(self) -> LiveCounts:
        """The sum over all processes."""
        total = LiveCounts()
        for file in Path(self.folder).iterdir():
            written = file.read_bytes()
            if len(written) == _FORMAT.size:
                total += LiveCounts(*_FORMAT.unpack(written))
        return total

    def forget(self) -> None:
        """In this process, what it has counted."""
        with _counted_lock:
            _counted.pop((self.folder, os.getpid()), None)


def asked(result: Any) -> LiveCounts:
    """What a runner says of a job that it runs elsewhere."""
    # Of a copy: Beam's result of a job server keeps the first metrics it gets.
    metrics = copy.copy(result).metrics()
    counters: dict[str, int] = {}
    for counter in metrics.query(MetricsFilter().with_namespace(NAMESPACE))["counters"]:
        name = counter.key.metric.name
        counters[name] = counters.get(name, 0) + (counter.result or 0)
    return LiveCounts.of(counters)

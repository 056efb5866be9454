"""What tasks and launcher tell each other: which ranges to read, and what has become of them.

A task may be tried several times, on any machine, and two attempts may run at once. Each attempt
writes files of its own, and when all of them are closed a receipt that names them; the receipt is
put in place by a rename. So an attempt that dies leaves no receipt, and one that has a receipt has
done all its task. Which of several receipts of a task counts does not matter, as each stands for
the same records; the launcher takes the first, and what other attempts wrote is removed unread.
Nothing of this depends on how Hadoop commits what tasks print: on S3 that is done otherwise than on
HDFS, and on one machine not at all.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from model_dofns.exceptions import ScoringError
from model_dofns.formats.base import Range
from model_dofns.jobs.reading import FileRange
from model_dofns.jobs.shares import Share
from model_dofns.jobs.store import Store
from model_dofns.manifest import InputFile

_AT_ONCE = 16  # most of reading a small file is waiting, where files are far away
RECEIPTS = "receipts"
FAILURES = "failures"
ORDERS = "orders"
RESULTS = "results"  # what reducers print


@dataclass(frozen=True)
class Order:
    """One line of a task's input: the ranges that it reads, in this order."""

    id: int
    ranges: tuple[FileRange, ...]

    def to_line(self) -> bytes:
        """A line of ASCII, without tabs, as Hadoop's input formats split lines at those."""
        ranges = [
            [each.file.path, each.file.bytes, each.file.format, each.part.start, each.part.stop]
            for each in self.ranges
        ]
        return json.dumps([self.id, ranges]).encode() + b"\n"

    @classmethod
    def from_line(cls, line: str) -> Order:
        """What :meth:`to_line` wrote; Hadoop's NLineInputFormat puts an offset and a tab before."""
        number, ranges = json.loads(line.rpartition("\t")[2])
        return cls(
            number,
            tuple(
                FileRange(Range(path, start, stop), InputFile(path, size, format_name))
                for path, size, format_name, start, stop in ranges
            ),
        )


@dataclass(frozen=True)
class Receipt:
    """What one attempt of a task has done, all of it.

    Attributes:
        orders: the ids of its orders.
        shares: what it has done with each of the job's models, in their order.
        rest: what it has done whatever the model: the files that cannot be read; and where records
            name their models, those that name none, and how many it has read at all.
    """

    orders: tuple[int, ...]
    shares: tuple[Share, ...] = ()
    rest: Share = field(default_factory=Share)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Receipt:
        """What :meth:`to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(
            orders=tuple(fields["orders"]),
            shares=tuple(map(Share.from_fields, fields["shares"])),
            rest=Share.from_fields(fields["rest"]),
        )


def put(store: Store, temporary: str, kind: str, attempt: str, content: bytes) -> None:
    """Put a small file in place, whole or not at all."""
    written = posixpath.join(temporary, f"{kind}-{attempt}")
    with store.create(written) as file:
        file.write(content)
    store.rename([written], [posixpath.join(temporary, kind, attempt)])


def contents(store: Store, temporary: str, kind: str) -> dict[str, bytes]:
    """What attempts have put in place, by their names, the first attempts of a task first."""
    names = sorted(store.names(posixpath.join(temporary, kind)))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        read = threads.map(lambda name: store.read(posixpath.join(temporary, kind, name)), names)
        return dict(zip(names, read, strict=True))


def task_of(attempt: str) -> str:
    """The task that an attempt is one of: Hadoop numbers attempts at the end of their names."""
    return attempt.rpartition("_")[0]


def one_each(receipts: Iterable[Receipt], orders: Sequence[Order]) -> list[Receipt]:
    """As many of the receipts as it takes that each order has been done once.

    Raises:
        ScoringError: they do not show that.
    """
    done: set[int] = set()
    taken = []
    for receipt in receipts:
        ids = set(receipt.orders)
        if ids <= done:  # another attempt's
            continue
        if ids & done or len(ids) < len(receipt.orders):
            raise ScoringError(
                f"tasks have overlapped: {sorted(ids & done)} of their orders were done by two of"
                " them; please report this as a bug"
            )
        done |= ids
        taken.append(receipt)
    if missing := {order.id for order in orders} - done:
        first = next(order for order in orders if order.id in missing)
        raise ScoringError(
            f"{len(missing)} of {len(orders)} orders were not done, though the runner says so; the"
            f" first reads {first.ranges[0].file.path}: please report this as a bug"
        )
    return taken

"""Part files as a transform: each bundle writes files of its own; none has its final name yet.

Beam's own sinks do not serve here. FileBasedSink, whose finalize is retried after some renames,
yields only the rest, which would lose rows from the sum; it leaves stale shards of an earlier run;
and its temporary folder is read as data. ``beam.io.Write`` puts twenty transforms and four stages
round a sink, for each kind of file that a job writes, and a small job spends its time on these;
files here are renamed in the job's last step, which hears of all of them at once.
"""

from __future__ import annotations

import posixpath
import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from model_dofns.jobs.parts import Part, PartsWriter, let_go
from model_dofns.jobs.store import Store
from model_dofns.manifest import OutputFile


@dataclass(frozen=True)
class PartFiles:
    """Where and how part files are written.

    Attributes:
        store: where all of it is.
        folder: where the files are written; theirs alone, and removed by no one here.
        suffix: of a file's name, such as ``".jsonl"``.
        open_part: makes a :class:`Part` of an open file.
    """

    store: Store
    folder: str
    suffix: str
    open_part: Callable[[BinaryIO], Part]

    def writer(self, uid: str) -> PartsWriter:
        """A writer of files whose names no other writer's have."""
        self.store.make_folder(self.folder)
        path = posixpath.join(self.folder, uid)
        return PartsWriter(self.store, path, self.suffix, self.open_part)


class WriteParts(beam.PTransform):  # type: ignore[misc]  # Beam's classes are not typed
    """Writes what comes into part files, and gives for each bundle the list of its files.

    What a bundle has written counts if the bundle does: one that is tried again writes other files,
    and those of the attempt that failed are told to no one.

    Args:
        files: where and how.
        told: makes an element of the files of one bundle, which are one or more.
        num_shards: at most so many files, for which all that is written passes a shuffle; None
            for as many as bundles make.
    """

    def __init__(
        self,
        files: PartFiles,
        told: Callable[[list[OutputFile]], Any],
        num_shards: int | None = None,
    ) -> None:
        super().__init__()
        self._files = files
        self._told = told
        self._num_shards = num_shards

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        if self._num_shards is None:
            return elements | "Bundles" >> beam.ParDo(_WriteBundle(self._files, self._told))
        keyed = beam.typehints.KV[int, elements.element_type]
        return (
            elements
            | "Shards" >> beam.ParDo(_RoundRobin(self._num_shards)).with_output_types(keyed)
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write_shard, self._files, self._told)
        )


class _WriteBundle(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    def __init__(self, files: PartFiles, told: Callable[[list[OutputFile]], Any]) -> None:
        self._files = files
        self._told = told
        self._writer: PartsWriter | None = None

    def start_bundle(self) -> None:
        self._writer = None

    def process(self, element: Any) -> None:
        if self._writer is None:
            self._writer = self._files.writer(str(uuid.uuid4()))
        self._writer.write(element)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._writer is not None:
            told, window = self._told(self._writer.close()), GlobalWindow()
            self._writer = None
            yield WindowedValue(told, window.max_timestamp(), [window])

    def teardown(self) -> None:
        # A bundle has failed: a file of a store that is closed later would be there later.
        if self._writer is not None:
            let_go(self._writer)
            self._writer = None


def _write_shard(
    shard: tuple[int, Iterable[Any]],
    files: PartFiles,
    told: Callable[[list[OutputFile]], Any],
) -> Any:
    writer = files.writer(str(uuid.uuid4()))
    for element in shard[1]:
        writer.write(element)
    return told(writer.close())


class _RoundRobin(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Spreads elements evenly over the numbers below a count."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0

    def start_bundle(self) -> None:
        self._number = random.randrange(self._count)

    def process(self, element: Any) -> Iterator[tuple[int, Any]]:
        self._number = (self._number + 1) % self._count
        yield self._number, element

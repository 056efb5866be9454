"""Reading the files of the input as a Beam DoFn: a thin shell round the library's reader."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from model_dofns.counters import Report
from model_dofns.dofns import count
from model_dofns.formats.base import Block, Format, Layout
from model_dofns.jobs.reading import BlockReader, FileRange, Unreadable
from model_dofns.jobs.store import Store

BLOCKS: Final = "blocks"
UNREADABLE: Final = "unreadable"


class ReadBlocks(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Lists of ranges in, the blocks of one list in their order out.

    Outputs:
        ``blocks``: :class:`~model_dofns.formats.base.Block`.
        ``unreadable``: ``(path, (message, format))`` of a file that cannot be read, where those
            are skipped.

    Args:
        store, formats, layout, skip_bad_files, limit: as
            :class:`~model_dofns.jobs.reading.BlockReader` takes them.
        report: told what is counted, on the worker; it travels with this DoFn.
    """

    def __init__(
        self,
        store: Store,
        formats: Mapping[str, Format],
        layout: Layout,
        *,
        skip_bad_files: bool = False,
        limit: int | None = None,
        report: Report | None = None,
    ) -> None:
        self._reader = BlockReader(
            store,
            formats,
            layout,
            skip_bad_files=skip_bad_files,
            limit=limit,
            report=functools.partial(count, report=report),
        )

    def process(self, element: Sequence[FileRange]) -> Iterator[Block | TaggedOutput]:
        for read in self._reader.read(element):
            if isinstance(read, Unreadable):
                yield TaggedOutput(UNREADABLE, (read.file.path, (read.message, read.file.format)))
            else:
                yield read

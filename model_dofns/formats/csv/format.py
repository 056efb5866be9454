"""CSV: one record a row, in UTF-8, with any delimiter and quote (RFC 4180).

What is a record here, byte for byte: a row without its line end, ``\\n`` or ``\\r\\n``. Where rows
begin and end is for :mod:`~model_dofns.formats.csv.quoting`. A row with nothing in it is no record.
A BOM at the start of a file is skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

import numpy as np
import pyarrow as pa

from model_dofns.exceptions import InputError, RecordError, UnreadableFileError, UsageError
from model_dofns.formats.base import (
    BLOCK_BYTES,
    HEAD_BYTES,
    MAX_RECORD_BYTES,
    RANGE_BYTES,
    Block,
    Format,
    Layout,
    Payload,
    Range,
)
from model_dofns.formats.compression import SUFFIXES, codec_of
from model_dofns.formats.csv.blocks import read_row_blocks
from model_dofns.formats.csv.cells import cells, header_line, row_lines
from model_dofns.formats.csv.quoting import Dialect
from model_dofns.formats.csv.records import CsvRecords, CsvRows
from model_dofns.formats.extra import has_extra
from model_dofns.formats.lines import LinesWriter


@dataclass(frozen=True)
class CsvFormat(Format):
    """``.csv``.

    Attributes:
        delimiter, quote: see :class:`~model_dofns.formats.csv.quoting.Dialect`.
        columns: the names of the columns; None until they are settled.
        header: files begin with a row of those names.

    Raises:
        UsageError: delimiter and quote cannot be these.
    """

    delimiter: str = ","
    quote: str = '"'
    columns: tuple[str, ...] | None = None
    header: bool = True

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    may_be_compressed: ClassVar[bool] = True
    compressions: ClassVar[tuple[str, ...]] = ("none", *SUFFIXES)

    def __post_init__(self) -> None:
        Dialect(self.delimiter, self.quote)  # or it raises

    @functools.cached_property
    def dialect(self) -> Dialect:
        """How rows are written."""
        return Dialect(self.delimiter, self.quote)

    def ranges(
        self,
        path: str,
        size: int,
        range_bytes: int = RANGE_BYTES,
        *,
        open_file: Callable[[str], BinaryIO] | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> list[Range]:
        """Cut a file where rows begin: a larger one is read once to find out where that is.

        No line end in it could say so by itself, as it may stand in a quoted cell. Without
        ``open_file``, or where that fails, the file is one range.
        """
        whole = super().ranges(path, size, max(size, 1))
        if codec_of(path) is not None or size <= range_bytes or open_file is None:
            return whole
        starts = [0]
        try:
            with open_file(path) as file:
                for block in self.read_blocks(file, whole[0], max_record_bytes=max_record_bytes):
                    starts += self._cuts(block, starts[-1], range_bytes, max_record_bytes)
        except (UnreadableFileError, OSError):
            return whole  # reading it will say what is wrong
        stops = [*starts[1:], size]
        return [Range(path, start, stop) for start, stop in zip(starts, stops, strict=True)]

    def _cuts(
        self, block: Block, last: int, range_bytes: int, max_record_bytes: int
    ) -> Iterator[int]:
        """Where ranges of about that size begin in a block, behind one that began at ``last``."""
        assert isinstance(block.data, bytes)
        if block.whole_length is not None:
            if block.position >= last + range_bytes:
                yield block.position
        elif block.position + len(block.data) > last + range_bytes:
            rows = self.dialect.split(block.data, max_record_bytes)
            starts = rows.starts + block.position
            while (index := int(np.searchsorted(starts, last + range_bytes))) < len(starts):
                last = int(starts[index])
                yield last

    def read_blocks(
        self,
        file: BinaryIO,
        part: Range,
        *,
        block_bytes: int = BLOCK_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> Iterator[Block]:
        """See :meth:`Format.read_blocks`; a range must be one of :meth:`ranges`."""
        skip_header = self.header and part.start == 0
        return read_row_blocks(
            self.name,
            file,
            part,
            self.dialect,
            skip_header,
            block_bytes,
            max_record_bytes,
            columns=self.columns,
        )

    def records(self, block: Block, layout: Layout) -> CsvRecords:
        """See :meth:`Format.records`.

        Raises:
            UsageError: the names of the columns are not settled.
        """
        if self.columns is None:
            raise UsageError("CSV without the names of its columns: CsvFormat(columns=('x', …))")
        return CsvRecords(block, layout, self.dialect, self.columns, self.header)

    def encode(
        self, fields: pa.RecordBatch, predictions: pa.RecordBatch, layout: Layout
    ) -> CsvRows:
        absent = has_extra(fields.schema)
        texts = [cells(each, self.dialect, nulls_are_absent=absent) for each in fields.columns]
        texts += [cells(each, self.dialect) for each in predictions.columns]
        names = [*fields.schema.names, *layout.prediction_columns()]
        return CsvRows(
            header_line(names, self.dialect), row_lines(texts, self.dialect, predictions.num_rows)
        )

    def writer(self, file: BinaryIO, compression: str | None = None) -> CsvWriter:
        return CsvWriter(file, compression)

    def same_file(self, payload: Payload, other: Payload) -> bool:
        assert isinstance(payload, CsvRows)
        assert isinstance(other, CsvRows)
        return payload.header == other.header

    def column_names(self, file: BinaryIO) -> list[str]:
        """The names in the header, or those that were given; none of an empty file.

        Raises:
            InputError: the header is no row of CSV.
        """
        if not self.header:
            return list(self.columns or ())
        everything = CsvFormat(self.delimiter, self.quote, header=False)
        start = Range("the file", 0, MAX_RECORD_BYTES)
        block = next(everything.read_blocks(file, start, block_bytes=HEAD_BYTES), None)
        if block is None:
            return []
        rows = CsvRecords(block, Layout(), self.dialect, (), header=False)
        try:
            names = rows.cells_of(0)
        except RecordError as error:
            raise InputError(f"its header is no row of CSV: {error.message}") from error
        if any("\r" in name for name in names) and self.quote not in rows.source(0)["input"]:
            raise InputError("its header has a carriage return: do lines end in it, without \\n?")
        return names


class CsvWriter(LinesWriter):
    """Writes rows, and their header before the first of them."""

    _has_begun = False

    def write(self, payload: Payload) -> None:
        assert isinstance(payload, CsvRows)
        if not self._has_begun:
            super().write(payload.header)
            self._has_begun = True
        super().write(payload.rows)

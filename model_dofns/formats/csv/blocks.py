"""A file of CSV as blocks of whole rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from model_dofns.exceptions import RecordError, UnreadableFileError
from model_dofns.formats.base import HEAD_BYTES, MAX_BLOCK_RECORDS, Block, Range
from model_dofns.formats.csv.quoting import Dialect
from model_dofns.formats.lines import BOM, LongLine


def read_row_blocks(
    format_name: str,
    file: BinaryIO,
    part: Range,
    dialect: Dialect,
    skip_header: bool,
    block_bytes: int,
    max_record_bytes: int,
    columns: tuple[str, ...] | None = None,
) -> Iterator[Block]:
    """The rows of a range that begins and ends with whole ones.

    A line that is longer than ``max_record_bytes`` is never held: a block with its head and its
    length stands for it. A header that is skipped is held against the columns, where these are
    settled: at launch it may not have been there to be read.

    Raises:
        UnreadableFileError: it is another header.
    """
    held_bytes = max(max_record_bytes, HEAD_BYTES) + len("\r\n")
    held, position = b"", part.start  # what has been read of a row, and where that begins
    was_read = part.start
    if part.start == 0:
        held = file.read(min(len(BOM), part.stop))
        was_read = len(held)
        if held == BOM:
            held, position = b"", len(BOM)
    else:
        file.seek(part.start)
    long_line: LongLine | None = None
    final = False
    while not final:
        piece = file.read(min(block_bytes, part.stop - was_read))
        was_read += len(piece)
        final = not piece
        if long_line is not None:
            piece = long_line.take(piece)
            if long_line.ended or final:
                if not skip_header:
                    yield long_line.block(format_name, part.path, without_return=True)
                skip_header = False
                position, long_line = long_line.behind, None
        data = held + piece
        if long_line is not None or not data:
            continue
        rows = dialect.split(data, max_record_bytes, final=final)
        begin = 0
        if skip_header:
            ends = rows.ends(data)
            written = np.flatnonzero(ends > rows.starts)
            skip_header = not len(written)
            begin = rows.decided
            if len(written):
                header = data[rows.starts[written[0]] : ends[written[0]]]
                _refuse_other(header, dialect, columns, part.path)
                begin = min(int(rows.line_ends[written[0]]) + 1, rows.decided)
        cuts = rows.line_ends[MAX_BLOCK_RECORDS - 1 :: MAX_BLOCK_RECORDS] + 1
        for end in [*cuts[cuts > begin].tolist(), rows.decided]:
            if begin < end:
                split = rows.between(begin, end)
                yield Block(format_name, part.path, data[begin:end], position + begin, split=split)
                begin = end
        held, position = data[rows.decided :], position + rows.decided
        if len(held) > held_bytes and b"\n" not in held:
            long_line, held = LongLine(position, held), b""


def _refuse_other(
    header: bytes, dialect: Dialect, columns: tuple[str, ...] | None, path: str
) -> None:
    try:
        names = tuple(dialect.cells_of(header.decode()))
    except (UnicodeDecodeError, RecordError) as error:
        raise UnreadableFileError(f"the header of {path} is no row of CSV: {error}") from error
    if columns is not None and names != columns:
        raise UnreadableFileError(f"the header of {path} is not that of the other files: {names}")

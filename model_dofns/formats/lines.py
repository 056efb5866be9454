"""Text files as lines: which lines a range owns, and how they become blocks.

A range owns the lines that *start* in it, and reads the last one to its end, as Hadoop's
LineRecordReader and Beam's text source do; so ranges that cover a file cover each line once,
wherever they are cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from model_dofns.formats.base import HEAD_BYTES, MAX_BLOCK_RECORDS, Block, Payload, Range
from model_dofns.formats.compression import SUFFIXES, compressing

BLANK = b" \t\r"  # white space that a line's end or its neighbours leave round a record
BOM = b"\xef\xbb\xbf"


def read_line_blocks(
    format_name: str, file: BinaryIO, part: Range, block_bytes: int, max_record_bytes: int
) -> Iterator[Block]:
    """The lines of a range, in blocks of whole lines.

    A line that is longer than ``max_record_bytes``, counted from its first byte that is not blank,
    is never held: a block with its head and its length stands for it.
    """
    held_bytes = max(max_record_bytes, HEAD_BYTES)
    held, position = b"", part.start  # the beginning of a line, and where it is in the file
    long_line: LongLine | None = None
    for piece_position, piece in _owned_pieces(file, part, block_bytes):
        if long_line is not None:
            piece = long_line.take(piece)
            if not long_line.ended:
                continue
            yield long_line.block(format_name, part.path)
            piece_position, long_line = long_line.behind, None
        if not held:
            position = piece_position
        whole_lines = piece.rfind(b"\n") + 1
        if whole_lines:
            data = b"".join((held, memoryview(piece)[:whole_lines]))
            yield from _few_lines(Block(format_name, part.path, data, position))
            held, position = piece[whole_lines:], piece_position + whole_lines
        else:
            held += piece
        if len(held) > held_bytes:
            line = held.lstrip(BLANK)
            held, position = line, position + len(held) - len(line)
        if len(held) > held_bytes:
            long_line = LongLine(position, held)
            held = b""
    if long_line is not None:
        yield long_line.block(format_name, part.path)
    elif held:
        yield Block(format_name, part.path, held, position)


def _few_lines(block: Block) -> Iterator[Block]:
    """A block of lines in blocks of at most ``MAX_BLOCK_RECORDS``."""
    assert isinstance(block.data, bytes)
    is_line_end = np.frombuffer(block.data, np.uint8) == ord("\n")
    if np.count_nonzero(is_line_end) <= MAX_BLOCK_RECORDS:
        yield block
        return
    ends = np.flatnonzero(is_line_end)[MAX_BLOCK_RECORDS - 1 :: MAX_BLOCK_RECORDS] + 1
    cuts = [0, *ends.tolist(), len(block.data)]
    for start, stop in itertools.pairwise(cuts):
        if start < stop:
            yield replace(block, data=block.data[start:stop], position=block.position + start)


class LongLine:
    """A line that is too long to be held: where it is, its first bytes, its length so far."""

    def __init__(self, position: int, beginning: bytes) -> None:
        self.ended = False
        self._position, self._head = position, beginning[:HEAD_BYTES]
        self._length, self._last = len(beginning), beginning[-1:]

    def take(self, piece: bytes) -> bytes:
        """Take what is left of the line; what follows it is given back."""
        line_end = piece.find(b"\n")
        self.ended = line_end >= 0
        taken = piece[:line_end] if self.ended else piece
        self._length += len(taken)
        self._last = taken[-1:] or self._last
        return piece[line_end + 1 :] if self.ended else b""

    @property
    def behind(self) -> int:
        """Where the next line begins."""
        return self._position + self._length + 1

    def block(self, format_name: str, path: str, *, without_return: bool = False) -> Block:
        """What stands for the line; its length with the ``\\r`` before its end, or without."""
        length = self._length - (without_return and self.ended and self._last == b"\r")
        return Block(format_name, path, self._head, self._position, whole_length=length)


def _owned_pieces(file: BinaryIO, part: Range, piece_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The bytes of the lines that start in the range, piece by piece, each with its offset."""
    if part.start >= part.stop:
        return
    position = part.start
    before_first_line = position > 0
    if before_first_line:
        position -= 1  # where the byte before the range ends a line, the range begins with one
        file.seek(position)
    pieces = iter(lambda: file.read(piece_bytes), b"")
    if position == 0:
        beginning = file.read(len(BOM))
        position = len(BOM) if beginning == BOM else 0
        pieces = itertools.chain([b"" if beginning == BOM else beginning], pieces)
    for piece in pieces:
        if before_first_line:
            line_end = piece.find(b"\n")
            skipped = len(piece) if line_end < 0 else line_end + 1
            position, piece = position + skipped, piece[skipped:]
            if position >= part.stop:
                return
            before_first_line = line_end < 0
        if not piece:
            continue
        # The first line end at or after the range's last byte is the end of its last line.
        last_end = piece.find(b"\n", max(part.stop - 1 - position, 0))
        if last_end >= 0:
            yield position, piece[: last_end + 1]
            return
        yield position, piece
        position += len(piece)


class LinesWriter:
    """Writes payloads that are whole lines already."""

    def __init__(self, file: BinaryIO, compression: str | None = None) -> None:
        self._compressing = compressing(file, compression) if compression in SUFFIXES else None
        self._file = self._compressing or file

    def write(self, payload: Payload) -> None:
        assert isinstance(payload, (bytes, pa.Buffer))
        self._file.write(payload)

    def close(self) -> None:
        if self._compressing is not None:
            self._compressing.close()

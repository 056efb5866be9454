"""Records that are spans of a block's text: what lines of JSON and rows of CSV have in common."""

from __future__ import annotations

import base64
import codecs
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import HEAD_BYTES, Block, Layout, Mask, Records, Rows


class TextRecords(Records):
    """Records from ``starts`` to ``ends`` in a block's text, each with a line end behind it.

    Args:
        block: the text.
        layout: of the job.
        starts, ends, line_ends: where each record begins, where it ends, and where its line does.
        lengths: in bytes, as ``max_record_bytes`` counts them.
    """

    _unit: ClassVar[str]  # what a record is, in words
    _white_space: ClassVar[bytes] = b""  # is no part of a record, at its end

    def __init__(
        self, block: Block, layout: Layout, starts: Rows, ends: Rows, line_ends: Rows, lengths: Rows
    ) -> None:
        assert isinstance(block.data, bytes)
        self._block, self._layout, self._data = block, layout, block.data
        self._starts, self._ends, self._line_ends = starts, ends, line_ends
        self._lengths = lengths
        self._too_long: Mask = lengths > layout.max_record_bytes
        if block.whole_length is not None:  # the block is but the head of a record
            self._lengths = np.full(len(starts), block.whole_length)
            self._too_long = np.ones(len(starts), np.bool_)

    def __len__(self) -> int:
        return len(self._starts)

    def source(self, row: int) -> Mapping[str, Any]:
        record = self._record(row)
        places = self._block.places
        start = self._block.position + self._starts[row] if places is None else places[row]
        offset = int(start)
        too_long = bool(self._too_long[row])
        if too_long:
            record = record[:HEAD_BYTES]
            record = record.rstrip(self._white_space) if self._white_space else record
        try:
            # The end of a head may cut a character in two.
            text = codecs.getincrementaldecoder("utf-8")().decode(record, final=not too_long)
        except UnicodeDecodeError:
            return {"input_base64": base64.b64encode(record).decode(), "offset": offset}
        return {"input": text, "offset": offset}

    def first(self, count: int) -> Block:
        return self._block.head(int(self._line_ends[count - 1]) + 1)

    def only(self, rows: Rows) -> Block:
        # Each with its own line end: the last one of a file may have none, and a carriage return
        # before it that is its own.
        stops = self._line_ends[rows] + 1
        spans = zip(self._starts[rows].tolist(), stops.tolist(), strict=True)
        text = b"".join(self._data[start:stop] for start, stop in spans)
        return replace(self._block, data=text, places=self._places()[rows], split=None)

    def _places(self) -> Rows:
        """Where each record begins in its file."""
        places = self._block.places
        return self._block.position + self._starts if places is None else places

    def parse(self, rows: Iterable[int]) -> Iterator[Mapping[str, Any] | RecordError]:
        for row in rows:
            try:
                yield self._parse(row)
            except RecordError as error:
                yield error

    @abstractmethod
    def _parse(self, row: int) -> Mapping[str, Any]:
        """The values of one record.

        Raises:
            RecordError: it has none.
        """

    def _record(self, row: int) -> bytes:
        return self._data[self._starts[row] : self._ends[row]]

    def _text(self, row: int) -> str:
        """A record as text.

        Raises:
            RecordError: it is too long, or no UTF-8.
        """
        if self._too_long[row]:
            raise RecordError(
                "RecordTooLong",
                f"the {self._unit} is {self._lengths[row]} bytes long, and the limit is"
                f" {self._layout.max_record_bytes} (--max_record_bytes)",
            )
        try:
            return self._record(row).decode()
        except UnicodeDecodeError as error:
            raise RecordError("InvalidUTF8", f"{error.reason} at byte {error.start}") from error

    def _are_utf8(self) -> Mask:
        """Which records are UTF-8."""
        utf8: Mask = np.ones(len(self), np.bool_)
        if not self._data.isascii() and not _is_utf8(self._data):
            utf8[:] = [_is_utf8(self._record(row)) for row in range(len(self))]
        return utf8


def cut(data: bytes, spans: Rows) -> pa.Array:
    """Spans of bytes, given as rows of start and end in their order, as an array."""
    if not len(spans):
        return pa.array([], pa.large_binary())
    # A span, and what is between it and the next one, of which every other is left out.
    offsets = [None, pa.py_buffer(np.ascontiguousarray(spans.ravel())), pa.py_buffer(data)]
    pieces = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2 * len(spans) - 1, offsets)
    return pieces.take(pa.array(np.arange(0, 2 * len(spans), 2)))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True

"""JSON lines: one JSON object (RFC 8259) a line, in UTF-8.

What is a record here, byte for byte: a line, without its end and without the white space round it.
Lines of nothing but white space are no records. A BOM at the start of a file is skipped.

Most lines are decoded by the block, with pyarrow.json, and a line only so where that proves to
give what decoding it alone gives: :meth:`JsonLines.columns`. Every other one is decoded alone, by
Python's json: :meth:`JsonLines.parse`, which alone decides whether a line is sound.
"""

from __future__ import annotations

import base64
import codecs
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import (
    BLOCK_BYTES,
    HEAD_BYTES,
    MAX_RECORD_BYTES,
    Block,
    Format,
    Layout,
    Payload,
    Range,
    Records,
    Rows,
    empty_batch,
)
from model_dofns.formats.compression import SUFFIXES
from model_dofns.formats.json_text import literal, object_pieces
from model_dofns.formats.json_values import MAX_NESTING, has_infinity, json_value
from model_dofns.formats.lines import BLANK, LinesWriter, read_line_blocks

_IS_BLANK = np.isin(np.arange(256), np.frombuffer(BLANK, np.uint8))
# What pyarrow.json and Python's json do not take alike. pyarrow.json takes "Inf" for Infinity,
# which begins so as well; "-0" is a negative float to it, and an integer to Python.
_DIFFERENCES = ((b"NaN", rb"NaN"), (b"Inf", rb"Inf"), (b"-0", rb"-0(?![.\deE])"))
_KINDS = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "literal",
    type(None): "null",
}
_ROW_OF_ERROR = re.compile(r" in row (\d+)$")
# Beyond this share of refused lines, line by line is as fast as trying once more.
_MAX_REFUSED = 1 / 16


class JsonLinesFormat(Format):
    """``.jsonl`` and ``.ndjson``."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    may_be_compressed = True
    compressions = ("none", *SUFFIXES)

    def read_blocks(
        self,
        file: BinaryIO,
        part: Range,
        *,
        block_bytes: int = BLOCK_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> Iterator[Block]:
        return read_line_blocks(self.name, file, part, block_bytes, max_record_bytes)

    def records(self, block: Block, layout: Layout) -> JsonLines:
        return JsonLines(block, layout)

    def writer(self, file: BinaryIO, compression: str | None = None) -> LinesWriter:
        return LinesWriter(file, compression)

    def part_suffix(self, compression: str | None = None) -> str:
        return self.suffixes[0] + SUFFIXES.get(compression or "none", "")


class JsonLines(Records):
    """The records of a block of lines."""

    def __init__(self, block: Block, layout: Layout) -> None:
        assert isinstance(block.data, bytes)
        self._data = block.data
        self._bytes = np.frombuffer(self._data, np.uint8)
        self._position = block.position
        self._layout = layout
        line_ends = np.flatnonzero(self._bytes == ord("\n"))
        if self._data and not self._data.endswith(b"\n"):
            line_ends = np.append(line_ends, len(self._data))
        line_starts = np.append(0, line_ends + 1)[: len(line_ends)]
        starts, ends = self._without_blanks(line_starts, line_ends)
        records = starts < ends
        self._starts, self._ends, self._line_ends = (
            starts[records],
            ends[records],
            line_ends[records],
        )
        self._lengths = self._line_ends - self._starts
        self._too_long = self._lengths > layout.max_record_bytes
        if block.whole_length is not None:
            self._lengths[:] = block.whole_length
            self._too_long[:] = True

    def __len__(self) -> int:
        return len(self._starts)

    def source(self, row: int) -> Mapping[str, Any]:
        record = self._data[self._starts[row] : self._ends[row]]
        offset = self._position + int(self._starts[row])
        too_long = bool(self._too_long[row])
        if too_long:
            record = record[:HEAD_BYTES].rstrip(BLANK)
        try:
            # The end of a head may cut a character in two.
            text = codecs.getincrementaldecoder("utf-8")().decode(record, final=not too_long)
        except UnicodeDecodeError:
            return {"input_base64": base64.b64encode(record).decode(), "offset": offset}
        return {"input": text, "offset": offset}

    # --- many records at once ---

    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """See :meth:`Records.columns`.

        A line that starts with ``{`` and ends with ``}`` cannot run on into the next one of that
        form: nowhere inside a JSON text may a line end stand between ``}`` and ``{``. So each
        such line that parses is one object or more; and if the parser counts as many objects as
        there are lines, each is exactly one.
        """
        rows = np.flatnonzero(self._alike())
        for _ in range(3):  # all of them; without those that were refused; without odd ones
            if not len(rows) or not len(schema):
                break
            text, starts = self._joined(rows)
            table, refused = _decoded(text, starts, schema)
            if table is not None and table.num_rows == len(rows):
                return _without_infinities(rows, table.combine_chunks().to_batches()[0])
            if refused is None:
                refused = np.flatnonzero(np.isin(rows, self._odd_rows(schema)))
            if not len(refused):
                break
            rows = np.delete(rows, refused)
        return np.empty(0, np.int64), empty_batch(schema)

    def _odd_rows(self, schema: pa.Schema) -> Rows:
        """The lines that the parser may refuse without saying which: it matters for speed alone.

        Two objects on a line; and where an integer is due, a number with a point, an exponent or
        more digits than 64 bits have.
        """
        patterns = [rb"\}[ \t\r]*\{"]
        integers = [re.escape(field.name) for field in schema if pa.types.is_integer(field.type)]
        if integers:
            patterns.append(rf'"(?:{"|".join(integers)})"\s*:\s*-?(?:\d+[.eE]|\d{{19}})'.encode())
        found = (m.start() for p in patterns for m in re.finditer(p, self._data))
        return self._rows_at(found)

    def _alike(self) -> npt.NDArray[np.bool_]:
        """The lines of the form ``{…}`` in which both parsers see the same, if anything."""
        data, first, last = self._data, self._bytes[self._starts], self._bytes[self._ends - 1]
        alike: npt.NDArray[np.bool_] = (first == ord("{")) & (last == ord("}"))
        alike &= ~self._too_long
        for literal_, pattern in (*_DIFFERENCES, *_name_patterns(self._layout.prediction_field)):
            # One byte is looked for much faster than three, and often is not there at all.
            if literal_[:1] in data and literal_ in data:
                alike[self._rows_at(match.start() for match in re.finditer(pattern, data))] = False
        # Each of these lines has one "{" at least; what is left of them all may be in one line.
        opened = np.count_nonzero(self._bytes == ord("{")) + data.count(b"[")
        if opened - np.count_nonzero(alike) >= MAX_NESTING:
            opening = np.flatnonzero((self._bytes == ord("{")) | (self._bytes == ord("[")))
            rows = np.searchsorted(self._line_ends, opening)
            alike &= np.bincount(rows, minlength=len(self)) <= MAX_NESTING
        if not data.isascii() and not _is_utf8(data):
            for row in range(len(self)):
                alike[row] &= _is_utf8(data[self._starts[row] : self._ends[row]])
        return alike

    def _rows_at(self, positions: Iterable[int]) -> Rows:
        """The records that have these bytes of the block."""
        return np.searchsorted(self._line_ends, np.fromiter(positions, np.int64))

    def _joined(self, rows: Rows) -> tuple[pa.Buffer, Rows]:
        """These lines alone, and where each starts; without a copy where they are all."""
        if len(rows) == len(self):
            return pa.py_buffer(self._data), self._starts
        run_starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)  # of neighbouring lines
        run_ends = np.append(run_starts[1:], len(rows)) - 1
        begins, ends = self._starts[rows[run_starts]], self._line_ends[rows[run_ends]]
        text = b"\n".join(self._data[begin:end] for begin, end in zip(begins, ends, strict=True))
        new_begins = np.append(0, np.cumsum(ends - begins + 1)[:-1])
        shift: Rows = np.repeat(new_begins - begins, np.diff(run_starts, append=len(rows)))
        return pa.py_buffer(text), self._starts[rows] + shift

    # --- one record ---

    def parse(self, rows: Iterable[int]) -> Iterator[Mapping[str, Any] | RecordError]:
        for row in rows:
            try:
                yield self._parse(row)
            except RecordError as error:
                yield error

    def _parse(self, row: int) -> Mapping[str, Any]:
        layout = self._layout
        if self._too_long[row]:
            raise RecordError(
                "RecordTooLong",
                f"the line is {self._lengths[row]} bytes long, and the limit is"
                f" {layout.max_record_bytes} (--max_record_bytes)",
            )
        try:
            text = self._data[self._starts[row] : self._ends[row]].decode()
        except UnicodeDecodeError as error:
            raise RecordError("InvalidUTF8", f"{error.reason} at byte {error.start}") from error
        record = json_value(text)
        if not isinstance(record, dict):
            raise RecordError("NotAnObject", f"a JSON {_KINDS[type(record)]}, and no object")
        if layout.prediction_field in record:
            raise RecordError(
                "NameClash",
                f"the record has a field {layout.prediction_field!r} already: name the prediction"
                " otherwise with --prediction_field",
            )
        for name in sorted(layout.input_names & record.keys()):
            if has_infinity(record[name]):
                raise RecordError("NumberOutOfRange", f"{name}: a number no double can hold")
        return record

    # --- out again ---

    def with_predictions(self, rows: Rows, predictions: pa.RecordBatch) -> Payload:
        """Each record's own bytes, with the prediction before its last ``}``."""
        last = self._ends[rows] - 1
        # Spans from a record's start to its "}", and from there to the next record: every other.
        offsets = np.stack([self._starts[rows], last], axis=1).ravel()
        spans = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            2 * len(rows) - 1,
            [None, pa.py_buffer(offsets), pa.py_buffer(self._data)],
        )
        bodies = spans.take(pa.array(np.arange(0, 2 * len(rows), 2)))
        name = f"{json.dumps(self._layout.prediction_field)}:"
        empty = self._empty_objects(rows)
        if empty.any():
            comma = pa.array(np.where(empty, "", ",")).cast(pa.large_binary())
        else:
            comma = literal(",")
        joined = pc.binary_join_element_wise(
            bodies, comma, literal(name), *object_pieces(predictions), literal("}\n"), literal("")
        )
        _, ends, text = joined.buffers()
        stop = np.frombuffer(ends, np.int64)[len(rows)]
        return text.slice(0, int(stop))

    def _empty_objects(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these records are ``{}``, with white space or without."""
        before_last = self._bytes[self._ends[rows] - 2]
        empty: npt.NDArray[np.bool_] = before_last == ord("{")
        for i in np.flatnonzero(_IS_BLANK[before_last]):
            body = self._data[self._starts[rows[i]] : self._ends[rows[i]] - 1]
            empty[i] = body.rstrip(BLANK) == b"{"
        return empty

    def _without_blanks(self, starts: Rows, ends: Rows) -> tuple[Rows, Rows]:
        """The spans without blanks at either end; empty where there is nothing else."""
        starts, ends = starts.copy(), ends.copy()
        for _ in range(2):  # most lines have none or one ("\r")
            some = starts < ends
            ends[some] -= _IS_BLANK[self._bytes[ends[some] - 1]]
            some = starts < ends
            starts[some] += _IS_BLANK[self._bytes[starts[some]]]
        left = np.flatnonzero(starts < ends)
        blank = _IS_BLANK[self._bytes[starts[left]]] | _IS_BLANK[self._bytes[ends[left] - 1]]
        for row in left[blank]:
            line = self._data[starts[row] : ends[row]]
            ends[row] -= len(line) - len(line.rstrip(BLANK))
            starts[row] += len(line) - len(line.lstrip(BLANK)) if line.strip(BLANK) else 0
        return starts, ends


def _decoded(
    text: pa.Buffer, starts: Rows, schema: pa.Schema
) -> tuple[pa.Table | None, Rows | None]:
    """All lines of the text by pyarrow.json; or None, and which lines it refuses, where it says so.

    The parser stops at the first line that it refuses and says which that is, so the others are
    found by going on behind it. The line before is left out as well: an object may be followed by
    something else on its line, and then it is the next row that is refused.
    """
    refused: list[int] = []
    begin = 0
    while begin < len(starts):
        try:
            table = _read_json(text.slice(int(starts[begin])), schema)
        except pa.ArrowInvalid as error:
            row = _ROW_OF_ERROR.search(str(error))
            if row is None or len(refused) > _MAX_REFUSED * len(starts):
                return None, None
            bad = begin + int(row[1])
            refused += [line for line in (bad - 1, bad) if begin <= line < len(starts)]
            begin = bad + 1
        else:
            if not refused:
                return table, None
            break
    return None, np.array(refused, np.int64)


def _without_infinities(rows: Rows, batch: pa.RecordBatch) -> tuple[Rows, pa.RecordBatch]:
    """The rows without those that have a number no double can hold: there is no other infinity."""
    finite: npt.NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    for column in batch.columns:
        if pa.types.is_floating(column.type):
            infinite = pc.fill_null(pc.is_inf(column), False)
            finite &= ~infinite.to_numpy(zero_copy_only=False)
    return (rows, batch) if finite.all() else (rows[finite], batch.filter(pa.array(finite)))


def _read_json(text: pa.Buffer, schema: pa.Schema) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(text),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=text.size + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore"
        ),
    ).cast(schema)


@functools.cache
def _name_patterns(name: str) -> tuple[tuple[bytes, bytes], ...]:
    """A name in quotes as it may stand in JSON: plainly, or with characters escaped."""
    plain = f'"{name}"'.encode()
    letters = "".join(f"(?:{letter}|\\\\u(?i:{ord(letter):04x}))" for letter in name)
    return (plain, re.escape(plain)), (b"\\u00", f'"{letters}"'.encode())


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True

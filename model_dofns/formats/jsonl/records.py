"""The lines of a block as JSON objects.

Most lines are decoded by the block, with pyarrow.json, and a line only so where that proves to
give what decoding it alone gives: :meth:`JsonLines.columns`. Every other one is decoded alone, by
Python's json: :meth:`JsonLines.parse`, which alone decides whether a line is sound.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import (
    Block,
    Layout,
    Payload,
    Rows,
    empty_batch,
)
from model_dofns.formats.columns import taken
from model_dofns.formats.extra import EXTRA, EXTRA_FIELD, name_text
from model_dofns.formats.jsonl.columns import decoded, without_infinities
from model_dofns.formats.jsonl.fields import (
    batch_of,
    fits,
    is_of_json,
    quote_pairs,
    row_of,
    said_whole,
)
from model_dofns.formats.jsonl.members import (
    count,
    kept_members,
    members,
    null_members,
    quotes_round_texts,
)
from model_dofns.formats.jsonl.text import TEXT, Piece, objects
from model_dofns.formats.jsonl.values import MAX_NESTING, has_infinity, json_value, name_patterns
from model_dofns.formats.lines import BLANK
from model_dofns.formats.partitions import own_partitions
from model_dofns.formats.searching import followed_by, occurrences
from model_dofns.formats.text_records import TextRecords, cut

_IS_BLANK = np.isin(np.arange(256), np.frombuffer(BLANK, np.uint8))
# What pyarrow.json and Python's json do not take alike. pyarrow.json takes "Inf" for Infinity,
# which begins so as well; "-0" is a negative float to it, and an integer to Python, but where one
# of the bytes beside it follows.
_DIFFERENCES = ((b"NaN", b""), (b"Inf", b""), (b"-0", b".0123456789eE"))
# A shape is rare that fewer lines have than this share; more rare ones than that are none.
_RARE, _MAX_RARE = 1 / 16, 1 / 8
_KINDS = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "literal",
    type(None): "null",
}


class JsonLines(TextRecords):
    """The records of a block of lines."""

    _unit = "line"
    _white_space = BLANK

    def __init__(self, block: Block, layout: Layout) -> None:
        assert isinstance(block.data, bytes)
        self._bytes = np.frombuffer(block.data, np.uint8)
        self._partitions = own_partitions(block.path, layout.partition_types)
        line_ends = np.flatnonzero(self._bytes == ord("\n"))
        if block.data and not block.data.endswith(b"\n"):
            line_ends = np.append(line_ends, len(block.data))
        line_starts = np.append(0, line_ends + 1)[: len(line_ends)]
        starts, ends = _without_blanks(block.data, line_starts, line_ends)
        records = starts < ends
        if not records.all():
            starts, ends, line_ends = starts[records], ends[records], line_ends[records]
        super().__init__(block, layout, starts, ends, line_ends, line_ends - starts)

    # --- many records at once ---

    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """See :meth:`Records.columns`.

        A line that starts with ``{`` and ends with ``}`` cannot run on into the next one of that
        form: nowhere inside a JSON text may a line end stand between ``}`` and ``{``. So each
        such line that parses is one object or more; and if the parser counts as many objects as
        there are lines, each is exactly one.
        """
        return self._with_partitions(*self._decoded(np.flatnonzero(self._alike), schema))

    def _decoded(self, rows: Rows, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """Those of the lines that the parser takes, and their columns."""
        # All of them; without those that look odd; without those that were refused; without those
        # of which that was not said.
        for seek_refused in (False, True, True, True):
            if not len(rows) or not len(schema):
                break
            text, starts = self._joined(rows)
            table, refused = decoded(text, starts, schema, seek_refused=seek_refused)
            if table is not None and table.num_rows == len(rows):
                return without_infinities(rows, table.combine_chunks().to_batches()[0])
            if not seek_refused:
                rows = rows[~self._have_rare_shapes()[rows]]
                continue
            if refused is None:
                refused = np.flatnonzero(np.isin(rows, self._odd_rows(schema)))
            if not len(refused):
                break
            rows = np.delete(rows, refused)
        return np.empty(0, np.int64), empty_batch(schema)

    def _with_partitions(self, rows: Rows, batch: pa.RecordBatch) -> tuple[Rows, pa.RecordBatch]:
        """The fields that folders give, where a line has none of its own."""
        for index, field in enumerate(batch.schema):
            value = self._partitions.get(field.name)
            if value is None or not batch.column(index).null_count:
                continue
            alike = ~np.isin(rows, self._lines_naming(field.name)) & fits(value, field.type)
            told = batch.column(index).is_valid().to_numpy(zero_copy_only=False) | alike
            rows, batch = rows[told], batch.filter(pa.array(told))
            filled = batch.column(index)
            if filled.null_count:
                filled = pc.fill_null(filled, pa.scalar(value).cast(field.type))
            batch = batch.set_column(index, field, filled)
        return rows, batch

    def _lines_naming(self, name: str) -> Rows:
        """The lines that may have a member of that name; all others have none."""
        plain, escape, pattern = name_patterns(name)
        rows = self._rows_at(occurrences(self._bytes, plain))
        # One byte is looked for much faster than three, and often is not there at all.
        if b"\\" in self._data and len(occurrences(self._bytes, escape)):
            escaped = self._rows_at(match.start() for match in re.finditer(pattern, self._data))
            rows = np.concatenate([rows, escaped])
        return rows

    def _lines_that_differ(self) -> Rows:
        """The lines that the two parsers may not take alike."""
        found = [np.empty(0, np.int64)]
        for text, alike_before in _DIFFERENCES:
            if text[:1] in self._data:
                positions = occurrences(self._bytes, text)
                if alike_before:
                    last = positions + len(text) - 1
                    positions = positions[~followed_by(self._bytes, last, alike_before)]
                found.append(self._rows_at(positions))
        return np.concatenate(found)

    def _have_rare_shapes(self) -> npt.NDArray[np.bool_]:
        """Which lines have quotes, colons or commas as few other lines have them.

        Where a line is refused, it is likely to be of these, and so are others that would be: it
        matters for speed alone.
        """
        signs = [count(self._data, self._line_ends, sign) for sign in b'":,']
        shapes = functools.reduce(
            lambda shape, sign: shape << 20 | np.minimum(sign, 2**20 - 1), signs
        )
        _, shape, sizes = np.unique(shapes, return_inverse=True, return_counts=True)
        rare: npt.NDArray[np.bool_] = (sizes < len(self) * _RARE)[shape]
        return rare if np.count_nonzero(rare) < len(self) * _MAX_RARE else np.zeros_like(rare)

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

    @functools.cached_property
    def _alike(self) -> npt.NDArray[np.bool_]:
        """The lines of the form ``{…}`` in which both parsers see the same, if anything."""
        data, first, last = self._data, self._bytes[self._starts], self._bytes[self._ends - 1]
        alike: npt.NDArray[np.bool_] = (first == ord("{")) & (last == ord("}"))
        alike &= ~self._too_long
        alike[self._lines_that_differ()] = False
        for name in self._refused_names:
            alike[self._lines_naming(name)] = False
        # Each of these lines has one "{" at least; what is left of them all may be in one line.
        opened = np.count_nonzero(self._bytes == ord("{"))
        opened += np.count_nonzero(self._bytes == ord("[")) if b"[" in data else 0
        if opened - np.count_nonzero(alike) >= MAX_NESTING:
            opening = np.flatnonzero((self._bytes == ord("{")) | (self._bytes == ord("[")))
            rows = np.searchsorted(self._line_ends, opening)
            alike &= np.bincount(rows, minlength=len(self)) <= MAX_NESTING
        return alike & self._are_utf8()

    @functools.cached_property
    def _input_names(self) -> list[str]:
        return sorted(self._layout.input_names)

    @functools.cached_property
    def _refused_names(self) -> list[str]:
        """What a record may not be named that is written as JSON again."""
        layout, name = self._layout, self._layout.prediction_field
        return [name] if layout.output_format in (None, "jsonl") and layout.keeps(name) else []

    def _rows_at(self, positions: Rows | Iterable[int]) -> Rows:
        """The records that have these bytes of the block."""
        if not isinstance(positions, np.ndarray):
            positions = np.fromiter(positions, np.int64)
        return np.searchsorted(self._line_ends, positions)

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

    def _parse(self, row: int) -> Mapping[str, Any]:
        record = json_value(self._text(row))
        if not isinstance(record, dict):
            raise RecordError("NotAnObject", f"a JSON {_KINDS[type(record)]}, and no object")
        for name in self._refused_names:
            if name in record:
                raise RecordError(
                    "NameClash",
                    f"the record has a field {name!r} already: name the prediction otherwise with"
                    " --prediction_field",
                )
        for name in self._input_names:
            if has_infinity(record.get(name)):
                raise RecordError("NumberOutOfRange", f"{name}: a number no double can hold")
        return {**self._partitions, **record} if self._partitions else record

    # --- out again ---

    def with_predictions(self, rows: Rows, predictions: pa.RecordBatch) -> Payload:
        """Each record's own bytes, with the prediction before its last ``}``."""
        kept = self._layout.keep_fields
        pieces = self._whole(rows) if kept is None else self._kept(rows, kept)
        for name in self._layout.kept(self._partitions):
            value = json.dumps(self._partitions[name], ensure_ascii=False)
            member = f"{name_text(name)}:{value},"
            own = np.isin(rows, self._lines_naming(name))
            own[own] = [name in self._parse_own(row) for row in rows[own].tolist()]
            pieces.append(pa.array(np.where(own, "", member)).cast(TEXT) if own.any() else member)
        return objects(pieces, predictions, self._layout.prediction_field)

    def _whole(self, rows: Rows) -> list[Piece]:
        """The records without their last ``}``, and what stands between that and a new member."""
        last = self._ends[rows] - 1
        bodies = cut(self._data, np.stack([self._starts[rows], last], axis=1))
        empty = self._empty_objects(rows)
        if empty.any():
            return [bodies, pa.array(np.where(empty, "", ",")).cast(TEXT)]
        return [bodies, ","]

    def _kept(self, rows: Rows, names: tuple[str, ...]) -> list[Piece]:
        """Objects with only some of the records' members, in their own text."""
        if not names:
            return ["{"]
        texts, right = kept_members(self._data, self._line_ends, names)
        texts, right, others = texts.take(pa.array(rows)), right[rows], []
        for row in rows[~right].tolist():
            found = members(self._text(row))
            inner = (f"{name_text(name)}:{found[name]}," for name in names if name in found)
            others.append(f"{{{''.join(inner)}".encode())
        if others:
            texts = pc.replace_with_mask(texts, pa.array(~right), pa.array(others, TEXT))
        return [texts]

    def fields(self, rows: Rows) -> pa.RecordBatch:
        """See :meth:`Records.fields`; the layout's schema is settled."""
        layout = self._layout
        assert layout.schema is not None
        schema = pa.schema([field for field in layout.schema if field.name != EXTRA])
        if len(schema) == len(layout.schema):  # nothing is kept
            return empty_batch(schema)
        fast, batch = self._said_whole(rows, schema)
        rest = rows[~np.isin(rows, fast)]
        told = []
        for row in rest.tolist():
            texts = members(self._text(row))
            values = self._parse_own(row)
            for name, value in self._partitions.items():
                if name not in texts:
                    texts[name], values[name] = json.dumps(value, ensure_ascii=False), value
            kept = {name: texts[name] for name in layout.kept(texts)}
            told.append(row_of(values, kept, schema))
        if not told:
            return batch
        both = pa.Table.from_batches([batch, batch_of(told, schema)]).combine_chunks()
        order = np.argsort(np.concatenate([fast, rest]), kind="stable")
        return taken(both.to_batches()[0], order)

    def _said_whole(self, rows: Rows, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """Those of the records that columns and nulls say all of that is kept, and the columns."""
        own = pa.schema(
            [each for each in schema if each.name not in self._partitions and is_of_json(each.type)]
        )
        partitions = {name: self._partitions[name] for name in self._layout.kept(self._partitions)}
        # What is looked for in vain in other columns must not be there at all.
        absent = {*partitions, *(self._layout.keep_fields or ())} - set(own.names)
        alike = self._alike[rows]
        for name in absent:
            alike &= ~np.isin(rows, self._lines_naming(name))
        types = {field.name: field.type for field in schema}
        alike &= all(fits(v, types.get(name, pa.null())) for name, v in partitions.items())
        found, batch = self._decoded(rows[alike], own)
        if not len(found):
            return found, empty_batch(schema.append(EXTRA_FIELD))
        if self._layout.keep_fields is None:
            quotes = quotes_round_texts(self._data, self._line_ends)
            nulls, sure = null_members(self._data, self._line_ends)
            nulls = {name: lines[found] for name, lines in nulls.items()}
            whole, extra = said_whole(batch, quotes[found], nulls, sure[found])
        else:  # of the others nothing is known, nor need be; these are there, and not null
            whole, extra = ~quote_pairs(batch)[1], pa.nulls(len(found), pa.string())
            for column in batch.columns:
                whole &= column.is_valid().to_numpy(zero_copy_only=False)
                whole &= not pa.types.is_nested(column.type)
        batch, extra = batch.filter(pa.array(whole)), extra.filter(pa.array(whole))
        columns = [
            batch.column(field.name)
            if field.name in own.names
            else pa.array([partitions.get(field.name)] * batch.num_rows, field.type)
            for field in schema
        ]
        schema = schema.append(EXTRA_FIELD)
        return found[whole], pa.RecordBatch.from_arrays([*columns, extra], schema=schema)

    def _parse_own(self, row: int) -> dict[str, Any]:
        """The members of a record that is sound."""
        values: dict[str, Any] = json_value(self._text(row))
        return values

    def _empty_objects(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these records are ``{}``, with white space or without."""
        before_last = self._bytes[self._ends[rows] - 2]
        empty: npt.NDArray[np.bool_] = before_last == ord("{")
        for i in np.flatnonzero(_IS_BLANK[before_last]):
            body = self._data[self._starts[rows[i]] : self._ends[rows[i]] - 1]
            empty[i] = body.rstrip(BLANK) == b"{"
        return empty


def _without_blanks(data: bytes, starts: Rows, ends: Rows) -> tuple[Rows, Rows]:
    """The spans without blanks at either end; empty where there is nothing else."""
    bytes_ = np.frombuffer(data, np.uint8)
    if (starts < ends).all() and not (
        _IS_BLANK[bytes_[starts]].any() or _IS_BLANK[bytes_[ends - 1]].any()
    ):
        return starts, ends
    starts, ends = starts.copy(), ends.copy()
    for _ in range(2):  # most lines have none or one ("\r")
        some = starts < ends
        ends[some] -= _IS_BLANK[bytes_[ends[some] - 1]]
        some = starts < ends
        starts[some] += _IS_BLANK[bytes_[starts[some]]]
    left = np.flatnonzero(starts < ends)
    blank = _IS_BLANK[bytes_[starts[left]]] | _IS_BLANK[bytes_[ends[left] - 1]]
    for row in left[blank]:
        line = data[starts[row] : ends[row]]
        ends[row] -= len(line) - len(line.rstrip(BLANK))
        starts[row] += len(line) - len(line.lstrip(BLANK)) if line.strip(BLANK) else 0
    return starts, ends

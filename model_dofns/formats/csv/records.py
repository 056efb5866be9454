"""The rows of a block of CSV as records.

An empty cell is a field that is missing; every other one is text, and what it means is for the
judge: ``NA`` is no null. Most rows are decoded by the block, with pyarrow.csv, and text is read as
numbers only where that gives what the judge makes of it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import (
    Block,
    Layout,
    Mask,
    Payload,
    Rows,
    empty_batch,
)
from model_dofns.formats.columns import conformed
from model_dofns.formats.csv.cells import (
    are_finite,
    cells,
    header_line,
    is_read_alike,
    read_as,
    row_lines,
)
from model_dofns.formats.csv.quoting import Dialect
from model_dofns.formats.extra import EXTRA, EXTRA_FIELD, object_text
from model_dofns.formats.lines import BOM
from model_dofns.formats.partitions import own_partitions, partition_columns
from model_dofns.formats.searching import occurrences
from model_dofns.formats.text_records import TextRecords, cut


@dataclass(frozen=True)
class CsvRows:
    """Rows of CSV for one file, and the header that it begins with, or nothing."""

    header: bytes
    rows: pa.Buffer

    def __len__(self) -> int:
        """Bytes of memory."""
        return len(self.rows)


class CsvRecords(TextRecords):
    """The rows of a block."""

    are_texts = True
    _unit = "row"

    def __init__(
        self, block: Block, layout: Layout, dialect: Dialect, names: tuple[str, ...], header: bool
    ) -> None:
        assert isinstance(block.data, bytes)
        self._dialect, self._names, self._header = dialect, names, header
        self._partitions = own_partitions(block.path, layout.partition_types, names)
        rows = block.split
        if rows is None or rows.max_record_bytes != layout.max_record_bytes:
            rows = dialect.split(block.data, layout.max_record_bytes)
        starts, line_ends, self._sound = rows.starts, rows.line_ends, rows.sound
        ends = rows.ends(block.data)
        records = starts < ends
        self._has_blanks = not records.all()
        if self._has_blanks:
            starts, ends, line_ends = starts[records], ends[records], line_ends[records]
            self._sound = self._sound[records]
        super().__init__(block, layout, starts, ends, line_ends, ends - starts)

    # --- many records at once ---

    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """See :meth:`Records.columns`."""
        alike = np.flatnonzero(self._alike)
        own = pa.schema([field for field in schema if field.name in self._names])
        rows, found = self._values(alike, own) or self._decoded(alike, _texts(own.names))
        fit = np.ones(len(rows), np.bool_)
        columns = []
        for field in schema:
            if field.name not in own.names:
                column, read = self._missing(field, len(rows))
            elif found.column(field.name).type == field.type:
                column = found.column(field.name)
                read = are_finite(column)
            else:
                column, read = read_as(field.type, found.column(field.name))
            fit &= read
            columns.append(column)
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        return (rows, batch) if fit.all() else (rows[fit], batch.filter(pa.array(fit)))

    def _values(self, rows: Rows, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch] | None:
        """Some columns of the rows as values; None where a cell may be none of its type.

        What pyarrow.csv takes for a number is what the judge makes of that text, but for what is
        not finite, and for integers with hexadecimal digits.
        """
        if not all(map(is_read_alike, schema.types)):
            return None
        if any(map(pa.types.is_integer, schema.types)):
            text = np.frombuffer(self._data, np.uint8)
            if len(occurrences(text, b"0x")) or len(occurrences(text, b"0X")):
                return None
        try:
            return self._decoded(rows, schema)
        except pa.ArrowInvalid:
            return None

    def _missing(self, field: pa.Field, size: int) -> tuple[pa.Array, Mask]:
        """A column that the file does not have: what its folders say, or nulls."""
        value = self._partitions.get(field.name)
        text = pa.array([None if value is None else str(value)] * size, pa.string())
        return read_as(field.type, text)

    def _decoded(self, rows: Rows, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """Some columns of the rows, and which rows have as many cells as there are columns.

        The proof is in the counting: what pyarrow.csv does not take for a row of that many cells
        it names, and the others must be as many as are left.

        Raises:
            pa.ArrowInvalid: a cell is of another type.
        """
        if not len(rows) or not self._names:
            return rows[:0], empty_batch(schema)
        refused: list[int] = []

        def refuse(row: Any) -> str:
            refused.append(row.number - 1)
            return "skip"

        text = self._joined(rows)
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(text) + 1, column_names=list(self._names)
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._dialect.delimiter,
                quote_char=self._dialect.quote,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=refuse,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=schema,
                include_columns=schema.names or [self._names[0]],
                null_values=[""],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,  # all of the block has been checked
            ),
        )
        rows = np.delete(rows, refused)
        if table.num_rows != len(rows):
            return rows[:0], empty_batch(schema)
        return rows, pa.RecordBatch.from_arrays(
            [table.column(name).combine_chunks() for name in schema.names], schema=schema
        )

    @functools.cached_property
    def _alike(self) -> Mask:
        """The rows that pyarrow.csv splits into cells as this module does."""
        alike: Mask = self._sound & ~self._too_long
        data = self._data
        if b"\r" in data:  # which ends a row there, wherever it stands
            bytes_ = np.frombuffer(data, np.uint8)
            returns = np.flatnonzero(bytes_ == ord("\r"))
            rows = np.searchsorted(self._line_ends, returns)
            rows, returns = rows[rows < len(self)], returns[rows < len(self)]
            alike[rows[returns != self._ends[rows]]] = False
        if not data.isascii() and len(occurrences(np.frombuffer(data, np.uint8), BOM)):
            # Which it drops, where it comes first.
            alike[[data.startswith(BOM, start) for start in self._starts.tolist()]] = False
        return alike & self._are_utf8()

    def _joined(self, rows: Rows) -> bytes:
        if len(rows) == len(self) and not self._has_blanks:
            return self._data
        spans = zip(self._starts[rows].tolist(), self._ends[rows].tolist(), strict=True)
        return b"\n".join(self._data[start:end] for start, end in spans)

    # --- one record ---

    def _parse(self, row: int) -> Mapping[str, Any]:
        found = self.cells_of(row)
        if len(found) != len(self._names):
            raise RecordError(
                "FieldCount",
                f"the row has {len(found)} cells, and the file {len(self._names)} columns",
            )
        record = {name: cell for name, cell in zip(self._names, found, strict=True) if cell}
        return {name: str(value) for name, value in self._partitions.items()} | record

    def cells_of(self, row: int) -> list[str]:
        """The cells of a row.

        Raises:
            RecordError: it is no row of CSV.
        """
        return self._dialect.cells_of(self._text(row))

    # --- out again ---

    def with_predictions(self, rows: Rows, predictions: pa.RecordBatch) -> Payload:
        """Each record's own bytes, and behind them its folders' fields and the prediction."""
        layout = self._layout
        # Of files in other folders as well, or their headers would not be the same.
        names_added = [name for name in layout.partition_types if name not in self._names]
        values = {name: self._partitions.get(name) for name in names_added}
        added = partition_columns(values, layout.partition_types, len(rows))
        if layout.keep_fields is None:
            names, texts = list(self._names), [self._own_bytes(rows)]
        else:
            kept = self._texts(rows)
            names, texts = (
                kept.schema.names,
                [cells(column, self._dialect) for column in kept.columns],
            )
            added = added.select(layout.kept(added.schema.names))
        new = (*added.columns, *predictions.columns)
        texts += [cells(column, self._dialect) for column in new]
        names += [*added.schema.names, *layout.prediction_columns()]
        header = header_line(names, self._dialect) if self._header else b""
        return CsvRows(header, row_lines(texts, self._dialect, len(rows)))

    def _own_bytes(self, rows: Rows) -> pa.Array:
        return cut(self._data, np.stack([self._starts[rows], self._ends[rows]], axis=1))

    def _texts(self, rows: Rows) -> pa.RecordBatch:
        """The kept columns of the file, as text; the records are all sound."""
        names = self._layout.kept(self._names)
        alike = self._alike[rows]
        found, batch = self._decoded(rows[alike], _texts(names))
        if len(found) == len(rows):
            return batch
        records = [self._parse(row) for row in rows.tolist()]
        arrays = [pa.array([record.get(name) for record in records], pa.string()) for name in names]
        return pa.RecordBatch.from_arrays(arrays, names)

    def fields(self, rows: Rows) -> pa.RecordBatch:
        """See :meth:`Records.fields`: typed where the input class names the field, else text."""
        layout = self._layout
        batch = self._texts(rows)
        names = [name for name in batch.schema.names if name != EXTRA]
        columns = []
        unfit: list[tuple[str, int, pa.Scalar]] = []
        if len(names) < batch.num_columns:  # a column of that name is not this one: all of it is
            column = batch.column(EXTRA)  # said as what fits no column
            unfit += [(EXTRA, row, text) for row, text in enumerate(column) if text.is_valid]
        for name in names:
            column = batch.column(name)
            typed, fit = read_as(self._type_of(name), column)
            unfit += [(name, row, column[row]) for row in np.flatnonzero(~fit).tolist()]
            columns.append(typed)
        said: list[list[tuple[str, str]]] = [[] for _ in range(len(rows) if unfit else 0)]
        for name, row, text in unfit:
            said[row].append((name, json.dumps(text.as_py(), ensure_ascii=False)))
        extra = pa.array(map(object_text, said) if unfit else [None] * len(rows), pa.string())
        added = partition_columns(self._partitions, layout.partition_types, len(rows))
        added = added.select(layout.kept(added.schema.names))
        fields = [pa.field(n, c.type) for n, c in zip(names, columns, strict=True)]
        schema = pa.schema([*fields, *added.schema, EXTRA_FIELD])
        batch = pa.RecordBatch.from_arrays([*columns, *added.columns, extra], schema=schema)
        if layout.keep_fields == ():
            batch = batch.select([])
        return batch if layout.schema is None else conformed(batch, layout.schema)

    def _type_of(self, name: str) -> pa.DataType:
        """The type of a column in another format: text if that was settled without the model."""
        settled = self._layout.schema
        index = -1 if settled is None else settled.get_field_index(name)
        if settled is not None and index >= 0 and pa.types.is_string(settled.field(index).type):
            return pa.string()
        return self._layout.input_types.get(name, pa.string())


def _texts(names: list[str]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])

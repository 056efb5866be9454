"""Parquet: tables by the row group, through pyarrow.

A file's row groups are dealt to its ranges in proportion, by their number. A row's number, in
blocks and in rejects, counts from 0 over the whole file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model_dofns.exceptions import RecordError, UnreadableFileError
from model_dofns.formats.base import (
    BLOCK_BYTES,
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
from model_dofns.formats.columns import conformed, taken
from model_dofns.formats.extra import (
    EXTRA,
    EXTRA_FIELD,
    has_extra,
    nulls_said,
    object_text,
    said_by,
    without_extra,
    without_nulls,
)
from model_dofns.formats.jsonl.members import members
from model_dofns.formats.jsonl.text import json_form
from model_dofns.formats.jsonl.values import has_infinity
from model_dofns.formats.partitions import own_partitions
from model_dofns.formats.row_groups import batches, buffer_bytes

# Rows are gathered up to this much before they are written as a row group.
ROW_GROUP_BYTES = 64 << 20
# The last is for the names of columns.
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class ParquetFormat(Format):
    """``.parquet`` and ``.pq``.

    Attributes:
        columns: which are read, for each model that they are read for; None for all.
    """

    columns: tuple[frozenset[str], ...] | None = None

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    may_be_compressed: ClassVar[bool] = False
    compressions: ClassVar[tuple[str, ...]] = ("snappy", "zstd", "gzip", "none")

    def read_blocks(
        self,
        file: BinaryIO,
        part: Range,
        *,
        block_bytes: int = BLOCK_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> Iterator[Block]:
        """``max_record_bytes`` is for text; a row group's rows are read in steps in any case."""
        try:
            metadata = pq.read_metadata(file)
            parquet = pq.ParquetFile(
                file,
                metadata=metadata,
                pre_buffer=False,
                buffer_size=buffer_bytes(metadata),
                coerce_int96_timestamp_unit="us",  # nanoseconds end in 2262, and would wrap
            )
            groups = [parquet.metadata.row_group(i) for i in range(parquet.num_row_groups)]
            if sum(group.num_rows for group in groups) != parquet.metadata.num_rows:
                raise OSError("the row groups have not as many rows as the file")
            columns = self._wanted(parquet.schema_arrow)
            size = file.seek(0, os.SEEK_END)
            row = 0
            for index, group in enumerate(groups):
                # In proportion, because where a group says it is may be wrong.
                if part.start <= size * index // len(groups) < part.stop:
                    position = row
                    for batch in batches(parquet, index, columns, block_bytes):
                        yield Block(self.name, part.path, batch, position)
                        position += batch.num_rows
                    if position != row + group.num_rows:
                        raise OSError(
                            f"row group {index} has {position - row} rows, not {group.num_rows}"
                        )
                row += group.num_rows
        except _UNREADABLE as error:
            raise UnreadableFileError(
                f"{part.path} cannot be read as Parquet: {type(error).__name__}: {error}"
            ) from error

    def _wanted(self, schema: pa.Schema) -> list[str] | None:
        if self.columns is None:
            return None
        wanted: set[str] = set()
        for columns in self.columns:
            of_one = columns | ({EXTRA} if has_extra(schema) else set())
            # A file without any of them has records all the same.
            wanted.update(of_one.intersection(schema.names) or schema.names[:1])
        return [name for name in schema.names if name in wanted]

    def records(self, block: Block, layout: Layout) -> ParquetRows:
        return ParquetRows(self._without_others(block), layout)

    def _without_others(self, block: Block) -> Block:
        """A block without the columns that have been read for other models alone."""
        assert isinstance(block.data, pa.RecordBatch)
        names = block.data.schema.names
        wanted = self._wanted(block.data.schema)
        if wanted is None or wanted == names:
            return block
        own = [index for index, name in enumerate(names) if name in wanted]
        return replace(block, data=block.data.select(own))

    def encode(
        self, fields: pa.RecordBatch, predictions: pa.RecordBatch, layout: Layout
    ) -> pa.RecordBatch:
        new = zip(layout.prediction_columns(), predictions.columns, strict=True)
        added = [(pa.field(name, column.type), column) for name, column in new]
        schema = pa.schema(
            [*fields.schema, *(field for field, _ in added)],
            metadata={**(fields.schema.metadata or {}), **(predictions.schema.metadata or {})}
            or None,
        )
        columns = [*fields.columns, *(column for _, column in added)]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def writer(self, file: BinaryIO, compression: str | None = None) -> ParquetWriter:
        return ParquetWriter(file, compression or self.compressions[0])

    def column_names(self, file: BinaryIO) -> list[str]:
        return list(self.schema(file).names)

    def schema(self, file: BinaryIO) -> pa.Schema:
        """The columns of a file and their types.

        Raises:
            UnreadableFileError: it is not Parquet.
        """
        try:
            parquet = pq.ParquetFile(file, pre_buffer=False, coerce_int96_timestamp_unit="us")
            return parquet.schema_arrow
        except _UNREADABLE as error:
            raise UnreadableFileError(f"not Parquet: {error}") from error

    def count_records(self, file: BinaryIO) -> int:
        try:
            return int(pq.read_metadata(file).num_rows)
        except _UNREADABLE as error:
            raise UnreadableFileError(f"not Parquet: {error}") from error

    def same_file(self, payload: Payload, other: Payload) -> bool:
        """A Parquet file has one schema."""
        assert isinstance(payload, pa.RecordBatch)
        assert isinstance(other, pa.RecordBatch)
        return bool(payload.schema.equals(other.schema, check_metadata=True))


class ParquetRows(Records):
    """The rows of a block of a Parquet file."""

    # Where a clash of names is, and what it takes to end it.
    _holder, _way_out = "file", "--prediction_field"

    def __init__(self, block: Block, layout: Layout) -> None:
        assert isinstance(block.data, pa.RecordBatch)
        self._block, self._batch = block, block.data
        self._layout = layout
        names = self._batch.schema.names
        self._partitions = own_partitions(block.path, layout.partition_types, names)
        self._extra = self._batch.column(EXTRA) if has_extra(self._batch.schema) else None
        self._clashes = sorted(set(names) & layout.added_names(ParquetFormat.name))
        self._judged = [
            index
            for index, name in enumerate(names)
            if (layout.whole_record and (name != EXTRA or self._extra is None))
            or name in layout.input_names
        ]

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """See :meth:`Records.columns`. A column that is not there is one of nulls."""
        names = self._batch.schema.names
        if self._clashes or len(set(names)) < len(names):
            return np.empty(0, np.int64), empty_batch(schema)
        columns = [
            self._batch.column(name)
            if name in names
            else pa.array([self._partitions.get(name)] * len(self))
            for name in schema.names
        ]
        rows, batch = np.arange(len(self)), pa.RecordBatch.from_arrays(columns, schema.names)
        if self._extra is not None and self._extra.null_count < len(rows):
            rows = rows[self._extra.is_null().to_numpy(zero_copy_only=False)]
            batch = taken(batch, rows)
        return rows, batch

    def first(self, count: int) -> Block:
        return self._block.head(count)

    def only(self, rows: Rows) -> Block:
        return replace(self._block, data=taken(self._batch, rows), places=self._places()[rows])

    def _places(self) -> Rows:
        """The number of each row in its file."""
        places = self._block.places
        return self._block.position + np.arange(len(self)) if places is None else places

    def parse(self, rows: Iterable[int]) -> Iterator[Mapping[str, Any] | RecordError]:
        wanted = np.fromiter(rows, np.int64)
        if self._layout.output_format not in (None, ParquetFormat.name) and (
            twice := self._twice()
        ):
            message = f"the {self._holder} has the column {twice!r} twice"
            yield from (RecordError("NameClash", message) for _ in wanted)
            return
        if self._clashes:
            message = (
                f"the {self._holder} has columns named {', '.join(self._clashes)} already: name"
                f" the prediction otherwise with {self._way_out}"
            )
            yield from (RecordError("NameClash", message) for _ in wanted)
            return
        batch = taken(self._batch.select(self._judged), wanted)
        try:
            records = batch.to_pylist()
        except Exception:  # noqa: BLE001  # a value that Python cannot hold; an unknown time zone
            records = [_record(batch.slice(i, 1)) for i in range(batch.num_rows)]
        extra = [None] * len(wanted) if self._extra is None else self._extra.take(pa.array(wanted))
        for record, said in zip(records, extra, strict=True):
            yield record if isinstance(record, RecordError) else self._whole(record, said)

    def _twice(self) -> str | None:
        """The name of two columns, of which another format could say one."""
        names = self._batch.schema.names
        return next((name for name in names if names.count(name) > 1), None)

    def _whole(self, record: Mapping[str, Any], extra: pa.Scalar | None) -> Any:
        """The record with what its folders say, and what ``_extra`` does."""
        if extra is None:
            return {**self._partitions, **record}
        try:
            said = said_by(extra.as_py())
        except UnicodeDecodeError as error:
            return RecordError("InvalidUTF8", f"{EXTRA}: {error.reason} at byte {error.start}")
        except RecordError as error:
            return error
        for name in sorted(self._layout.input_names & said.keys()):
            if has_infinity(said[name]):
                return RecordError("NumberOutOfRange", f"{name}: a number no double can hold")
        if clashes := said.keys() & self._layout.added_names(ParquetFormat.name):
            return RecordError("NameClash", f"{EXTRA} has a field {min(clashes)!r} already")
        return {**self._partitions, **without_nulls(record), **said}

    def source(self, row: int) -> Mapping[str, Any]:
        record = self._batch.slice(row, 1)
        values = {
            name: json_form(column[0])
            for name, column in zip(record.schema.names, record.columns, strict=True)
        }
        places = self._block.places
        number = self._block.position + row if places is None else places[row]
        return {"input": json.dumps(values, ensure_ascii=False), "row": int(number)}

    def with_predictions(self, rows: Rows, predictions: pa.RecordBatch) -> Payload:
        """The columns as they came, and the prediction's behind them."""
        return ParquetFormat().encode(self.fields(rows), predictions, self._layout)

    def fields(self, rows: Rows) -> pa.RecordBatch:
        """See :meth:`Records.fields`: the columns in their own types, or in those settled."""
        layout = self._layout
        batch = self._batch if len(rows) == len(self) else taken(self._batch, rows)
        for name, value in self._partitions.items():
            column = pa.array([value] * len(rows), layout.partition_types[name])
            batch = batch.append_column(pa.field(name, column.type), column)
        batch, extra = without_extra(batch)
        if layout.keep_fields is not None:
            batch = batch.select(layout.kept(batch.schema.names))
        if extra is not None:
            extra = _kept(extra, layout)
        elif layout.schema is not None and has_extra(layout.schema):
            named = zip(batch.schema.names, batch.columns, strict=True)
            nulls = {name: column.is_null() for name, column in named if column.null_count}
            extra = nulls_said(nulls, len(rows))
        if extra is not None and layout.keep_fields != ():
            batch = batch.append_column(EXTRA_FIELD, extra)
        return batch if layout.schema is None else conformed(batch, layout.schema)


def _kept(extra: pa.Array, layout: Layout) -> pa.Array:
    """What the column says of the fields that are kept, as this library writes it."""
    plain = pc.match_substring_regex(extra, r'^\{"[^\n]*\}$')
    if layout.keep_fields is None and pc.all(plain).as_py() is not False:
        return extra
    told = [None if text is None else members(text).items() for text in extra.to_pylist()]
    said = [
        None if some is None else object_text((n, v) for n, v in some if layout.keeps(n))
        for some in told
    ]
    return pa.array(said, pa.string())


class TableRows(ParquetRows):
    """The rows of a batch in memory."""

    _holder, _way_out = "table", "prediction_field"


def _record(row: pa.RecordBatch) -> Mapping[str, Any] | RecordError:
    """The values of the one row of a batch."""
    try:
        return row.to_pylist()[0]  # type: ignore[no-any-return]  # pyarrow has no types
    except UnicodeDecodeError as error:
        return RecordError("InvalidUTF8", f"{error.reason} at byte {error.start}")
    except Exception as error:  # noqa: BLE001  # as above
        return RecordError("InvalidValue", f"{type(error).__name__}: {error}")


class ParquetWriter:
    """Writes tables into one Parquet file, gathered into row groups of about 64 MB."""

    def __init__(self, file: BinaryIO, compression: str) -> None:
        self._file = file
        self._compression = compression
        self._writer: pq.ParquetWriter | None = None
        self._gathered: list[pa.RecordBatch] = []
        self._gathered_bytes = 0

    def write(self, payload: Payload) -> None:
        assert isinstance(payload, pa.RecordBatch)
        self._gathered.append(payload)
        self._gathered_bytes += payload.nbytes
        if self._gathered_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def close(self) -> None:
        if self._gathered:
            self._write_row_group()
        if self._writer is not None:
            self._writer.close()

    def _write_row_group(self) -> None:
        table = pa.Table.from_batches(self._gathered)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression=self._compression)
        self._writer.write_table(table)
        self._gathered, self._gathered_bytes = [], 0

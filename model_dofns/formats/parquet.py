"""Parquet: tables by the row group, through pyarrow.

A file's row groups are dealt to its ranges in proportion, by their number. A row's number, in
blocks and in rejects, counts from 0 over the whole file.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
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

# Rows are gathered up to this much before they are written as a row group.
ROW_GROUP_BYTES = 64 << 20
_MAX_BLOCK_ROWS = 1 << 16
_SAMPLE_ROWS = 64
# The last is for the names of columns.
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


class ParquetFormat(Format):
    """``.parquet`` and ``.pq``."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    may_be_compressed = False
    compressions = ("snappy", "zstd", "gzip", "none")

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
            parquet = pq.ParquetFile(
                file,
                pre_buffer=False,
                coerce_int96_timestamp_unit="us",  # nanoseconds end in 2262, and would wrap
            )
            groups = [parquet.metadata.row_group(i) for i in range(parquet.num_row_groups)]
            if sum(group.num_rows for group in groups) != parquet.metadata.num_rows:
                raise OSError("the row groups have not as many rows as the file")
            size = file.seek(0, os.SEEK_END)
            row = 0
            for index, group in enumerate(groups):
                # In proportion, because where a group says it is may be wrong.
                if part.start <= size * index // len(groups) < part.stop:
                    position = row
                    for batch in _batches(parquet, index, block_bytes):
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

    def records(self, block: Block, layout: Layout) -> ParquetRows:
        return ParquetRows(block, layout)

    def writer(self, file: BinaryIO, compression: str | None = None) -> ParquetWriter:
        return ParquetWriter(file, compression or self.compressions[0])

    def column_names(self, file: BinaryIO) -> list[str]:
        try:
            return list(pq.read_schema(file).names)
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


def _batches(parquet: pq.ParquetFile, index: int, block_bytes: int) -> Iterator[pa.RecordBatch]:
    rows = _block_rows(parquet, index, block_bytes)
    yield from parquet.iter_batches(rows, row_groups=[index], use_threads=False)


def _block_rows(parquet: pq.ParquetFile, index: int, block_bytes: int) -> int:
    """How many rows of a row group make a block: by their size in memory, of which a few tell.

    The file's own figures are of encoded values, and a dictionary may make them a thousandfold.
    """
    some = next(parquet.iter_batches(_SAMPLE_ROWS, row_groups=[index], use_threads=False), None)
    if some is None or not some.num_rows:
        return 1
    return int(min(max(block_bytes * some.num_rows / max(some.nbytes, 1), 1), _MAX_BLOCK_ROWS))


class ParquetRows(Records):
    """The rows of a block of a Parquet file."""

    def __init__(self, block: Block, layout: Layout) -> None:
        assert isinstance(block.data, pa.RecordBatch)
        self._batch = block.data
        self._position = block.position
        self._layout = layout
        names = self._batch.schema.names
        self._clashes = sorted(set(names) & set(layout.prediction_columns()))
        self._judged = [
            index
            for index, name in enumerate(names)
            if layout.whole_record or name in layout.input_names
        ]

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """See :meth:`Records.columns`. A column that is not there is one of nulls."""
        names = self._batch.schema.names
        if self._clashes or len(set(names)) < len(names):
            return np.empty(0, np.int64), empty_batch(schema)
        columns = [
            self._batch.column(name) if name in names else pa.nulls(len(self))
            for name in schema.names
        ]
        return np.arange(len(self)), pa.RecordBatch.from_arrays(columns, schema.names)

    def parse(self, rows: Iterable[int]) -> Iterator[Mapping[str, Any] | RecordError]:
        wanted = np.fromiter(rows, np.int64)
        if self._clashes:
            message = (
                f"the file has columns named {', '.join(self._clashes)} already: name the"
                " prediction otherwise with --prediction_field"
            )
            yield from (RecordError("NameClash", message) for _ in wanted)
            return
        batch = _taken(self._batch.select(self._judged), wanted)
        try:
            records = batch.to_pylist()
        except Exception:  # noqa: BLE001  # a value that Python cannot hold; an unknown time zone
            records = [_record(batch.slice(i, 1)) for i in range(batch.num_rows)]
        yield from records

    def source(self, row: int) -> Mapping[str, Any]:
        record = self._batch.slice(row, 1)
        values = {
            name: _json_form(column[0])
            for name, column in zip(record.schema.names, record.columns, strict=True)
        }
        text = json.dumps(values, ensure_ascii=False)
        return {"input": text, "row": self._position + row}

    def with_predictions(self, rows: Rows, predictions: pa.RecordBatch) -> Payload:
        """The columns as they came, and the prediction's behind them."""
        batch = self._batch if len(rows) == len(self) else _taken(self._batch, rows)
        columns = zip(self._layout.prediction_columns(), predictions.columns, strict=True)
        for name, column in columns:
            batch = batch.append_column(pa.field(name, column.type), column)
        return batch


def _record(row: pa.RecordBatch) -> Mapping[str, Any] | RecordError:
    """The values of the one row of a batch."""
    try:
        return row.to_pylist()[0]  # type: ignore[no-any-return]  # pyarrow has no types
    except UnicodeDecodeError as error:
        return RecordError("InvalidUTF8", f"{error.reason} at byte {error.start}")
    except Exception as error:  # noqa: BLE001  # as above
        return RecordError("InvalidValue", f"{type(error).__name__}: {error}")


def _json_form(scalar: pa.Scalar) -> Any:
    """A value as JSON can say it: bytes in base64, and what JSON has no word for as text."""
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(scalar.type):
        return _json_form(scalar.value)
    if pa.types.is_struct(scalar.type):
        return {name: _json_form(scalar[i]) for i, name in enumerate(scalar.type.names)}
    if pa.types.is_nested(scalar.type):
        return [_json_form(item) for item in scalar.values]
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes().decode(errors="backslashreplace")
    except Exception:  # noqa: BLE001  # a day or a time that Python cannot hold; an unknown zone
        return _arrow_text(scalar)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _arrow_text(scalar: pa.Scalar) -> str:
    """A value in Arrow's own words; at the least, of what type it is."""
    try:
        return str(scalar.cast(pa.string()).as_py())
    except pa.ArrowException:
        return f"<{scalar.type}>"


def _taken(batch: pa.RecordBatch, rows: Rows) -> pa.RecordBatch:
    """Some rows of a batch."""
    try:
        return batch.take(pa.array(rows))
    except pa.ArrowNotImplementedError:  # of a view of text, for one
        parts = [batch.slice(row, 1) for row in rows.tolist()] or [batch.slice(0, 0)]
        return pa.concat_batches(parts)


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

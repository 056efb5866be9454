"""Rows of batches: made of records and made dicts of, put together, kept from being written to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import Rows
from model_dofns.schemas import RecordSchema


def read_only(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same memory, which nobody can write to: a Parquet record's is also on its way out."""

    def view(buffer: pa.Buffer | None) -> pa.Buffer | None:
        return None if buffer is None else pa.py_buffer(memoryview(buffer).toreadonly())

    columns = [
        c  # of nested values, which were judged one by one: this memory is of this batch alone
        if pa.types.is_nested(c.type)
        else pa.Array.from_buffers(c.type, len(c), list(map(view, c.buffers())), offset=c.offset)
        for c in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def as_dicts(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch without nulls; much faster than its own ``to_pylist``."""
    columns = [
        column.to_numpy(zero_copy_only=False).tolist()
        if pa.types.is_primitive(column.type)
        else column.to_pylist()
        for column in batch.columns
    ]
    names = batch.schema.names
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def as_columns(
    rows: list[int], raw: list[tuple[Any, ...]], schema: RecordSchema
) -> tuple[Rows, pa.RecordBatch, list[tuple[int, RecordError]]]:
    """Records by their raw values as columns; and those that have no place in them, with why."""
    batch = schema.columns_of(raw)
    if batch is not None:
        return np.array(rows, np.int64), batch, []
    fit: list[int] = []
    values: list[tuple[Any, ...]] = []
    unfit: list[tuple[int, RecordError]] = []
    for row, one in zip(rows, raw, strict=True):
        try:
            values.append(schema.stored(one))
            fit.append(row)
        except RecordError as error:
            unfit.append((row, error))
    return np.array(fit, np.int64), schema.batch(values), unfit


def merged(*parts: tuple[Rows, pa.RecordBatch]) -> tuple[Rows, pa.RecordBatch]:
    """Rows that were found in several ways, together, ascending."""
    some = [part for part in parts if len(part[0])] or list(parts[:1])
    rows = np.concatenate([rows for rows, _ in some])
    return ascending(rows, concatenated([batch for _, batch in some]))


def ascending(rows: Rows, batch: pa.RecordBatch) -> tuple[Rows, pa.RecordBatch]:
    """The same with the rows in order."""
    if (np.diff(rows) > 0).all():
        return rows, batch
    order = np.argsort(rows, kind="stable")
    return rows[order], batch.take(pa.array(order))


def concatenated(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of one schema as one."""
    batches = [batch for batch in batches if batch.num_rows] or batches[:1]
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches).combine_chunks()
    return table.to_batches()[0]

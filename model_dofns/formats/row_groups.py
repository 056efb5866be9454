"""Row groups of Parquet in steps, so that neither they nor rows of any width are held whole."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from model_dofns.formats.base import MAX_BLOCK_RECORDS

# The columns of a row group are read whole, each in one go, but in pieces where together they are
# more: of a store that reads ahead itself, pieces of many columns in turn are read many times over.
_MAX_HELD_BYTES = 128 << 20
_PIECE_BYTES = 1 << 20
# So many rows are decoded at once, and gathered: where rows are wider than the first ones were, a
# block is too large by these alone.
_STEP_ROWS = 1 << 12
_SAMPLE_ROWS = 64


def buffer_bytes(metadata: pq.FileMetaData) -> int:
    """What ``pyarrow.parquet.ParquetFile`` is to read at a time of each column: 0 for all of it."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    sizes = (
        sum(group.column(i).total_compressed_size for i in range(group.num_columns))
        for group in groups
    )
    return _PIECE_BYTES if max(sizes, default=0) > _MAX_HELD_BYTES else 0


def batches(
    parquet: pq.ParquetFile, index: int, columns: list[str] | None, block_bytes: int
) -> Iterator[pa.RecordBatch]:
    """The rows of a row group in batches of about ``block_bytes``, in their order."""
    read = functools.partial(
        parquet.iter_batches, row_groups=[index], columns=columns, use_threads=False
    )
    rows = _block_rows(next(read(_SAMPLE_ROWS), None), block_bytes)
    gathered: list[pa.RecordBatch] = []
    gathered_rows = gathered_bytes = 0
    for batch in read(min(rows, _STEP_ROWS)):
        gathered_rows += batch.num_rows
        gathered_bytes += batch.nbytes
        if gathered and (gathered_rows > rows or gathered_bytes > block_bytes):
            yield _as_one(gathered)
            gathered, gathered_rows, gathered_bytes = [], batch.num_rows, batch.nbytes
        gathered.append(batch)
    if gathered:
        yield _as_one(gathered)


def _as_one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _block_rows(some: pa.RecordBatch | None, block_bytes: int) -> int:
    """How many rows of a row group make a block: by their size in memory, of which a few tell.

    The file's own figures are of encoded values, and a dictionary may make them a thousandfold.
    """
    if some is None or not some.num_rows:
        return 1
    return int(min(max(block_bytes * some.num_rows / max(some.nbytes, 1), 1), MAX_BLOCK_RECORDS))

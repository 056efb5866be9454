"""What is held of a file does not grow with it, whatever its shape: reads and blocks are bounded.

``tests_engines/test_memory.py`` measures whole jobs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_dofns.formats import FORMATS, row_groups
from model_dofns.formats.base import BLOCK_BYTES, MAX_BLOCK_RECORDS, Block, Range
from model_dofns.formats.compression import decompressed

MB = 1 << 20
LONG_LINE = 64 * MB


class WatchedFile(io.BytesIO):
    """Knows the most that has been asked of it at once."""

    largest_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.largest_read = max(self.largest_read, len(data))
        return data


def blocks(format_name: str, file: Any) -> Iterator[Block]:
    return FORMATS[format_name].read_blocks(file, Range("file", 0, sys.maxsize))


def row_group(columns: dict[str, pa.Array], **options: Any) -> WatchedFile:
    """All rows in one row group."""
    file = WatchedFile()
    table = pa.table(columns)
    pq.write_table(table, file, row_group_size=len(table), **options)
    file.seek(0)
    return file


def test_a_large_row_group_is_not_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "_MAX_HELD_BYTES", 8 * MB)
    floats = pa.array(np.random.default_rng(0).random(2_000_000))
    file = row_group({"x": floats}, use_dictionary=False, compression="none")
    read = list(blocks("parquet", file))
    assert pa.concat_arrays([block.data.column(0) for block in read]) == floats
    assert len(file.getvalue()) > 15 * MB
    assert file.largest_read <= 2 * MB


class CountedFile(io.FileIO):
    """Knows how much has been read from it, as from a store behind a reader that reads ahead."""

    fetched = 0

    def readinto(self, buffer: Any, /) -> int:
        size = super().readinto(buffer)
        self.fetched += size
        return size


def test_a_row_group_of_many_columns_is_not_fetched_again_and_again(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = pa.table({f"x{number}": random.random(500_000) for number in range(10)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=len(table), use_dictionary=False)
    raw = CountedFile(path)
    read = sum(block.data.num_rows for block in blocks("parquet", io.BufferedReader(raw, 16 * MB)))
    assert read == len(table)
    # Twice, as the first rows are read before the others, and what is read ahead.
    assert raw.fetched < 2.5 * path.stat().st_size + 32 * MB


def test_rows_of_a_row_group_may_become_wider() -> None:
    wide = ["x" * 10_000] * 10_000
    file = row_group({"text": pa.array([None] * 1_000 + wide)})
    read = list(blocks("parquet", file))
    assert [text for block in read for text in block.data.column(0).to_pylist()] == (
        [None] * 1_000 + wide
    )
    assert max(block.nbytes for block in read) < 48 * MB
    places = np.cumsum([0, *(block.data.num_rows for block in read)])[:-1]
    assert [block.position for block in read] == places.tolist()


@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
@pytest.mark.parametrize("lines", [MAX_BLOCK_RECORDS, 1_000_000, 4_000_000])
def test_a_block_has_no_more_lines_than_can_be_rejected_at_once(
    format_name: str, lines: int
) -> None:
    text = b"h\n" + b"x\n" * lines
    read = list(blocks(format_name, io.BytesIO(text)))
    assert max(block.data.count(b"\n") for block in read) <= MAX_BLOCK_RECORDS
    assert len(read) < 1.5 * lines / MAX_BLOCK_RECORDS + len(text) / BLOCK_BYTES + 2
    begin = len(b"h\n") if format_name == "csv" else 0
    assert b"".join(block.data for block in read) == text[begin:]
    assert [block.position - begin for block in read] == (
        np.cumsum([0, *(len(block.data) for block in read)])[:-1].tolist()
    )


@pytest.mark.parametrize("format_name", ["jsonl", "csv"])
@pytest.mark.parametrize("codec", [None, "gzip", "bz2", "zstd"])
def test_a_long_line_is_not_held(format_name: str, codec: str | None) -> None:
    text = b"".join([b"h\n", b"x" * LONG_LINE, b"\nx\n"])
    file: Any = io.BytesIO(text)
    if codec is not None:
        packed = pa.BufferOutputStream()
        with pa.CompressedOutputStream(packed, codec) as stream:
            stream.write(text)
        file = decompressed(io.BytesIO(packed.getvalue()), codec)
    read = list(blocks(format_name, file))
    assert max(block.nbytes for block in read) < MB
    assert [block.whole_length for block in read if block.whole_length] == [LONG_LINE]
    assert read[-1].data == b"x\n"

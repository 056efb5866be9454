"""Compressed text: the same blocks as the text itself, and a broken file is no file."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest
from hostile import LINE_FILES, Case

from model_dofns.formats import FORMATS, format_of
from model_dofns.formats.base import BLOCK_BYTES, Block, Format
from model_dofns.formats.compression import SUFFIXES, compressing, decompressed

LINES = FORMATS["jsonl"]
RECORDS = b"".join(b'{"a":%d}\n' % number for number in range(100_000))


def compressed(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    return bytes(sink.getvalue().to_pybytes())


def blocks(format_: Format, data: bytes, path: str, max_record_bytes: int) -> list[Block]:
    (part,) = format_.ranges(path, len(data))
    file = format_.opened(io.BytesIO(data), path)
    return list(format_.read_blocks(file, part, max_record_bytes=max_record_bytes))


@pytest.mark.parametrize("codec", SUFFIXES)
@pytest.mark.parametrize("case", LINE_FILES, ids=lambda case: case.name)
def test_a_hostile_file_reads_the_same_compressed(case: Case, codec: str, tmp_path: Path) -> None:
    data = case.write(tmp_path).read_bytes()
    path = "file.jsonl" + SUFFIXES[codec]
    plain = blocks(LINES, data, "file.jsonl", case.max_record_bytes)
    packed = blocks(LINES, compressed(data, codec), path, case.max_record_bytes)
    assert [(block.data, block.position, block.whole_length) for block in packed] == [
        (block.data, block.position, block.whole_length) for block in plain
    ]


@pytest.mark.parametrize("codec", SUFFIXES)
def test_streams_in_a_row_are_one(codec: str) -> None:
    data = compressed(RECORDS[:5_000], codec) + compressed(RECORDS[5_000:], codec)
    assert decompressed(io.BytesIO(data), codec).read() == RECORDS


@pytest.mark.parametrize("codec", SUFFIXES)
@pytest.mark.parametrize("kept", [0.5, -1])
def test_a_file_cut_short_cannot_be_read(codec: str, kept: float) -> None:
    data = compressed(RECORDS, codec)
    data = data[: int(len(data) * kept)] if kept > 0 else data[:-1]
    with pytest.raises(OSError, match="Truncated"):
        blocks(LINES, data, "file.jsonl" + SUFFIXES[codec], 1_000)


@pytest.mark.parametrize("codec", SUFFIXES)
def test_what_is_not_compressed_cannot_be_read(codec: str) -> None:
    with pytest.raises(OSError, match=r"fail|header|decompress"):
        blocks(LINES, b'{"a":1}\n', "file.jsonl" + SUFFIXES[codec], 1_000)


@pytest.mark.parametrize("codec", SUFFIXES)
def test_a_file_that_grows_a_hundredfold_is_read_block_by_block(codec: str) -> None:
    line = b'{"a":1,"pad":"' + b"x" * 1_000 + b'"}\n'
    data = compressed(line * 50_000, codec)
    assert len(data) * 100 < len(line) * 50_000
    (part,) = LINES.ranges("f.jsonl" + SUFFIXES[codec], len(data))
    file = LINES.opened(io.BytesIO(data), "f.jsonl" + SUFFIXES[codec])
    before, largest, total = pa.total_allocated_bytes(), 0, 0
    for block in LINES.read_blocks(file, part):
        largest = max(largest, block.nbytes)
        total += block.nbytes
        assert pa.total_allocated_bytes() - before < 4 * BLOCK_BYTES
    assert total == len(line) * 50_000
    assert largest < 2 * BLOCK_BYTES


@pytest.mark.parametrize("codec", SUFFIXES)
def test_what_is_written_reads_back(codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"part{LINES.part_suffix(codec)}"
    with path.open("wb") as file:
        writer = LINES.writer(file, codec)
        writer.write(RECORDS)
        writer.close()
    with path.open("rb") as file:
        assert LINES.opened(file, str(path)).read() == RECORDS


def test_compressing_writes_nothing_plain() -> None:
    sink = io.BytesIO()
    stream = compressing(sink, "gzip")
    stream.write(RECORDS)
    stream.flush()
    assert RECORDS[:100] not in sink.getvalue()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((f"a.jsonl{suffix}", "jsonl") for suffix in SUFFIXES.values()),
        ("a.NDJSON.GZ", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.parquet.gz", None),  # Parquet compresses inside, and needs its end to be read
        ("a.gz", None),
        ("a.jsonl.gz.gz", None),
        ("a.jsonl.xz", None),
    ],
)
def test_a_codec_may_stand_behind_a_text_formats_suffix(path: str, name: str | None) -> None:
    found = format_of(path)
    assert (found.name if found else None) == name

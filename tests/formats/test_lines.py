"""Which lines a range owns, wherever the file is cut, and that a long line is never held."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest

from model_dofns.formats.base import HEAD_BYTES, Block, Range
from model_dofns.formats.lines import BOM, read_line_blocks

FILES = {
    "two lines": b"ab\ncde\n",
    "no last line end": b"ab\ncde",
    "carriage returns": b"ab\r\n\r\ncde\r\n",
    "blank lines": b"\n\n ab \n\n\t\ncde\n\n",
    "one line": b"abcdefgh",
    "only a line end": b"\n",
    "nothing": b"",
    "a BOM": BOM + b"ab\ncde\n",
    "a BOM and a blank line": BOM + b"\nab\n",
    "a BOM alone": BOM,
    "a BOM elsewhere": b"ab\n" + BOM + b"cde\n" + BOM,
    "two BOMs": BOM + BOM + b"ab\n",
    "half a BOM": BOM[:2] + b"\nab\n",
}
BLOCK_SIZES = [1, 2, 3, 5, 1_000]


def read(
    data: bytes, start: int, stop: int, block_bytes: int, max_record_bytes: int = 1_000
) -> list[Block]:
    file, part = io.BytesIO(data), Range("file", start, stop)
    return list(read_line_blocks("jsonl", file, part, block_bytes, max_record_bytes))


def line_starts(data: bytes) -> list[int]:
    return [0, *(i + 1 for i, byte in enumerate(data[:-1]) if byte == ord("\n"))]


def all_ranges(data: bytes) -> Iterator[tuple[int, int]]:
    for start in range(len(data)):
        for stop in range(start + 1, len(data) + 1):
            yield start, stop


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_range_owns_the_lines_that_start_in_it(data: bytes, block_bytes: int) -> None:
    starts = [*line_starts(data), len(data)]
    for start, stop in all_ranges(data):
        begin = min(one for one in starts if one >= start)
        end = min(one for one in starts if one >= stop)
        skipped = len(BOM) if start == 0 and data.startswith(BOM) else 0
        blocks = read(data, start, stop, block_bytes)
        assert b"".join(block.data for block in blocks) == data[begin:end][skipped:]


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_block_is_whole_lines_and_says_where_it_is(data: bytes, block_bytes: int) -> None:
    for start, stop in all_ranges(data):
        for block in read(data, start, stop, block_bytes):
            assert block.whole_length is None
            end = block.position + len(block.data)
            assert data[block.position : end] == block.data
            assert end == len(data) or block.data.endswith(b"\n")


LONG = b"x" * 2 * HEAD_BYTES
LONG_FILES = {
    "in the middle": b"ab\n" + LONG + b"\ncd\n",
    "first": LONG + b"\ncd\n",
    "first, behind a BOM": BOM + LONG + b"\ncd\n",
    "last, without a line end": b"ab\n" + LONG,
    "blanks round it": b"ab\n \t\r " + LONG + b" \r\ncd\n",
    "two of them": LONG + b"\n" + LONG + b"\n",
    "nothing but blanks": b"ab\n" + b" " * len(LONG) + b"\ncd\n",
    "a short line behind blanks": b"ab\n" + b" " * len(LONG) + b"short\ncd\n",
    "a short line before blanks": b"ab\nshort" + b" " * len(LONG) + b"\ncd\n",
}


@pytest.mark.parametrize("max_record_bytes", [1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1])
@pytest.mark.parametrize("block_bytes", [50, 999, 10_000])
@pytest.mark.parametrize("data", LONG_FILES.values(), ids=LONG_FILES)
def test_a_long_line_is_a_head_and_a_length(
    data: bytes, block_bytes: int, max_record_bytes: int
) -> None:
    """Or else it came whole, which is as good: what it is held against is its length."""
    offset, lines = 0, {}
    for line in data.removeprefix(BOM).split(b"\n"):
        begun = line.lstrip(b" \t\r")
        position = offset + len(line) - len(begun) + len(data) - len(data.removeprefix(BOM))
        if begun:
            lines[position] = (len(begun), begun[:HEAD_BYTES])
        offset += len(line) + 1
    cuts = [1, 3, 4, 5, 900, len(LONG), len(LONG) + 3, len(LONG) + 5, len(data) - 1]
    for cut in cuts:
        found = {}
        for start, stop in ((0, cut), (cut, len(data))):
            for block in read(data, start, stop, block_bytes, max_record_bytes):
                if block.whole_length is not None:
                    assert block.whole_length > max_record_bytes
                    found[block.position] = (block.whole_length, block.data[:HEAD_BYTES])
                    assert len(block.data) <= HEAD_BYTES
                    continue
                offset = block.position
                for line in block.data.split(b"\n"):
                    begun = line.lstrip(b" \t\r")
                    if begun:
                        position = offset + len(line) - len(begun)
                        found[position] = (len(begun), begun[:HEAD_BYTES])
                    offset += len(line) + 1
        assert found == lines


class EndlessLine(io.RawIOBase):
    """A file of one line that is never in memory as a whole, and counts what is read of it."""

    def __init__(self, size: int, byte: bytes) -> None:
        self.size, self.byte, self.position, self.bytes_read = size, byte, 0, 0

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        self.position = position
        return position

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= 1 << 18
        size = min(size, self.size - self.position)
        self.position += size
        self.bytes_read += size
        return self.byte * size


@pytest.mark.parametrize(("byte", "blocks"), [(b"x", 1), (b" ", 0)])
def test_a_line_of_50_mb_is_never_held(byte: bytes, blocks: int) -> None:
    file = EndlessLine(50 << 20, byte)
    tracemalloc.start()
    try:
        part = Range("file", 0, file.size)
        found = list(read_line_blocks("jsonl", file, part, 1 << 18, 1 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    assert file.bytes_read >= file.size
    assert [block.whole_length for block in found if block.data.strip()] == [file.size] * blocks


def test_a_range_amid_a_long_line_reads_no_further_than_its_end() -> None:
    file = EndlessLine(50 << 20, b"x")
    assert (
        list(read_line_blocks("jsonl", file, Range("file", 1 << 20, 2 << 20), 1 << 18, 100)) == []
    )
    assert file.bytes_read <= (1 << 20) + (1 << 18)


def test_a_file_that_hands_out_less_than_asked_for_is_read_to_its_end() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    data = FILES["a BOM"]
    blocks = list(read_line_blocks("jsonl", Slow(data), Range("file", 0, len(data)), 1_000, 1_000))
    assert b"".join(block.data for block in blocks) == b"ab\ncde\n"

"""CSV: what is too long, never closed or unsound over and over costs no more than it should."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from csv_scoring import BARE, NO_CSV, scorer_of, shown
from hostile import CSV_COLUMNS, row
from obvious import csv_ranges, csv_records

from model_dofns.formats.base import Range
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.formats.csv.quoting import Dialect


class Endless(io.RawIOBase):
    """A file of some bytes and then the same line over and over; never in memory as a whole."""

    def __init__(self, size: int, head: bytes, line: bytes) -> None:
        self.size, self.head, self.line, self.position = size, head, line, 0

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        self.position = position
        return position

    def tell(self) -> int:
        return self.position

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 1 << 22, "it would be read as a whole"
        start = self.position
        self.position = min(start + size, self.size)
        begin, count = max(start - len(self.head), 0), self.position - start
        lines = self.line * (count // len(self.line) + 2)
        rest = lines[begin % len(self.line) :]
        return (self.head[start:] + rest)[:count]


# What a file begins with and what then comes over and over; how many records are too long.
ENDLESS = {
    "a line": (b"a,b\n", b"x", 1),
    "a line of delimiters": (b"a,b\n", b",", 1),
    "a line in quotes": (b'a,b\n"', b"x", 1),
    "a line of quotes": (b"a,b\n", b'"', 1),
    "carriage returns": (b"a,b\n", b"\r", 1),
    "line ends": (b"a,b\n", b"\n", 0),
    "quotes that are never closed": (b'a,b\n"', b"x," + b"y" * 97 + b"\n", 0),
    "quotes round short lines that are never closed": (b'a,b\n"', b"y" * 7 + b"\n", 0),
    "rows": (b"a,b\n", b"x," + b"y" * 97 + b"\n", 0),
    "rows in quotes": (b"a,b\n", b'x,"' + b"y\n" * 48 + b'"\n', 0),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_no_more_is_held_than_a_record_may_be_long(name: str) -> None:
    head, line, too_long = ENDLESS[name]
    size, limit, block_bytes = 6 << 20, 1 << 17, 1 << 15
    file, lengths, read = Endless(size, head, line), [], 0
    tracemalloc.start()
    try:
        for block in BARE.read_blocks(
            file, Range("file", 0, size), block_bytes=block_bytes, max_record_bytes=limit
        ):
            assert len(block.data) <= limit + 2 * block_bytes
            read += len(block.data)
            if block.whole_length is not None:
                lengths.append(block.whole_length)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 * (limit + block_bytes)  # where each quote and each line end is
    assert lengths == [size - 4] * too_long
    assert too_long or name == "line ends" or read == size


@pytest.mark.parametrize("name", ENDLESS)
def test_what_is_held_to_find_where_to_cut_does_not_grow_with_the_file(name: str) -> None:
    head, line, _ = ENDLESS[name]
    peaks = []
    for size in (12 << 20, 28 << 20):
        tracemalloc.start()
        try:
            ranges = BARE.ranges(
                "file",
                size,
                range_bytes=4 << 20,
                max_record_bytes=1 << 20,
                open_file=lambda _, size=size: Endless(size, head, line),
            )
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert (ranges[0].start, ranges[-1].stop) == (0, size)
        if name in ("rows", "rows in quotes", "quotes that are never closed"):
            assert abs(len(ranges) - size // (4 << 20)) <= 1
    assert peaks[1] < peaks[0] + (10 << 20)


STRAYS = {
    "one": [row(0, name='"a'), *[row(i) for i in range(1, 40)] * 250],
    "on every line": [row(1, name='"a')] * 10_000,
    "on every second line": [row(1, name='"a'), row(2)] * 5_000,
    "in every text": [row(1, name='a"b')] * 10_000,
    "behind doubled quotes": [row(1, name='"a""', z='""b""')] * 10_000,
    "before long rows": [row(1, name='"a'), *[row(2, z="x" * 1_000)] * 10] * 100,
}


@pytest.mark.parametrize("name", STRAYS)
def test_stray_quotes_cost_no_more_than_their_lines(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bad line may cost a look at what follows it, but not at all that follows."""
    data = b"".join(line + b"\n" for line in STRAYS[name])
    split, looked_at = Dialect.split, []

    def counting(dialect: Dialect, data: bytes, *args: Any, **more: Any) -> Any:
        looked_at.append(len(data))
        return split(dialect, data, *args, **more)

    monkeypatch.setattr(Dialect, "split", counting)
    format_ = CsvFormat(columns=CSV_COLUMNS, header=False)
    ranges = csv_ranges(format_, data, len(data) // 3, 16 << 20)
    blocks = [
        block
        for part in ranges
        for block in format_.read_blocks(io.BytesIO(data), part, max_record_bytes=16 << 20)
    ]
    assert sum(looked_at) < 8 * len(data)  # to cut the file, to cut the ranges, pieces held over
    scorer = scorer_of(format_, max_record_bytes=16 << 20)
    outcomes = [scorer.score(block) for block in blocks]
    assert sum(looked_at) < 9 * len(data)
    assert sum(one.records_read for one in outcomes) == len(STRAYS[name])
    unsound = sum(next(csv_records(line, b",", b'"')).cells is None for line in STRAYS[name])
    assert [error for _, error, _ in shown(outcomes)] == [NO_CSV] * unsound

"""CSV: the format itself, which bytes are a record, and where a file may be cut."""

from __future__ import annotations

import io
import pickle
from typing import BinaryIO

import pyarrow as pa
import pytest
from csv_scoring import (
    BARE,
    GOOD,
    NO_COUNT,
    NO_CSV,
    PLAIN,
    blocks_of,
    rows_of,
    scored,
    scorer_of,
    shown,
)
from hostile import CSV_COLUMNS, CSV_HEADER, row
from obvious import BOM, MANY, assert_same_csv, csv_ranges, csv_records, score_csv

from model_dofns.exceptions import UsageError
from model_dofns.formats import format_of
from model_dofns.formats.base import Range
from model_dofns.formats.compression import SUFFIXES
from model_dofns.formats.csv.format import CsvFormat


def records(format_: CsvFormat, data: bytes, **sizes: int) -> list[tuple[int, str, str]]:
    """Offset, text and error of each record: the model's input class takes none of them."""
    return [
        (source["offset"], source["input"], error)
        for _, error, source in shown(scored(format_, data, PLAIN, **sizes))
    ]


# --- the format itself ---------------------------------------------------------------------------


def test_the_format_is_a_value_that_can_travel() -> None:
    plain = CsvFormat()
    assert (plain.delimiter, plain.quote, plain.columns, plain.header) == (",", '"', None, True)
    settled = CsvFormat(";", "'", ("a", "b"), header=False)
    assert pickle.loads(pickle.dumps(settled)) == settled != plain
    assert hash(settled) == hash(CsvFormat(";", "'", ("a", "b"), False))
    with pytest.raises(AttributeError):
        plain.delimiter = ";"  # type: ignore[misc]  # it is frozen


@pytest.mark.parametrize("sign", ["", ",,", "é", "\n", "\r", "🦀"])
def test_delimiter_and_quote_are_one_character_each(sign: str) -> None:
    with pytest.raises(UsageError, match="delimiter"):
        CsvFormat(delimiter=sign)
    with pytest.raises(UsageError, match="quote"):
        CsvFormat(quote=sign)


@pytest.mark.parametrize("sign", [",", '"', ";"])
def test_delimiter_and_quote_differ(sign: str) -> None:
    with pytest.raises(UsageError, match="quote"):
        CsvFormat(delimiter=sign, quote=sign)


def test_its_suffix_is_csv_with_that_of_a_codec_behind_it() -> None:
    for path in ("a.csv", "A.CSV", *(f"a.csv{suffix}" for suffix in SUFFIXES.values())):
        found = format_of(path)
        assert found is not None
        assert found.name == "csv"
    assert format_of("a.tsv") is None
    assert format_of("a.csv.jsonl").name == "jsonl"
    assert BARE.part_suffix() == ".csv"
    assert [BARE.part_suffix(codec) for codec in SUFFIXES] == [
        f".csv{s}" for s in SUFFIXES.values()
    ]


# --- what a record is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a,b\nc,d\n", [(0, "a,b", GOOD), (4, "c,d", GOOD)]),
        (b"a,b\r\nc,d", [(0, "a,b", GOOD), (5, "c,d", GOOD)]),
        (b"a,b\r\r\nc,d\r", [(0, "a,b\r", GOOD), (6, "c,d\r", GOOD)]),
        (b"\n\r\na,b\n\n", [(3, "a,b", GOOD)]),
        (b" \n,\n", [(0, " ", NO_COUNT), (2, ",", GOOD)]),
        (b'"a\r\n""b","\n"\nc,d', [(0, '"a\r\n""b","\n"', GOOD), (13, "c,d", GOOD)]),
        (b'a,"b\nc,d\ne,f', [(0, 'a,"b', NO_CSV), (5, "c,d", GOOD), (9, "e,f", GOOD)]),
        (b'a,"b\nc,"d"\n', [(0, 'a,"b', NO_CSV), (5, 'c,"d"', GOOD)]),
        (b'a,"b"c\nd,e', [(0, 'a,"b"c', NO_CSV), (7, "d,e", GOOD)]),
        (b'a, "b"\nd,e', [(0, 'a, "b"', NO_CSV), (7, "d,e", GOOD)]),
        (BOM + b'"a",b', [(3, '"a",b', GOOD)]),
        (b"a,b\n" + BOM + b"c,d", [(0, "a,b", GOOD), (4, "\ufeffc,d", GOOD)]),
    ],
)
def test_a_file_is_read_as_worked_out_by_hand(
    data: bytes, expected: list[tuple[int, str, str]]
) -> None:
    for block_bytes in (1, 2, 3, 5, 8, MANY):
        for range_bytes in (1, 2, 4, 7, MANY):
            sizes = {"block_bytes": block_bytes, "range_bytes": range_bytes}
            assert records(BARE, data, **sizes) == expected


HEADER = CsvFormat(columns=("a", "b"))


@pytest.mark.parametrize(
    "head",
    [
        *(b"a,b\n", b"a,b\r\n", b'"a","b"\n', BOM + b"a,b\n", BOM + b'"a",b\r\n', b"\n\r\na,b\n"),
    ],
)
@pytest.mark.parametrize("range_bytes", [1, 3, MANY])
def test_a_header_is_no_record(head: bytes, range_bytes: int) -> None:
    assert records(HEADER, head + b"1,2\n3,4", range_bytes=range_bytes) == [
        (len(head), "1,2", GOOD),
        (len(head) + 4, "3,4", GOOD),
    ]
    assert records(HEADER, head, range_bytes=range_bytes) == []
    assert records(HEADER, head.rstrip(), range_bytes=range_bytes) == []


def test_a_header_may_have_line_ends_in_quotes() -> None:
    format_ = CsvFormat(columns=("a\nb", 'c"'))
    head = b'"a\nb","c"""\r\n'
    for range_bytes in (1, 5, MANY):
        assert records(format_, head + b"1,2\n", range_bytes=range_bytes) == [
            (len(head), "1,2", GOOD)
        ]


def test_a_range_that_begins_further_on_skips_nothing() -> None:
    data = b"a,b\n1,2\n" + BOM + b"3,4\n"
    for start, lines in ((4, b"1,2\n" + BOM + b"3,4\n"), (8, BOM + b"3,4\n")):
        part = Range("file", start, len(data))
        blocks = list(HEADER.read_blocks(io.BytesIO(data), part, block_bytes=MANY))
        assert b"".join(block.data for block in blocks) == lines
        assert blocks[0].position == start


def test_a_file_that_hands_out_less_than_asked_for_is_read_to_its_end() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(3 if size is None or size < 0 else min(size, 3))

    data = CSV_HEADER + b"".join(row(i, name='"a\n""b"') + b"\r\n" for i in range(20))
    format_ = CsvFormat(columns=CSV_COLUMNS)
    ranges = format_.ranges("file", len(data), range_bytes=100, open_file=lambda _: Slow(data))
    assert len(ranges) > 3
    scorer = scorer_of(format_)
    read = [
        scorer.score(block).records_scored
        for part in ranges
        for block in format_.read_blocks(Slow(data), part, block_bytes=50)
    ]
    assert sum(read) == 20


def test_a_block_is_about_as_large_as_it_should_be() -> None:
    data = b"".join(row(i, name='"a\nb"') + b"\n" for i in range(10_000))
    format_ = CsvFormat(columns=CSV_COLUMNS, header=False)
    blocks = blocks_of(format_, data, block_bytes=10_000)
    assert max(len(block.data) for block in blocks) < 20_000
    assert len(blocks) < 100
    position = 0
    for block in blocks:
        assert block.position == position
        assert data.startswith(block.data, position)
        position += len(block.data)
    assert position == len(data)


# --- ranges --------------------------------------------------------------------------------------


def never(path: str) -> BinaryIO:
    raise AssertionError(f"{path} was opened")


def test_a_file_that_needs_no_cut_is_not_opened() -> None:
    for size in (0, 1, 99, 100):
        ranges = BARE.ranges("file.csv", size, range_bytes=100, open_file=never)
        assert [(one.start, one.stop) for one in ranges] == [(0, size)]
    for suffix in SUFFIXES.values():
        path = f"file.csv{suffix}"
        [only] = BARE.ranges(path, 1_000, range_bytes=100, open_file=never)
        assert (only.path, only.start) == (path, 0)


def test_a_large_file_is_read_once_and_closed() -> None:
    data = b"a,b\n" * 1_000
    opened: list[io.BytesIO] = []

    class Counting(io.BytesIO):
        bytes_read = 0

        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            self.bytes_read += len(piece)
            return piece

    def open_file(path: str) -> BinaryIO:
        assert path == "there/file.csv"
        opened.append(Counting(data))
        return opened[-1]

    ranges = BARE.ranges("there/file.csv", len(data), range_bytes=100, open_file=open_file)
    [file] = opened
    assert len(data) <= file.bytes_read < 1.1 * len(data)
    assert file.closed
    assert {one.path for one in ranges} == {"there/file.csv"}


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n" * 50,
        b"a,b\r\n\r\n" * 50,
        b'a,"b\n\nc"\n' * 50,
        b'"' + b"a,b\n" * 20 + b'",c\n' + b"d,e\n" * 20,
        b'a,"b\n' + b"c,d\n" * 50,
        b"x" * 500 + b"\na,b\n" * 20,
    ],
)
@pytest.mark.parametrize("range_bytes", [1, 2, 3, 10, 64, 150])
def test_a_file_is_cut_at_starts_of_records_alone(data: bytes, range_bytes: int) -> None:
    ranges = csv_ranges(BARE, data, range_bytes)
    assert ranges[0].start == 0
    assert ranges[-1].stop == len(data)
    cuts = [one.stop for one in ranges[:-1]]
    assert cuts == [one.start for one in ranges[1:]]
    assert cuts
    found = list(csv_records(data, b",", b'"'))
    for cut in cuts:
        assert data[cut - 1 : cut] == b"\n"
        assert not any(one.offset < cut < one.offset + len(one.text) for one in found)
    longest = max(len(one.text) for one in found) + 4  # with blank lines behind it
    assert all(one.stop - one.start < range_bytes + 2 * longest for one in ranges)
    assert len(ranges) <= len(data) / range_bytes + 1


# --- compressed ----------------------------------------------------------------------------------


def compressed(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(data)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize("codec", SUFFIXES)
def test_a_compressed_file_reads_the_same(codec: str) -> None:
    lines = [row(i, name='"a\n""b"' if i % 3 else '"a') + b"\r\n" for i in range(500)]
    data = BOM + CSV_HEADER + b"".join(lines)
    path = f"file.csv{SUFFIXES[codec]}"
    format_ = CsvFormat(columns=CSV_COLUMNS)
    packed = compressed(data, codec)
    [part] = format_.ranges(path, len(packed), range_bytes=10, open_file=never)
    scorer = scorer_of(format_)
    outcomes = [
        scorer.score(block)
        for block in format_.read_blocks(
            format_.opened(io.BytesIO(packed), path), part, block_bytes=300
        )
    ]
    expected = score_csv(data, PLAIN)
    assert_same_csv(rows_of(outcomes), expected)
    assert shown(outcomes) == [(r.stage, r.error, r.source) for r in expected.rejects]
    assert expected.scored
    assert expected.rejects
    with pytest.raises(OSError, match="Truncated"):
        list(format_.read_blocks(format_.opened(io.BytesIO(packed[:-9]), path), part))

"""CSV: which bytes are a record, where a file may be cut, and the way out.

The properties hold it against ``obvious.score_csv``: for a long hunt, ``CSV_EXAMPLES=100000``.
"""

from __future__ import annotations

import csv
import functools
import io
import os
import pickle
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pytest
from hostile import CSV_COLUMNS, CSV_HEADER, row
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import BOM, MANY, assert_same_csv, csv_cell, csv_ranges, csv_records, score_csv
from pydantic import BaseModel

from model_dofns import ModelSpec, ScoredBlock, Scorer
from model_dofns.exceptions import UsageError
from model_dofns.formats import FORMATS, format_of
from model_dofns.formats.base import Block, Layout, Range
from model_dofns.formats.compression import SUFFIXES
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.formats.csv.quoting import Dialect

PLAIN = ModelSpec("models:PlainModel")
CELLS = ModelSpec("models:CellsModel")
BARE = CsvFormat(columns=("a", "b"), header=False)


def blocks_of(
    format_: CsvFormat,
    data: bytes,
    *,
    range_bytes: int = MANY,
    block_bytes: int = MANY,
    max_record_bytes: int = MANY,
) -> list[Block]:
    """The blocks of a file that is cut into ranges of about so many bytes."""
    return [
        block
        for part in csv_ranges(format_, data, range_bytes, max_record_bytes)
        for block in format_.read_blocks(
            io.BytesIO(data), part, block_bytes=block_bytes, max_record_bytes=max_record_bytes
        )
    ]


def scorer_of(
    format_: CsvFormat, spec: ModelSpec = PLAIN, *, batch_size: int | None = None, **layout: Any
) -> Scorer:
    formats = {**FORMATS, "csv": format_}
    return Scorer(spec, layout=Layout(**layout), formats=formats, batch_size=batch_size)


def scored(
    format_: CsvFormat,
    data: bytes,
    spec: ModelSpec = PLAIN,
    *,
    prediction_field: str = "prediction",
    **sizes: int,
) -> list[ScoredBlock]:
    limit = sizes.get("max_record_bytes", MANY)
    layout = {"max_record_bytes": limit, "prediction_field": prediction_field}
    scorer = scorer_of(format_, spec, **layout)
    return [scorer.score(block) for block in blocks_of(format_, data, **sizes)]


def rows_of(outcomes: Iterable[ScoredBlock]) -> bytes:
    return b"".join(bytes(one.predictions.rows) for one in outcomes if one.predictions is not None)


def written(
    format_: CsvFormat,
    outcomes: Iterable[ScoredBlock],
    folder: Path,
    compression: str | None = None,
) -> bytes:
    """What a writer makes of blocks."""
    path = folder / f"part{format_.part_suffix(compression)}"
    with path.open("wb") as file:
        writer = format_.writer(file, compression)
        for one in outcomes:
            if one.predictions is not None:
                writer.write(one.predictions)
        writer.close()
    return path.read_bytes()


def shown(outcomes: Iterable[ScoredBlock]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(r.stage, r.error, dict(r.source)) for one in outcomes for r in one.rejects]


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

NO_COUNT, NO_CSV, GOOD = "FieldCount", "InvalidCSV", "ValidationError"


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


# --- what is long --------------------------------------------------------------------------------


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


# --- out again -----------------------------------------------------------------------------------

FLOATS = [
    *(0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, 1e15, 1e16, 1e20, 1e22, 1e23, 1e300, 1e-4, 1e-5, 1e-7),
    *(5e-324, 1.7976931348623157e308, 2.0**53, 2.0**63, 123456789.0, 1234567890123456.0, 2.5e-8),
]
TEXTS = [
    *("a", "a b", " a", "a ", "\ta", "a\t", "a\f", "\va", "a,b", 'a"b', '"', '""', "a\rb", "a\nb"),
    *("a\r\nb", "\n", "\r", "a;b", "a'b", "a|b", "a\tb", "é", "🦀", "\0", "NA", "1.0", "\ufeff"),
    *("a\\", "#", "=1+1", "'a'", ";", "|"),
]
CELL_COLUMNS = ("text", "maybe", "number", "ratio", "count", "flag")


def quoted(text: str, quote: str = '"') -> str:
    return quote + text.replace(quote, 2 * quote) + quote


def cells_file(delimiter: str = ",", quote: str = '"') -> bytes:
    """A row for each text, of which every cell is quoted."""
    lines = []
    for number in range(max(len(TEXTS), len(FLOATS))):
        text, value = TEXTS[number % len(TEXTS)], FLOATS[number % len(FLOATS)]
        cells = [text, text if number % 3 else "", repr(value), repr(value) if number % 2 else ""]
        cells += [str((-7) ** number % 2**63), "yes" if number % 2 else "0"]
        lines.append(delimiter.join(quoted(cell, quote) for cell in cells) + "\n")
    lines.append(delimiter.join([quote + quote] * 6) + "\n")  # all of them at their defaults
    return "".join(lines).encode()


DIALECTS = [',"', ';"', '\t"', '|"', ",'", "\t'", ";'", ' "', "^~"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_values_of_every_type_are_written_as_they_should_be(dialect: str, tmp_path: Path) -> None:
    delimiter, quote = dialect
    format_ = CsvFormat(delimiter, quote, CELL_COLUMNS, header=False)
    data = cells_file(delimiter, quote)
    expected = score_csv(
        data, CELLS, columns=CELL_COLUMNS, delimiter=delimiter, quote=quote, header=False
    )
    assert not expected.rejects
    outcomes = scored(format_, data, CELLS)
    assert_same_csv(rows_of(outcomes), expected, delimiter, quote)
    assert written(format_, outcomes, tmp_path) == rows_of(outcomes)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_written_reads_back_in_python_and_here(dialect: str, tmp_path: Path) -> None:
    delimiter, quote = dialect
    format_ = CsvFormat(delimiter, quote, CELL_COLUMNS)
    head = delimiter.join(CELL_COLUMNS).encode() + b"\n"
    data = head + cells_file(delimiter, quote)
    out = written(format_, scored(format_, data, CELLS), tmp_path)
    text = io.StringIO(out.decode(), newline="")
    rows = list(csv.DictReader(text, delimiter=delimiter, quotechar=quote, strict=True))
    assert [one["prediction_text"] for one in rows] == [one["text"] for one in rows]
    assert [one["prediction_maybe"] for one in rows] == [one["maybe"] for one in rows]
    numbers = [(float(one["prediction_number"]), float(one["number"] or 0)) for one in rows]
    assert all(came == went for came, went in numbers)
    names = tuple(rows[0])
    again = CsvFormat(delimiter, quote, names)
    both = scored(again, out, CELLS, prediction_field="again")
    assert sum(one.records_scored for one in both) == len(rows)
    assert not shown(both)


def test_what_is_written_reads_back_in_arrow(tmp_path: Path) -> None:
    format_ = CsvFormat(columns=CSV_COLUMNS)
    data = CSV_HEADER + b"".join(row(i, name='"a,\n""b"') + b"\n" for i in range(100))
    out = written(format_, scored(format_, data, block_bytes=500), tmp_path)
    table = pa.csv.read_csv(
        io.BytesIO(out), parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    )
    assert table.column("id").to_pylist() == list(range(100))
    assert set(table.column("name").to_pylist()) == {'a,\n"b'}
    assert table.schema.field("prediction_score").type == pa.float64()
    assert set(table.column("prediction_label").to_pylist()) == {'a,\n"b is red'}


def test_the_record_comes_out_as_it_went_in() -> None:
    format_ = CsvFormat(columns=CSV_COLUMNS)
    lines = [
        row(1) + b"\r\n",
        b'"2", 1.50 ,"2","red","a\r\n""b""",,  \n',
        row(3, z="\r\r") + b"\n",
        row(4, x="+1_0.50", z="1" * 50),
    ]
    outcomes = scored(format_, CSV_HEADER + b"\n".join([b"", *lines]))
    assert rows_of(outcomes) == (
        row(1) + b",a is red,5.0,0.75\n"
        b'"2", 1.50 ,"2","red","a\r\n""b""",,  ,"a\r\n""b"" is red",5.0,0.75\n'
        + row(3, z="\r")
        + b",a is red,5.0,0.75\n"
        + row(4, x="+1_0.50", z="1" * 50)
        + b",a is red,23.0,5.25\n"
    )


PREDICTED = b",prediction_label,prediction_score,prediction_ratio\n"


@pytest.mark.parametrize("compression", ["none", *SUFFIXES])
def test_a_part_file_has_one_header_however_many_blocks_it_is_of(
    compression: str, tmp_path: Path
) -> None:
    format_ = CsvFormat(columns=CSV_COLUMNS)
    data = CSV_HEADER + b"".join(row(i) + b"\n" for i in range(100))
    outcomes = scored(format_, data, block_bytes=100, range_bytes=700)
    assert len(outcomes) > 10
    packed = written(format_, outcomes, tmp_path, compression)
    path = f"part{format_.part_suffix(compression)}"
    out = format_.opened(io.BytesIO(packed), path).read()
    assert out == CSV_HEADER[:-1] + PREDICTED + rows_of(outcomes)
    assert (packed == out) == (compression == "none")


def test_without_a_header_in_there_is_none_out(tmp_path: Path) -> None:
    format_ = CsvFormat(columns=CSV_COLUMNS, header=False)
    outcomes = scored(format_, row(1) + b"\n" + row(2))
    assert {bytes(one.predictions.header) for one in outcomes} == {b""}
    assert written(format_, outcomes, tmp_path) == rows_of(outcomes)
    assert rows_of(outcomes).count(b"\n") == 2


def test_names_in_a_header_are_quoted_where_they_must_be() -> None:
    columns = ("x", "n", "colour", "name", 'a "b"', "c;d", " e", "f\ng", "", "h,i")
    format_ = CsvFormat(";", '"', columns)
    head = ";".join(quoted(name) for name in columns).encode() + b"\n"
    [one] = scored(format_, head + b"1.5;2;red;a;;;;;;", prediction_field="p")
    assert bytes(one.predictions.header) == (
        b'x;n;colour;name;"a ""b""";"c;d";" e";"f\ng";"";h,i;p_label;p_score;p_ratio\n'
    )


# --- what the model is handed --------------------------------------------------------------------


def test_only_what_the_columns_cannot_decide_goes_to_the_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged = []
    judge = BaseModel.model_validate_strings.__func__  # type: ignore[attr-defined]

    def counting(cls: type[BaseModel], record: Any, **more: Any) -> Any:
        judged.append(dict(record))
        return judge(cls, record, **more)

    monkeypatch.setattr(BaseModel, "model_validate_strings", classmethod(counting))
    format_ = CsvFormat(columns=CSV_COLUMNS, header=False)
    good = [row(i, name='"a, ""b""\n"', weight="0.5" if i % 2 else "") for i in range(100)]
    bad = row(0, n="two")
    data = b"\n".join([*good[:50], bad, *good[50:]])
    outcomes = scored(format_, data)
    assert sum(one.records_scored for one in outcomes) == 100
    assert [record["n"] for record in judged] == ["two"]


def test_a_class_that_looks_at_the_whole_record_is_handed_all_of_it() -> None:
    format_ = CsvFormat(columns=CSV_COLUMNS, header=False)
    known = CsvFormat(columns=("x", "n", "colour", "name", "z"), header=False)
    spec = ModelSpec("models:ForbiddingModel")
    assert [error for _, error, _ in shown(scored(format_, row(1), spec))] == [GOOD]
    lines = b"1.5,2,red,a,\n1.5,2,red,a,z\n"
    outcomes = scored(known, lines, spec)
    assert rows_of(outcomes) == b"1.5,2,red,a,,a is red,5.0,0.75\n"  # an empty cell is no field
    assert [source["offset"] for _, _, source in shown(outcomes)] == [13]


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


# --- any file, cut anywhere ----------------------------------------------------------------------

EXAMPLES = int(os.environ.get("CSV_EXAMPLES", "60"))
SNIPPETS = [
    *(b'"', b'"', b'"', b'""', b'","', b'"\n"', b'"\r\n', b'",', b',"', b",", b",", b",,", b" "),
    *(b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\n", b"1", b"2.5", b"-0", b"red", b"a"),
    *("é".encode(), "🦀".encode(), BOM, b"\xff", b"\xc3", b"\xe2\x82", b"\0", b"x" * 30),
    *(b";", b"\t", b"|", b"'", b"\\", b"#", b"\x0b", b"\x0c", b"\x85", b"\x1c", "\u2028".encode()),
]
noise = st.lists(st.sampled_from(SNIPPETS), max_size=24).map(b"".join)
# What one of these opens another may close, a line or a limit further on.
QUOTED_LINES = [
    *(
        b"a,b",
        b"a,b",
        b'a,"b',
        b'"a',
        b'"a,b',
        b'a,"',
        b'"',
        b'",b',
        b'a"',
        b'a,b"',
        b'",","',
        b'""',
    ),
    *(
        b'a,",\n,"',
        b'"\n",b',
        b'"\n\n",b',
        b'a,"\r\nb"',
        b'a,"",b',
        b'a,"""',
        b'"",""',
        b"",
        b"\xff",
    ),
]
quoted_lines = st.lists(st.sampled_from(QUOTED_LINES), max_size=9).map(b"\n".join)

GOOD_CELLS = {
    "id": ["1", "x y", "", "1", "1" * 50],
    "x": ["1.5", "-2.25e-3", "5", "1e300", "0.1", "-0.0", "13.0", "1E2"],
    "n": ["1", "0", "-7", "9223372036854775807"],
    "colour": ["red", "green", "blue"],
    "name": ["a", "a b", "é🦀", "a,b", 'a"b', "a\nb", "a\r\nb", ",a", "\nb", "NA", " a", "\r", "#"],
    "weight": ["", "", "0.5", "-1"],
    "z": ["", "z", '"', "\n", "a,\n,", "'", "\\", "\u2028\x0b\x0c\x85"],
}
HOSTILE_CELLS = [
    *("", " ", " 1.5 ", "NaN", "inf", "1e400", "1_000", "+1", "--1", "1,5", "0x1F", "\u0661", "-0"),
    *(
        "5.0",
        "5.5",
        "9" * 19,
        "1" * 40,
        "true",
        "NA",
        "null",
        "\0",
        "much",
        "RED",
        "666",
        "\ufeff1",
    ),
    *("\n", "\r", "\r\n", "a\n\nb", '"', '""', ",", "\n1,1.5,2,red,a,,\n", 'a",b', "x" * 80),
]


def seldom(often: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([often] * 7 + [other]).flatmap(lambda chosen: chosen)


@st.composite
def cells(draw: st.DrawFn, column: str, form: str) -> str:
    """A cell as it is to be written: soundly, but seldom."""
    good = st.sampled_from(GOOD_CELLS[column])
    text = draw(seldom(good, st.sampled_from(HOSTILE_CELLS) | st.text(max_size=3)))
    form = draw(seldom(st.just(form), st.sampled_from(FORMS)))
    if form == "as it must be":
        form = "quoted" if any(sign in text for sign in '",\r\n') else "bare"
    return {
        "quoted": quoted(text),
        "bare": text,
        "never closed": quoted(text)[:-1],
        "never opened": quoted(text)[1:],
        "with something behind": quoted(text) + draw(st.sampled_from([" ", "a", '"', '""', "\r"])),
        "with a space before": " " + quoted(text),
    }[form]


FORMS = ["bare", "never closed", "never opened", "with something behind", "with a space before"]


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    form = draw(seldom(st.just("as it must be"), st.just("quoted")))
    parts = [draw(cells(column, form)) for column in GOOD_CELLS]
    count = draw(seldom(st.just(len(parts)), st.sampled_from([1, len(parts) - 1])))
    more = draw(seldom(st.just(""), st.sampled_from([",", ",a", ',"', "\r", "\n"])))
    return (",".join(parts[:count]) + more).encode()


ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\n\n", b"\r\r\n", b"\n\r\n"])
row_files = st.builds(
    lambda lines, last: b"".join(one + end for one, end in lines)[: None if last else -1],
    st.lists(st.tuples(seldom(rows(), noise), ends), max_size=7),
    st.booleans(),
)
sizes = st.fixed_dictionaries(
    {
        "range_bytes": st.integers(1, 80),
        "block_bytes": st.sampled_from([1, 2, 7, 30, 100, 1_000, MANY]),
        "max_record_bytes": st.sampled_from([5, 8, 12, 25, 60, 100, 1_500, MANY]),
    }
)
dialects = st.sampled_from(DIALECTS)
heads = st.sampled_from([b"", b"", BOM])


def in_dialect(data: bytes, dialect: str) -> bytes:
    return data.translate(bytes.maketrans(b',"', dialect.encode()))


def header_line(columns: Sequence[str], delimiter: str, quote: str) -> bytes:
    return delimiter.join(csv_cell(name, delimiter, quote) for name in columns).encode() + b"\n"


def hold_against_the_obvious(
    data: bytes,
    spec: ModelSpec,
    columns: tuple[str, ...],
    dialect: str,
    header: bool,
    sizes: dict[str, int],
    batch_size: int | None = None,
) -> None:
    """Rows, header and rejects; for ranges of one byte, of this many and of all, at the least."""
    delimiter, quote = dialect
    data = in_dialect(data, dialect)
    limit = sizes["max_record_bytes"]
    format_ = CsvFormat(delimiter, quote, columns, header)
    scorer = scorer_of(format_, spec, batch_size=batch_size, max_record_bytes=limit)
    score = functools.cache(scorer.score)
    expected = score_csv(
        data,
        spec,
        columns=columns,
        delimiter=delimiter,
        quote=quote,
        header=header,
        max_record_bytes=limit,
    )
    rejects = [(r.stage, r.error, r.source) for r in expected.rejects]
    names = [f"prediction_{name}" for name in spec.load().output_schema.model_fields]
    head = header_line([*columns, *names], delimiter, quote) if header else b""
    for range_bytes in {1, 2, sizes["range_bytes"], len(data) // 2 + 1, MANY}:
        blocks = blocks_of(format_, data, **{**sizes, "range_bytes": range_bytes})
        outcomes = [score(block) for block in blocks]
        assert all(one.records_read == one.records_scored + len(one.rejects) for one in outcomes)
        assert shown(outcomes) == rejects
        assert_same_csv(rows_of(outcomes), expected, delimiter, quote)
        payloads = [one.predictions for one in outcomes if one.predictions is not None]
        assert {bytes(one.header) for one in payloads} <= {head}


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    data=noise | quoted_lines,
    bom=heads,
    columns=st.sampled_from([("text",), ("text", "maybe"), ("text", "z", "maybe")]),
    dialect=dialects,
    header=st.booleans(),
    sizes=sizes,
)
def test_any_bytes_are_read_as_each_record_alone_wherever_the_file_is_cut(
    data: bytes,
    bom: bytes,
    columns: tuple[str, ...],
    dialect: str,
    header: bool,
    sizes: dict[str, int],
) -> None:
    head = ",".join(columns).encode() + b"\n" if header else b""
    hold_against_the_obvious(bom + head + data, CELLS, columns, dialect, header, sizes)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    data=row_files,
    bom=heads,
    dialect=dialects,
    header=st.booleans(),
    model=st.sampled_from(
        ["Plain", "Record", "Judged", "Defaults", "Poison", "Bound", "Forbidding"]
    ),
    sizes=sizes,
    batch_size=st.sampled_from([None, 1, 3]),
)
def test_rows_are_scored_as_each_alone_wherever_the_file_is_cut(
    data: bytes,
    bom: bytes,
    dialect: str,
    header: bool,
    model: str,
    sizes: dict[str, int],
    batch_size: int | None,
) -> None:
    spec = ModelSpec(f"models:{model}Model")
    data = bom + (CSV_HEADER if header else b"") + data
    hold_against_the_obvious(data, spec, CSV_COLUMNS, dialect, header, sizes, batch_size)

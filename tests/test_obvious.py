"""The slow, obvious version of CSV, held against answers worked out by hand and Python's csv."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obvious import (
    BOM,
    MANY,
    Expected,
    assert_same_csv,
    assert_shortest_float,
    csv_cell,
    csv_records,
    score_csv,
)

from model_dofns import ModelSpec

CRAB = "🦀".encode()


def split(
    data: bytes, delimiter: bytes = b",", quote: bytes = b'"', max_record_bytes: int = MANY
) -> list[tuple[int, bytes, list[bytes] | None]]:
    return [
        (one.offset, one.text, one.cells)
        for one in csv_records(data, delimiter, quote, max_record_bytes)
    ]


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"a", [(0, b"a", [b"a"])]),
        (b"a,b\nc,d\n", [(0, b"a,b", [b"a", b"b"]), (4, b"c,d", [b"c", b"d"])]),
        (b"a,b\r\nc", [(0, b"a,b", [b"a", b"b"]), (5, b"c", [b"c"])]),
        (b"a\r\r\n", [(0, b"a\r", [b"a\r"])]),
        (b"a\rb\n", [(0, b"a\rb", [b"a\rb"])]),
        (b"a\r", [(0, b"a\r", [b"a\r"])]),
        (b"\n\r\n\na\n\n", [(4, b"a", [b"a"])]),
        (b"\r\r\n", [(0, b"\r", [b"\r"])]),
        (b" \n", [(0, b" ", [b" "])]),
        (b",\n", [(0, b",", [b"", b""])]),
        (b'""\n', [(0, b'""', [b""])]),
        (b'""""\n', [(0, b'""""', [b'"'])]),
        (b'"a,""b"""\n', [(0, b'"a,""b"""', [b'a,"b"'])]),
        (b'"a\nb",c\nd\n', [(0, b'"a\nb",c', [b"a\nb", b"c"]), (8, b"d", [b"d"])]),
        (b'"a\r\n\n"\r\nd', [(0, b'"a\r\n\n"', [b"a\r\n\n"]), (8, b"d", [b"d"])]),
        (b'"a"', [(0, b'"a"', [b"a"])]),
        (b'"a"\r', [(0, b'"a"\r', None)]),
        (b'"a"\r\r\n', [(0, b'"a"\r', None)]),
        (b'"a"b\nc\n', [(0, b'"a"b', None), (5, b"c", [b"c"])]),
        (b'"a" ,b\n', [(0, b'"a" ,b', None)]),
        (b' "a"\n', [(0, b' "a"', None)]),
        (b'a"\r\nb', [(0, b'a"', None), (4, b"b", [b"b"])]),
        (b'"a\nb\nc\n', [(0, b'"a', None), (3, b"b", [b"b"]), (5, b"c", [b"c"])]),
        (b'"a\nb"x\nc\n', [(0, b'"a', None), (3, b'b"x', None), (7, b"c", [b"c"])]),
        (b'x,"a\n"b","c"\n', [(0, b'x,"a', None), (5, b'"b","c"', [b"b", b"c"])]),
        (b'"a""\n', [(0, b'"a""', None)]),
        (b'"\n', [(0, b'"', None)]),
        (BOM + b'"a"\n', [(3, b'"a"', [b"a"])]),
        (BOM, []),
        (b"a\n" + BOM + b"b", [(0, b"a", [b"a"]), (2, BOM + b"b", [BOM + b"b"])]),
        (b"\xff," + CRAB + b"\n", [(0, b"\xff," + CRAB, [b"\xff", CRAB])]),
    ],
)
def test_a_file_is_split_as_worked_out_by_hand(
    data: bytes, records: list[tuple[int, bytes, list[bytes] | None]]
) -> None:
    assert split(data) == records
    other = bytes.maketrans(b',"', b"|'")
    assert split(data.translate(other), b"|", b"'") == [
        (offset, text.translate(other), cells and [cell.translate(other) for cell in cells])
        for offset, text, cells in records
    ]


@pytest.mark.parametrize(
    ("limit", "records"),
    [
        (9, [(b'"a\r\nb",cd', [b"a\r\nb", b"cd"]), (b"e", [b"e"])]),
        (8, [(b'"a', None), (b'b",cd', None), (b"e", [b"e"])]),
    ],
)
def test_a_record_over_lines_that_is_too_long_is_its_first_line(
    limit: int, records: list[tuple[bytes, list[bytes] | None]]
) -> None:
    found = split(b'"a\r\nb",cd\r\ne\r\n', max_record_bytes=limit)
    assert [(text, cells) for _, text, cells in found] == records


@given(
    rows=st.lists(
        st.lists(st.text('ab,"\r\n é🦀', max_size=5), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
    # Python quotes a carriage return only where its line ends have one, or it quotes all.
    form=st.sampled_from(
        [(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n")]
    ),
    dialect=st.sampled_from([",;", ',"', "\t'", "|'", ';"']),
)
def test_what_pythons_csv_writes_is_read_as_it_was(
    rows: list[list[str]], form: tuple[int, str], dialect: str
) -> None:
    (quoting, end), (delimiter, quote) = form, dialect
    file = io.StringIO(newline="")
    csv.writer(
        file, delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=quoting
    ).writerows(rows)
    records = split(file.getvalue().encode(), delimiter.encode(), quote.encode())
    assert [[cell.decode() for cell in cells] for _, _, cells in records] == rows
    read = csv.reader(
        io.StringIO(file.getvalue(), newline=""), delimiter=delimiter, quotechar=quote
    )
    assert list(read) == rows


HEADER = b"x,n,colour,name,weight\n"
GOOD = b"1.5,2,red,a,"


def score(lines: bytes, **more: int) -> Expected:
    return score_csv(HEADER + lines, ModelSpec("models:PlainModel"), **more)


def verdicts(expected: Expected) -> list[tuple[int, str, str]]:
    return [(one.source["offset"] - len(HEADER), one.stage, one.error) for one in expected.rejects]


def test_a_good_record_has_the_prediction_of_its_texts() -> None:
    expected = score(GOOD + b'\r\n"1_0",-0,"red","a ""b""",.5')
    assert expected.rejects == []
    assert expected.scored == [
        (GOOD, {"label": "a is red", "score": 5.0, "ratio": 0.75}),
        (
            b'"1_0",-0,"red","a ""b""",.5',
            {"label": 'a "b" is red', "score": 20.5, "ratio": None},
        ),
    ]


@pytest.mark.parametrize(
    ("line", "stage", "error"),
    [
        (b"1.5,2,red,a", "decode", "FieldCount"),
        (b"1.5,2,red,a,,", "decode", "FieldCount"),
        (b'1.5,2,red,"a,', "decode", "InvalidCSV"),
        (b'1.5,"2,red', "decode", "InvalidCSV"),
        (b'1.5,2,red,"\xff', "decode", "InvalidUTF8"),
        (b"\xff", "decode", "InvalidUTF8"),
        (b'"\xff' + b"x" * 100, "decode", "RecordTooLong"),
        (b",2,red,a,", "validate", "ValidationError"),
        (b'1.5,"",red,a,', "validate", "ValidationError"),
        (b"1.5,2,red,a,NA", "validate", "ValidationError"),
        (b"nan,2,red,a,", "output", "NotFinite"),
    ],
)
def test_a_bad_record_is_refused_for_the_first_thing_that_is_wrong(
    line: bytes, stage: str, error: str
) -> None:
    expected = score(GOOD + b"\n" + line + b"\r\n" + GOOD, max_record_bytes=50)
    assert [record for record, _ in expected.scored] == [GOOD, GOOD]
    assert verdicts(expected) == [(len(GOOD) + 1, stage, error)]


def test_of_a_record_that_is_too_long_a_head_is_shown() -> None:
    line = b"x" + "é".encode() * 1_000
    [reject] = score(line, max_record_bytes=1_500).rejects
    assert reject.source == {"input": "x" + "é" * 511, "offset": len(HEADER)}
    [reject] = score(b"x\xff" + line, max_record_bytes=1_500).rejects
    assert list(reject.source) == ["input_base64", "offset"]


def test_columns_are_those_of_the_header_or_those_that_are_named() -> None:
    plain = ModelSpec("models:PlainModel")
    renamed = score_csv(b"a,b\n" + GOOD, plain, columns=["x", "n", "colour", "name", "weight"])
    headless = score_csv(GOOD, plain, columns=["x", "n", "colour", "name", "weight"], header=False)
    assert renamed.scored == headless.scored == score(GOOD).scored
    assert [one.error for one in score_csv(b"x,n\n1.5,2", plain).rejects] == ["ValidationError"]


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *((None, ""), (True, "true"), (False, "false"), (-7, "-7"), ("", '""'), ("NA", "NA")),
        *(("a b", "a b"), (" a", '" a"'), ("a\t", '"a\t"'), ("a,b", '"a,b"'), ("a'b", "a'b")),
        *(('a"b', '"a""b"'), ("a\rb", '"a\rb"'), ("a\nb", '"a\nb"'), ("é", "é"), ("1.0", "1.0")),
    ],
)
def test_a_cell_is_quoted_where_it_must_be(value: str | int | None, cell: str) -> None:
    assert csv_cell(value, ",", '"') == cell


ONE = Expected([(b"1,x", {"label": "a,b", "score": 5.0, "ratio": None})])


def test_the_same_csv_is_the_same() -> None:
    assert_same_csv(b"", Expected())
    assert_same_csv(b'1,x,"a,b",5.0,\n', ONE)
    assert_same_csv(b'1,x,"a,b",5e0,\n', ONE)
    assert_same_csv(b"1,x;a,b;5.0;\n", ONE, ";", "'")
    assert_same_csv(b"1,x,'a,b',5.000000000001,\n", ONE, ",", "'")


@pytest.mark.parametrize(
    "other",
    [
        *(b"", b'1,x,"a,b",5.0,', b'1,x,"a,b",5.0\n', b'1,x,"a,b",5.0,\n\n', b"1,x,a,b,5.0,\n"),
        *(b'1,x,"a,b",5,\n', b'1,x,"a,b",5.1,\n', b'1,x,"a,b",-5.0,\n', b'1,x,"a,b",,\n'),
        *(b'1,x,"a,b",5.0,""\n', b'1,x,"a,b",5.0,null\n', b'1,x,"a,c",5.0,\n', b'2,x,"a,b",5.0,\n'),
        *(b'1,x,"a,b",5.0,\r\n', b'1,x, "a,b",5.0,\n', b'1,x,"a,b",5.0000000000000001,\n'),
        b'1,x,"a,b",5.0,\n' * 2,
    ],
)
def test_another_csv_is_not_the_same(other: bytes) -> None:
    with pytest.raises((AssertionError, ValueError)):
        assert_same_csv(other, ONE)


@pytest.mark.parametrize(
    ("cell", "value"), [("0.1", 0.1), ("1e+20", 1e20), ("-0.0", -0.0), ("5e-324", 5e-324)]
)
def test_a_float_is_shortest(cell: str, value: float) -> None:
    assert_shortest_float(cell, value)
    with pytest.raises(AssertionError):
        assert_shortest_float(f"{abs(value):.30e}" if value else "0.0", -1.0 if value else value)

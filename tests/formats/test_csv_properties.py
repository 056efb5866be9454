"""CSV: any file, cut anywhere, is scored as the slow and obvious version scores it.

It is held against ``obvious.score_csv``: for a long hunt, ``CSV_EXAMPLES=100000``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

from csv_scoring import (
    CELLS,
    DIALECTS,
    blocks_of,
    quoted,
    rows_of,
    scorer_of,
    shown,
)
from hostile import CSV_COLUMNS, CSV_HEADER
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import BOM, MANY, assert_same_csv, csv_cell, score_csv

from model_dofns import ModelSpec
from model_dofns.formats.csv.format import CsvFormat

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

"""CSV: the cells that the model is handed, and the way out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from csv_scoring import (
    CELLS,
    DIALECTS,
    GOOD,
    quoted,
    rows_of,
    scored,
    shown,
)
from hostile import CSV_COLUMNS, CSV_HEADER, row
from obvious import assert_same_csv, score_csv
from pydantic import BaseModel

from model_dofns import ModelSpec, ScoredBlock
from model_dofns.formats.compression import SUFFIXES
from model_dofns.formats.csv.format import CsvFormat


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

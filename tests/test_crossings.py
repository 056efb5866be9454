"""Records that come out in another format than they went in are the same records.

Of JSON, the columns are those that the first records show, so later ones do not fit: their values
must be found all the same. For a long hunt: ``FUZZ_EXAMPLES=10000``.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crossing import (
    Crossed,
    cross,
    csv_rows,
    json_lines,
    json_value,
    parquet_rows,
    plain,
    same,
    whole,
    write,
)
from hostile import text
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import objects, words
from obvious import csv_records

from model_dofns import ModelSpec, Reject, Scorer, settling
from model_dofns.exceptions import InputError

MANY = 1 << 24
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
MODELS = ["Idle", "Defaults", "Plain", "Record", "Poison", "Forbidding", "Aliased"]

# --- from JSON lines ----------------------------------------------------------------------------

BAD = ["{", "[]", "5", '{"a":NaN}', '{"a":1}{"a":1}', '{"a":1,}', "{a:1}", '"{}"']
lines = st.lists(
    st.sampled_from([objects()] * 7 + [st.sampled_from(BAD)]).flatmap(lambda chosen: chosen),
    max_size=8,
)


def scored_texts(data: bytes, crossed: Crossed) -> list[str]:
    """The lines that are no rejects."""
    offset, texts = 0, []
    rejected = {reject.source["offset"] for reject in crossed.rejects}
    for line in data.split(b"\n")[:-1]:
        if offset not in rejected:
            texts.append(line.decode())
        offset += len(line) + 1
    return texts


def unless_names_clash(
    paths: list[Path], out: Path, *arguments: Any, **more: Any
) -> Crossed | None:
    """The same as ``cross``; None where the sample has a name that the prediction takes."""
    try:
        return cross(paths, out, *arguments, **more)
    except InputError as error:
        if "prediction_label already" not in str(error):
            raise
        return None


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    records=lines,
    model=st.sampled_from(MODELS),
    sample_bytes=st.sampled_from([1, 40, 100, MANY]),
    block_bytes=st.sampled_from([1, 100, MANY]),
)
def test_json_as_columns_is_the_same_json(
    records: list[str], model: str, sample_bytes: int, block_bytes: int
) -> None:
    data = "".join(f"{record}\n" for record in records).encode()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "SAMPLE_BYTES", sample_bytes)
        path, here = write(Path(folder, "in.jsonl"), data), Path(folder)
        reference = cross(
            [path], here / "lines", f"models:{model}Model", "jsonl", prediction_field="guess"
        )
        texts = scored_texts(data, reference)
        given_ = [json_value(text) for text in texts]
        expected = json_lines(reference.path)
        for record, came in zip(given_, expected, strict=True):
            assert same({**record, "guess": came["guess"]}, came)

        arguments = f"models:{model}Model"
        parquet = unless_names_clash(
            [path], here / "out", arguments, "parquet", block_bytes=block_bytes
        )
        if parquet is not None:
            assert parquet.verdicts() == reference.verdicts()
            hold_parquet(parquet, given_, expected)
            hold_the_way_back(parquet, given_, here, model, block_bytes)
        cells = unless_names_clash([path], here / "out", arguments, "csv", block_bytes=block_bytes)
        assert (cells is None) == (parquet is None)
        if cells is not None:
            assert cells.verdicts() == reference.verdicts()
            hold_csv(cells, given_)


def hold_parquet(
    crossed: Crossed, given_: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """The records as they are read plainly, and beside them the same predictions."""
    rows = parquet_rows(crossed.path)
    for row, record, lines_ in zip(rows, given_, expected, strict=True):
        guess = {f"prediction_{name}": value for name, value in lines_["guess"].items()}
        absent = {name for name, value in guess.items() if value is None}
        assert same({**row, **dict.fromkeys(absent)}, {**guess, **record})


def hold_the_way_back(
    crossed: Crossed, given_: list[dict[str, Any]], here: Path, model: str, block_bytes: int
) -> None:
    """As JSON again; and the model, which reads them from columns now, says the same."""
    if crossed.path is None:
        return
    for judge in {"Idle", model} - {"Forbidding"}:  # which does not know the prediction
        back = cross(
            [crossed.path],
            here / "back",
            f"models:{judge}Model",
            "jsonl",
            block_bytes=block_bytes,
            prediction_field="again",
        )
        assert back.verdicts() == []
        added = crossed.settled.layout.prediction_columns()
        for record, came in zip(given_, json_lines(back.path), strict=True):
            again = came.pop("again")
            if judge == model:
                for name, value in again.items():
                    column = f"prediction_{name}"
                    assert column in record or same(came.get(column), value)
            for name in added:
                if name not in record:
                    came.pop(name, None)
            assert same(came, record)


def hold_csv(crossed: Crossed, given_: list[dict[str, Any]]) -> None:
    """Each value in its cell, or in ``_extra``."""
    for row, record in zip(csv_rows(crossed.path), given_, strict=True):
        said = json_value(row["_extra"]) if row["_extra"] else {}
        for name, value in record.items():
            if name in said:
                assert same(said[name], value)
                others = ("_extra", *crossed.settled.layout.prediction_columns())
                assert name in others or not row.get(name)
            elif isinstance(value, str):
                assert row[name] == value
            else:
                assert same(json_value(row[name]), value)
        absent = row.keys() - record.keys() - {"_extra"}
        assert not any(row[name] for name in absent if not name.startswith("prediction_"))
        assert said.keys() <= record.keys()


# --- from Parquet --------------------------------------------------------------------------------

DAY = datetime.date(2026, 11, 22)
NOON = datetime.datetime(2026, 11, 22, 12, 0, 0, 1)
ARRAYS = {
    "float16": pa.array([0.1, None, math.nan, math.inf], pa.float16()),
    "float32": pa.array([0.1, 5.0, -math.inf, None], pa.float32()),
    "float64": pa.array([0.1, 5e-324, -0.0, 1e300], pa.float64()),
    "NaN": pa.array([math.nan, math.inf, 1.5, None], pa.float64()),
    "uint64": pa.array([0, 2**64 - 1, None, 1], pa.uint64()),
    **{str(t): pa.array([1, -2, None, 100], t) for t in (pa.int8(), pa.int16(), pa.int64())},
    "bool": pa.array([True, None, False, True]),
    "null": pa.nulls(4),
    "decimal128": pa.array([Decimal("1.50"), None, Decimal("-999.99"), Decimal(0)]),
    "decimal256": pa.array([Decimal("1" * 60), None, Decimal(1), Decimal(2)], pa.decimal256(70, 2)),
    "date32": pa.array([DAY, None, DAY, DAY]),
    "date64": pa.array([DAY, None, DAY, DAY], pa.date64()),
    "day beyond": pa.array([0, 2**31 - 1, None, 1], pa.int32()).cast(pa.date32()),
    "time32": pa.array([1, None, 2, 3], pa.time32("ms")),
    "time64": pa.array([1, None, 2, 3], pa.time64("ns")),
    "timestamp": pa.array([NOON, None, NOON, NOON], pa.timestamp("us")),
    "nanoseconds": pa.array([1, None, 2, 3], pa.timestamp("ns")),
    "zone": pa.array([NOON, None, NOON, NOON], pa.timestamp("us", "America/Sao_Paulo")),
    "no zone": pa.array([1, None, 2, 3], pa.timestamp("ms", "Nowhere/At_All")),
    "time beyond": pa.array([2**62, None, 0, -(2**62)], pa.timestamp("us")),
    "duration": pa.array([1, None, 2, 2**60], pa.duration("us")),
    "duration ns": pa.array([1, None, 2, 3], pa.duration("ns")),
    "string": pa.array(["", None, 'a,"b"\n', " \u2028é🦀\0"]),
    "large_string": pa.array(["", None, "a\r", "NaN"], pa.large_string()),
    "string_view": pa.array(["", None, "a much longer text than twelve", "b"], pa.string_view()),
    "no UTF-8": text(b"a", b"\xff", b"", b"\xc3"),
    "binary": pa.array([b"", None, b"\xff", b"abc"]),
    "binary_view": pa.array([b"", None, b"\xff", b"abc"], pa.binary_view()),
    "fixed binary": pa.array([b"ab", None, b"\xff\0", b"cd"], pa.binary(2)),
    "dictionary": pa.array(["a", None, "", "a"]).dictionary_encode(),
    "dictionary of ints": pa.array([1, None, 2, 1]).dictionary_encode(),
    "list": pa.array([[1, None], None, [], [2]]),
    "list of text": pa.array([["a", '"'], None, [], [None]], pa.large_list(pa.string())),
    "list of NaN": pa.array([[math.nan], None, [], [1.5]]),
    # Without a null, with which pyarrow cannot read it again.
    "fixed list": pa.array([[1, 2], [6, 7], [None, 3], [4, 5]], pa.list_(pa.int8(), 2)),
    "struct": pa.array([{"a": 1, "b": None}, None, {"a": None, "b": "é"}, {"a": 2, "b": ""}]),
    "deep": pa.array([[{"a": [{"b": DAY}]}], None, [None], [{"a": None}]]),
    "map": pa.array([[("a", 1)], None, [], [("b", None)]], pa.map_(pa.string(), pa.int8())),
}
_X = [
    (),
    (pa.array([1.5, None, 13.0, 2.5]),),
    (pa.array(["1.5", "x", None, "2"], pa.string_view()),),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Tables of four rows with any columns; some with one that models read."""
    names = draw(st.lists(st.sampled_from(list(ARRAYS)), unique=True, max_size=6))
    x = draw(st.sampled_from(_X))
    table = pa.table([ARRAYS[name] for name in names] + list(x), [*names, *["x"] * len(x)])
    if not table.num_columns:
        return pa.table({"id": [0, 1, 2, 3]})
    return table.select(draw(st.permutations(table.column_names)))


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """As JSON can say them; what Python cannot hold is UNKNOWN."""
    return [value_of(scalar) for scalar in column]


UNKNOWN = object()


def value_of(scalar: pa.Scalar) -> Any:
    if scalar.type == pa.time64("ns") and scalar.is_valid:
        return str(scalar.cast(pa.string()))
    try:
        return plain(scalar.as_py())
    except (ValueError, OverflowError, UnicodeDecodeError, KeyError):
        return UNKNOWN


def is_said(told: Any, value: Any) -> bool:
    """A map is an object."""
    if isinstance(told, dict) and isinstance(value, list):
        return same(list(map(list, told.items())), value)
    if isinstance(told, list) and isinstance(value, list) and len(told) == len(value):
        return all(map(is_said, told, value))
    return same(told, value)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    table=tables(),
    model=st.sampled_from(["Idle", "Defaults", "Poison"]),
    block_bytes=st.sampled_from([1, MANY]),
)
def test_any_column_becomes_json_and_cells(table: pa.Table, model: str, block_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "in.parquet"), table, row_group_size=3)
        came = pq.read_table(path, partitioning=None)
        more = {"block_bytes": block_bytes}
        same_format = cross(
            [path], path.with_name("same"), f"models:{model}Model", "parquet", **more
        )
        lines = cross([path], path.with_name("lines"), f"models:{model}Model", "jsonl", **more)
        cells = cross([path], path.with_name("cells"), f"models:{model}Model", "csv", **more)
        assert same_format.verdicts() == lines.verdicts() == cells.verdicts()
        rejected = {reject.source["row"] for reject in lines.rejects}
        rows = [row for row in range(table.num_rows) if row not in rejected]
        objects_, texts = json_lines(lines.path), csv_rows(cells.path)
        assert len(objects_) == len(texts) == len(rows)
        for name in came.column_names:
            values = values_of(came.column(name))
            for row, object_, cells_ in zip(rows, objects_, texts, strict=True):
                hold_value(values[row], object_[name], cells_[name])
        assert all(object_.keys() == {*came.column_names, "prediction"} for object_ in objects_)


def hold_value(value: Any, told: Any, cell: str) -> None:
    if value is UNKNOWN:
        assert isinstance(told, str)
        assert told
        assert cell == told
    elif value is None:
        assert told is None
        assert cell == ""
    elif isinstance(value, str):
        assert told == value
        assert cell == told
    else:
        assert is_said(told, value)
        assert is_said(json_value(cell), value)


# --- from CSV ------------------------------------------------------------------------------------

CELLS = [
    *words(
        "1.5 2 -7 007 1e3 1E400 0x10 1_0 red blue a NA null true True 1 é🦀 +5 .5 5. -0 nan inf"
    ),
    *('" "', '""', '"a,b"', '"a""b"', '"a\nb"', '"a\r\nb"', '"5"', " 5", "", "", '"{}"'),
]
COLUMNS = ["x", "n", "colour", "name", "weight", "id", "_extra", "a b", "é", '"q"']
BAD_ROWS = ['"a', "1", "1,2,3,4,5,6,7,8,9,10,11,12", 'a"b,1', "\udcff"]


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A file of CSV and the names of its columns."""
    names = draw(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1))
    usual = {"x": "1.5", "n": "2", "colour": "red", "name": "a"}
    rows = ['"' + '","'.join(name.replace('"', '""') for name in names) + '"']
    for _ in range(draw(st.integers(0, 6))):
        cells = [
            usual.get(name, "z") if draw(st.booleans()) else draw(st.sampled_from(CELLS))
            for name in names
        ]
        rows.append(draw(st.sampled_from([",".join(cells)] * 6 + BAD_ROWS)))
    return "".join(f"{row}\n" for row in rows).encode(errors="surrogateescape"), names


def read_as_csv(data: bytes, rejects: list[Reject]) -> list[dict[str, str]]:
    """The records that are no rejects: the fields that are not empty."""
    rejected = {reject.source["offset"] for reject in rejects}
    header, *records = csv_records(data, b",", b'"')
    names = [cell.decode() for cell in header.cells or []]
    return [
        {name: cell.decode() for name, cell in zip(names, one.cells, strict=True) if cell}
        for one in records
        if one.offset not in rejected and one.cells is not None
    ]


def is_read_as(told: Any, cell: str, name: str, types: Mapping[str, pa.DataType]) -> bool:
    """Whether this is what the cell says: text, or a value of the type the model gives it."""
    if isinstance(told, str):
        return told == cell
    assert name in types
    if isinstance(told, bool):
        return cell == str(told).lower()
    assert not set(cell) - set("+-.0123456789eE")
    return bool(told == float(cell)) if isinstance(told, float) else bool(told == int(cell))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    file=csv_files(),
    model=st.sampled_from(["Idle", "Defaults", "Plain", "Cells", "Poison", "Forbidding"]),
    block_bytes=st.sampled_from([1, MANY]),
    preflight=st.booleans(),
)
def test_cells_become_json_and_columns(
    file: tuple[bytes, list[str]], model: str, block_bytes: int, preflight: bool
) -> None:
    data, _ = file
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "in.csv"), data)
        more = {"block_bytes": block_bytes, "preflight": preflight}
        arguments = f"models:{model}Model"
        same_format, lines, table = (
            cross([path], path.with_name(out), arguments, out, **more)
            for out in ("csv", "jsonl", "parquet")
        )
        assert same_format.verdicts() == lines.verdicts() == table.verdicts()
        expected = read_as_csv(data, lines.rejects)
        types = Scorer(ModelSpec(arguments)).layout.input_types
        for record, came in zip(expected, json_lines(lines.path), strict=True):
            assert came.keys() == {*record, "prediction"}
            assert all(is_read_as(came[name], record[name], name, types) for name in record)
        for record, came in zip(expected, parquet_rows(table.path), strict=True):
            added = {name for name in came if name.startswith("prediction_")}
            assert came.keys() - added == record.keys()
            for name in record:
                assert is_read_as(came[name], record[name], name, types)
                assert preflight or came[name] == record[name]  # nothing is known of types then


# --- files of several formats --------------------------------------------------------------------

# Fields that JSON and CSV have as text alike; ``x`` and ``n`` are the model's.
RECORD = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "é", 'q"', "a,b"]), "colour": st.sampled_from(["red", "pink"])},
    optional={
        "x": st.sampled_from([1.5, 2.0, 13.0]),
        "n": st.sampled_from([1, 2]),
        "note": st.sampled_from(["u", "v\n"]),
    },
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    records=st.fixed_dictionaries(
        {name: st.lists(RECORD, max_size=4) for name in ("jsonl", "csv", "parquet")}
    ),
    model=st.sampled_from(["Plain", "Poison", "Defaults"]),
    block_bytes=st.sampled_from([1, MANY]),
)
def test_files_of_several_formats_in_one_job(
    records: dict[str, list[dict[str, Any]]], model: str, block_bytes: int
) -> None:
    types = {"name": pa.string(), "colour": pa.string(), "x": pa.float64(), "n": pa.int64()}
    schema = pa.schema(types | {"note": pa.string()})
    names = schema.names
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        text = io.StringIO(newline="")
        rows = csv.DictWriter(text, names, lineterminator="\n")
        rows.writeheader()
        rows.writerows(records["csv"])
        paths = [
            write(here / "a.jsonl", "".join(json.dumps(one) + "\n" for one in records["jsonl"])),
            write(here / "b.csv", text.getvalue()),
            write(here / "c.parquet", pa.Table.from_pylist(records["parquet"], schema)),
        ]
        # A null of Parquet is a null, and stays one.
        given_ = [*records["jsonl"], *records["csv"]]
        given_ += [dict.fromkeys(names) | one for one in records["parquet"]]
        alone = [
            cross([path], here / "alone", f"models:{model}Model", path.suffix[1:]) for path in paths
        ]
        verdicts = [verdict for one in alone for verdict in one.verdicts()]
        for output_format in ("jsonl", "parquet", "csv"):
            arguments = f"models:{model}Model", output_format
            crossed = cross(paths, here / "out", *arguments, block_bytes=block_bytes)
            assert crossed.verdicts() == verdicts
            assert crossed.read == len(given_)
            good = [one for one in given_ if is_good(one, model)]
            if output_format == "jsonl":
                came = json_lines(crossed.path)
                assert all(one.pop("prediction") for one in came)
            elif output_format == "parquet":
                came = parquet_rows(crossed.path)
            else:
                came = [whole(cells) for cells in csv_rows(crossed.path)]
            for record, one in zip(good, came, strict=True):
                told = {k: v for k, v in one.items() if not k.startswith("prediction_")}
                if output_format == "csv":
                    told = {k: v for k, v in told.items() if v != ""}
                    record = {k: v if v is None else str(v) for k, v in record.items()}
                assert same(told, record)


def is_good(record: Mapping[str, Any], model: str) -> bool:
    """Whether the model scores a record of these: obviously."""
    defaults = {"x": 0, "n": 0} if model == "Defaults" else {}
    known = {"x": None, "n": None, **defaults, **record}
    there = known["x"] is not None and known["n"] is not None
    return there and known["colour"] == "red" and not (model == "Poison" and known["x"] == 13.0)


def test_nulls_of_parquet_stay_nulls_beside_files_that_need_extra(tmp_path: Path) -> None:
    """And fields that a file does not have stay absent."""
    write(tmp_path / "a.jsonl", '{"x":1.5,"note":null,"z":[1]}\n{"z":"text"}\n')
    write(tmp_path / "b.parquet", pa.table({"x": [None, 2.5], "note": ["a", None]}))
    paths = sorted(tmp_path.iterdir())
    idle = "models:IdleModel"
    out = cross(paths, tmp_path / "out", idle, "parquet")
    assert out.path is not None
    back = cross([out.path], tmp_path / "back", idle, "jsonl", prediction_field="p")
    expected = [
        {"x": 1.5, "note": None, "z": [1]},
        {"z": "text"},
        {"x": None, "note": "a"},
        {"x": 2.5, "note": None},
    ]
    for record, came in zip(expected, json_lines(back.path), strict=True):
        del came["p"], came["prediction_seen"]
        assert same(came, record)


# --- several Parquet files -----------------------------------------------------------------------

UNIFIABLE = [*ARRAYS, *(name for name in ARRAYS if "int" in name or "float" in name)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(one=st.sampled_from(UNIFIABLE), other=st.sampled_from(UNIFIABLE))
def test_two_files_become_one_with_the_same_values_or_are_refused(one: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        paths = [
            write(here / "a.parquet", pa.table({"v": ARRAYS[one], "a": [1] * 4})),
            write(here / "b.parquet", pa.table({"v": ARRAYS[other]})),
        ]
        try:
            out = cross(paths, here / "out", "models:IdleModel", "parquet")
        except InputError as error:
            if one == other or not all(str(path) in str(error) for path in paths):
                raise
            return
        came = pq.read_table(out.path, partitioning=None)
        assert came.column("a").to_pylist() == [1] * 4 + [None] * 4
        values = values_of(came.column("v"))
        own = [value for path in paths for value in values_of(pq.read_table(path).column("v"))]
        for value, expected in zip(values, own, strict=True):
            numbers = (Decimal(each) for each in (value, expected) if is_number(each))
            assert value is expected or same(value, expected) or len({*numbers}) == 1


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or bool(re.fullmatch(r"-?[0-9.]+", str(value)))

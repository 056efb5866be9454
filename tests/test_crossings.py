"""Records that come out in another format than they went in are the same records.

Of JSON, the columns are those that the first records show, so later ones do not fit: their values
must be found all the same. For a long hunt: ``FUZZ_EXAMPLES=10000``.
"""

from __future__ import annotations

import datetime
import math
import os
import tempfile
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
    write,
)
from hostile import text
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import objects

from model_dofns import settling
from model_dofns.exceptions import InputError

MANY = 1 << 24
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "120"))
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
    try:
        return plain(scalar.as_py())
    except (ValueError, OverflowError, UnicodeDecodeError, KeyError):
        return UNKNOWN


def is_said(told: Any, value: Any) -> bool:
    """Pairs of a map are objects with ``key`` and ``value``."""
    if isinstance(told, dict) and isinstance(value, list):
        return same(list(told.values()), value)
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
        assert told == value or Decimal(told).is_nan() or float(told) == float(value)
        assert cell == told
    else:
        assert is_said(told, value)
        assert is_said(json_value(cell), value)

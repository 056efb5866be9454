"""The column ``_extra``, as others may have written it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crossing import cross, csv_rows, json_lines, json_value, parquet_rows, write
from hostile import text

from model_dofns.exceptions import ScoringError
from model_dofns.formats.columns import conformed
from model_dofns.formats.extra import EXTRA_FIELD, nulls_said

GOOD: dict[str, list[Any]] = {"x": [1.5], "n": [2], "colour": ["red"], "name": ["a"]}


def a_file(path: Path, extra: pa.Array | list[str | None], **columns: list[Any]) -> Path:
    """A file with good rows, but for these columns, and the column, marked as this library does."""
    found = {name: column * len(extra) for name, column in GOOD.items()} | columns
    arrays = [pa.array(column) for column in found.values()]
    fields = [pa.field(name, each.type) for name, each in zip(found, arrays, strict=True)]
    extra = extra if isinstance(extra, pa.Array) else pa.array(extra, pa.string())
    schema = pa.schema([*fields, EXTRA_FIELD])
    return write(path, pa.Table.from_arrays([*arrays, extra], schema=schema))


ODD = {
    "none": (None, {}),
    "of one member": ('{"z":1.50}', {"z": 1.5}),
    "empty": ("{}", {}),
    "empty, with a space": ("{ }", {}),
    "spaces round it": (' \t{"z":1} ', {"z": 1}),
    "spaces in it": ('{ "z" : [1, 2] , "y":null}', {"z": [1, 2], "y": None}),
    "line ends in it": ('{"z":\n1,\r\n"y":2}', {"z": 1, "y": 2}),
    "a name twice": ('{"z":1,"z":2}', {"z": 2}),
    "a null for a column's field": ('{"weight":null}', {"weight": None}),
    "its own name": ('{"_extra":"{}"}', {"_extra": "{}"}),
    "a lone surrogate": (r'{"\ud800":"\udc00"}', {"\ud800": "\udc00"}),
    "an infinity in a field not read": ('{"z":1e400}', {"z": float("inf")}),
}


@pytest.mark.parametrize("into", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(("said", "value"), ODD.values(), ids=ODD)
def test_what_it_says_however_that_is_written(
    said: str | None, value: dict[str, Any], into: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path / "in.parquet", [said, None, '{"y":3}', said])
    crossed = cross([path], tmp_path / "out", "models:PlainModel", into)
    assert crossed.rejects == []
    if into == "jsonl":
        names = {*GOOD, "prediction"}
        rows = json_lines(crossed.path)
        came = [{k: v for k, v in row.items() if k not in names} for row in rows]
    elif into == "parquet":
        names = {*GOOD, "prediction_label", "prediction_score", "prediction_ratio"}
        rows = parquet_rows(crossed.path)
        came = [{k: v for k, v in row.items() if k not in names} for row in rows]
    else:
        came = [json_value(row["_extra"] or "{}") for row in csv_rows(crossed.path)]
    assert came == [value, {}, {"y": 3}, value]


REFUSED = {
    "no JSON": ("{", "InvalidJSON"),
    "nothing": ("", "InvalidJSON"),
    "NaN": ('{"z":NaN}', "InvalidJSON"),
    "a list": ("[]", "NotAnObject"),
    "null": ("null", "NotAnObject"),
    "an infinity in a field that is read": ('{"x":1e400}', "NumberOutOfRange"),
    "the prediction's name": ('{"prediction":1}', "NameClash"),
}


@pytest.mark.parametrize(("said", "error"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_it_is_a_reject_of_its_row(said: str, error: str, tmp_path: Path) -> None:
    path = a_file(tmp_path / "in.parquet", [None, said, None, '{"y":1}'])
    for model in ("Plain", "Record", "Idle"):
        crossed = cross([path], tmp_path / "out", f"models:{model}Model", "jsonl")
        if model == "Idle" and error == "NumberOutOfRange":
            assert crossed.rejects == []  # it is read by no one
            continue
        (reject,) = crossed.rejects
        assert (reject.stage, reject.error, reject.source["row"]) == ("decode", error, 1)
        assert crossed.scored == 3


def test_text_that_is_no_utf8(tmp_path: Path) -> None:
    path = a_file(tmp_path / "in.parquet", text(b'{"y":1}', b'{"y":"\xff"}'))
    for into in ("jsonl", "csv", "parquet"):
        crossed = cross([path], tmp_path / "out", "models:PlainModel", into)
        assert [(r.error, r.source["row"]) for r in crossed.rejects] == [("InvalidUTF8", 1)]
        assert crossed.scored == 1


def test_it_is_no_field_to_a_model_that_takes_no_others(tmp_path: Path) -> None:
    path = a_file(tmp_path / "in.parquet", ['{"weight":null}', '{"weight":0.5}', '{"z":1}', None])
    crossed = cross([path], tmp_path / "out", "models:ForbiddingModel", "jsonl")
    assert [(r.error, r.source["row"]) for r in crossed.rejects] == [("ValidationError", 2)]
    scores = [line["prediction"]["score"] for line in json_lines(crossed.path)]
    assert scores == [5.0, 5.5, 5.0]


@pytest.mark.parametrize("into", ["jsonl", "csv", "parquet"])
def test_a_column_of_the_name_without_the_mark_is_one_like_others(
    into: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.parquet", pa.table({**GOOD, "weight": [None], "_extra": ["{"]}))
    for keep_fields in (None, ("weight", "_extra")):
        crossed = cross([path], tmp_path / "out", "models:IdleModel", into, keep_fields=keep_fields)
        if into == "jsonl":
            (row,) = json_lines(crossed.path)
        elif into == "csv":
            (row,) = csv_rows(crossed.path)
        else:
            (row,) = pq.read_table(crossed.path, partitioning=None).to_pylist()
        assert row["_extra"] == "{"
        assert row["weight"] == ("" if into == "csv" else None)


def test_nulls_that_are_said() -> None:
    nulls = {"a": pa.array([False, True, True]), 'b"\n': pa.array([False, False, True])}
    said = nulls_said(nulls, 3)
    assert said.type == pa.string()
    assert said.to_pylist() == [None, '{"a":null}', r'{"a":null,"b\"\n":null}']
    assert nulls_said({}, 1).to_pylist() == [None]


def test_a_column_that_came_after_the_launch_is_not_dropped() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1], "b": [2]})
    with pytest.raises(ScoringError, match="'b'"):
        conformed(batch, pa.schema([("a", pa.int64())]))

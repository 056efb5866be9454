"""Other tools open an output folder: Arrow and pandas as it stands, polars and DuckDB by part-*.

They find the predictions in it and nothing else: no rejects, no manifest. Spark has been tried by
hand: see the README.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.csv
import pyarrow.dataset
import pytest
from job_runs import PLAIN, assert_whole, record, write_lines, write_rows

from beam_jobs.score import main

# How predictions are written: the output's format, its compression, the suffix of a part file.
OUTPUTS = {
    "jsonl": ("jsonl", "none", ".jsonl"),
    "csv": ("csv", "none", ".csv"),
    "parquet": ("parquet", "snappy", ".parquet"),
    "jsonl.gz": ("jsonl", "gzip", ".jsonl.gz"),
    "csv.gz": ("csv", "gzip", ".csv.gz"),
    "jsonl.zst": ("jsonl", "zstd", ".jsonl.zst"),
    "csv.zst": ("csv", "zstd", ".csv.zst"),
    "parquet, zstd": ("parquet", "zstd", ".parquet"),
}
ROWS = 20


def name_of(number: int) -> str:
    return f'{number}, "né",\n; and on'


def given(number: int) -> dict[str, Any]:
    """A record: nested, with text that CSV must quote; its weight is there, null, or missing."""
    weight = ({}, {"weight": None}, {"weight": number / 2})[number % 3]
    nested = {"tags": ["a,b", "ü"], "at": {"city": "São Paulo"}}
    return record(number, name=name_of(number), nested=nested, **weight)


def score(*words: object) -> None:
    two_files_at_once = ("--direct_num_workers", "2", "--direct_running_mode", "multi_threading")
    assert (
        main([*map(str, words), "--model", PLAIN, "--max_errors", "50%", *two_files_at_once]) == 0
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The output of the job, once for each way of writing it; its input's folders name fields."""
    folder = tmp_path_factory.mktemp("readers")
    bad = [b'{"id": 1', record(1, n="two")]
    for month, numbers in ((11, range(10)), (12, range(10, ROWS))):
        path = folder / "in" / "year=2026" / f"month={month}" / "a.jsonl"
        write_lines(path, [*map(given, numbers), *bad])
    for name, (format_name, compression, suffix) in OUTPUTS.items():
        out = folder / name
        score(
            *("--input", folder / "in", "--output", out),
            *("--output_format", format_name, "--compression", compression),
        )
        assert len(list(out.glob("_rejects/*"))) == len(list(out.glob(f"part-*{suffix}"))) == 2
    return {name: folder / name for name in OUTPUTS}


def with_arrow(folder: Path, format_name: str) -> list[dict[str, Any]]:
    format_: Any = {"jsonl": "json", "parquet": "parquet"}.get(format_name)
    if format_name == "csv":
        format_ = pyarrow.dataset.CsvFileFormat(
            pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    rows: list[dict[str, Any]] = (
        pyarrow.dataset.dataset(folder, format=format_).to_table().to_pylist()
    )
    return rows


def with_pandas(folder: Path, format_name: str) -> list[dict[str, Any]]:
    if format_name == "parquet":
        frame = pd.read_parquet(folder)
    else:
        read = {"jsonl": lambda path: pd.read_json(path, lines=True), "csv": pd.read_csv}
        frame = pd.concat(map(read[format_name], folder.glob("part-*")))
    missing = frame.isna()
    rows: list[dict[str, Any]] = frame.astype(object).mask(missing, None).to_dict("records")
    return rows


def with_polars(folder: Path, format_name: str) -> list[dict[str, Any]]:
    read = {"jsonl": pl.read_ndjson, "csv": pl.read_csv, "parquet": pl.read_parquet}
    return read[format_name](f"{folder}/part-*").to_dicts()


def with_duckdb(folder: Path, format_name: str) -> list[dict[str, Any]]:
    read = {"jsonl": "read_json", "csv": "read_csv", "parquet": "read_parquet"}[format_name]
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as database:
        found = database.sql(f"select * from {read}('{folder}/part-*')")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


READERS: dict[str, Callable[[Path, str], list[dict[str, Any]]]] = {
    "Arrow": with_arrow,
    "pandas": with_pandas,
    "polars": with_polars,
    "DuckDB": with_duckdb,
}


def flat(row: Mapping[str, Any], format_name: str) -> dict[str, Any]:
    """A row as one with columns looks, with the JSON in CSV's cells as values."""
    values = dict(row)
    if format_name == "jsonl":
        prediction = values.pop("prediction")
        values |= {f"prediction_{name}": value for name, value in prediction.items()}
    if format_name == "csv":
        values["nested"] = json.loads(values["nested"])
    values["nested"] = {"tags": list(values["nested"]["tags"]), "at": dict(values["nested"]["at"])}
    return values


def expected(number: int, format_name: str) -> dict[str, Any]:
    row = given(number)
    row |= {"weight": row.get("weight"), "year": 2026, "month": 11 if number < ROWS / 2 else 12}
    row["prediction_label"] = f"{name_of(number)} is {row['colour']}"
    row["prediction_score"] = number / 4 + number + (row["weight"] or 0.0)
    row["prediction_ratio"] = 1 / 8 if number else None
    if format_name != "jsonl":  # an explicit null is no missing field, and says so
        row["_extra"] = '{"weight":null}' if number % 3 == 1 else None
    return row


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_finds_the_predictions_and_nothing_else(
    reader: str, output: str, folders: dict[str, Path]
) -> None:
    if (reader, output.rpartition(".")[2]) == ("Arrow", "zst"):
        with pytest.raises(pyarrow.ArrowInvalid):  # it takes .zst for text; then see the README
            with_arrow(folders[output], OUTPUTS[output][0])
        return
    format_name = OUTPUTS[output][0]
    rows = [flat(row, format_name) for row in READERS[reader](folders[output], format_name)]
    rows.sort(key=lambda row: row["id"])
    assert rows == [expected(number, format_name) for number in range(ROWS)]
    assert not isinstance(rows[1]["year"], (str, float))
    assert not isinstance(rows[1]["n"], (str, float))


@pytest.mark.parametrize("output", OUTPUTS)
def test_duckdb_knows_part_files_by_their_suffix(output: str, folders: dict[str, Path]) -> None:
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as database:
        found = database.sql(f"select count(*) from '{folders[output]}/part-*{OUTPUTS[output][2]}'")
        assert found.fetchall() == [(ROWS,)]


@pytest.fixture(scope="module")
def of_several_schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    write_rows(folder / "in" / "a.parquet", [record(0), record(1)])
    write_rows(folder / "in" / "b.parquet", [record(2, more="b"), record(3, more=None)])
    score("--input", folder / "in", "--output", folder / "out")
    assert len(assert_whole(folder / "out").outputs) == 2
    return folder / "out"


@pytest.mark.parametrize("reader", READERS)
def test_what_came_from_files_of_several_schemas_is_one_data_set(
    reader: str, of_several_schemas: Path
) -> None:
    rows = READERS[reader](of_several_schemas, "parquet")
    assert {row["id"]: row["more"] for row in rows} == {0: None, 1: None, 2: "b", 3: None}

"""What goes with a prediction: kept fields, the model's version, fields that folders name.

Each in every format, and from every format into every other.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crossing import Crossed, cross, csv_rows, json_lines, parquet_rows, same, whole, write

from model_dofns import ModelSpec, Scorer
from model_dofns.exceptions import InputError, ModelError
from model_dofns.formats.base import Layout

FORMATS = ("jsonl", "csv", "parquet")
CROSSINGS = list(itertools.product(FORMATS, FORMATS))
MODEL = "models:DefaultsModel"

RECORDS: list[dict[str, Any]] = [
    {"note": 'a,"b"\n', "x": 1.5, "n": 2, "id": "007"},
    {"x": 2.5, "n": 4, "id": "é"},
    {"note": "", "x": -1.0, "n": 3, "id": "c"},
]


def file_of(folder: Path, format_name: str, records: list[dict[str, Any]]) -> Path:
    """A file of these records, with the same columns whatever they are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"in.{format_name}"
    names = ["note", "x", "n", "id"]
    names += sorted({name for record in records for name in record} - set(names))
    if format_name == "jsonl":
        return write(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))
    if format_name == "parquet":
        return write(path, pa.table({name: [one.get(name) for one in records] for name in names}))
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, names, lineterminator="\n")
    rows.writeheader()
    rows.writerows(records)
    return write(path, text.getvalue())


def written(crossed: Crossed, prediction: str = "prediction") -> list[dict[str, Any]]:
    """Each record that came out, without its prediction."""
    output_format = crossed.settled.layout.output_format
    if output_format == "jsonl":
        return [
            {k: v for k, v in one.items() if k != prediction} for one in json_lines(crossed.path)
        ]
    if output_format == "parquet":
        rows = parquet_rows(crossed.path) if has_extra(crossed) else table_rows(crossed)
    else:
        rows = csv_rows(crossed.path)
        rows = [whole(one) for one in rows] if has_extra(crossed) else rows
    return [{k: v for k, v in one.items() if not k.startswith(f"{prediction}_")} for one in rows]


def has_extra(crossed: Crossed) -> bool:
    schema = crossed.settled.layout.schema
    return schema is not None and "_extra" in schema.names


def table_rows(crossed: Crossed) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(crossed.path, partitioning=None).to_pylist()
    return rows


def as_text(record: Mapping[str, Any]) -> dict[str, str]:
    """Values as cells; an empty one is no field."""
    return {name: str(value) for name, value in record.items() if value not in (None, "")}


def is_text_in(format_name: str, name: str) -> bool:
    """Whether a format has a field as text whatever it is: CSV, but for the model's."""
    return format_name == "csv" and name not in ("x", "n", "colour", "name", "weight")


def expected_of(
    record: dict[str, Any], from_: str, into: str, names: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """A record as it comes out, of which these are kept."""
    if from_ == "parquet":
        record = dict.fromkeys(("note", "x", "n", "id")) | record
    if names is not None:
        record = {name: record[name] for name in names if name in record}
    if from_ == "csv":  # where empty text is none
        record = {k: str(v) if is_text_in("csv", k) else v for k, v in record.items() if v != ""}
    return as_text(record) if into == "csv" else record


@pytest.mark.parametrize(
    "names", [("id",), ("id", "note"), ("n", "x"), ("x", "note", "id")], ids=str
)
@pytest.mark.parametrize(("from_", "into"), CROSSINGS)
def test_only_the_fields_to_keep_come_out(
    from_: str, into: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    path = file_of(tmp_path / "in", from_, RECORDS)
    crossed = cross([path], tmp_path / "out", MODEL, into, keep_fields=names)
    came = written(crossed)
    for record, one in zip(RECORDS, came, strict=True):
        told = as_text(one) if into == "csv" else one
        assert same(told, expected_of(record, from_, into, names))
        if into != "jsonl":
            assert list(one) == [name for name in names if name in one]
    if into == "jsonl":
        assert [list(one) for one in json_lines(crossed.path)] == [
            [*(name for name in names if name in one), "prediction"] for one in came
        ]


@pytest.mark.parametrize(("from_", "into"), CROSSINGS)
def test_the_prediction_may_come_out_alone(from_: str, into: str, tmp_path: Path) -> None:
    path = file_of(tmp_path / "in", from_, RECORDS)
    crossed = cross([path], tmp_path / "out", MODEL, into, keep_fields=())
    assert written(crossed) == [{}, {}, {}]
    assert not has_extra(crossed)
    if into == "csv":
        names = ["prediction_label", "prediction_score", "prediction_ratio"]
        assert list(csv_rows(crossed.path)[0]) == names


def test_kept_members_have_their_own_text(tmp_path: Path) -> None:
    line = r'{"b" : 1.50, "a":[1, 2e0,"\u00e9"], "c":1, "b":1E400, "\u0061b":{"a":null}}'
    path = write(tmp_path / "in.jsonl", line + "\n{}\n")
    crossed = cross([path], tmp_path / "out", MODEL, "jsonl", keep_fields=("ab", "b", "a", "zz"))
    assert crossed.path is not None
    first, second = crossed.path.read_text().splitlines()
    assert first.startswith(r'{"ab":{"a":null},"b":1E400,"a":[1, 2e0,"\u00e9"],"prediction":{')
    assert second.startswith('{"prediction":{')


@pytest.mark.parametrize("into", ["parquet", "csv"])
def test_a_kept_field_that_the_sample_does_not_show_is_not_lost(
    into: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_dofns.settling.SAMPLE_BYTES", 1)
    lines = ['{"id":1,"x":1.5}', '{"id":2,"late":5,"x":2.5}', '{"id":"3","late":[],"other":1}']
    path = write(tmp_path / "in.jsonl", "\n".join(lines) + "\n")
    for names in (("id", "late"), ("late",)):
        crossed = cross([path], tmp_path / "out", MODEL, into, keep_fields=names)
        came = parquet_rows(crossed.path) if into == "parquet" else csv_rows(crossed.path)
        said = [one["late"] if into == "parquet" else whole(one)["late"] for one in came[1:]]
        assert said == [5, []]
        assert not any("other" in str(one) for one in came)


def test_what_extra_says_is_kept_or_left_as_other_fields_are(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", '{"id":1,"x":1.5}\n{"id":null,"z":[1.50],"y":2}\n')
    table = cross([path], tmp_path / "table", "models:IdleModel", "parquet", prediction_field="p")
    assert table.path is not None
    for into in FORMATS:
        crossed = cross([table.path], tmp_path / "out", MODEL, into, keep_fields=("z", "id"))
        first, second = ({k: v for k, v in one.items() if v != ""} for one in written(crossed))
        assert same(first, {"id": "1" if into == "csv" else 1})
        assert same(second, {"id": None, "z": "[1.5]" if into == "csv" else [1.5]})


def test_a_name_that_is_not_kept_clashes_with_nothing(tmp_path: Path) -> None:
    lines = write(tmp_path / "in.jsonl", '{"id":1,"prediction":2,"prediction_label":3}\n' * 2)
    table = write(tmp_path / "in.parquet", pa.table({"id": [1], "prediction_label": [3]}))
    for path in (lines, table):
        for into in FORMATS:
            crossed = cross([path], tmp_path / "out", MODEL, into, keep_fields=("id",))
            assert crossed.rejects == []
            assert [as_text(one) for one in written(crossed)] == [{"id": "1"}] * crossed.read
            with pytest.raises(InputError, match="prediction_label"):
                cross(
                    [path], tmp_path / "out", MODEL, "csv", keep_fields=("id", "prediction_label")
                )


def test_files_need_not_unify_in_fields_that_are_not_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.table({"id": [1], "z": ["a"]}))
    write(tmp_path / "b.parquet", pa.table({"id": [2], "z": [1.5]}))
    paths = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="'z'"):
        cross(paths, tmp_path / "out", MODEL, "parquet")
    crossed = cross(paths, tmp_path / "out", MODEL, "parquet", keep_fields=("id",))
    assert written(crossed) == [{"id": 1}, {"id": 2}]
    lines = cross(paths, tmp_path / "out", MODEL, "jsonl")
    assert [one["id"] for one in json_lines(lines.path)] == [1, 2]


def test_a_cell_alone_that_is_empty_is_a_row_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", '{"id":1}\n{"id":2}\n')
    crossed = cross([path], tmp_path / "out", "models:MaybeModel", "csv", keep_fields=())
    assert crossed.path is not None
    assert crossed.path.read_bytes() == b'prediction_maybe\n""\n""\n'
    assert len(csv_rows(crossed.path)) == 2


# --- the version ---------------------------------------------------------------------------------

SAID = {"model": "plain", "version": "1.2.3"}


@pytest.mark.parametrize("keep_fields", [None, (), ("id",)], ids=str)
@pytest.mark.parametrize(("from_", "into"), CROSSINGS)
def test_each_prediction_says_its_model(
    from_: str, into: str, keep_fields: tuple[str, ...] | None, tmp_path: Path
) -> None:
    path = file_of(tmp_path / "in", from_, RECORDS)
    crossed = cross(
        [path], tmp_path / "out", MODEL, into, with_version=True, keep_fields=keep_fields
    )
    assert crossed.scored == len(RECORDS)
    if into == "jsonl":
        for one in json_lines(crossed.path):
            assert list(one["prediction"].items())[-2:] == list(SAID.items())
        return
    rows = csv_rows(crossed.path) if into == "csv" else table_rows(crossed)
    for row in rows:
        assert list(row.items())[-2:] == [(f"prediction_{k}", v) for k, v in SAID.items()]
    if into == "parquet":
        metadata = pq.read_schema(crossed.path).metadata
        assert metadata[b"model_dofns.model"] == b"plain"
        assert metadata[b"model_dofns.version"] == b"1.2.3"


def test_the_version_s_names_clash_as_others_do(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", "id,prediction_version\n1,2\n")
    assert cross([path], tmp_path / "out", MODEL, "csv").scored == 1
    with pytest.raises(InputError, match="prediction_version"):
        cross([path], tmp_path / "out", MODEL, "csv", with_version=True)
    with pytest.raises(ModelError, match="--with_version"):
        Scorer(ModelSpec("models:VersionedModel"), Layout(with_version=True))


# --- fields of folders ---------------------------------------------------------------------------


def partitioned(folder: Path, format_name: str) -> list[Path]:
    """Files of one record each, without ``n``, in folders that name fields."""
    city = "city=S%C3%A3o%20Paulo%2F1"
    folders = [f"n=1/{city}", f"n=20/{city}", "n=20/city=__HIVE_DEFAULT_PARTITION__"]
    files = (
        file_of(folder / name, format_name, [{"id": id_, "x": 1.5}])
        for name, id_ in zip(folders, "abc", strict=True)
    )
    return [without_column(path, "n") for path in files]


@pytest.mark.parametrize(("from_", "into"), CROSSINGS)
def test_folders_give_fields_that_come_out(from_: str, into: str, tmp_path: Path) -> None:
    paths = partitioned(tmp_path / "in", from_)
    crossed = cross(paths, tmp_path / "out", MODEL, into)
    assert crossed.rejects == []
    expected = [
        {"id": "a", "x": 1.5, "n": 1, "city": "São Paulo/1"},
        {"id": "b", "x": 1.5, "n": 20, "city": "São Paulo/1"},
        {"id": "c", "x": 1.5, "n": 20},
    ]
    came = [{k: v for k, v in one.items() if v not in ("", None)} for one in written(crossed)]
    for record, one in zip(expected, came, strict=True):
        assert same(one, as_text(record) if into == "csv" else record)
    if into == "jsonl":
        first, second, _ = (list(one)[-3:] for one in json_lines(crossed.path))
        assert first == second == ["n", "city", "prediction"]
        scores = [one["prediction"]["score"] for one in json_lines(crossed.path)]
    else:
        rows = csv_rows(crossed.path) if into == "csv" else table_rows(crossed)
        scores = [float(one["prediction_score"]) for one in rows]
    assert scores == [2 * 1.5 + n for n in (1, 20, 20)]  # the model has seen them

    kept = cross(paths, tmp_path / "kept", MODEL, into, keep_fields=("city", "id"))
    assert [one["id"] for one in written(kept)] == ["a", "b", "c"]
    assert [one.get("city") or None for one in written(kept)] == ["São Paulo/1"] * 2 + [None]
    assert not any("n" in one or "x" in one for one in written(kept))


def without_column(path: Path, name: str) -> Path:
    """The same file without a column."""
    if path.suffix == ".parquet":
        table = pq.read_table(path, partitioning=None)
        pq.write_table(table.drop_columns([name]), path)
    elif path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = [each for each in rows[0] if each != name]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("into", FORMATS)
def test_a_field_of_the_record_s_own_counts_more_than_its_folder_s(
    into: str, tmp_path: Path
) -> None:
    lines = ['{"id":1,"n":7}', r'{"id":2,"\u006e":8}', '{"id":3}', '{"id":4,"n":null}']
    lines.append('{"n":"9","id":5}')
    here = tmp_path / "in" / "n=5" / "a.b(=x"
    write(here / "a.jsonl", "\n".join(lines) + "\n")
    crossed = cross([here / "a.jsonl"], tmp_path / "out", "models:IdleModel", into)
    came = [{k: v for k, v in one.items() if v != ""} for one in written(crossed)]
    told = [(one["n"], one["a.b("]) for one in came]
    numbers = [7, 8, 5, None, "9"]
    if into == "csv":
        assert told == [(n if n in (None, "9") else str(n), "x") for n in numbers]
    else:
        assert told == [(n, "x") for n in numbers]


@pytest.mark.parametrize("into", FORMATS)
def test_a_folder_s_value_that_fits_no_column_is_not_lost(into: str, tmp_path: Path) -> None:
    path = write(tmp_path / "year=2026" / "a.jsonl", '{"id":1,"year":"MMXX"}\n{"id":2}\n')
    crossed = cross([path], tmp_path / "out", "models:IdleModel", into)
    came = [one["year"] for one in written(crossed)]
    assert came == ["MMXX", 2026]
    assert type(came[1]) is int


def test_the_same_columns_whichever_folders_a_file_is_in(tmp_path: Path) -> None:
    """Rows of CSV that stay CSV as well: one header for all part files."""
    write(tmp_path / "k=a" / "a.csv", "id\n1\n")
    write(tmp_path / "k=__HIVE_DEFAULT_PARTITION__" / "a.csv", "id\n2\n")
    write(tmp_path / "a.csv", "id\n3\n")
    crossed = cross(list(tmp_path.rglob("*.csv")), tmp_path / "out", "models:IdleModel", "csv")
    assert sorted((one["id"], one["k"]) for one in csv_rows(crossed.path)) == [
        ("1", "a"), ("2", ""), ("3", ""),
    ]  # fmt: skip

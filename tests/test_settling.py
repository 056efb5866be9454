"""What is settled at launch: formats, CSV's columns, folders' fields, the columns of the output."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_dofns.exceptions import InputError, UnreadableFileError, UsageError
from model_dofns.formats.base import Layout, Range
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.formats.extra import EXTRA_FIELD
from model_dofns.manifest import InputFile
from model_dofns.settling import Settled, settle

MODEL = {
    "input_names": frozenset({"x", "n"}),
    "input_types": {"x": pa.float64(), "n": pa.int64()},
    "output_names": ("label",),
}


def open_file(path: str) -> Any:
    try:
        return open(path, "rb")
    except OSError as error:
        raise UnreadableFileError(path) from error


def settled(
    *paths: Path | str, csv: CsvFormat | None = None, input_format: str | None = None, **layout: Any
) -> Settled:
    files = [InputFile(str(path), 1) for path in sorted(map(str, paths))]
    layouts = [Layout(**MODEL | layout)]
    (found,) = settle(files, layouts, csv or CsvFormat(), open_file, input_format)
    return found


def write(path: Path, content: str | bytes | pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- formats ---


@pytest.mark.parametrize(
    ("paths", "format_name"),
    [
        (("a.jsonl", "b.ndjson", "c.JSONL", "d.jsonl.gz"), "jsonl"),
        (("a.parquet", "b.pq"), "parquet"),
        (("a.csv", "b.CSV.zst"), "csv"),
    ],
)
def test_suffixes_say_the_format(paths: tuple[str, ...], format_name: str) -> None:
    assert {file.format for file in settled(*paths).files} == {format_name}


def test_the_format_asked_for_counts_more_than_suffixes() -> None:
    files = settled("a.parquet", "b.txt", input_format="jsonl").files
    assert [file.format for file in files] == ["jsonl", "jsonl"]


def test_several_formats_need_one_named_for_the_output() -> None:
    with pytest.raises(UsageError, match=r"jsonl: a\.jsonl; parquet: b\.parquet.*--output_format"):
        settled("a.jsonl", "b.parquet")
    both = settled("a.jsonl", "b.parquet", output_format="csv")
    assert [file.format for file in both.files] == ["jsonl", "parquet"]
    assert both.layout.output_format == "csv"


def test_a_suffix_that_no_format_has_is_refused() -> None:
    with pytest.raises(InputError, match=r"b\.txt .* \.jsonl, \.ndjson, \.csv, \.parquet, \.pq"):
        settled("a.jsonl", "b.txt")


# --- the columns of CSV ---


def test_the_header_names_the_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 'x,"the ""n"", or so"\r\n1,2\n')
    write(tmp_path / "b.csv.gz", gzip.compress(b'\xef\xbb\xbfx,"the ""n"", or so"\n'))
    write(tmp_path / "c.csv", "")  # as many writers leave of a part without rows
    formats = settled(*tmp_path.iterdir()).formats
    assert formats["csv"] == CsvFormat(columns=("x", 'the "n", or so'))


def test_headers_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.csv", "x,n\n1,2\n"), write(tmp_path / "b.csv", "n,x\n1,2\n")
    with pytest.raises(InputError) as error:
        settled(one, two)
    assert str(one) in str(error.value)
    assert str(two) in str(error.value)


@pytest.mark.parametrize(
    "header", [b'x,"n"n', b'x,"n', b"x,gr\xf6\xdfe", "x,n\n1,2".encode("utf-16"), b"x,n\r1,2\r3,4"]
)
def test_a_header_that_is_no_row_of_csv_is_refused(header: bytes, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", b"x,n\n1,2\n")
    bad = write(tmp_path / "b.csv", header + b"\n1,2\n")
    with pytest.raises(InputError, match="its header") as error:
        settled(*tmp_path.iterdir())
    assert str(bad) in str(error.value)


def test_a_header_that_changes_after_launch_is_found(tmp_path: Path) -> None:
    format_ = settled(write(tmp_path / "a.csv", b"x,n\n1,2\n")).formats["csv"]
    for header, reason in ((b"n,x", "not that of the other"), (b'x,"n"n', "no row of CSV")):
        part = Range("b.csv", 0, 100)
        with pytest.raises(UnreadableFileError, match=rf"b\.csv is {reason}"):
            list(format_.read_blocks(io.BytesIO(header + b"\n1,2\n"), part))


def test_columns_of_csv_without_any_csv_are_refused() -> None:
    with pytest.raises(UsageError, match="--csv_columns"):
        settled("a.jsonl", csv=CsvFormat(columns=("x",), header=False))


def test_a_column_twice_in_a_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'x' twice"):
        settled(write(tmp_path / "a.csv", "x,n,x\n"))


def test_files_without_a_header_get_their_columns_from_the_flag(tmp_path: Path) -> None:
    csv = CsvFormat(columns=("n", "x"), header=False)
    assert settled(write(tmp_path / "a.csv", "1,2\n"), csv=csv).formats["csv"] == csv


# --- the columns of the output ---


def test_json_fields_are_columns_as_the_sample_shows_them(tmp_path: Path) -> None:
    records = [
        {"x": 1, "n": None, "text": "a", "yes": True, "mixed": 1, "none": None, "ints": [1]},
        {"x": 2, "of": {"a": 1, "b": None}, "mixed": "a", "ints": [2.5], "empty": {}},
        {"x": "no number: a reject, which must not take the column away"},
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, records)) + "\nno JSON\n")
    write(tmp_path / "b.jsonl", '{"unseen":1}\n')
    schema = settled(path, tmp_path / "b.jsonl", output_format="parquet").layout.schema
    assert schema is not None
    assert {field.name: str(field.type) for field in schema} == {
        "x": "double",  # as the input class has it
        "n": "int64",
        "text": "string",
        "yes": "bool",
        "ints": "list<item: double>",
        "of": "struct<a: int64>",
        "_extra": "string",
    }
    assert schema.field(len(schema) - 1).equals(EXTRA_FIELD, check_metadata=True)


@pytest.mark.parametrize("depth", [63, 64, 100, 125, 198])
def test_what_is_too_deep_for_a_column_has_none(depth: int, tmp_path: Path) -> None:
    lists, objects = "[" * depth + "1" + "]" * depth, '{"a":' * depth + "1" + "}" * depth
    path = write(tmp_path / "a.jsonl", f'{{"x":1,"lists":{lists},"objects":{objects}}}\n')
    schema = settled(path, output_format="parquet").layout.schema
    assert schema is not None
    assert schema.names == ["x", *(["lists", "objects"] if depth < 64 else []), "_extra"]
    pq.write_table(schema.empty_table(), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").schema.names == schema.names


def test_an_object_that_is_a_map_has_no_column(tmp_path: Path) -> None:
    records = [{"x": 1, "counts": {f"user{i}": 1}} for i in range(3_000)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, records)))
    schema = settled(path, output_format="parquet").layout.schema
    assert schema is not None
    assert schema.names == ["x", "_extra"]


def test_cells_are_text_but_where_the_input_class_names_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,n\n1,2,3\n")
    schema = settled(path, output_format="parquet").layout.schema
    assert schema is not None
    assert [str(field.type) for field in schema] == ["string", "double", "int64", "string"]


def test_parquet_files_unify_where_nothing_is_lost(tmp_path: Path) -> None:
    a = pa.table({"x": pa.array([1], pa.int32()), "d": pa.array(["a"]).dictionary_encode()})
    b = pa.table({"x": [1.5], "d": ["b"], "more": [1]})
    write(tmp_path / "a.parquet", a)
    write(tmp_path / "b.parquet", b)
    write(tmp_path / "c.parquet", b"no Parquet")  # for the job to report, or to skip
    schema = settled(*tmp_path.iterdir()).layout.schema
    assert schema is not None
    assert {field.name: str(field.type) for field in schema} == {
        "x": "double",
        "d": "string",
        "more": "int64",
    }


def test_lists_of_a_fixed_size_are_of_any_where_some_files_have_none(tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
    write(tmp_path / "a.parquet", pa.table({"x": [1.5], "v": vectors}))
    schema = settled(*tmp_path.iterdir()).layout.schema
    assert schema is not None
    assert schema.field("v").type == vectors.type
    write(tmp_path / "b.parquet", pa.table({"x": [1.5]}))
    schema = settled(*tmp_path.iterdir()).layout.schema
    assert schema is not None
    assert schema.field("v").type == pa.list_(pa.float32())  # the others are nulls


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.int64(), pa.float64()),
        (pa.int64(), pa.uint64()),
        (pa.int32(), pa.string()),
        (pa.bool_(), pa.int8()),
        (pa.timestamp("s"), pa.timestamp("ns")),
        (pa.list_(pa.int64()), pa.list_(pa.float64())),
        (pa.struct([("a", pa.int64())]), pa.struct([("a", pa.float64())])),
        (pa.decimal128(5, 2), pa.float64()),
        (pa.decimal128(5, 2), pa.int64()),
        (pa.string(), pa.binary()),
        (pa.duration("s"), pa.duration("ns")),
        (pa.dictionary(pa.int8(), pa.int64()), pa.dictionary(pa.int8(), pa.float64())),
    ],
    ids=str,
)
def test_types_that_do_not_unify_name_both_files(
    one: pa.DataType, other: pa.DataType, tmp_path: Path
) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, type_ in zip(paths, (one, other), strict=True):
        write(path, pa.table({"column": pa.nulls(1, type_)}))
    with pytest.raises(InputError, match="'column'") as error:
        settled(*paths)
    assert all(str(path) in str(error.value) for path in paths)


def test_a_field_to_keep_that_no_file_has_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x,n\n1,2,3\n")
    with pytest.raises(InputError, match=r"'yeer'; they have 'id', 'x', 'n'$"):
        settled(path, keep_fields=("yeer",))
    with pytest.raises(InputError, match="did you mean 'id'"):
        settled(path, keep_fields=("idd",))


def test_a_name_that_the_prediction_takes_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "prediction_label,prediction\n1,2\n")
    write(tmp_path / "b.jsonl", '{"prediction_label":1,"prediction":2}\n')
    write(tmp_path / "c.parquet", pa.table({"prediction_label": [1], "prediction": [2]}))
    for path in tmp_path.iterdir():
        for output_format, clash in (("csv", "prediction_label"), ("parquet", "prediction_label")):
            with pytest.raises(InputError, match=clash):
                settled(path, output_format=output_format)
        assert settled(path, output_format="csv", prediction_field="p")
    with pytest.raises(InputError, match="named prediction already"):
        settled(tmp_path / "c.parquet", output_format="jsonl")


def test_only_the_columns_that_are_read_or_kept_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", pa.table({"x": [1.5], "n": [1], "id": [1], "no": [1]}))
    parquet = settled(path, keep_fields=("id",)).formats["parquet"]
    assert parquet.columns == (frozenset({"x", "n", "id"}),)  # type: ignore[attr-defined]
    assert settled(path).formats["parquet"].columns is None  # type: ignore[attr-defined]


# --- fields that folders name ---


def test_folders_name_fields(tmp_path: Path) -> None:
    for folder in ("year=2026/month=01", "year=2025/month=12", "year=__HIVE_DEFAULT_PARTITION__"):
        write(tmp_path / "data" / folder / "a.jsonl", '{"x":1}\n')
    paths = list((tmp_path / "data").rglob("*.jsonl"))
    layout = settled(*paths).layout
    assert layout.partition_types == {"year": pa.int64(), "month": pa.string()}
    types = {"month": pa.int64(), "year": pa.string()}
    layout = settled(*paths, input_types=types).layout
    assert layout.partition_types == {"year": pa.string(), "month": pa.string()}
    schema = settled(*paths, output_format="parquet").layout.schema
    assert schema is not None
    assert set(schema.names) == {"x", "year", "month", "_extra"}

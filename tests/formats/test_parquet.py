"""Row groups are read once wherever a file is cut, and rows come out as they went in."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_dofns.exceptions import RecordError, UnreadableFileError
from model_dofns.formats.base import Block, Layout, Range
from model_dofns.formats.parquet import ParquetFormat, ParquetRows

PARQUET = ParquetFormat()
PREDICTIONS = pa.RecordBatch.from_pydict({"c": [0.5, 1.5, 2.5]})


def file_of(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def read(data: bytes, start: int = 0, stop: int | None = None, **sizes: int) -> list[Block]:
    part = Range("file", start, len(data) if stop is None else stop)
    return list(PARQUET.read_blocks(io.BytesIO(data), part, **sizes))


def rows_of(
    batch: pa.RecordBatch, *, position: int = 0, names: str = "a b", **layout: Any
) -> ParquetRows:
    return ParquetRows(
        Block("parquet", "file", batch, position),
        Layout(input_names=frozenset(names.split()), output_names=("c",), **layout),
    )


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("row_group_size", [1, 2, 5])
def test_each_row_group_is_read_once_wherever_the_file_is_cut(
    row_group_size: int, use_dictionary: bool
) -> None:
    table = pa.table({"a": range(5), "b": list("vwxyz")})
    data = file_of(table, row_group_size=row_group_size, use_dictionary=use_dictionary)
    for cut in range(len(data) + 1):
        blocks = read(data, 0, cut) + read(data, cut)
        assert [block.position for block in blocks] == list(range(0, 5, row_group_size))
        assert pa.Table.from_batches([block.data for block in blocks]).equals(table)


def test_row_groups_are_dealt_by_their_number() -> None:
    data = file_of(pa.table({"a": range(4)}), row_group_size=1)
    for number in range(4):
        begin = len(data) * number // 4
        assert [block.position for block in read(data, begin, begin + 1)] == [number]
        assert [block.position for block in read(data, begin + 1, begin + 2)] == []


def test_times_beyond_nanoseconds_stay_as_they_are() -> None:
    """As Spark writes them."""
    file, last = io.BytesIO(), datetime(9999, 12, 31, 23, 59)
    table = pa.table({"t": pa.array([last], pa.timestamp("us"))})
    pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    assert [block.data.to_pylist() for block in read(file.getvalue())] == [[{"t": last}]]


def test_views_of_text_can_be_rejected() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(["a", "b"], pa.string_view())], ["b"])
    assert list(rows_of(batch).parse([1])) == [{"b": "b"}]


@pytest.mark.parametrize(("row_group_size", "most"), [(10_000, 1_000), (700, 700)])
def test_a_row_group_is_read_in_blocks_that_say_which_row_they_begin_with(
    row_group_size: int, most: int
) -> None:
    table = pa.table({"a": np.random.default_rng(1).random(10_000)})
    data = file_of(table, row_group_size=row_group_size, compression="none", use_dictionary=False)
    blocks = read(data, block_bytes=8_000)
    sizes = [block.data.num_rows for block in blocks]
    assert max(sizes) <= most
    assert min(sizes[:-1]) >= 100
    assert [block.position for block in blocks] == [0, *itertools.accumulate(sizes[:-1])]
    assert pa.Table.from_batches([block.data for block in blocks]).equals(table)


@pytest.mark.parametrize("block_bytes", [1, 1 << 30])
def test_a_block_has_at_least_a_row_and_at_most_so_many(block_bytes: int) -> None:
    data = file_of(pa.table({"a": [1] * (70_000 if block_bytes > 1 else 50)}))
    sizes = [block.data.num_rows for block in read(data, block_bytes=block_bytes)]
    assert sizes == ([1] * 50 if block_bytes == 1 else [65_536, 70_000 - 65_536])


def test_a_dictionary_makes_no_block_larger() -> None:
    """Small in the file, and a thousand times as large in memory."""
    data = file_of(pa.table({"a": ["x" * 10_000] * 5_000}))
    assert len(data) < 200_000
    assert max(block.nbytes for block in read(data, block_bytes=1_000_000)) <= 2_000_000


def written_with(schema: pa.Schema, *tables: pa.Table) -> bytes:
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue()


EMPTY = pa.table({"a": pa.array([], pa.float64())})
ONE = pa.table({"a": [1.5]})


@pytest.mark.parametrize("row_groups", [0, 1, 2])
@pytest.mark.parametrize("kind", [pa.float64(), pa.string(), pa.bool_(), pa.list_(pa.int8())])
def test_a_file_without_rows_has_no_blocks(kind: pa.DataType, row_groups: int) -> None:
    empty = pa.table({"a": pa.array([], kind)})
    assert read(written_with(empty.schema, *[empty] * row_groups)) == []


def test_an_empty_row_group_does_not_shift_the_numbers_of_rows() -> None:
    blocks = read(written_with(EMPTY.schema, ONE, EMPTY, ONE))
    assert [block.position for block in blocks] == [0, 1]


GOOD_FILE = file_of(pa.table({"a": [str(i) for i in range(1_000)]}))
UNREADABLE = {
    "nothing": b"",
    "not Parquet": b'{"a":1}\n' * 10,
    "a byte": b"P",
    "magic bytes alone": b"PAR1PAR1",
    "no end": GOOD_FILE[:-10],
    "half": GOOD_FILE[: len(GOOD_FILE) // 2],
    "no beginning": GOOD_FILE[10:],
    "a damaged page": GOOD_FILE[:20] + b"\xff" * 200 + GOOD_FILE[220:],
    "a damaged name of a column": file_of(pa.table({"name": [1]}), store_schema=False).replace(
        b"name", b"n\xffme"
    ),
    "a damaged footer": GOOD_FILE[:-60] + b"\xff" * 30 + GOOD_FILE[-30:],
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_damaged_is_an_error_that_names_it(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"^file cannot be read as Parquet: "):
        read(data)


# --- rows ----------------------------------------------------------------------------------------

ALL_TYPES = pa.table(
    {
        "a": pa.array([1.5, None, 2.5], pa.float32()),
        "b": pa.array(["x", "y", None]).dictionary_encode(),
        "int8": pa.array([1, None, 3], pa.int8()),
        "uint64": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "decimal": pa.array([Decimal("1.10"), None, Decimal("-2.25")], pa.decimal128(20, 2)),
        "time": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
        "bytes": pa.array([b"\xff", b"", None]),
        "large_text": pa.array(["x", None, ""], pa.large_string()),
        "list": pa.array([[1], [], None], pa.list_(pa.field("element", pa.int8()))),
        "struct": pa.array([{"p": 1, "q": "z"}, None, {"p": None, "q": None}]),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "null": pa.nulls(3),
        "not_null": pa.array([1, 2, 3]),
    }
)
FIELDS = [
    field.with_metadata({"unit": "cm"}) if field.name == "int8" else field
    for field in ALL_TYPES.schema
]
ALL_TYPES = ALL_TYPES.cast(
    pa.schema(
        [*FIELDS[:-1], pa.field("not_null", pa.int64(), nullable=False)], metadata={"made": "here"}
    )
)


@pytest.mark.parametrize("rows", [[0, 1, 2], [1], [0, 2]])
def test_columns_are_kept_in_their_own_types_through_reading_and_writing(rows: list[int]) -> None:
    [block] = read(file_of(ALL_TYPES))
    chosen = np.array(rows)
    payload = rows_of(block.data).with_predictions(chosen, PREDICTIONS.take(pa.array(rows)))
    out = io.BytesIO()
    writer = PARQUET.writer(out)
    writer.write(payload)
    writer.close()
    found = pq.read_table(out)
    came = pq.read_table(io.BytesIO(file_of(ALL_TYPES)))
    assert found.column_names == [*came.column_names, "prediction_c"]
    kept = found.drop_columns(["prediction_c"])
    assert kept.schema.equals(came.schema, check_metadata=True)
    assert kept.schema.field("int8").metadata[b"unit"] == b"cm"
    assert pa.types.is_dictionary(kept.schema.field("b").type)
    assert kept.to_pylist() == came.take(rows).to_pylist()
    assert found.column("prediction_c").to_pylist() == [row + 0.5 for row in rows]


def test_dictionaries_that_differ_by_row_group_stay_one_column() -> None:
    text = pa.chunked_array([pa.array(["x", "y"]).dictionary_encode()] * 2)
    table = pa.table({"b": text})
    data = written_with(table.schema, table.slice(0, 2), table.slice(2))
    out = io.BytesIO()
    writer = PARQUET.writer(out)
    for block in read(data):
        rows = np.arange(block.data.num_rows)
        predictions = PREDICTIONS.slice(0, len(rows))
        writer.write(rows_of(block.data).with_predictions(rows, predictions))
    writer.close()
    assert pq.read_table(out).column("b").to_pylist() == ["x", "y"] * 2


def test_only_the_columns_of_the_model_are_handed_to_the_judge() -> None:
    batch = ALL_TYPES.to_batches()[0]
    assert list(rows_of(batch).parse([2, 0])) == [{"a": 2.5, "b": None}, {"a": 1.5, "b": "x"}]
    [whole] = rows_of(batch, whole_record=True).parse([0])
    assert list(whole) == ALL_TYPES.column_names


@pytest.mark.parametrize("names", ["a b", "zz", ""])
def test_rows_are_counted_even_where_the_model_reads_no_column_of_theirs(names: str) -> None:
    found = rows_of(pa.RecordBatch.from_pydict({"a": [1.5, 2.5]}), names=names)
    assert len(list(found.parse([0, 1]))) == 2


def test_a_column_that_is_not_there_is_null() -> None:
    schema = pa.schema({"b": pa.string(), "a": pa.float64()})
    rows, columns = rows_of(pa.RecordBatch.from_pydict({"a": [1.5, 2.5]})).columns(schema)
    assert rows.tolist() == [0, 1]
    assert columns.to_pylist() == [{"b": None, "a": 1.5}, {"b": None, "a": 2.5}]


def test_a_column_of_the_predictions_name_refuses_every_row() -> None:
    found = rows_of(pa.RecordBatch.from_pydict({"a": [1.5, 2.5], "prediction_c": [1, 2]}))
    errors = list(found.parse([0, 1]))
    assert [one.error for one in errors if isinstance(one, RecordError)] == ["NameClash"] * 2
    assert len(found.columns(pa.schema({"a": pa.float64()}))[0]) == 0


def text_of(*values: bytes) -> pa.Array:
    """Text that nobody checked."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def test_text_that_is_no_utf8_is_refused_and_its_neighbours_are_not() -> None:
    batch = pa.RecordBatch.from_arrays([text_of(b"x", b"\xff", b"y")], names=["b"])
    good, bad, other = rows_of(batch).parse([0, 1, 2])
    assert (good, other) == ({"b": "x"}, {"b": "y"})
    assert isinstance(bad, RecordError)
    assert bad.error == "InvalidUTF8"


def test_a_source_is_the_row_as_json_and_its_number() -> None:
    batch = ALL_TYPES.drop_columns(["time"]).to_batches()[0]
    source = rows_of(batch, position=100).source(0)
    assert source == {
        "input": '{"a": 1.5, "b": "x", "int8": 1, "uint64": 18446744073709551615,'
        ' "decimal": "1.10", "bytes": "/w==", "large_text": "x", "list": [1],'
        ' "struct": {"p": 1, "q": "z"}, "map": {"k": 1},'
        ' "null": null, "not_null": 1}',
        "row": 100,
    }


WHAT_PYTHON_CANNOT_HOLD = {
    "text that is no UTF-8": text_of(b"\xff"),
    "such text in a struct": pa.StructArray.from_arrays([text_of(b"\xff")], ["p"]),
    "such text in a dictionary": pa.DictionaryArray.from_arrays(pa.array([0]), text_of(b"\xff")),
    "a day too far": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
    "a time too far": pa.array([2**62], pa.timestamp("s")),
    "such a time with a zone": pa.array([2**62], pa.timestamp("s", "Europe/Berlin")),
    "a duration too long": pa.array([2**62], pa.duration("s")),
    "nanoseconds": pa.array([1], pa.timestamp("ns")),
    "no number": pa.array([float("nan")]),
}


@pytest.mark.parametrize(
    "column", WHAT_PYTHON_CANNOT_HOLD.values(), ids=list(WHAT_PYTHON_CANNOT_HOLD)
)
def test_a_source_can_be_made_of_any_value(column: pa.Array) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1.5]), column], names=["a", "zz"])
    source = rows_of(batch).source(0)
    assert source["input"].startswith('{"a": 1.5, "zz": ')
    assert source["row"] == 0


# --- writing -------------------------------------------------------------------------------------


def test_payloads_of_one_schema_may_share_a_file_and_others_may_not() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1]})
    assert PARQUET.same_file(batch, pa.RecordBatch.from_pydict({"a": [2, 3]}))
    assert not PARQUET.same_file(batch, pa.RecordBatch.from_pydict({"a": [1.5]}))
    assert not PARQUET.same_file(batch, pa.RecordBatch.from_pydict({"b": [1]}))
    assert not PARQUET.same_file(batch, batch.replace_schema_metadata({"made": "here"}))


def test_small_payloads_are_gathered_into_a_row_group() -> None:
    out = io.BytesIO()
    writer = PARQUET.writer(out)
    for i in range(100):
        writer.write(pa.RecordBatch.from_pydict({"a": [i]}))
    writer.close()
    assert not out.closed
    assert pq.ParquetFile(out).num_row_groups == 1
    assert pq.read_table(out).column("a").to_pylist() == list(range(100))


def test_a_column_twice_has_no_way_into_json() -> None:
    table = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    rows = ParquetRows(Block("parquet", "file", table, 0), Layout(output_format="jsonl"))
    (verdict,) = rows.parse([0])
    assert isinstance(verdict, RecordError)
    assert verdict.error == "NameClash"

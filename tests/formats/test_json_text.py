"""Columns as JSON text read back as the same values, of the same types."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_dofns.formats.jsonl.text import joined, json_form, object_pieces


def texts(batch: pa.RecordBatch) -> list[str]:
    rows = pa.nulls(batch.num_rows).cast(pa.large_binary()).fill_null(b"")  # none of them a scalar
    objects = joined(rows, *object_pieces(batch))
    return [text.decode() for text in objects.to_pylist()]


def column(values: list[Any], kind: pa.DataType) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["a"])


floats = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.none() | floats | floats.map(math.trunc).map(float)))
def test_a_float_reads_back_as_itself_and_looks_like_a_float(values: list[float | None]) -> None:
    for value, text in zip(values, texts(column(values, pa.float64())), strict=True):
        read = json.loads(text)["a"]
        assert str(read) == str(value)  # -0.0 is not 0.0
        assert value is None or re.fullmatch(r'\{"a":-?\d+(\.\d+)?(e[+-]?\d+)?\}', text)
        assert value is None or "." in text or "e" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.0"), (-0.0, "-0.0"), (0.1, "0.1"), (123456.0, "123456.0"), (1e100, "1e+100")],
)
def test_a_float_is_short(value: float, text: str) -> None:
    assert texts(column([value], pa.float64())) == [f'{{"a":{text}}}']


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_text_reads_back_as_itself_on_one_line(values: list[str | None]) -> None:
    for value, text in zip(values, texts(column(values, pa.string())), strict=True):
        assert json.loads(text) == {"a": value}
        assert "\n" not in text


def test_text_is_escaped_where_it_must_be_and_nowhere_else() -> None:
    assert texts(column(['é🦀/"\\\n\0'], pa.string())) == [r'{"a":"é🦀/\"\\\n\u0000"}']


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, -1, 2**63 - 1, -(2**63), None], pa.int64()),
        ([True, False, None], pa.bool_()),
        ([], pa.string()),
        ([None], pa.string()),
        ([None, None], pa.float64()),
    ],
)
def test_other_values_read_back_as_themselves(values: list[Any], kind: pa.DataType) -> None:
    read = [json.loads(text)["a"] for text in texts(column(values, kind))]
    assert list(map(repr, read)) == list(map(repr, values))


def test_fields_keep_their_order_and_their_names() -> None:
    batch = pa.RecordBatch.from_pydict({'say "é"': [1, 2], "": ["x", "y"], "a\nb": [1.0, 2.5]})
    read = [json.loads(text) for text in texts(batch)]
    assert [list(row) for row in read] == [batch.schema.names] * 2
    assert read == batch.to_pylist()


def test_no_fields_are_an_empty_object() -> None:
    assert texts(pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))) == ["{}"] * 2


def test_a_slice_is_its_own_rows() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1.0, 2.5, 3.0], "b": ["x", "y", "z"]})
    assert texts(batch.slice(1, 2)) == ['{"a":2.5,"b":"y"}', '{"a":3.0,"b":"z"}']


def test_times_keep_all_of_their_digits_and_instants_their_instant() -> None:
    assert json_form(pa.scalar(1, pa.time64("ns"))) == "00:00:00.000000001"
    nowhere = pa.scalar(0, pa.timestamp("us", "No/Where"))
    assert json_form(nowhere) == "1970-01-01 00:00:00.000000+00:00"


def test_a_null_among_the_values_of_a_dictionary_is_a_null() -> None:
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", None]))
    batch = pa.RecordBatch.from_arrays([dictionary], names=["a"])
    assert texts(batch) == ['{"a":"a"}', '{"a":null}']

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_dofns.arrays import all_finite, is_utf8, text_bytes

LARGEST = 1.7976931348623157e308


@given(values=st.lists(st.none() | st.floats() | st.sampled_from([LARGEST, -LARGEST]), max_size=20))
def test_as_a_loop_says(values: list[float | None]) -> None:
    expected = all(value is None or math.isfinite(value) for value in values)
    assert all_finite(pa.array(values, pa.float64())) == expected


def test_a_sum_that_overflows_is_no_infinity() -> None:
    assert all_finite(pa.array([LARGEST, LARGEST]))
    assert not all_finite(pa.array([math.inf, -math.inf]))


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()], ids=str)
def test_of_smaller_floats(kind: pa.DataType) -> None:
    assert all_finite(pa.array([1.0, None], kind))
    assert not all_finite(pa.array([1.0, math.nan], kind))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_text_is_told_from_bytes_that_are_none(kind: pa.DataType) -> None:
    binary = pa.large_binary() if kind == pa.large_string() else pa.binary()
    column = pa.array([b"a", None, b"\xff", b"", "é".encode()], binary).view(kind)
    assert not is_utf8(column)
    assert is_utf8(column.slice(0, 2))
    assert is_utf8(column.slice(3))
    assert is_utf8(column.slice(0, 0))
    assert is_utf8(pa.array([], kind))
    assert text_bytes(column.slice(3)) == "é".encode()
    # A character of two bytes that is cut in two is none.
    halves = pa.array(["é".encode()[:1], "é".encode()[1:]], binary).view(kind)
    assert not is_utf8(halves)


def test_text_that_does_not_hold_together_is_none() -> None:
    ends = pa.py_buffer(np.array([0, 3, 1], np.int32))
    broken = pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer(b"abc")])
    assert not is_utf8(broken)

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_dofns.arrays import all_finite

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

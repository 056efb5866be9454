"""Questions to whole columns whose answer is cheap where it is yes, as it mostly is."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc


def all_finite(column: pa.Array) -> bool:
    """Whether all floats of a column are finite, but for nulls.

    >>> all_finite(pa.array([1.0, None])), all_finite(pa.array([1.0, float("nan")]))
    (True, False)
    """
    if pa.types.is_float16(column.type):  # which Arrow does not add up
        column = column.cast(pa.float32())
    # A sum that is finite has only finite terms; one that is not may have overflown.
    total = pc.sum(column).as_py()
    return (
        total is None or math.isfinite(total) or pc.all(pc.is_finite(column)).as_py() is not False
    )

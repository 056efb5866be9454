"""Questions to whole columns whose answer is cheap where it is yes, as it mostly is."""

from __future__ import annotations

import math

import numpy as np
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


def text_bytes(column: pa.Array) -> bytes:
    """All bytes of a column of text (``string`` or ``large_string``), one value behind the other.

    Raises:
        pa.ArrowInvalid: the column does not hold together.
    """
    column.validate()
    _, offsets, data = column.buffers()
    if not len(column) or data is None:
        return b""
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    ends = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    if (np.diff(ends) < 0).any():
        raise pa.ArrowInvalid("a text ends before it begins")
    return bytes(memoryview(data)[ends[0] : ends[-1]])


def is_utf8(column: pa.Array) -> bool:
    """Whether all text of a column of text is UTF-8, which a file may say of text that is not.

    >>> is_utf8(pa.array(["a", None])), is_utf8(pa.array([b"\\xff"]).view(pa.string()))
    (True, False)
    """
    try:
        if not text_bytes(column).isascii():
            column.validate(full=True)
    except pa.ArrowException:
        return False
    return True


def has_infinities(column: pa.Array) -> bool:
    """Whether floats inside the values of a column, or of what it is a slice of, are not finite."""
    if pa.types.is_struct(column.type):
        return any(map(has_infinities, column.flatten()))
    if pa.types.is_nested(column.type):
        return has_infinities(column.values)
    if not pa.types.is_floating(column.type):
        return False
    return pc.all(pc.is_finite(column)).as_py() is False

"""Hostile Parquet: three rows, of which one is hostile, and whole files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from decimal import Decimal
from math import inf, nan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hostile_case import (
    BAD_UTF8,
    CLASH,
    INVALID,
    NO_INT64,
    NOT_FINITE,
    POISONED,
    Case,
    Verdict,
)
from hostile_lines import A, B, C


def table(size: int = 3, **columns: Any) -> pa.Table:
    """Good rows, with their numbers for ids, but for these columns; None leaves one out."""
    good = {
        "id": list(range(size)),
        "x": [1.5] * size,
        "n": [2] * size,
        "colour": ["red"] * size,
        "name": ["a"] * size,
    }
    return pa.table(
        {name: column for name, column in (good | columns).items() if column is not None}
    )


def text(*values: bytes) -> pa.Array:
    """Text that nobody checked."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


# Three rows with these columns, of which row 1 is hostile.
HARMLESS_COLUMNS: dict[str, dict[str, Any]] = {
    "an extra nested column": {"z": [[{"p": 1}], [], None]},
    "text as a dictionary": {"colour": pa.array(["red", "green", "red"]).dictionary_encode()},
    "large text": {"name": pa.array(["a", "b", "c"], pa.large_string())},
    "text as bytes": {"name": [b"a", b"b", b"c"]},
    "decimals where a float is due": {"x": [Decimal("1.5"), Decimal("-2.25"), Decimal("1.5")]},
    "decimals where an int is due": {"n": [Decimal(1), Decimal(-2), Decimal(3)]},
    "small floats": {"x": pa.array([1.5, 0.1, 1.5], pa.float32())},
    "smallest floats": {"x": pa.array([1.5, 0.1, 1.5], pa.float16())},
    "ints where a float is due": {"x": [1, 2**53 + 1, 3]},
    "small ints": {"n": pa.array([1, -128, 3], pa.int8())},
    "ints without a sign": {"n": pa.array([1, 2**63 - 1, 3], pa.uint64())},
    "floats where an int is due": {"n": [1.0, -2.0, 3.0]},
    "numbers as text": {"x": ["1.5", "2.5", "1.5"]},
    "true and false where an int is due": {"n": [True, False, True]},
    "a column that need not be there": {"weight": [0.5, None, 0.25]},
    "a column of nulls": {"weight": pa.nulls(3)},
    "NaN where a null would do": {"x": [1.5, 0.0, 1.5], "n": [2, 0, 2]},
    "text not read that is no UTF-8": {"z": text(b"a", b"\xff", b"b")},
    "a day not read that is too far": {"z": pa.array([0, 2**31 - 1, 0], pa.int32()).cast("date32")},
    "the name of the prediction alone": {"prediction": ["a", "b", "c"]},
}

REFUSED_COLUMNS: dict[str, tuple[dict[str, Any], Verdict]] = {
    "an int column with nulls": ({"n": [1, None, 3]}, INVALID),
    "a float column with nulls": ({"x": [1.5, None, 3.5]}, INVALID),
    "a text column with nulls": ({"name": ["a", None, "b"]}, INVALID),
    "a dictionary with nulls": (
        {"colour": pa.array(["red", None, "red"]).dictionary_encode()},
        INVALID,
    ),
    "a dictionary with other text": (
        {"colour": pa.array(["red", "pink", "red"]).dictionary_encode()},
        INVALID,
    ),
    "text that is no number": ({"x": ["1.5", "much", "1.5"]}, INVALID),
    "text that is no UTF-8": ({"name": text(b"a", b"\xff", b"b")}, BAD_UTF8),
    "bytes that are no UTF-8": ({"name": [b"a", b"\xff", b"b"]}, INVALID),
    "fractions where an int is due": ({"n": [1.0, 2.5, 3.0]}, INVALID),
    "NaN where an int is due": ({"n": [1.0, nan, 3.0]}, INVALID),
    "a fraction in a decimal": ({"n": [Decimal("1.0"), Decimal("2.5"), Decimal("3.0")]}, INVALID),
    "an int above 64 bits": ({"n": pa.array([1, 2**63, 3], pa.uint64())}, NO_INT64),
    "NaN": ({"x": [1.5, nan, 1.5]}, NOT_FINITE),
    "Infinity": ({"x": [1.5, inf, 1.5]}, NOT_FINITE),
    "NaN in a field that may be null": ({"weight": [0.5, nan, None]}, NOT_FINITE),
    "a bad row beside text that is no UTF-8": (
        {"n": [1, None, 3], "z": text(b"a", b"\xff", b"b")},
        INVALID,
    ),
    "a bad row beside a day too far": (
        {"n": [1, None, 3], "z": pa.array([0, 2**31 - 1, 0], pa.int32()).cast("date32")},
        INVALID,
    ),
    "a bad row beside a time too far": (
        {"n": [1, None, 3], "z": pa.array([0, 2**62, 0], pa.timestamp("us"))},
        INVALID,
    ),
}


def _parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _parquet_file(
    name: str, content: pa.Table | bytes, rejects: Mapping[int, Verdict] | None = None, **more: Any
) -> Case:
    if isinstance(content, bytes):
        return Case(name, "parquet", content, **more)
    refused = rejects or {}
    scored = tuple(row for row in range(content.num_rows) if row not in refused)
    rejected = tuple((row, *verdict) for row, verdict in sorted(refused.items()))
    return Case(name, "parquet", _parquet(content, row_group_size=2_048), scored, rejected, **more)


def _all(verdict: Verdict) -> dict[int, Verdict]:
    return dict.fromkeys(range(3), verdict)


def _without_row_groups() -> bytes:
    file = io.BytesIO()
    pq.ParquetWriter(file, table().schema).close()
    return file.getvalue()


GOOD_PARQUET = _parquet(table(1_000, name=[f"name {i}" for i in range(1_000)]))

PARQUET_FILES = [
    *(_parquet_file(name, table(**columns)) for name, columns in HARMLESS_COLUMNS.items()),
    *(
        _parquet_file(name, table(**columns), {1: verdict})
        for name, (columns, verdict) in REFUSED_COLUMNS.items()
    ),
    _parquet_file("zero rows", table(0)),
    _parquet_file("zero rows of true and false", pa.table({"z": pa.array([], pa.bool_())})),
    _parquet_file("zero row groups", _without_row_groups()),
    _parquet_file("a missing column", table(n=None), _all(INVALID)),
    _parquet_file("no column that the model reads", table().select(["id"]), _all(INVALID)),
    _parquet_file("a column of another type", table(x=[[1], [2], [3]]), _all(INVALID)),
    _parquet_file(
        "times where a float is due", table(x=pa.nulls(3, pa.timestamp("s"))), _all(INVALID)
    ),
    _parquet_file(
        "a column of the prediction's name", table(prediction_score=[1, 2, 3]), _all(CLASH)
    ),
    _parquet_file(
        "no field is there and every one has a default",
        table().select(["id"]),
        model="models:DefaultsModel",
    ),
    _parquet_file(
        "one poison row in 10,000",
        table(10_000, x=[13.0 if i == 7_000 else 1.5 for i in range(10_000)]),
        {7_000: POISONED},
        model="models:PoisonModel",
    ),
    _parquet_file("a truncated file", GOOD_PARQUET[:-10], unreadable=True),
    _parquet_file("half a file", GOOD_PARQUET[: len(GOOD_PARQUET) // 2], unreadable=True),
    _parquet_file(
        "a damaged page", GOOD_PARQUET[:50] + b"\xff" * 500 + GOOD_PARQUET[550:], unreadable=True
    ),
    _parquet_file("a file that is not Parquet", A + B + C, unreadable=True),
    _parquet_file("an empty file", b"", unreadable=True),
]

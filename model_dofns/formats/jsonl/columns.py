"""Lines of JSON objects as columns, by pyarrow.json."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from model_dofns.arrays import all_finite
from model_dofns.formats.base import Rows

_ROW_OF_ERROR = re.compile(r" in row (\d+)$")
# Beyond this share of refused lines, line by line is as fast as trying once more.
_MAX_REFUSED = 1 / 16


def decoded(
    text: pa.Buffer, starts: Rows, schema: pa.Schema, *, seek_refused: bool = True
) -> tuple[pa.Table | None, Rows | None]:
    """All lines of the text by pyarrow.json; or None, and which lines it refuses, where it says so
    and that is asked for.

    The parser stops at the first line that it refuses and says which that is, so the others are
    found by going on behind it. The line before is left out as well: an object may be followed by
    something else on its line, and then it is the next row that is refused.
    """
    refused: list[int] = []
    begin = 0
    while begin < len(starts):
        try:
            table = _read_json(text.slice(int(starts[begin])), schema)
        except pa.ArrowInvalid as error:
            row = _ROW_OF_ERROR.search(str(error))
            if not seek_refused or row is None or len(refused) > _MAX_REFUSED * len(starts):
                return None, None
            bad = begin + int(row[1])
            refused += [line for line in (bad - 1, bad) if begin <= line < len(starts)]
            begin = bad + 1
        else:
            if not refused:
                return table, None
            break
    return None, np.array(refused, np.int64)


def without_infinities(rows: Rows, batch: pa.RecordBatch) -> tuple[Rows, pa.RecordBatch]:
    """The rows without those that have a number no double can hold: there is no other infinity."""
    finite: npt.NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    for column in batch.columns:
        if pa.types.is_floating(column.type) and not all_finite(column):
            infinite = pc.fill_null(pc.is_inf(column), False)
            finite &= ~infinite.to_numpy(zero_copy_only=False)
    return (rows, batch) if finite.all() else (rows[finite], batch.filter(pa.array(finite)))


def _read_json(text: pa.Buffer, schema: pa.Schema) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(text),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=text.size + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore"
        ),
    ).cast(schema)

"""A block of some of its records: they are as they were, wherever the others have gone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_dofns.exceptions import RecordError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block, Layout, Records
from model_dofns.formats.csv.format import CsvFormat

LAYOUT = Layout(frozenset(["a", "b"]), output_names=("p",), output_format=None)
JSON_LINES = [
    b'{"a":1}', b'{}', b' {"a": "x", "b": null} ', b'{"b":"}{"}\r', b'{"a":[1,{"b":2}]}',
    "{\"a\":\"né\",\"c\":1.50}".encode(), b"", b"  ", b"{bro", b"[]", b'{"a":NaN}', b'{"a":"\xff"}',
    b'{"a":1} {"a":2}', b'{"prediction":1}', b'{"a":1,"a":2}',
]  # fmt: skip
CSV_ROWS = [
    b"1,x", b'"1","x"', b'"a\nb",x', b'"a\r\n""b""",', b"1,x\r", b'"q"\r,x', b"", b"\r", b"1",
    b"1,2,3", b'1,a"b', b'"open,1', "né,é".encode(), b"\xff,1", b"\xef\xbb\xbf1,2", b",",
]  # fmt: skip
FORMATS_OF_TEXT: dict[str, Any] = {
    "jsonl": (FORMATS["jsonl"], JSON_LINES),
    "csv": (CsvFormat(columns=("a", "b")), CSV_ROWS),
}


def is_sound(records: Records, row: int) -> bool:
    (record,) = records.parse([row])
    return not isinstance(record, RecordError)


def assert_as_they_were(format_: Any, records: Records, rows: list[int]) -> None:
    block = records.only(np.array(rows, np.int64))
    found = format_.records(block, LAYOUT)
    assert len(found) == len(rows)
    assert list(found.parse(range(len(rows)))) == list(records.parse(rows))
    assert [found.source(i) for i in range(len(rows))] == [records.source(row) for row in rows]
    # And so are some of those again.
    again = format_.records(found.only(np.arange(len(rows))[::2]), LAYOUT)
    sources = [again.source(i) for i in range(len(again))]
    assert sources == [records.source(row) for row in rows[::2]]
    for number, row in enumerate(rows):
        one = pa.RecordBatch.from_pydict({"p": [number]})
        own, whole = (
            some.with_predictions(np.array([at]), one)
            for some, at in ((found, number), (records, row))
        )
        assert written(own) == written(whole)


def written(payload: Any) -> Any:
    if isinstance(payload, pa.RecordBatch):
        return payload.to_pylist()
    return bytes(getattr(payload, "rows", payload))


@pytest.mark.parametrize("name", FORMATS_OF_TEXT)
@settings(deadline=None)
@given(data=st.data())
def test_some_records_of_a_text_are_as_they_were(name: str, data: st.DataObject) -> None:
    format_, texts = FORMATS_OF_TEXT[name]
    chosen = data.draw(st.lists(st.sampled_from(texts), max_size=12))
    end = data.draw(st.sampled_from([b"\n", b""]))  # of the file
    text = b"\n".join(chosen) + (end if chosen else b"")
    position = data.draw(st.sampled_from([0, 1_000]))
    records = format_.records(Block(name, "/f", text, position), LAYOUT)
    sound = [row for row in range(len(records)) if is_sound(records, row)]
    rows = [row for row in sound if data.draw(st.booleans())]
    assert_as_they_were(format_, records, rows)


@settings(deadline=None)
@given(data=st.data())
def test_some_rows_of_a_table_are_as_they_were(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=9))
    batch = pa.RecordBatch.from_pydict({"a": values, "b": list(map(str, values))})
    records = FORMATS["parquet"].records(Block("parquet", "/f", batch, 70), LAYOUT)
    rows = [row for row in range(len(values)) if data.draw(st.booleans())]
    assert_as_they_were(FORMATS["parquet"], records, rows)
    assert all(records.source(row)["row"] == 70 + row for row in rows)

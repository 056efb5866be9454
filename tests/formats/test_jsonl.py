"""Lines as records: their bytes, which of them are decoded by the block, and their way out."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import HEAD_BYTES, Block, Layout
from model_dofns.formats.jsonl.records import JsonLines
from model_dofns.formats.jsonl.values import _TOKENS, MAX_NESTING

SCHEMA = pa.schema({"a": pa.float64(), "b": pa.string()})
GOOD = b'{"a":1.5,"b":"x"}'


def records(
    data: bytes, *, position: int = 0, whole_length: int | None = None, **layout: Any
) -> JsonLines:
    names = frozenset(SCHEMA.names)
    return JsonLines(
        Block("jsonl", "file", data, position, whole_length),
        Layout(input_names=names, output_names=("c",), **layout),
    )


def parsed(data: bytes, **layout: Any) -> list[Any]:
    """Each record decoded alone: its values, or the name of what is wrong with it."""
    found = records(data, **layout)
    return [
        one.error if isinstance(one, RecordError) else one for one in found.parse(range(len(found)))
    ]


def nested(depth: int, text: bytes = b"") -> bytes:
    return b'{"a":1.5,"z":' + b"[" * (depth - 1) + text + b"]" * (depth - 1) + b"}"


# --- what a record is ----------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \r\n", b"\r\r\n", b" \t \r \n"])
@pytest.mark.parametrize("begin", [b"", b" ", b"\t \r  ", b"\n", b" \n\r\n"])
def test_a_record_is_its_line_without_white_space(begin: bytes, end: bytes) -> None:
    data = (begin + GOOD + end) * 3
    for whole in (data, data[:-1], data[: -len(end)]):
        found = records(whole, position=100)
        sources = [found.source(row) for row in range(len(found))]
        offsets = [100 + i * len(begin + GOOD + end) + len(begin) for i in range(3)]
        assert sources == [{"input": GOOD.decode(), "offset": offset} for offset in offsets]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b" ", b"\r\n", b" \t\r\n\r", b"   \n   "])
def test_blank_lines_are_no_records(data: bytes) -> None:
    found = records(data)
    assert len(found) == 0
    assert list(found.parse([])) == []
    assert found.columns(SCHEMA)[1].num_rows == 0


def test_a_source_that_is_no_utf8_is_base64() -> None:
    record = b'{"b":"\xff"}'
    source = records(GOOD + b"\n" + record + b"\n").source(1)
    assert source == {
        "input_base64": base64.b64encode(record).decode(),
        "offset": len(GOOD) + 1,
    }


LONG_RECORDS = {
    "text": (b'{"b":"' + b"x" * 3_000 + b'"}', b'{"b":"' + b"x" * (HEAD_BYTES - 6)),
    "half a character": (b"[" + "é".encode() * 2_000, b"[" + "é".encode() * 511),
    "blanks": (b"{" + b" " * 3_000 + b"}", b"{"),
    "no UTF-8": (b"[" + b"\xff" * 3_000, b"[" + b"\xff" * (HEAD_BYTES - 1)),
    "no UTF-8 far on": (b"[" + b"x" * 2_000 + b"\xff", b"[" + b"x" * (HEAD_BYTES - 1)),
}


@pytest.mark.parametrize(("record", "head"), LONG_RECORDS.values(), ids=LONG_RECORDS)
def test_of_a_record_that_is_too_long_a_head_is_shown_whether_it_was_held_or_not(
    record: bytes, head: bytes
) -> None:
    held = records(record + b"\n", max_record_bytes=1_500)
    not_held = records(record[:HEAD_BYTES], whole_length=len(record), max_record_bytes=1_500)
    try:
        shown = {"input": head.decode(), "offset": 0}
    except UnicodeDecodeError:
        shown = {"input_base64": base64.b64encode(head).decode(), "offset": 0}
    assert held.source(0) == shown
    assert not_held.source(0) == shown
    assert [one.message for one in held.parse([0])] == [one.message for one in not_held.parse([0])]


def test_a_head_is_never_taken_for_a_record() -> None:
    head = records(GOOD + b" " * 100, whole_length=3_000)
    assert [one.error for one in head.parse([0]) if isinstance(one, RecordError)] == [
        "RecordTooLong"
    ]
    assert len(head.columns(SCHEMA)[0]) == 0


@pytest.mark.parametrize(("limit", "verdict"), [(17, dict), (16, "RecordTooLong")])
def test_a_record_is_as_long_as_from_its_first_byte_to_the_end_of_its_line(
    limit: int, verdict: Any
) -> None:
    [plain] = parsed(b"   " + GOOD + b"\n", max_record_bytes=limit)
    [padded] = parsed(b"   " + GOOD + b"\r\n", max_record_bytes=limit - 1 + len(b"\r"))
    assert type(plain) is verdict or plain == verdict
    assert padded == plain or limit == 17
    rows, _ = records(GOOD + b"\n", max_record_bytes=limit).columns(SCHEMA)
    assert len(rows) == (verdict is dict)


# --- one record ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"b":"\xff"}', "InvalidUTF8"),
        (b'{"b":"\xed\xa0\x80"}', "InvalidUTF8"),
        (b"\xef\xbb\xbf" + GOOD, "InvalidJSON"),
        (b"{", "InvalidJSON"),
        (GOOD + GOOD, "InvalidJSON"),
        (b'{"a":NaN}', "InvalidJSON"),
        (b'{"z":-Infinity}', "InvalidJSON"),
        (b'{"a":1' + b"0" * 5_000 + b",}", "InvalidJSON"),
        (b'{"z":1' + b"0" * 5_000 + b',"y":NaN}', "InvalidJSON"),
        (b"5", "NotAnObject"),
        (b"[]", "NotAnObject"),
        (b'"x"', "NotAnObject"),
        (b"null", "NotAnObject"),
        (b'{"prediction":null}', "NameClash"),
        (rb'{"\u0070rediction":1}', "NameClash"),
        (b'{"a":1e400}', "NumberOutOfRange"),
        (b'{"a":[{"z":-1e400}]}', "NumberOutOfRange"),
        (b'{"a":1.8e308}', "NumberOutOfRange"),
        (b'{"a":-2e308}', "NumberOutOfRange"),
        (b'{"a":1' + b"0" * 400 + b".0}", "NumberOutOfRange"),
        (b'{"a":1' + b"0" * 5_000 + b"}", "NumberOutOfRange"),
        (nested(MAX_NESTING + 1), "NestingTooDeep"),
    ],
)
def test_an_unsound_line_is_refused_alone_and_by_the_block(line: bytes, error: str) -> None:
    assert parsed(line) == [error]
    assert parsed(line + b"\n" + GOOD)[1:] == [{"a": 1.5, "b": "x"}]
    assert list(records(line).columns(SCHEMA)[0]) == []
    assert list(records(line + b"\n" + GOOD).columns(SCHEMA)[0]) in ([], [1])


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"{}", {}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"z":1e400}', {"z": float("inf")}),
        (b'{"a":"NaN"}', {"a": "NaN"}),
        (rb'{"z":"\ud800"}', {"z": "\ud800"}),
        (b'{"a":1' + b"0" * 39 + b"}", {"a": 10**39}),
        (b'{"z":{"prediction":1}}', {"z": {"prediction": 1}}),
        (b'{"z":"' + b"[" * 300 + b'"}', {"z": "[" * 300}),
        (b'{"z":"' + b'\\"[' * 300 + b'"}', {"z": '"[' * 300}),
    ],
)
def test_a_sound_line_is_what_json_says(line: bytes, values: dict[str, Any]) -> None:
    assert parsed(line) == [values]


@pytest.mark.parametrize("before", [[], [GOOD], [b"5"] * 3, [b"[[]]"] * 3, [nested(50)] * 9])
@pytest.mark.parametrize("depth", [MAX_NESTING - 1, MAX_NESTING, MAX_NESTING + 1, MAX_NESTING + 2])
def test_how_deep_a_line_may_be_nested_does_not_depend_on_its_neighbours(
    depth: int, before: list[bytes]
) -> None:
    data = b"\n".join([*before, nested(depth)])
    by_the_block, _ = records(data).columns(SCHEMA)
    assert (parsed(data)[-1] == "NestingTooDeep") == (depth > MAX_NESTING)
    assert depth <= MAX_NESTING or len(before) not in by_the_block


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 30_000, b'"' * 29_999, b'"' + b"\\" * 29_999])
def test_a_line_that_only_looks_deep_is_soon_refused(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote outside of all tokens is one from which another was looked for to the end, in vain.

    To do so from quote after quote of a text that is never closed would take for ever.
    """
    read, in_vain = [], []

    class Counting:
        def finditer(self, line: str) -> Iterator[re.Match[str]]:
            read.append(line)
            in_vain.append(_TOKENS.sub("", line).count('"'))
            return _TOKENS.finditer(line)

    monkeypatch.setattr("model_dofns.formats.jsonl.values._TOKENS", Counting())
    whole = nested(MAX_NESTING + 50, text)
    lines = [whole, whole.rstrip(b"]}")]
    assert [parsed(line) for line in lines] == [["NestingTooDeep"]] * 2
    assert read == [line.decode() for line in lines]  # each once
    assert in_vain == [0, 0]


# --- many records at once ------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b" \n"])
def test_good_lines_are_decoded_by_the_block(end: bytes) -> None:
    lines = [b'{"a":%d.5,"b":"%d"}' % (i, i) for i in range(100)]
    rows, columns = records(end.join(lines)).columns(SCHEMA)
    assert rows.tolist() == list(range(100))
    assert columns.to_pylist() == [{"a": i + 0.5, "b": str(i)} for i in range(100)]


@pytest.mark.parametrize(
    "odd",
    [
        b"5",
        b"{",
        b'{"a":tru}',
        GOOD + b"5}",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"z":"Infinity"}',
        b'{"a":-0}',
        b'{"a":1.8e308}',
        b'{"z":"prediction"}',
        b'{"b":"\xff"}',
        nested(MAX_NESTING + 1),
    ],
)
def test_an_odd_line_is_left_out_and_the_others_are_not(odd: bytes) -> None:
    lines = [b'{"a":%d.5,"b":"x"}' % i for i in range(100)]
    for at in (0, 50, 100):
        found = records(b"\n".join([*lines[:at], odd, *lines[at:]]))
        rows, columns = found.columns(SCHEMA)
        assert at not in rows
        assert len(rows) > 95
        values = list(found.parse(rows.tolist()))
        assert columns.to_pylist() == values


def test_a_block_of_many_odd_lines_goes_line_by_line() -> None:
    found = records(b"\n".join([GOOD, b'{"a":tru}'] * 50))
    assert len(found.columns(SCHEMA)[0]) == 0
    assert sum(isinstance(one, dict) for one in found.parse(range(100))) == 50


@pytest.mark.parametrize(
    "less",
    [
        [b'{"a":2.5}\x00}'],
        [b'{"a":2.5,"z":', b"{}}"],
        [b'{"a":2.5,"z":{}', b',"y":{}}'],
        [b'{"a":2.5,"z":{}', b"}"],
        [b'{"a":2.5,"b":"', b'{"}'],
    ],
)
def test_objects_and_lines_that_are_as_many_by_chance_are_never_paired(less: list[bytes]) -> None:
    for parts in itertools.permutations([[GOOD + b" " + GOOD], less, [GOOD]]):
        lines = [line for part in parts for line in part]
        rows, columns = records(b"\n".join(lines)).columns(SCHEMA)
        assert [lines[row] for row in rows] in ([], [GOOD])
        assert columns.num_rows == len(rows)


# --- out again -----------------------------------------------------------------------------------


def test_a_prediction_is_put_before_the_last_brace_of_the_records_own_bytes() -> None:
    cases = {
        b"{}": b'{"prediction":{"c":1.0}}',
        b"{ }": b'{ "prediction":{"c":1.0}}',
        b"{\t\r  }": b'{\t\r  "prediction":{"c":1.0}}',
        b' { "a" : 1 } \r': b'{ "a" : 1 ,"prediction":{"c":1.0}}',
        b'{"b":"}","z":{}}': b'{"b":"}","z":{},"prediction":{"c":1.0}}',
        b'{"big":100000000000000000000000000000000000001}': (
            b'{"big":100000000000000000000000000000000000001,"prediction":{"c":1.0}}'
        ),
        '{"b":"é"}'.encode(): '{"b":"é","prediction":{"c":1.0}}'.encode(),
        b'{"a":1,"a":2}': b'{"a":1,"a":2,"prediction":{"c":1.0}}',
    }
    data = b"\n\n".join(cases)
    for chosen in itertools.chain.from_iterable(
        itertools.combinations(range(len(cases)), size) for size in (1, 2, len(cases))
    ):
        outputs = pa.RecordBatch.from_pydict({"c": [1.0] * len(chosen)})
        joined = records(data).with_predictions(np.array(chosen), outputs)
        expected = [list(cases.values())[row] for row in chosen]
        assert bytes(memoryview(joined)) == b"".join(line + b"\n" for line in expected)

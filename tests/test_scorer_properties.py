"""Small hostile files, cut anywhere, are scored as each of their records alone.

The other side of each comparison is ``obvious``. For a long hunt: ``FUZZ_EXAMPLES=100000``.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
import os
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import (
    BOM,
    MANY,
    assert_same_lines,
    assert_same_rows,
    blocks_of,
    score_lines,
    score_rows,
)

from model_dofns import ModelSpec, Reject, Scorer
from model_dofns.formats.base import Block, Layout

PLAIN = ModelSpec("models:PlainModel")


def json_of(rejects: Iterable[Reject]) -> bytes:
    return b"".join(reject.to_json() for reject in rejects)


def joined(payloads: Iterable[Any]) -> bytes:
    return b"".join(bytes(memoryview(one)) for one in payloads if one is not None)


def words(text: str) -> list[str]:
    return text.split()


# --- JSON lines ----------------------------------------------------------------------------------

GOOD_VALUES = {
    "x": words("1.5 -2.25e-3 5 1e300 0.1 -0.0 13.0 1E2"),
    "n": words("1 0 -7 9223372036854775807"),
    "colour": words(r'"red" "green" "bl\u0075e"'),
    "name": [*words(r'"a" "" "\u00e9\n\"\/" "é🦀" "\ud83e\udd80" "\u0000"'), '"\u2028"'],
    "weight": words("0.5 null -1"),
}
HOSTILE_VALUES = [
    *words('null true false tru NaN Infinity -Infinity Inf -Inf [] {} [1e400,{}] {"x":1}'),
    *words("-0 -0e0 1e400 -1.8e308 1e-400 5.0 5.5 01 1. .5 +1 0x1F 1_0 --1 - /**/1 1,"),
    *("9223372036854775808", "-9223372036854775809", "1" + "0" * 39, "1" + "0" * 400),
    *words(r'"5.1" "5" "NaN" "prediction" {"prediction":1} "\ud800" "\udc00" "\ud800\u0041"'),
    *words(r'"\x" " \" " \'\' 1,"x":2 1}{"x":1'),
    *("", "\ufeff1", "\x00", "1\x0c", '"\x7f"', '"\t"', '"\x00"'),
]
ODD_KEYS = ["zz", "prediction", r"predictio\u006e", "x", r"\u0078", "X", "", r"\ud800", r"\udc00"]
GOOD_LINE = b'{"x":1.5,"n":2,"colour":"red","name":"a"}'


def ending(end: bytes) -> bytes:
    return GOOD_LINE[:-1] + end


def nested(depth: int) -> bytes:
    return ending(b',"zz":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}")


HOSTILE_LINES = [
    *(b"", b" ", b" \t ", b"\r", b"\xff", b"\x00", b"\x0c", BOM + GOOD_LINE),
    *b'{} 5 [] null "text" NaN { } {"x":1, "n":2}'.split(),
    *(GOOD_LINE + end for end in (GOOD_LINE, b" " + GOOD_LINE, b",", b"}", b"\x00}", b"//}", b"5")),
    *map(ending, (b"\x00}", b",}", b'"}', b"\xff}", b"\r}", b" }", b"", b" " * 1_500 + b"}")),
    *(nested(depth) for depth in (200, 201, 202)),
    ending(b',"zz":"' + "é".encode() * 800 + b'"}'),
    ending(b',"zz":"' + b"\xff" * 1_500 + b'"}'),
]


def seldom(often: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([often] * 5 + [other]).flatmap(lambda chosen: chosen)


hostile_values = st.sampled_from(HOSTILE_VALUES)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """A record as JSON, mostly good."""
    members = [
        (key, draw(seldom(st.sampled_from(good), hostile_values)))
        for key, good in GOOD_VALUES.items()
        if draw(seldom(st.just(True), st.just(key != "weight")))
    ]
    odd_keys = st.sampled_from(ODD_KEYS)
    members += draw(seldom(st.just([]), st.tuples(odd_keys, hostile_values).map(lambda one: [one])))
    colon, comma, form = draw(
        seldom(st.just((":", ",", "{%s}")), st.just((" : ", "\t,\r", "\t{ %s } \r")))
    )
    return (form % comma.join(f'"{key}"{colon}{value}' for key, value in members)).encode()


lines = seldom(objects(), st.sampled_from(HOSTILE_LINES) | st.binary(max_size=6))
files = st.builds(
    lambda bom, lines, last: bom + b"".join(itertools.chain(*lines))[: None if last else -1],
    st.sampled_from([b"", b"", BOM]),
    st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"])), max_size=6),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(
    data=files,
    model=st.sampled_from(["Plain", "Record", "Judged", "Defaults", "Poison", "Bound", "Nan"]),
    block_bytes=st.sampled_from([1, 7, 100, 1_000, MANY]),
    max_record_bytes=st.sampled_from([100, 60, 1_500, MANY]),
    batch_size=st.sampled_from([None, 1, 3]),
)
def test_lines_are_scored_as_each_alone_wherever_the_file_is_cut(
    data: bytes, model: str, block_bytes: int, max_record_bytes: int, batch_size: int | None
) -> None:
    spec = ModelSpec(f"models:{model}Model")
    scorer = Scorer(spec, Layout(max_record_bytes=max_record_bytes), batch_size=batch_size)
    score = functools.cache(scorer.score)
    outcomes = set()
    for cut in range(len(data) + 1):
        blocks = blocks_of(
            "jsonl", data, cuts=[cut], block_bytes=block_bytes, max_record_bytes=max_record_bytes
        )
        scored = [score(block) for block in blocks]
        assert all(one.records_read == one.records_scored + len(one.rejects) for one in scored)
        predictions = joined(one.predictions for one in scored)
        outcomes.add((predictions, json_of(reject for one in scored for reject in one.rejects)))
    expected = score_lines(data, spec, max_record_bytes=max_record_bytes)
    for predictions, rejects in outcomes:
        assert_same_lines(predictions, expected)
        assert rejects == json_of(expected.rejects)


# --- where the two JSON parsers might differ -----------------------------------------------------

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "400"))
NUMBERS = "0159.-+eE"
TEXTS = [*words(r"a \u d83e udd80 dd80 0000 0 \n \\ \" \/ \ /"), "é", "\x1f", "\x7f", "\ufffd"]
SNIPPETS = [
    *(value.encode() for value in (*HOSTILE_VALUES, *TEXTS, *NUMBERS)),
    *(f'"{key}":'.encode() for key in (*ODD_KEYS, *GOOD_VALUES)),
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\r", b"\n", b" ", b"\x00", b"\x0b"),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"\xc2\xa0", b"\xef\xbb\xbf"),
]


def an_object(values: dict[str, str]) -> bytes:
    return b"{" + ",".join(f'"{key}":{value}' for key, value in values.items()).encode() + b"}"


def mutated(rng: random.Random) -> bytes:
    """A good record in which something is no longer as it was: a value, or any bytes."""
    values = {key: rng.choice(values) for key, values in GOOD_VALUES.items()} | {"zz": "[{}, 1]"}
    if rng.random() < 0.5:
        number = "".join(rng.choices(NUMBERS, k=rng.randint(1, 7)))
        a_text = '"{}"'.format("".join(rng.choices(TEXTS, k=rng.randint(1, 5))))
        values[rng.choice(list(values))] = rng.choice([number, a_text, rng.choice(HOSTILE_VALUES)])
        return an_object(values)
    record = bytearray(an_object(values))
    for _ in range(rng.randint(1, 2)):
        at, other = rng.randrange(len(record)), rng.randrange(len(record))
        to = at + rng.choice([0, 0, 1, 1, 2, 8])
        record[at:to] = rng.choice([rng.choice(SNIPPETS), rng.randbytes(1), b"", record[other:at]])
    return bytes(record)


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_line_reads_the_same_among_good_ones_and_by_itself(part: int) -> None:
    scorer, before = Scorer(PLAIN), GOOD_LINE
    for seed in range(part, FUZZ_EXAMPLES, 4):
        hostile = mutated(random.Random(seed))
        for lines in ([b"", hostile], [GOOD_LINE, hostile, GOOD_LINE], [before, hostile]):
            data = b"\n".join(lines)
            scored = scorer.score(Block("jsonl", "file", data, 0))
            expected = score_lines(data, PLAIN)
            assert json_of(scored.rejects) == json_of(expected.rejects), (seed, data)
            assert_same_lines(joined([scored.predictions]), expected)
        before = hostile if not hostile.startswith(BOM) else GOOD_LINE


# --- Parquet -------------------------------------------------------------------------------------

# Of each column the usual type and values, and others.
COLUMNS: dict[str, list[tuple[pa.DataType, list[Any]]]] = {
    "x": [
        (pa.float64(), [1.5, 13.0, -0.0, 1e300]),
        (pa.float64(), [1.5, math.nan, math.inf, 1e308, None]),
        (pa.float32(), [1.5, 0.1, math.nan, None]),
        (pa.int64(), [5, 2**53 + 1, None]),
        (pa.uint64(), [5, 2**64 - 1]),
        (pa.bool_(), [True, False]),
        (pa.string(), ["5.1", "NaN", "much", None]),
        (pa.decimal128(5, 2), [Decimal("1.25"), None]),
        (pa.list_(pa.float64()), [[1.5]]),
    ],
    "n": [
        (pa.int64(), [1, 0, -(2**63)]),
        (pa.int64(), [1, 666, None]),
        (pa.int8(), [1, 0, None]),
        (pa.uint64(), [1, 2**63, None]),
        (pa.float64(), [2.0, 2.5, math.nan, None]),
        (pa.string(), ["2", "two"]),
    ],
    "colour": [
        (pa.string(), ["red", "green", "blue"]),
        (pa.string(), ["red", "RED", None]),
        (pa.large_string(), ["red", "blue"]),
        (pa.dictionary(pa.int8(), pa.string()), ["red", "pink", None]),
        (pa.binary(), [b"red", b"\xff"]),
    ],
    "name": [
        (pa.string(), ["a", "", "é🦀", "\0"]),
        (pa.dictionary(pa.int32(), pa.large_string()), ["a", "b", None]),
        (pa.int64(), [1, None]),
        (pa.null(), [None]),
    ],
    "weight": [(pa.float64(), [0.5, None]), (pa.float64(), [math.nan]), (pa.null(), [None])],
    "zz": [(pa.struct({"a": pa.list_(pa.int8())}), [None, {"a": [1, None]}])],
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    size = draw(st.integers(0, 6))
    columns = {}
    for name, (usual, *others) in COLUMNS.items():
        kind, values = draw(seldom(st.just(usual), st.sampled_from([*others, (None, [None])])))
        column = draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
        if kind is not None:
            columns[name] = pa.array(column, kind)
    return pa.table(columns)


@settings(max_examples=150, deadline=None)
@given(
    table=tables(),
    model=st.sampled_from(["Plain", "Record", "Judged", "Defaults", "Poison"]),
    row_group_size=st.integers(1, 6),
    block_bytes=st.sampled_from([1, MANY]),
    batch_size=st.sampled_from([None, 2]),
    cuts=st.lists(st.floats(0, 1), max_size=2),
)
def test_rows_are_scored_as_each_alone_wherever_the_file_is_cut(
    table: pa.Table,
    model: str,
    row_group_size: int,
    block_bytes: int,
    batch_size: int | None,
    cuts: list[float],
) -> None:
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=row_group_size)
    data, table = file.getvalue(), pq.read_table(file)
    spec = ModelSpec(f"models:{model}Model")
    scorer = Scorer(spec, batch_size=batch_size)
    offsets = [int(cut * len(data)) for cut in cuts]
    blocks = blocks_of("parquet", data, cuts=offsets, block_bytes=block_bytes)
    scored = [scorer.score(block) for block in blocks]
    assert sum(one.records_read for one in scored) == table.num_rows
    parts = [one.predictions for one in scored if one.predictions is not None]
    expected = score_rows(table, spec)
    assert_same_rows(pa.Table.from_batches(parts) if parts else None, table, expected)
    assert json_of(r for one in scored for r in one.rejects) == json_of(expected.rejects)

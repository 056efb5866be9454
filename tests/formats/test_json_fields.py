"""Objects as columns: what a block at once gives, and what one by one gives, must be the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from crossing import json_value, same
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import LEAVES, an_object, listed, objects, spaces, values

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import Block, Layout
from model_dofns.formats.extra import EXTRA_FIELD
from model_dofns.formats.jsonl.members import kept_members, members
from model_dofns.formats.jsonl.records import JsonLines
from model_dofns.formats.jsonl.sample import sampled_schema

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))


class OneByOne(JsonLines):
    """Never takes the short way."""

    def _said_whole(self, rows: Any, schema: pa.Schema) -> Any:
        return super()._said_whole(rows[:0], schema)


def block(texts: list[str], path: str) -> Block:
    return Block("jsonl", path, "".join(f"{text}\n" for text in texts).encode(), 0)


def hold_both(texts: list[str], layout: Layout, path: str = "file") -> list[int]:
    """Both ways give the same; which records took the short one."""
    fast, slow = (of(block(texts, path), layout) for of in (JsonLines, OneByOne))
    parsed = enumerate(fast.parse(range(len(texts))))
    rows = np.array([i for i, one in parsed if not isinstance(one, RecordError)], np.int64)
    one, other = fast.fields(rows), slow.fields(rows)
    assert layout.schema is not None
    assert one.schema.equals(layout.schema, check_metadata=True)
    assert other.schema.equals(layout.schema, check_metadata=True)
    one.validate(full=True)
    for left, right in zip(one.to_pylist(), other.to_pylist(), strict=True):
        assert same(left, right), texts
    own = layout.schema.remove(len(layout.schema) - 1)
    return fast._said_whole(rows, own)[0].tolist()  # type: ignore[no-any-return]  # numpy's is Any


# --- any objects, any columns ---

# What a Parquet file beside may have for a field, and pyarrow.json may read in its own way.
OTHER_TYPES = [
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.large_string(), pa.string_view()),
    *(pa.date32(), pa.timestamp("us"), pa.timestamp("s", "UTC"), pa.time64("us"), pa.duration("s")),
    *(pa.binary(), pa.decimal128(9, 2), pa.dictionary(pa.int32(), pa.string()), pa.null()),
    *(pa.map_(pa.string(), pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 1)),
    *(pa.list_(pa.float32()), pa.struct([("a", pa.date32())]), pa.struct([("a", pa.float32())])),
]
KEPT = st.none() | st.lists(
    st.sampled_from(["a", "b", "c", "x", "_extra", "nowhere", "a.b", "é", '"', "a/b"]),
    unique=True,
    min_size=1,
).map(tuple)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    texts=st.lists(objects(), max_size=6),
    sample=st.integers(0, 6),
    others=st.dictionaries(
        st.sampled_from(["a", "b", "x"]), st.sampled_from(OTHER_TYPES), max_size=1
    ),
    kept=KEPT,
    path=st.sampled_from(["file", "a=5/x=u/file", "b=1/c=1/file"]),
)
def test_both_ways_give_the_same(
    texts: list[str],
    sample: int,
    others: dict[str, pa.DataType],
    kept: tuple[str, ...] | None,
    path: str,
) -> None:
    found = sampled_schema([json_value(text) for text in texts[:sample]], {})
    types = {field.name: field.type for field in found} | others
    partitions = {"a": pa.int64(), "x": pa.string(), "b": pa.int64(), "c": pa.int64()}
    layout = Layout(keep_fields=kept, partition_types=partitions, output_format="parquet")
    schema = pa.schema([*((name, types[name]) for name in layout.kept(types)), EXTRA_FIELD])
    hold_both(texts, Layout(**vars(layout) | {"schema": schema}), path)


# --- objects that mostly fit, with something about them ---

FITTING = {
    "i": st.sampled_from(["1", "-5", "9223372036854775807"]),
    "f": st.sampled_from(["1.5", "2", "-0.0", "1e9", "4503599627370496.5"]),
    "s": st.sampled_from(['"a"', '""', '"é"', '"a:b"', '"{}"']),
    "b": st.sampled_from(["true", "false"]),
    "l": st.builds(listed, st.lists(st.sampled_from(["1", "2"]), max_size=3), spaces),
    "t": st.builds(listed, st.lists(st.sampled_from(['"a"', '""']), max_size=3), spaces),
}
TYPES = {
    "i": pa.int64(),
    "f": pa.float64(),
    "s": pa.string(),
    "b": pa.bool_(),
    "l": pa.list_(pa.float64()),
    "t": pa.list_(pa.string()),
}
ODD = values | st.sampled_from([*LEAVES, '"1"', "1.5", "[null]", '[1,"a"]', '{"i":null}'])
ODD_NAMES = ["i", "f", "s", "t", "o", r"\u0069", r"\"", r"\\", "z", "", "i:", "_extra"]


@st.composite
def fitting(draw: st.DrawFn, depth: int = 1) -> str:
    """An object of these fields, ``o`` an object of the same, ``os`` a list of such."""
    names = draw(st.lists(st.sampled_from([*FITTING, "o", "os"]), unique=True))
    found = []
    for name in names:
        if name in FITTING:
            found.append((name, draw(FITTING[name])))
        elif depth:
            inner = fitting(depth - 1)
            whole = inner if name == "o" else st.builds(listed, st.lists(inner, max_size=2), spaces)
            found.append((name, draw(whole)))
    if draw(st.sampled_from([True] + [False] * 5)):
        at = draw(st.integers(0, len(found)))
        found.insert(at, (draw(st.sampled_from(ODD_NAMES)), draw(ODD)))
    return an_object(found, draw(spaces))


def struct(depth: int) -> list[pa.Field]:
    fields = [pa.field(name, type_) for name, type_ in TYPES.items()]
    if depth:
        inner = pa.struct(struct(depth - 1))
        fields += [pa.field("o", inner), pa.field("os", pa.list_(inner))]
    return fields


FITTED = Layout(schema=pa.schema([*struct(2), EXTRA_FIELD]), output_format="parquet")


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts=st.lists(fitting(), min_size=1, max_size=4))
def test_both_ways_give_the_same_where_most_fits(texts: list[str]) -> None:
    hold_both(texts, FITTED)


# --- what the counting of quotes must not be taken in by ---

PLAIN = '{"i":1,"f":1.5,"s":"a","b":true,"l":[1,2],"t":["a","b"],"o":{"i":1,"os":[{"s":"a"},{}]}}'
SHORT = [
    PLAIN,
    "{}",
    '{"o":{}}',
    '{"os":[]}',
    '{"os":[{},{"s":"x"}],"t":[]}',
    '{"s":"é \U0001f980"}',
    '{ "i" : 1 , "f" : 2 }',
    '{"s":null,"i" : null}',
    '{"s":",","t":[":null,"]}',
    '{"o":null,"os":null,"z":null,"":null,"é a.b":null}',
    r'{"s":"\"","t":["\\","\u00e9\\\""]}',
    r'{"s":"\\","z":null}',
    r'{"\u0069":1}',
]
LONG = {
    "a member without a column": '{"i":1,"z":2}',
    "a member without a column, instead of text": '{"t":["a"],"z":1}',
    "within an object": '{"o":{"z":1}}',
    "within a list": '{"os":[{"z":1}]}',
    "a null within an object": '{"o":{"s":null}}',
    "a null twice": '{"s":null,"s":null}',
    "a null twice, without a column": '{"z":null,"z":null}',
    "a null beside an object": '{"s":null,"o":{"i":1}}',
    "a null beside a quote escaped": r'{"i":null,"s":"\""}',
    "a null of an odd name": '{"a:b":null}',
    "a null of an escaped name": r'{"\u0069":null}',
    "a null and then a value": '{"s":null,"s":"a"}',
    "the same as a name": '{"s":",",":null,":1}',
    "a name twice": '{"i":1,"i":2}',
    "a name twice, once null": '{"s":"a","s":null}',
    "an object twice": '{"o":{"i":1},"o":{"f":2}}',
    "a name that is two quotes": r'{"\"":1}',
    "an integer that is no float": '{"f":9007199254740993}',
    "the same in a list": '{"l":[9007199254740993]}',
    "an infinity": '{"f":1e400}',
    "an infinity in a list": '{"l":[1,-1e400]}',
    "minus nought": '{"f":-0}',
    "a fraction for an integer": '{"i":5.0}',
    "text for an integer": '{"i":"5"}',
    "an integer for text": '{"s":5}',
    "an object for text": '{"s":{"i":1}}',
    "a list for an object": '{"o":[]}',
    "the column itself": '{"_extra":"{}"}',
}


@pytest.mark.parametrize("text", SHORT)
def test_what_columns_say_all_of_takes_the_short_way(text: str) -> None:
    assert hold_both([PLAIN, text], FITTED) == [0, 1]


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_what_columns_do_not_say_all_of_does_not(text: str) -> None:
    assert 1 not in hold_both([PLAIN, text, PLAIN], FITTED)
    schema = pa.schema([("i", pa.int64()), ("f", pa.float64()), EXTRA_FIELD])
    kept = Layout(schema=schema, keep_fields=("i", "f", "zz"), output_format="parquet")
    plain = '{"i":1,"f":1.5,"s":"a"}'
    short = hold_both([plain, text, plain, '{"i":1,"f":1.5,"zz":0}'], kept)
    assert not {1, 3} & set(short)


def test_of_what_is_kept_the_other_fields_are_not_looked_at() -> None:
    schema = pa.schema([("i", pa.int64()), EXTRA_FIELD])
    kept = Layout(schema=schema, keep_fields=("i",), output_format="parquet")
    texts = ['{"i":1,"z":null}', r'{"z":"\"\\","i":2}', '{"z":{"i":null},"i":5}']
    assert hold_both(texts, kept) == [0, 1, 2]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (pa.float32(), "0.1"),
        (pa.float16(), "0.1"),
        (pa.float32(), "5"),
        (pa.date32(), '"2026-11-22"'),
        (pa.timestamp("us"), '"2026-11-22 12:00:00"'),
        (pa.decimal128(9, 2), '"1.25"'),
        (pa.map_(pa.string(), pa.int64()), '{"a":1}'),
        (pa.dictionary(pa.int32(), pa.string()), '"a"'),
        (pa.int8(), "300"),
        (pa.uint8(), "-1"),
        (pa.binary(), '"YQ=="'),
        (pa.large_list(pa.int64()), "[1]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kept", [None, ("v",)])
def test_types_of_other_formats_say_no_value_of_json(
    type_: pa.DataType, text: str, kept: tuple[str, ...] | None
) -> None:
    schema = pa.schema([("v", type_), EXTRA_FIELD])
    layout = Layout(schema=schema, keep_fields=kept, output_format="parquet")
    hold_both([f'{{"v":{text}}}', "{}", '{"v":null}'], layout)
    rows = np.arange(1)
    (row,) = JsonLines(block([f'{{"v":{text}}}'], "file"), layout).fields(rows).to_pylist()
    assert row == {"v": None, "_extra": f'{{"v":{text}}}'}


# --- members ---


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=objects())
def test_members_have_their_own_text(text: str) -> None:
    found: Mapping[str, str] = members(text)
    value = json_value(text)
    assert same({name: json_value(own) for name, own in found.items()}, value)
    assert all(own in text for own in found.values())
    assert json.dumps(list(found)) == json.dumps(list(value))


KEPT_NAMES = st.lists(
    st.sampled_from(["x", "n", "a", "i", "s", "l", "o", "zz"]), unique=True, min_size=1
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts=st.lists(objects() | fitting(), max_size=5), names=KEPT_NAMES.map(tuple))
def test_members_of_many_lines_at_once_are_those_of_each(
    texts: list[str], names: tuple[str, ...]
) -> None:
    lines = "".join(f"{text}\n" for text in [PLAIN, "{", '"x":1}', *texts, '{"x":']).encode()
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    kept, right = kept_members(lines, ends, names)
    for text, object_, is_right in zip(texts, kept[3:].to_pylist(), right[3:], strict=False):
        found = members(text)
        expected = "".join(f'"{name}":{found[name]},' for name in names if name in found)
        assert not is_right or object_.decode() == "{" + expected


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('{"x":1.50,"n":"a, b:c"}', '{"x":1.50,"n":"a, b:c",'),
        ('{ "n" : null , "x"\t:\ttrue }', '{"x":true,"n":null,'),
        ('{"x":"","z":[1,"x","n"],"y":"x"}', '{"x":"",'),
        ('{"xx":1,"y":"n","X":2}', "{"),
        ("{}", "{"),
        (r'{"x":"\u0061"}', None),
        (r'{"x":1,"z":"\""}', None),
        ('{"x":[1]}', None),
        ('{"x":{}}', None),
        ('{"z":{"x":1}}', None),
        ('{"z":[{"x":1}]}', None),
        ('{"x":1,"x":2}', None),
        ('{"z":"{"}', None),
    ],
)
def test_which_members_are_found_at_once(line: str, kept: str | None) -> None:
    data = f'{{"x":7}}\n{line}\n'.encode()
    texts, right = kept_members(data, np.array([7, len(data) - 1]), ("x", "n"))
    assert right.tolist() == [True, kept is not None]
    assert kept is None or texts[1].as_py() == kept.encode()


# --- names, however they are written ---


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and a JSON text of it with any of its characters escaped."""
    name = draw(st.text(st.sampled_from('ab_"\\/.(é\n\0\u0142\u2028🦀 ,:'), max_size=4))
    text = ""
    for letter in name:
        units = letter.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
        plain = json.dumps(letter, ensure_ascii=False)[1:-1]
        ways = [plain, escaped, escaped.upper().replace("U", "u")]
        text += draw(st.sampled_from([*ways, "\\/"] if letter == "/" else ways))
    return name, f'"{text}"'


@settings(max_examples=EXAMPLES, deadline=None)
@given(spelling=spelled(), other=spelled())
def test_a_name_is_found_however_it_is_written(
    spelling: tuple[str, str], other: tuple[str, str]
) -> None:
    name, text = spelling
    assert json.loads(text) == name
    lines = ["{}", f"{{{text}:1}}", f"{{{other[1]}:1}}"]
    found = set(JsonLines(block(lines, "file"), Layout())._lines_naming(name).tolist())
    assert 1 in found
    if "\\" not in other[1]:  # else it may look as if it were
        assert (2 in found) == (other[0] == name)

"""Records that come out in another format than they went in are the same records.

Of JSON, the columns are those that the first records show, so later ones do not fit: their values
must be found all the same. For a long hunt: ``FUZZ_EXAMPLES=10000``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from crossing import Crossed, cross, csv_rows, json_lines, json_value, parquet_rows, same, write
from hypothesis import given, settings
from hypothesis import strategies as st

from model_dofns import settling
from model_dofns.exceptions import InputError

MANY = 1 << 24
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "120"))
MODELS = ["Idle", "Defaults", "Plain", "Record", "Poison", "Forbidding", "Aliased"]

# --- JSON objects --------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    return text.split()


NAMES = [
    *words("x n colour name weight id a b _extra prediction prediction_label é a:b a.b { X"),
    *words(r"\u0061 \" \\ \ud800 \u0000 _extr\u0061 a\/b"),
    *("", " "),
]
LEAVES = [
    *words("null true false 0 5 -7 5.0 1.5 -2.25e-3 13.0 -0 -0.0 1e300 1e400 -1e400 1E2 1e-400"),
    *("9007199254740991", "9007199254740992", "9007199254740993", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775809", "1" + "0" * 39, "1" * 5_000),
    *words(r'"" "a" "red" "blue" "5" "5.1" "null" "NaN" "\"" "\\" "\u00e9" "é🦀" "\ud83e\udd80"'),
    *words(r'"\ud800" "\udc00\ud800" "\u0000" "a:b" "{\"a\":1}" "2026-11-22"'),
    *('" "', '"a,b"', r'"a\nb"', r'"a\r"', '"\u2028"', "[]", "{}", "[ ]", "{ }", "[null]", "[{}]"),
]
USUAL = {"x": "1.5", "n": "2", "colour": '"red"', "name": '"a"'}

leaves = st.sampled_from(LEAVES)
spaces = st.sampled_from(["", "", "", " ", "\t\r "])


def listed(items: list[str], space: str) -> str:
    return f"[{space}" + f"{space},".join(items) + f"{space}]"


def an_object(members: list[tuple[str, str]], space: str) -> str:
    texts = (f'{space}"{name}"{space}:{space}{value}{space}' for name, value in members)
    return "{" + ",".join(texts) + "}"


# Few names and values, or records would have nothing in common.
inner_names = st.sampled_from(["a", "b", "c", r"\u0061", r"\ud800", ""])
values = st.recursive(
    leaves | st.sampled_from(["1", "1.5", '"a"', "true"]),
    lambda inner: (
        st.builds(listed, st.lists(inner, max_size=3), spaces)
        | st.builds(an_object, st.lists(st.tuples(inner_names, inner), max_size=3), spaces)
    ),
    max_leaves=6,
)


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object, of which some are good for the models, and most for none."""
    members = list(USUAL.items()) if draw(st.booleans()) else []
    if not members or draw(st.booleans()):
        members += draw(st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=4))
    return an_object(draw(st.permutations(members)), draw(spaces))


BAD = ["{", "[]", "5", '{"a":NaN}', '{"a":1}{"a":1}', '{"a":1,}', "{a:1}", '"{}"']
lines = st.lists(
    st.sampled_from([objects()] * 7 + [st.sampled_from(BAD)]).flatmap(lambda chosen: chosen),
    max_size=8,
)


def scored_texts(data: bytes, crossed: Crossed) -> list[str]:
    """The lines that are no rejects."""
    offset, texts = 0, []
    rejected = {reject.source["offset"] for reject in crossed.rejects}
    for line in data.split(b"\n")[:-1]:
        if offset not in rejected:
            texts.append(line.decode())
        offset += len(line) + 1
    return texts


def unless_names_clash(
    paths: list[Path], out: Path, *arguments: Any, **more: Any
) -> Crossed | None:
    """The same as ``cross``; None where the sample has a name that the prediction takes."""
    try:
        return cross(paths, out, *arguments, **more)
    except InputError as error:
        if "prediction_label already" not in str(error):
            raise
        return None


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    records=lines,
    model=st.sampled_from(MODELS),
    sample_bytes=st.sampled_from([1, 40, 100, MANY]),
    block_bytes=st.sampled_from([1, 100, MANY]),
)
def test_json_as_columns_is_the_same_json(
    records: list[str], model: str, sample_bytes: int, block_bytes: int
) -> None:
    data = "".join(f"{record}\n" for record in records).encode()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "SAMPLE_BYTES", sample_bytes)
        path, here = write(Path(folder, "in.jsonl"), data), Path(folder)
        reference = cross(
            [path], here / "lines", f"models:{model}Model", "jsonl", prediction_field="guess"
        )
        texts = scored_texts(data, reference)
        given_ = [json_value(text) for text in texts]
        expected = json_lines(reference.path)
        for record, came in zip(given_, expected, strict=True):
            assert same({**record, "guess": came["guess"]}, came)

        arguments = f"models:{model}Model"
        parquet = unless_names_clash(
            [path], here / "out", arguments, "parquet", block_bytes=block_bytes
        )
        if parquet is not None:
            assert parquet.verdicts() == reference.verdicts()
            hold_parquet(parquet, given_, expected)
            hold_the_way_back(parquet, given_, here, model, block_bytes)
        cells = unless_names_clash([path], here / "out", arguments, "csv", block_bytes=block_bytes)
        assert (cells is None) == (parquet is None)
        if cells is not None:
            assert cells.verdicts() == reference.verdicts()
            hold_csv(cells, given_)


def hold_parquet(
    crossed: Crossed, given_: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """The records as they are read plainly, and beside them the same predictions."""
    rows = parquet_rows(crossed.path)
    for row, record, lines_ in zip(rows, given_, expected, strict=True):
        guess = {f"prediction_{name}": value for name, value in lines_["guess"].items()}
        absent = {name for name, value in guess.items() if value is None}
        assert same({**row, **dict.fromkeys(absent)}, {**guess, **record})


def hold_the_way_back(
    crossed: Crossed, given_: list[dict[str, Any]], here: Path, model: str, block_bytes: int
) -> None:
    """As JSON again; and the model, which reads them from columns now, says the same."""
    if crossed.path is None:
        return
    for judge in {"Idle", model} - {"Forbidding"}:  # which does not know the prediction
        back = cross(
            [crossed.path],
            here / "back",
            f"models:{judge}Model",
            "jsonl",
            block_bytes=block_bytes,
            prediction_field="again",
        )
        assert back.verdicts() == []
        added = crossed.settled.layout.prediction_columns()
        for record, came in zip(given_, json_lines(back.path), strict=True):
            again = came.pop("again")
            if judge == model:
                for name, value in again.items():
                    column = f"prediction_{name}"
                    assert column in record or same(came.get(column), value)
            for name in added:
                if name not in record:
                    came.pop(name, None)
            assert same(came, record)


def hold_csv(crossed: Crossed, given_: list[dict[str, Any]]) -> None:
    """Each value in its cell, or in ``_extra``."""
    for row, record in zip(csv_rows(crossed.path), given_, strict=True):
        said = json_value(row["_extra"]) if row["_extra"] else {}
        for name, value in record.items():
            if name in said:
                assert same(said[name], value)
                others = ("_extra", *crossed.settled.layout.prediction_columns())
                assert name in others or not row.get(name)
            elif isinstance(value, str):
                assert row[name] == value
            else:
                assert same(json_value(row[name]), value)
        absent = row.keys() - record.keys() - {"_extra"}
        assert not any(row[name] for name in absent if not name.startswith("prediction_"))
        assert said.keys() <= record.keys()

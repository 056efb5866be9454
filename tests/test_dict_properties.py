"""Dicts of hostile values are scored as each of them alone; the other side is ``obvious``."""

from __future__ import annotations

import copy
import enum
import math
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import Refused, assert_same_prediction, predicted

from model_dofns import ModelSpec, Scorer
from model_dofns.formats.dicts import DictRecords


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


GOOD: dict[str, list[Any]] = {
    "x": [1.5, -2.25e-3, 5, 1e300, -0.0, 13.0, 2**53],
    "n": [1, 0, -7, 2**63 - 1, -(2**63)],
    "colour": ["red", "green", "blue"],
    "name": ["a", "", "é🦀", "\0", "\u2028"],
    "weight": [0.5, None, -1],
}
HOSTILE: list[Any] = [
    *(None, True, False, "", "red", "5", "5.1", "NaN", " 5 ", "1_0", b"red", b"\xff", "\ud800"),
    *(5, 5.0, 5.5, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, 10**400, -(10**5_000)),
    *(math.nan, math.inf, -math.inf, 1e308, Decimal("1.25"), Decimal("NaN"), Fraction(1, 4)),
    *(np.float64(1.5), np.float32(0.1), np.int64(3), np.bool_(True), np.str_("red"), np.array(2.0)),
    *(Colour.RED, Number.ONE, Text("red"), [], {}, [1.5], {"x": 1}, (1,), {1}, object, object()),
]
ODD_KEYS = ["zz", "prediction", "X", "", "\ud800", 5, None, ("x",), Colour.RED, Text("name")]


def seldom(often: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([often] * 8 + [other]).flatmap(lambda chosen: chosen)


@st.composite
def records(draw: st.DrawFn) -> Any:
    """A record, mostly good."""
    hostile = st.sampled_from(HOSTILE)
    values: dict[Any, Any] = {
        key: draw(seldom(st.sampled_from(good), hostile))
        for key, good in GOOD.items()
        if draw(seldom(st.just(True), st.just(key != "weight")))
    }
    for key in draw(seldom(st.just([]), st.lists(st.sampled_from(ODD_KEYS), max_size=2))):
        values[key] = draw(hostile)
    return draw(seldom(st.just(dict), st.sampled_from([OrderedDict, MappingProxyType])))(values)


def expected_of(record: Any, spec: ModelSpec) -> tuple[str, str, str] | dict[str, Any]:
    """The stage, error and message of a reject, or the prediction."""
    try:
        if not isinstance(record, Mapping):
            message = f"a {type(record).__name__}, and no mapping"
            raise Refused("decode", "NotAnObject", message)
        if "prediction" in record:
            message = "the record has a field 'prediction' already: name the prediction otherwise"
            raise Refused("decode", "NameClash", f"{message} with prediction_field")
        return predicted(spec.load(), record)
    except Refused as verdict:
        stage, error, message = verdict.args
        return stage, error, message


def check(records: list[Any], scorer: Scorer, spec: ModelSpec) -> None:
    before = [copy.copy(r) if type(r) in (dict, OrderedDict) else r for r in records]

    taken = DictRecords(records, scorer.layout)
    scored = scorer.score_records(taken, "dict", None)
    rows = scored.rows.tolist()
    joined = taken.joined(scored.rows, scored.predictions)

    assert sorted([*rows, *scored.rejected]) == list(range(len(records)))
    for row, out in zip(rows, joined, strict=True):
        expected = expected_of(records[row], spec)
        assert isinstance(expected, dict), (records[row], expected)
        prediction = out.pop("prediction")
        assert type(out) is type(prediction) is dict
        assert_same_prediction(prediction, expected)
        assert list(out) == list(records[row])
        assert all(out[key] is records[row][key] for key in out)
    for row, reject in zip(scored.rejected, scored.rejects, strict=True):
        verdict = (reject.stage, reject.error, reject.message)
        assert verdict == expected_of(records[row], spec), records[row]
        assert reject.source.keys() == {"input"}
        assert reject.to_json()
    for record, copied in zip(records, before, strict=True):
        if isinstance(record, Mapping):
            assert list(record) == list(copied)
            assert all(record[key] is copied[key] for key in record)


@settings(max_examples=200, deadline=None)
@given(
    records=st.lists(seldom(records(), st.sampled_from(HOSTILE)), max_size=8),
    model=st.sampled_from(["Plain", "Record", "Judged", "Defaults", "Poison", "Bound", "Nan"]),
    batch_size=st.sampled_from([None, 1, 3]),
)
def test_dicts_are_scored_as_each_alone(
    records: list[Any], model: str, batch_size: int | None
) -> None:
    spec = ModelSpec(f"models:{model}Model")
    check(records, Scorer(spec, batch_size=batch_size), spec)


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("together", [True, False], ids=["together", "each among good ones"])
def test_each_hostile_value_in_each_field(field: str, together: bool) -> None:
    spec = ModelSpec("models:PlainModel")
    good = {key: values[0] for key, values in GOOD.items()}
    hostile = [{**good, field: value} for value in HOSTILE]
    scorer = Scorer(spec)
    for records in [hostile] if together else [[good, one, good] for one in hostile]:
        check(records, scorer, spec)

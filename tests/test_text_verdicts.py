"""Cells as text: what the columns decide of them is what ``model_validate_strings`` says.

Each text is scored alone, among good ones and among all others.
"""

from __future__ import annotations

import contextlib
import csv
import enum
import functools
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, get_origin

import models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from model_dofns import ModelSpec, Scorer
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block
from model_dofns.formats.csv.format import CsvFormat

Outcome = str | tuple[str, str]

NUMBERS = [
    *(
        "1.5",
        " 1.5 ",
        "1_000",
        "+1",
        ".5",
        "5.",
        "1e5",
        "1E400",
        "1e-400",
        "-1e400",
        "1E+5",
        "1e05",
    ),
    *("nan", "NaN", "NAN", "-nan", "+nan", "nan(1)", "inf", "Inf", "+inf", "-inf", "-Infinity"),
    *("infinity", "INFINITY", "Infinit", "1.#INF", "-0", "-0.0", "+0", "0.", "-.5", ".", "+", "-"),
    *("007", "-007", "00", "0_7", "0x1F", "0X1f", "0x1p3", "0b1", "0o7", "1,5", "1,000", "1 000"),
    *("\u0661", "\uff11", "\u00b2", "\u00bd", "\u22121", "--1", "+-1", "- 1", "+ 1", "1-", "1.2.3"),
    *("1d", "1f", "1.5f", "1L", "5j", "1e", "e5", "1e+", "1e1.5", "5%", "$5", "5 cm", "1/2"),
    *("1__0", "_1", "1_", "1_.5", "1._5", "1.5_0", "1e1_0", "1_000.5", "-1_0", "1_0 ", " 1_0"),
    *("5", " 5", "5 ", " 5 ", "\t5", "5\t", "5\n", "\r5", "5\r\n", "\v5", "5\f", "\x1c5", "\x1f5"),
    *("5.0\u00a0", "\u20035", "5\u3000", "\x855", "\ufeff5", "5\u200b", "5\u2028", "5\0", "\x005"),
    *("5.0", "5.00", "+5.0", "-5.0", "5.5", "5.0000000000000000000001", "05.0", "5.0e0", "1e0"),
    *("5,0", "5_0.0", " 5.0 ", "1000", "1000.0", "999", "10", "1", "0", "-5", "-6", "-1", "2"),
    *("127", "128", "2147483648", "9007199254740993", "9007199254740993.0", "0.1", "1e22", "1e23"),
    *("1.7976931348623157e308", "1.7976931348623159e308", "1.8e308", "4.9e-324", "2.4e-324"),
    *("2.2250738585072011e-308", "123456789012345678901234567890", "0.30000000000000004"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("-9223372036854775809", "9223372036854775807.0", "9223372036854775808.0", "+" + "9" * 18),
    *(
        "9" * 19,
        "9" * 20,
        "1" * 40,
        "1" + "0" * 40 + ".0",
        "0" * 40 + "5",
        "1" * 4_300,
        "1" * 4_301,
    ),
    *("1" * 5_000, "0" * 5_000, "0" * 5_000 + "1", "0." + "1" * 5_000, "1" * 400 + "e-399"),
]
WORDS = [
    *("true", "TRUE", "True", "tRUE", "false", "False", "FALSE", "t", "T", "f", "F", "y", "Y", "n"),
    *(
        "yes",
        "YES",
        "Yes",
        "no",
        "NO",
        "on",
        "On",
        "ON",
        "oN",
        "off",
        "OFF",
        "true ",
        " true",
        "truE",
    ),
    *(
        "null",
        "NULL",
        "Null",
        "None",
        "NA",
        "N/A",
        "#N/A",
        "n/a",
        "#NULL!",
        "<NA>",
        "nil",
        "?",
        "-",
    ),
    *(
        "a",
        "A",
        "ab",
        "abc",
        "abcd",
        "abcde",
        " a",
        "a ",
        " ",
        "  ",
        "\t",
        "a b",
        "red",
        "[1]",
        "{}",
    ),
    *('"', '""', '"a"', "'a'", "a,b", ",", "\n", "\r", "\r\n", "a\nb", "a\rb", "a\\nb", "\\", "#a"),
    *(
        "é",
        "e\u0301",
        "éé",
        "🦀",
        "🦀🦀🦀🦀",
        "🦀🦀🦀🦀🦀",
        "👩‍🔬",
        "\U0010ffff",
        "\ufffd",
        "\ufeff",
        "\u2028",
    ),
    *("\0", "a\0", "\0a", "\x7f", "x" * 5_000, "2024-02-29", "2023-02-29", "1709164800"),
]
TEXTS = ["", *NUMBERS, *WORDS]
NEVER_BATCHED = ("date", "list")


def judged_by_class(input_class: type[BaseModel], text: str) -> Any:
    """The value that a class makes of a text; that of a list is JSON, which pydantic reads not."""
    record: dict[str, Any] = {"value": text} if text else {}
    if get_origin(input_class.model_fields["value"].annotation) is not list:
        return input_class.model_validate_strings(record).value
    with contextlib.suppress(ValueError, RecursionError):
        record = {"value": json.loads(text)}
    return input_class.model_validate(record).value


def judged(model: Any, text: str) -> Outcome:
    """The verdict of pydantic on a text: what the model shows of the value, or stage and error."""
    try:
        value = judged_by_class(model.input_schema, text)
    except ValidationError:
        return ("validate", "ValidationError")
    value = value.value if isinstance(value, enum.Enum) else value
    batched = isinstance(model, models.EchoModel)
    if batched and isinstance(value, int) and not -(2**63) <= value < 2**63:
        return ("validate", "IntegerOutOfRange")
    return repr(value)


def row(number: int, text: str, quoted: bool) -> bytes:
    must = quoted or any(sign in text for sign in '",\r\n')
    cell = '"' + text.replace('"', '""') + '"' if must else text
    return f"{number},{cell}\n".encode()


def outcomes(scorer: Scorer, texts: Sequence[str], *, quoted: bool) -> list[Outcome]:
    """What becomes of each text, in a block of them all."""
    data = b"".join(row(number, text, quoted) for number, text in enumerate(texts))
    scored = scorer.score(Block("csv", "file", data, 0))
    found: dict[int, Outcome] = {}
    for reject in scored.rejects:
        number = int(reject.source["input"].partition(",")[0])
        found[number] = (reject.stage, reject.error)
    written = bytes(scored.predictions.rows).decode() if scored.predictions is not None else ""
    for number, _, shown in csv.reader(io.StringIO(written, newline=""), strict=True):
        found[int(number)] = shown
    assert scored.records_read == len(found) == len(texts)
    return [found[number] for number in range(len(texts))]


@functools.cache
def scorer_of(field: str, strict: bool) -> tuple[Any, Scorer]:
    name = "EchoRecordModel" if field in NEVER_BATCHED else "EchoModel"
    spec = ModelSpec(f"models:{name}", {"field": field, "strict": strict})
    format_ = CsvFormat(columns=("id", "value"), header=False)
    return spec.load(), Scorer(spec, formats={**FORMATS, "csv": format_})


@pytest.mark.parametrize("quoted", [False, True], ids=["plain", "quoted"])
@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
@pytest.mark.parametrize("field", models.FIELDS)
def test_texts_have_the_verdicts_of_the_judge(field: str, strict: bool, quoted: bool) -> None:
    """Together with all others, and with good ones alone."""
    model, scorer = scorer_of(field, strict)
    expected = {text: judged(model, text) for text in TEXTS}
    good = [text for text in TEXTS if isinstance(expected[text], str)]
    for texts in (TEXTS, good):
        assert_alike(expected, texts, outcomes(scorer, texts, quoted=quoted))


@pytest.mark.parametrize("field", models.FIELDS)
def test_a_text_has_the_verdict_of_the_judge_alone_and_among_good_ones(field: str) -> None:
    model, scorer = scorer_of(field, False)
    expected = {text: judged(model, text) for text in TEXTS}
    good = [text for text in TEXTS if isinstance(expected[text], str)]
    for text in TEXTS[::2]:  # all of them together are in the test above
        texts = [*good[:3], text, *good[-3:]]
        assert_alike(expected, texts, outcomes(scorer, texts, quoted=False))


def assert_alike(
    expected: dict[str, Outcome], texts: Iterable[str], found: Iterable[Outcome]
) -> None:
    differences = {
        text: (outcome, expected[text])
        for text, outcome in zip(texts, found, strict=True)
        if outcome != expected[text]
    }
    assert not differences  # text -> what became of it, and what the judge says


def test_the_table_knows_good_and_bad_texts_of_every_field() -> None:
    """Or the test above would prove little; none are good where pydantic takes no text at all."""
    none_good = {"int literal", "number enum", "int literal or None"}
    for field in models.FIELDS:
        model, _ = scorer_of(field, False)
        verdicts = {text: isinstance(judged(model, text), str) for text in TEXTS if text}
        assert any(verdicts.values()) == (field not in none_good), field
        assert field in ("str", "str or None") or not all(verdicts.values()), field


def test_what_the_judge_says_of_a_few_texts() -> None:
    """As worked out by hand, should pydantic ever think otherwise."""
    floats, _ = scorer_of("float", False)
    said = {
        text: judged(floats, text) for text in ("1_000", "1E400", "-0", "nan", "007", "5.0\u00a0")
    }
    assert list(said.values()) == ["1000.0", "inf", "-0.0", "nan", "7.0", "5.0"]
    refused = ("0x1F", "1,5", "\u0661", "", "--1", "1.2.3", "1d")
    assert {judged(floats, text) for text in refused} == {("validate", "ValidationError")}
    ints, _ = scorer_of("int", True)
    said = {text: judged(ints, text) for text in ("5", "5.0", "007", "+5", "-0", "1_000", " 5 ")}
    assert list(said.values()) == ["5", "5", "7", "5", "0", "1000", "5"]
    assert judged(ints, "9" * 20) == ("validate", "IntegerOutOfRange")
    assert {judged(ints, text) for text in ("0x1F", "1e3", "5.5", "9" * 5_000)} == {
        ("validate", "ValidationError")
    }


number_texts = st.text("0123456789.eE+-_ xnainf\u00a0\u0661", max_size=8)


@settings(max_examples=100, deadline=None)
@given(
    field=st.sampled_from(["float", "int", "bool", "float or None", "small int", "positive float"]),
    texts=st.lists(number_texts | st.sampled_from(TEXTS) | st.text(max_size=3), max_size=8),
    quoted=st.booleans(),
)
def test_any_texts_have_the_verdicts_of_the_judge(
    field: str, texts: list[str], quoted: bool
) -> None:
    model, scorer = scorer_of(field, False)
    expected = {text: judged(model, text) for text in texts}
    assert_alike(expected, texts, outcomes(scorer, texts, quoted=quoted))

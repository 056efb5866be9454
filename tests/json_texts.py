"""JSON objects as hypothesis draws them: as text, for there are many for one value."""

from __future__ import annotations

from hypothesis import strategies as st


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

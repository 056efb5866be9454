"""Hypothesis strategies for the records that a JSON Schema describes.

They make what is likely to be a record; the schema's judge has the last word. Numbers without
bounds are kept within a million: further out, what a model adds up in another order may differ by
more than it should, and no one's records are there.
"""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.strategies import SearchStrategy

from model_dofns.fields import Node, NoJsonSchemaError, resolved

_FAR: Final = 1_000_000
_MAX_LENGTH: Final = 20  # of a text without a bound
_MAX_ITEMS: Final = 3
_MAX_DEPTH: Final = 6  # below this lists are as short as may be, and what is optional is left out
_NO_DEPTH: Final = 30

_CHARACTERS: Final = st.characters(codec="utf-8")
_ASCII: Final = st.characters(min_codepoint=32, max_codepoint=126)
_YEARS: Final = (datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1))
_MOMENTS: Final = st.datetimes(*_YEARS).map(datetime.datetime.isoformat)

_FORMATS: Final[Mapping[str, SearchStrategy[str]]] = {
    "date": st.dates(_YEARS[0].date(), _YEARS[1].date()).map(datetime.date.isoformat),
    "date-time": st.one_of(_MOMENTS, _MOMENTS.map(lambda text: f"{text}Z")),
    "time": st.times().map(datetime.time.isoformat),
    "duration": st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S"),
    "uuid": st.uuids(version=4).map(str),
    "email": st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.com", fullmatch=True),
    "uri": st.from_regex(r"https://[a-z]{1,8}\.com/[a-z]{0,8}", fullmatch=True),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "binary": st.text(_ASCII, max_size=_MAX_LENGTH),
    "base64": st.binary(max_size=_MAX_LENGTH).map(lambda data: base64.b64encode(data).decode()),
}


def made_values(document: Node, count: int) -> list[Any]:
    """Values that a JSON Schema describes, about ``count`` of them, the same each time.

    Raises:
        NoJsonSchemaError: it asks for something that is not known here, or for nothing at all.
    """
    made: list[Any] = []
    try:
        strategy = _values(document, document, 0)
        if not strategy.is_empty:
            _keep_in(made, strategy, count)
    except HypothesisException as error:  # a bound above another, a pattern for nothing
        raise NoJsonSchemaError(f"no value fits the JSON Schema: {error}") from error
    if not made:
        raise NoJsonSchemaError("no value fits the JSON Schema")
    return made


def _keep_in(made: list[Any], strategy: SearchStrategy[Any], count: int) -> None:
    """Make values, the same each time, and without a word on how hard it was."""

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(value: Any) -> None:
        made.append(value)

    keep()


def _values(node: Any, document: Node, depth: int) -> SearchStrategy[Any]:
    node = resolved(node, document)
    if depth > _NO_DEPTH:
        raise NoJsonSchemaError("the JSON Schema needs itself, without an end")
    if "const" in node:
        return st.just(node["const"])
    if "enum" in node:
        return st.sampled_from(node["enum"]) if node["enum"] else st.nothing()
    for key in ("anyOf", "oneOf"):
        if key in node:
            return _any_of(node, key, document, depth)
    kind = node.get("type", _implied(node))
    if isinstance(kind, list):
        return st.one_of([_values({**node, "type": one}, document, depth) for one in kind])
    if kind not in _KINDS:
        raise NoJsonSchemaError(f"the JSON Schema has the type {kind!r}")
    return _KINDS[kind](node, document, depth)


def _implied(node: Node) -> Any:
    """The type of a node that does not say it."""
    if "properties" in node or "additionalProperties" in node:
        return "object"
    return "array" if "items" in node or "prefixItems" in node else ["string", "number", "boolean"]


def _any_of(node: Node, key: str, document: Node, depth: int) -> SearchStrategy[Any]:
    rest = {name: value for name, value in node.items() if name != key}
    options = [{**rest, **resolved(option, document)} for option in node[key]]
    if depth >= _MAX_DEPTH:  # what has no more in it, if there is such
        plain = [o for o in options if o.get("type", "object") not in ("object", "array")]
        options = plain or options
    return st.one_of([_values(option, document, depth) for option in options])


def _numbers(node: Node, document: Node, depth: int) -> SearchStrategy[Any]:
    if "multipleOf" in node:
        return _multiples(node)
    low, high = _ends(node)
    floats = st.floats(
        low,
        high,
        exclude_min=low == node.get("exclusiveMinimum"),
        exclude_max=high == node.get("exclusiveMaximum"),
        allow_subnormal=False,
    )
    # As a decimal may have to be; one that is rounded out of its bounds is for the judge.
    return st.one_of(floats, floats.map(lambda value: round(value, 2)))


def _integers(node: Node, document: Node, depth: int) -> SearchStrategy[Any]:
    if "multipleOf" in node:
        return _multiples(node)
    low, high = _ends(node)
    first = math.floor(low) + 1 if low == node.get("exclusiveMinimum") else math.ceil(low)
    last = math.ceil(high) - 1 if high == node.get("exclusiveMaximum") else math.floor(high)
    return st.integers(first, last) if first <= last else st.nothing()


def _multiples(node: Node) -> SearchStrategy[Any]:
    step = node["multipleOf"]
    low, high = _ends(node)
    first, last = math.ceil(low / step), math.floor(high / step)
    return st.integers(first, last).map(lambda n: n * step) if first <= last else st.nothing()


def _ends(node: Node) -> tuple[float, float]:
    low = max((node[key] for key in ("minimum", "exclusiveMinimum") if key in node), default=None)
    high = min((node[key] for key in ("maximum", "exclusiveMaximum") if key in node), default=None)
    if low is None:
        low = -_FAR if high is None else min(high - _FAR, -_FAR)
    return low, max(low + _FAR, _FAR) if high is None else high


def _texts(node: Node, document: Node, depth: int) -> SearchStrategy[str]:
    if "pattern" in node:
        try:
            return st.from_regex(re.compile(node["pattern"]), alphabet=_ASCII)
        except re.error as error:  # there are patterns of JavaScript's that Python has not
            raise NoJsonSchemaError(f"the pattern {node['pattern']!r}: {error}") from error
    if node.get("format") in _FORMATS:
        return _FORMATS[node["format"]]
    low = node.get("minLength", 0)
    return st.text(_CHARACTERS, min_size=low, max_size=node.get("maxLength", low + _MAX_LENGTH))


def _arrays(node: Node, document: Node, depth: int) -> SearchStrategy[Any]:
    heads = [_values(item, document, depth + 1) for item in node.get("prefixItems", ())]
    low = max(node.get("minItems", 0) - len(heads), 0)
    high = max(node.get("maxItems", len(heads) + low + _MAX_ITEMS) - len(heads), low)
    if depth >= _MAX_DEPTH or node.get("items", {}) is False:
        high = low
    tail: SearchStrategy[list[Any]] = st.just([])
    if high:
        item = _values(node.get("items", {}), document, depth + 1)
        # repr, as a list is no key.
        unique = repr if node.get("uniqueItems") else None
        tail = st.lists(item, min_size=low, max_size=high, unique_by=unique)
    return st.tuples(st.tuples(*heads), tail).map(lambda parts: [*parts[0], *parts[1]])


def _objects(node: Node, document: Node, depth: int) -> SearchStrategy[Any]:
    required = node.get("required", ())
    properties = {
        name: _values(inner, document, depth + 1)
        for name, inner in node.get("properties", {}).items()
        if depth < _MAX_DEPTH or name in required
    }
    needed = {name: properties[name] for name in properties if name in required}
    optional = {name: properties[name] for name in properties if name not in required}
    more = node.get("additionalProperties")
    if properties or not isinstance(more, Mapping) or depth >= _MAX_DEPTH:
        return st.fixed_dictionaries(needed, optional=optional)
    keys = st.text(_CHARACTERS, max_size=_MAX_LENGTH)
    size = max(node.get("minProperties", 0), _MAX_ITEMS)
    low = node.get("minProperties", 0)
    return st.dictionaries(keys, _values(more, document, depth + 1), min_size=low, max_size=size)


_KINDS: Final[Mapping[str, Callable[[Node, Node, int], SearchStrategy[Any]]]] = {
    "number": _numbers,
    "integer": _integers,
    "string": _texts,
    "array": _arrays,
    "object": _objects,
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
}

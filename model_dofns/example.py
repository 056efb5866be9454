"""An example of a record, from the JSON Schema of a model's records: one that a person can read.

Values are the author's own examples and defaults where there are any, else some in the middle. It
is for the schema's judge to say whether the record is one.
"""

from __future__ import annotations

import math
from typing import Any, Final

from model_dofns.fields import Node, resolved

_TEXTS: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "P1DT2H",
    "uuid": "12345678-1234-4234-8234-123456789abc",
    "email": "name@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_MAX_DEPTH: Final = 20  # a schema that needs itself has no record


def example_of(node: Any, document: Node, depth: int = 0) -> Any:
    """A value that a node of a JSON Schema may take, the same each time.

    >>> schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}}}
    >>> example_of(schema, schema)
    {'age': 19}
    """
    node = resolved(node, document)
    if node.get("examples"):
        return node["examples"][0]
    if "const" in node:
        return node["const"]
    if node.get("enum"):
        return node["enum"][0]
    if node.get("default") is not None:
        return node["default"]
    for key in ("anyOf", "oneOf"):
        if key in node:
            rest = {name: value for name, value in node.items() if name != key}
            return example_of({**rest, **resolved(node[key][0], document)}, document, depth)
    kind = node.get("type", "object" if "properties" in node else "null")
    if isinstance(kind, list):
        kind = kind[0]
    match kind:
        case "number":
            return _number(node)
        case "integer":
            return _integer(node)
        case "string":
            return _text(node)
        case "boolean":
            return True
        case "array" if depth < _MAX_DEPTH:
            items = [example_of(item, document, depth + 1) for item in node.get("prefixItems", ())]
            wanted = node.get("minItems", 0 if items or "items" not in node or depth > 1 else 1)
            more = range(wanted - len(items))
            return items + [example_of(node.get("items", {}), document, depth + 1) for _ in more]
        case "object" if depth < _MAX_DEPTH:
            return {
                name: example_of(inner, document, depth + 1)
                for name, inner in node.get("properties", {}).items()
                if depth == 0 or name in node.get("required", ())
            }
    return None


def _number(node: Node) -> float:
    """In the middle, where both ends are known; else near the one that is."""
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    if low is not None and high is not None:
        value = (low + high) / 2
    elif low is not None:
        value = low + 1.0
    elif high is not None:
        value = high - 1.0
    else:
        value = 1.5
    step = node.get("multipleOf")
    return float(math.ceil(value / step) * step if step else value)


def _integer(node: Node) -> int:
    value = _number(node)
    is_too_low = math.floor(value) <= node.get("exclusiveMinimum", -math.inf)
    return math.ceil(value) if is_too_low else math.floor(value)


def _text(node: Node) -> str:
    text = _TEXTS.get(node.get("format", ""), "text")
    text = text.ljust(node.get("minLength", 0), "x")
    return text[: node["maxLength"]] if "maxLength" in node else text

"""The fields of a model's schemas, as JSON Schema says them: for people, and for making records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from model_dofns.exceptions import ScoringError
from model_dofns.ml_model import MLModel
from model_dofns.schemas import RecordSchema, record_schema, told

Node: TypeAlias = Mapping[str, Any]

# Of JSON Schema, what bounds a value, and how it is shown.
_BOUNDS: Final = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "like {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


class NoJsonSchemaError(ScoringError):
    """A schema has something that JSON Schema has no word for; the message says what."""


@dataclass(frozen=True)
class FieldDescription:
    """A field of a schema.

    Attributes:
        name: as the model knows it.
        keys: by which it is found in a record; more than its name where it has aliases.
        type: in the words of JSON Schema.
        arrow: the type of its column; None where it has none.
        nullable: whether it may be None.
        required: whether a record must have it.
        has_default: whether the schema says what it is where a record has it not.
        default: what that is.
        bounds: which values it takes, by JSON Schema's words for it.
        description: the author's own.
    """

    name: str
    keys: tuple[str, ...]
    type: str
    arrow: str | None
    nullable: bool
    required: bool
    has_default: bool
    default: Any = None
    bounds: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""

    def bounds_text(self) -> str:
        """The bounds on one line."""
        return ", ".join(_BOUNDS[key].format(value) for key, value in self.bounds.items())


def schemas_of(model: MLModel) -> tuple[RecordSchema, RecordSchema]:
    """The input and the output schema of a model."""
    return record_schema(model.input_schema), record_schema(model.output_schema)


def json_schema_of(schema: RecordSchema) -> Node:
    """The JSON Schema of a schema's records.

    Raises:
        NoJsonSchemaError: there is none.
    """
    try:
        return schema.json_schema()
    except Exception as error:  # each library that makes one has its own errors
        first = told(error).partition("\n")[0]
        raise NoJsonSchemaError(f"it has no JSON Schema: {first}") from error


def fields_of(schema: RecordSchema) -> tuple[FieldDescription, ...]:
    """The fields of a schema, in order; where it has no JSON Schema, less is known of them."""
    try:
        document = json_schema_of(schema)
    except NoJsonSchemaError:
        document = {}
    whole = resolved(document, document)
    properties, required = whole.get("properties", {}), whole.get("required", ())
    found = []
    for name in schema.names:
        keys = (name, *sorted(schema.keys[name] - {name}))
        key = next((key for key in keys if key in properties), name)
        node = resolved(properties.get(key, {}), document)
        inner = _without_null(node, document)
        found.append(
            FieldDescription(
                name=name,
                keys=keys,
                type=type_text(inner, document),
                arrow=_arrow_text(schema, name),
                nullable=bool(schema.nullable.get(name)) or inner is not node,
                required=key in required,
                has_default="default" in node,
                default=node.get("default"),
                bounds={key: inner[key] for key in _BOUNDS if key in inner},
                description=node.get("description", ""),
            )
        )
    return tuple(found)


def resolved(node: Any, document: Node) -> Node:
    """A node with what it refers to, and all of its ``allOf``, in its place.

    Raises:
        NoJsonSchemaError: it refers to what is not in the document.
    """
    if isinstance(node, bool):  # anything, or nothing
        return {} if node else {"enum": []}
    followed: set[str] = set()
    while "$ref" in node or "allOf" in node:
        own = {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
        parts = [resolved(part, document) for part in node.get("allOf", ())]
        if "$ref" in node:
            if node["$ref"] in followed:
                raise NoJsonSchemaError(f"{node['$ref']} refers to itself, by way of others")
            followed.add(node["$ref"])
            parts.insert(0, _target(node["$ref"], document))
        node = {}
        for part in (*parts, own):
            node = node | part | _joined(node, part)
    return dict(node)


def type_text(node: Node, document: Node) -> str:
    """The type of a node's values: ``number``, ``'a' | 'b'``, ``array of string (date)``."""
    node = resolved(node, document)
    if "const" in node:
        return repr(node["const"])
    if "enum" in node:
        return " | ".join(map(repr, node["enum"]))
    for key in ("anyOf", "oneOf"):
        if key in node:
            kinds = [type_text(option, document) for option in node[key]]
            return " | ".join(dict.fromkeys(kinds))
    kind = node.get("type", "anything")
    if isinstance(kind, list):
        return " | ".join(kind)
    if kind == "array" and "items" in node:
        # Not what is nested deeper, which may go on for ever.
        inner = resolved(node["items"], document)
        return f"array of {inner.get('type', 'values')}"
    return f"{kind} ({node['format']})" if "format" in node else str(kind)


def _target(reference: str, document: Node) -> Node:
    found: Any = document
    for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise NoJsonSchemaError(f"the JSON Schema refers to {reference}, which is not in it")
        found = found[name]
    return found  # type: ignore[no-any-return]  # a node, if the document is a JSON Schema


def _joined(one: Node, other: Node) -> dict[str, Any]:
    """What two nodes say together, of the keys that add up."""
    joined: dict[str, Any] = {}
    if "properties" in one and "properties" in other:
        joined["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        joined["required"] = [*one["required"], *other["required"]]
    return joined


def _without_null(node: Node, document: Node) -> Node:
    """The node without its ``null``; itself where it has none."""
    options = [resolved(option, document) for option in node.get("anyOf", ())]
    others = [option for option in options if option.get("type") != "null"]
    if len(others) == len(options):
        return node
    return others[0] if len(others) == 1 else {"anyOf": others}


def _arrow_text(schema: RecordSchema, name: str) -> str | None:
    if schema.arrow_schema is None:
        return None
    return str(schema.arrow_schema.field(name).type)

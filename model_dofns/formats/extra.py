"""``_extra``: what of a record its columns do not say, as the text of a JSON object.

Records of JSON and CSV that are written as columns may have fields that have no column, and values
that are not of their column's type; they travel in this one. In a batch that has it, a null in
another column means that the field is absent; that a field is null, it says itself. Reading a file
whose column is marked as this one, by its field's metadata, gives the records as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.exceptions import RecordError
from model_dofns.formats.jsonl.values import json_value

EXTRA: Final = "_extra"
_MARK: Final = {b"model_dofns": b"extra"}

EXTRA_FIELD: Final = pa.field(EXTRA, pa.string(), metadata=_MARK)


def has_extra(schema: pa.Schema) -> bool:
    """Whether a schema has the column, marked as this one."""
    index = schema.get_field_index(EXTRA)
    return index >= 0 and _is_marked(schema.field(index))


def _is_marked(field: pa.Field) -> bool:
    return (field.metadata or {}).get(b"model_dofns") == b"extra"


def without_extra(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array | None]:
    """The other columns, and this one if it is there."""
    if not has_extra(batch.schema):
        return batch, None
    names = [name for name in batch.schema.names if name != EXTRA]
    return batch.select(names), batch.column(EXTRA)


def nulls_said(nulls: Mapping[str, pa.Array], size: int) -> pa.Array:
    """What the column says of ``size`` rows, of which some fields are null and not absent.

    Args:
        nulls: where they are null, by name.
    """
    if not nulls:
        return pa.nulls(size, pa.string())
    pieces = [pc.if_else(mask, f"{name_text(name)}:null,", "") for name, mask in nulls.items()]
    members = pc.binary_join_element_wise(*pieces, "")
    text = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(members, 0, -1), "}", "")
    return pc.if_else(pc.equal(members, ""), pa.scalar(None, pa.string()), text)


def object_text(members: Iterable[tuple[str, str]]) -> str | None:
    """Members, given by name and JSON text, as the text of an object; None where there are none."""
    text = ",".join(f"{name_text(name)}:{value}" for name, value in members)
    return f"{{{text}}}" if text else None


def name_text(name: str) -> str:
    """A member's name as JSON: as it is, but for what must be escaped."""
    return json.dumps(name, ensure_ascii=not is_utf8(name))


def is_utf8(text: str) -> bool:
    """Whether there is UTF-8 for a text: for a lone surrogate there is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def said_by(text: str | None) -> dict[str, Any]:
    """The members that the column says of one record.

    Raises:
        RecordError: it is no JSON object.
    """
    value = {} if text is None else json_value(text)
    if not isinstance(value, dict):
        raise RecordError("NotAnObject", f"the column {EXTRA} has no JSON object: {text}")
    return value


def without_nulls(value: Any) -> Any:
    """A record, or what is in it, without the fields that are absent."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return list(map(without_nulls, value)) if isinstance(value, list) else value

"""The schemas of a model's records, of whatever kind, behind one interface."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from model_dofns.exceptions import ModelError
from model_dofns.schemas.base import Record, RecordSchema, is_interrupt, told
from model_dofns.schemas.pydantic_classes import PydanticSchema

__all__ = ["Record", "RecordSchema", "is_interrupt", "record_schema", "told"]


def record_schema(schema: Any) -> RecordSchema:
    """What a model's ``input_schema`` or ``output_schema`` says, recognised by its shape.

    Args:
        schema: a class of pydantic 2, one of ``pydantic.v1``, a ``Schema`` of the library
            ``schema``, or a mapping that is a JSON Schema. Of the last two records are dicts.

    Raises:
        ModelError: it is none of these, or makes no sense.
    """
    if inspect.isclass(schema) and issubclass(schema, BaseModel):
        return PydanticSchema(schema)
    # The others are imported where one of them is there, and what it is of is imported anyway.
    if inspect.isclass(schema) and any(c.__module__ == "pydantic.v1.main" for c in schema.__mro__):
        from model_dofns.schemas.pydantic_v1 import PydanticV1Schema

        return PydanticV1Schema(schema)  # type: ignore[arg-type]  # which the line above knows
    if isinstance(schema, Mapping):
        from model_dofns.schemas.json_schema import JSONSchema

        return JSONSchema(schema)
    if type(schema).__module__.partition(".")[0] == "schema" and hasattr(schema, "validate"):
        from model_dofns.schemas.schema_library import SchemaLibrarySchema

        return SchemaLibrarySchema(schema)
    raise ModelError(
        f"{schema!r} is no schema: it must be a pydantic class, a Schema of the library 'schema',"
        " or a JSON Schema, which is a mapping"
    )

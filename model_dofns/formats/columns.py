"""Columns of several files as one schema, and batches in it.

Files unify by promotions that keep every value: an int of 32 bits may become one of 64 or a float
of 64, a column that a file does not have is one of nulls there. An int of 64 bits and a float do
not unify, nor do numbers and text.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from model_dofns.exceptions import InputError, ScoringError
from model_dofns.formats.base import Rows

_INTEGER_BITS_OF_FLOATS = {16: 11, 32: 24, 64: 53}


def unified(schemas: Iterable[tuple[str, pa.Schema]]) -> pa.Schema:
    """The one schema of files, given by path and schema; metadata is that of the first.

    Raises:
        InputError: a column cannot be the same in two of them.
    """
    fields: dict[str, tuple[pa.Field, str]] = {}
    everywhere: set[str] | None = None
    metadata = None
    for path, schema in schemas:
        for field in schema:
            if field.name not in fields:
                fields[field.name] = field, path
                continue
            known, first_path = fields[field.name]
            type_ = promoted(known.type, field.type)
            if type_ is None:
                raise InputError(
                    f"the column {field.name!r} is of type {known.type} in {first_path} and of type"
                    f" {field.type} in {path}, and no column type holds the values of both: convert"
                    " one of them, leave the column out with --keep_fields, write JSON lines"
                    " with --output_format jsonl, or score the files in jobs of their own"
                )
            nullable = known.nullable or field.nullable
            # Where the file is that brought the type, for the next message.
            path_of_type = first_path if type_ == known.type else path
            fields[field.name] = known.with_type(type_).with_nullable(nullable), path_of_type
        if everywhere is None:
            everywhere, metadata = set(schema.names), schema.metadata
        everywhere &= set(schema.names)
    return pa.schema(
        [
            field if name in (everywhere or ()) else _with_nulls(field)
            for name, (field, _) in fields.items()
        ],
        metadata,
    )


def _with_nulls(field: pa.Field) -> pa.Field:
    """The field where there may be nulls, which pyarrow cannot read in lists of a fixed size."""
    return field.with_type(_of_any_size(field.type)).with_nullable(True)


def _of_any_size(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_of_any_size(field.type)) for field in type_])
    if pa.types.is_large_list(type_):
        return pa.large_list(_of_any_size(type_.value_type))
    if pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_):
        return pa.list_(_of_any_size(type_.value_type))
    return type_


def promoted(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds every value of both types, or None."""
    if one == other:
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return _of_any_size(other if pa.types.is_null(one) else one)
    if pa.types.is_dictionary(one) != pa.types.is_dictionary(other):
        one, other = _decoded(one), _decoded(other)
    schemas = [pa.schema([("column", type_)]) for type_ in (one, other)]
    try:
        both = pa.unify_schemas(schemas, promote_options="permissive").field("column").type
        for type_ in (one, other):  # not every promotion of Arrow's is one that it can do
            pa.nulls(1, type_).cast(both)
    except pa.ArrowException:
        return None
    return both if _keeps_values(one, both) and _keeps_values(other, both) else None


def _decoded(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _keeps_values(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether a promotion of Arrow's, which may be to a float, loses nothing."""
    if source == target or pa.types.is_null(source):
        return True
    if pa.types.is_struct(source):
        inner = {field.name: field.type for field in target}
        return all(_keeps_values(field.type, inner[field.name]) for field in source)
    if pa.types.is_map(source):
        return False
    if pa.types.is_nested(source) or pa.types.is_dictionary(source):
        return _keeps_values(source.value_type, target.value_type)
    if pa.types.is_floating(target):
        if pa.types.is_integer(source):
            return bool(source.bit_width <= _INTEGER_BITS_OF_FLOATS[target.bit_width])
        return bool(pa.types.is_floating(source))
    if pa.types.is_integer(target):
        unsigned_into_signed = pa.types.is_unsigned_integer(source) and (
            pa.types.is_signed_integer(target)
        )
        return bool(source.bit_width + unsigned_into_signed <= target.bit_width)
    if pa.types.is_timestamp(target) or pa.types.is_duration(target):
        return bool(target.unit != "ns")  # which end in 2262
    is_text = pa.types.is_string(source) or pa.types.is_large_string(source)
    into_bytes = pa.types.is_binary(target) or pa.types.is_large_binary(target)
    return not (is_text and into_bytes)


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a schema that was unified from this batch's and others'.

    One that the batch does not have is a column of nulls.

    Raises:
        ScoringError: it has one that the schema does not have.
    """
    for name in batch.schema.names:
        if schema.get_field_index(name) < 0:
            raise ScoringError(
                f"a file has a column {name!r} that no file had when the job was launched"
            )
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        elif batch.column(index).type == field.type:
            columns.append(batch.column(index))
        else:
            try:
                columns.append(batch.column(index).cast(field.type))
            except pa.ArrowInvalid as error:  # a time beyond what a finer unit holds
                raise ScoringError(
                    f"the column {field.name!r} has a value that is no {field.type}, as it is in"
                    f" other files: {error}; score the files in jobs of their own"
                ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def taken(batch: pa.RecordBatch, rows: Rows) -> pa.RecordBatch:
    """Some rows of a batch."""
    try:
        return batch.take(pa.array(rows))
    except pa.ArrowNotImplementedError:  # of a view of text, for one
        parts = [batch.slice(row, 1) for row in rows.tolist()] or [batch.slice(0, 0)]
        return pa.concat_batches(parts)

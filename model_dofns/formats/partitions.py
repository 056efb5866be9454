"""Folders that name fields, as in ``year=2026/month=11/``: those of partitioned data sets.

Each folder ``name=value`` in a file's path gives its records a field, unless they have one of that
name themselves. Names and values are percent-encoded, and ``__HIVE_DEFAULT_PARTITION__`` means
that the field is missing, as Hive, Spark and Arrow write them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

_MISSING = "__HIVE_DEFAULT_PARTITION__"
_INT64 = range(-(2**63), 2**63)


def partitions_of(path: str) -> dict[str, str]:
    """The fields that a file's folders name, as text; of one named twice the inner counts.

    >>> partitions_of("data/year=2026/city=S%C3%A3o/part-0.parquet")
    {'year': '2026', 'city': 'São'}
    """
    folders = (folder.partition("=") for folder in path.split("/")[:-1])
    found = {_decoded(name): _decoded(value) for name, equals, value in folders if name and equals}
    return {name: value for name, value in found.items() if value != _MISSING}


def _decoded(text: str) -> str:
    """Percent-decoded; as it stands where that is no UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def partition_types(
    paths: Iterable[str], input_types: Mapping[str, pa.DataType]
) -> dict[str, pa.DataType]:
    """The type of each field that the folders of some files name.

    It is what the model's input class says, if all values can be read so; else integers, if all
    of them are written as integers are (``11``, not ``011``); else text.
    """
    values: dict[str, set[str]] = {}
    for path in paths:
        for name, value in partitions_of(path).items():
            values.setdefault(name, set()).add(value)
    return {name: _type_of(texts, input_types.get(name)) for name, texts in values.items()}


def _type_of(texts: set[str], wanted: pa.DataType | None) -> pa.DataType:
    integers = all(_is_integer(text) for text in texts)
    if wanted is not None and (wanted == pa.string() or (integers and not _is_bool(wanted))):
        return wanted
    return pa.int64() if integers and wanted is None else pa.string()


def _is_bool(type_: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(type_))


def _is_integer(text: str) -> bool:
    try:
        return str(int(text)) == text and int(text) in _INT64
    except ValueError:
        return False


def own_partitions(
    path: str, types: Mapping[str, pa.DataType], names: Collection[str] = ()
) -> dict[str, Any]:
    """The fields that a file's folders give its records, and it does not have itself.

    Args:
        types: see :func:`partition_types`; others are passed over.
        names: the columns of the file.
    """
    if not types:
        return {}
    return {
        name: pa.scalar(text).cast(types[name]).as_py()
        for name, text in partitions_of(path).items()
        if name in types and name not in names
    }


def partition_columns(
    values: Mapping[str, Any], types: Mapping[str, pa.DataType], size: int
) -> pa.RecordBatch:
    """The fields as columns of ``size`` rows."""
    return pa.RecordBatch.from_arrays(
        [pa.array([value] * size, types[name]) for name, value in values.items()],
        names=list(values),
    )

"""Records in memory: dicts, and rows as dicts of their fields.

They come from any source, so their values are of any type. Those of a column are handed over
together only where each is exactly what a column of that type holds (:func:`_column`); all else is
for the judge, alone.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from model_dofns.exceptions import RecordError
from model_dofns.formats.base import Candidates, Layout, Rows, empty_batch
from model_dofns.formats.jsonl.values import MAX_NESTING

Values: TypeAlias = dict[Any, Any]

# Exact types: what a subclass of one of them means is for the judge.
_TYPES: dict[pa.DataType, set[type]] = {
    pa.float64(): {float, int, type(None)},
    pa.int64(): {int, type(None)},
    pa.string(): {str, type(None)},
    pa.bool_(): {bool, type(None)},
}
_MAX_BITS = 10_000


class DictRecords(Candidates):
    """Mappings; on their way out, each is a new dict with its prediction under one more key.

    The mappings themselves are never changed, and their values are not copied.

    Args:
        records: the mappings; what is none becomes a decode reject.
        layout: of the job.
    """

    def __init__(self, records: Sequence[Any], layout: Layout) -> None:
        self._given = records
        self._layout = layout
        self._taken_names = self.taken_names(layout)
        self._values = [
            record if type(record) is dict else _or_error(self.as_dict, record)
            for record in records
        ]

    @staticmethod
    def taken_names(layout: Layout) -> frozenset[str]:
        """The names that the prediction gets, and no record may have."""
        return frozenset([layout.prediction_field])

    def as_dict(self, record: Any) -> Values:
        """A record that is no plain dict as one.

        Raises:
            RecordError: it is no record.
        """
        if not isinstance(record, Mapping):
            raise RecordError("NotAnObject", f"a {type(record).__name__}, and no mapping")
        return dict(record)

    def __len__(self) -> int:
        return len(self._values)

    def columns(self, schema: pa.Schema) -> tuple[Rows, pa.RecordBatch]:
        """See :meth:`Candidates.columns`. A key that is not there is a null, as in Parquet."""
        rows: list[int] = []
        records: list[Values] = []
        for row, values in enumerate(self._values):
            if isinstance(values, dict) and values.keys().isdisjoint(self._taken_names):
                rows.append(row)
                records.append(values)
        for _ in range(3):  # all; without values of odd types; without those that pyarrow refuses
            columns = [
                _column([values.get(field.name) for values in records], field.type)
                for field in schema
            ]
            odd: set[int] = set().union(*(c for c in columns if isinstance(c, set)))
            if not odd:
                return np.array(rows, np.int64), pa.RecordBatch.from_arrays(columns, schema=schema)
            rows = [row for i, row in enumerate(rows) if i not in odd]
            records = [values for i, values in enumerate(records) if i not in odd]
        return np.empty(0, np.int64), empty_batch(schema)

    def parse(self, rows: Iterable[int]) -> Iterator[Mapping[str, Any] | RecordError]:
        """Copies, as a class's own validator may change what it is handed."""
        for row in rows:
            values = self._values[row]
            if isinstance(values, RecordError):
                yield values
            elif clashes := self._taken_names & values.keys():
                names = ", ".join(map(repr, sorted(clashes)))
                yield RecordError(
                    "NameClash",
                    f"the record has a field {names} already: name the prediction otherwise with"
                    " prediction_field",
                )
            else:
                yield self.for_judge(values)

    def for_judge(self, values: Values) -> Values:
        """A record's values as its class may read them, in a dict of its own."""
        return dict(values)

    def source(self, row: int) -> Mapping[str, Any]:
        """See :meth:`Candidates.source`. A record in memory stands nowhere."""
        values = self._values[row]
        return {"input": _json_text(values if isinstance(values, dict) else self._given[row])}

    def joined(self, rows: Rows, predictions: pa.RecordBatch) -> list[Values]:
        """New dicts: the scored records, each with its prediction."""
        name = self._layout.prediction_field
        records = [self._values[row] for row in rows.tolist()]
        found = as_dicts(predictions, predictions.schema.names)
        return [{**record, name: one} for record, one in zip(records, found, strict=True)]


class RowRecords(DictRecords):
    """Rows with named fields; each comes out as a dict with ``prediction_<field>`` beside them.

    Args:
        rows: objects with these attributes: ``beam.Row``, named tuples, dataclasses.
        layout: of the job.
        names: the fields, in order.
    """

    def __init__(self, rows: Sequence[Any], layout: Layout, names: Sequence[str]) -> None:
        self._names = tuple(names)
        super().__init__(rows, layout)

    @staticmethod
    def taken_names(layout: Layout) -> frozenset[str]:
        """See :meth:`DictRecords.taken_names`."""
        return frozenset(layout.prediction_columns())

    def as_dict(self, record: Any) -> Values:
        """See :meth:`DictRecords.as_dict`."""
        return {name: getattr(record, name) for name in self._names}

    def for_judge(self, values: Values) -> Values:
        """Rows inside rows as dicts too."""
        return {name: _without_rows(value) for name, value in values.items()}

    def joined(self, rows: Rows, predictions: pa.RecordBatch) -> list[Values]:
        """See :meth:`DictRecords.joined`."""
        records = [self._values[row] for row in rows.tolist()]
        found = as_dicts(predictions, self._layout.prediction_columns())
        return [{**record, **one} for record, one in zip(records, found, strict=True)]


class Examples(DictRecords):
    """Mappings whose predictions go a way of their own: they may have any names."""

    @staticmethod
    def taken_names(layout: Layout) -> frozenset[str]:
        """None."""
        return frozenset()


def as_dicts(batch: pa.RecordBatch, names: Sequence[str]) -> list[Values]:
    """The rows of a batch under these names, as plain Python values."""
    columns = [_python_values(column) for column in batch.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _python_values(column: pa.Array) -> list[Any]:
    if column.null_count == 0 and (
        pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    ):
        return column.to_numpy().tolist()  # type: ignore[no-any-return]  # pyarrow has no types
    if pa.types.is_nested(column.type):
        return [_with_mappings(value, column.type) for value in column.to_pylist()]
    return column.to_pylist()  # type: ignore[no-any-return]  # as above


def _with_mappings(value: Any, type_: pa.DataType) -> Any:
    """A value of a column, with a dict for each map in it, which Arrow gives as pairs."""
    if value is None or not pa.types.is_nested(type_):
        return value
    if pa.types.is_map(type_):
        return {key: _with_mappings(item, type_.item_type) for key, item in value}
    if pa.types.is_struct(type_):
        return {field.name: _with_mappings(value[field.name], field.type) for field in type_}
    return [_with_mappings(item, type_.value_type) for item in value]


def _or_error(as_dict: Callable[[Any], Values], record: Any) -> Values | RecordError:
    """The record as a dict, or why it is none."""
    try:
        return as_dict(record)
    except RecordError as error:
        return error
    except Exception as error:  # noqa: BLE001  # a mapping of someone's own may raise anything
        return RecordError(type(error).__name__, f"a {type(record).__name__}: {error}")


def _column(values: list[Any], kind: pa.DataType) -> pa.Array | set[int]:
    """The values in a column of this type, just as the judge would read them; or which do not fit.

    pyarrow refuses an integer beyond 64 bits (in a column of floats, beyond 53) and a text with a
    lone surrogate; and the type of each value says that it changes no other.
    """
    types = _TYPES[kind]
    if types.issuperset(map(type, values)):
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            return {i for i, value in enumerate(values) if not _fits(value, kind)}
    return {i for i, value in enumerate(values) if type(value) not in types}


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([value], kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return False
    return True


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a row, or None of what is no row."""
    if callable(as_dict := getattr(value, "_asdict", None)):
        return dict(as_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _without_rows(value: Any, levels: int = MAX_NESTING) -> Any:
    """The value, with dicts for the rows in it, so many levels deep."""
    if not levels:
        return value
    if type(value) is list:
        return [_without_rows(item, levels - 1) for item in value]
    fields = value if type(value) is dict else _fields(value)
    if fields is None:
        return value
    return {key: _without_rows(item, levels - 1) for key, item in fields.items()}


def _json_text(record: Any) -> str:
    """A record as JSON, whatever it is."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False)
    except Exception:  # noqa: BLE001  # what JSON has no word for, to any depth
        return json.dumps(_json_form(record, MAX_NESTING), ensure_ascii=False)


def _json_form(value: Any, levels: int) -> Any:
    """A value as JSON can say it: bytes in base64, and what JSON has no word for as text."""
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int:
        # Python converts no integer of thousands of digits to decimal ones.
        return value if value.bit_length() <= _MAX_BITS else f"{value:#x}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if not levels:
        return "…"
    try:
        fields = value if isinstance(value, Mapping) else _fields(value)
        if fields is not None:
            return {_text(key): _json_form(item, levels - 1) for key, item in fields.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_json_form(item, levels - 1) for item in value]
    except Exception:  # noqa: BLE001  # a container of someone's own may raise anything
        return f"<{type(value).__name__}>"
    return _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # as above
        return f"<{type(value).__name__}>"

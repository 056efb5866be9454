"""What schemas have in common whose records are dicts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from model_dofns.exceptions import RecordError
from model_dofns.schemas.base import Record, RecordSchema, verdict
from model_dofns.schemas.column_types import ColumnType, NoColumnTypeError
from model_dofns.schemas.json_values import of_json

_ABSENT: Final = object()  # in place of a value


class DictSchema(RecordSchema):
    """A schema that judges dicts; a model is handed the dict, and not what became of it.

    Of a record the judge sees, and the model is handed, the fields that the schema names; all of
    it only where the schema says something of the others.

    Args:
        name: of the schema, for messages.
        column_types: of the fields, in order; the error instead of one that has none.
        optional: the fields that may be absent.
    """

    def __init__(
        self,
        name: str,
        column_types: Mapping[str, ColumnType | NoColumnTypeError],
        optional: frozenset[str],
    ) -> None:
        super().__init__(name, {field: frozenset({field}) for field in column_types}, column_types)
        self.record_name = "dict"
        self._optional = optional

    def judge(
        self, record: Record, *, by_name: bool = False, as_text: bool = False
    ) -> dict[str, Any]:
        try:
            handed = {
                name: self._handed(name, value, as_text)
                for name, value in record.items()
                if name in self.keys or self.reads_whole_record
            }
            self._refuse(handed)
        except RecordError:
            raise
        except BaseException as error:  # the author's own functions; a value that is none of JSON's
            raise verdict(error) from error
        return handed

    def _handed(self, name: str, value: Any, as_text: bool) -> Any:
        kind = self.column_types.get(name)
        return self._other(value) if kind is None else kind.handed(value, as_text=as_text)

    def _other(self, value: Any) -> Any:
        """A value of a field that has no column type, as the judge takes it."""
        return of_json(value)

    @abstractmethod
    def _refuse(self, handed: dict[str, Any]) -> None:
        """Have the schema judge a record.

        Raises:
            RecordError: it refuses it.
        """

    def refuse_unfit(self, instance: Any) -> None:
        self.judge(instance)

    def is_record(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def value(self, instance: Any, name: str) -> Any:
        return self.column_types[name].handed(instance.get(name))

    def raw_values(self, instance: Any) -> tuple[Any, ...]:
        return tuple(
            _ABSENT
            if name not in instance and name in self._optional
            else self.value(instance, name)
            for name in self.column_types
        )

    def stored(self, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        kinds = self.column_types.items()
        return tuple(
            None if value is _ABSENT else kind.stored(name, value)
            for (name, kind), value in zip(kinds, raw, strict=True)
        )

    def from_columns(self, record: Record) -> Record:
        """A null is a field that is absent, where it may be absent and not null."""
        return {
            name: value
            for name, value in super().from_columns(record).items()
            if value is not None or name not in self._optional or self.nullable[name]
        }

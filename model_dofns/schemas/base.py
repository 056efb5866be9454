"""What a job must know of the schema of a model's records, whatever kind of schema it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from model_dofns.exceptions import RecordError
from model_dofns.schemas.column_types import ColumnType, NoColumnTypeError, Plain
from model_dofns.schemas.fast_accept import Mask

Record: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class DescribedField:
    """A field in words: its type, and what is so where it is not given."""

    name: str
    type: str
    default: str


class RecordSchema(ABC):
    """A schema, and what follows from it for columns.

    There is one judge, the schema itself: :meth:`judge` hands it one record. The *fast accept*
    (:meth:`accept`) is a shortcut for whole columns that may only ever say "the judge would take
    this row, with just these values"; what it does not say that of goes to the judge, alone. So a
    verdict never depends on the path a row took.

    Args:
        name: of the schema, for messages.
        keys: for each field, in order, the keys it reads from a record: its name and its aliases.
        column_types: of the fields; the error instead of one that has none.

    Attributes:
        record_name: what a record is called, for messages: the class's name, or a dict.
        names: the fields, in order.
        input_names: all keys.
        nullable: by field, whether its column may have nulls.
        arrow_schema: the columns a model is handed, or None where a field has no column type.
        no_arrow_schema: why not, or None.
        fast_accept_off: why every row is judged alone, or None where the fast accept is on.
    """

    def __init__(
        self,
        name: str,
        keys: Mapping[str, frozenset[str]],
        column_types: Mapping[str, ColumnType | NoColumnTypeError],
    ) -> None:
        self.name = self.record_name = name
        self.names = tuple(keys)
        self.keys = dict(keys)
        self.input_names = frozenset[str]().union(*keys.values())
        self.column_types = {
            field: kind for field, kind in column_types.items() if isinstance(kind, ColumnType)
        }
        self.nullable = {field: kind.nullable for field, kind in self.column_types.items()}
        self.fast_accept_off: str | None = "only the schema itself judges records of this kind"
        self.arrow_schema: pa.Schema | None = None
        self.no_arrow_schema: str | None = None
        unknown = [
            f"the field {field!r} of {name} is {kind}, which has no column type"
            for field, kind in column_types.items()
            if isinstance(kind, NoColumnTypeError)
        ]
        if not keys:
            self.no_arrow_schema = f"{name} has no fields"
        elif unknown:
            self.no_arrow_schema = f"{'; '.join(unknown)}: see 'Schemas' in docs/models.md"
        else:
            self.arrow_schema = pa.schema(
                [pa.field(field, self.column_types[field].arrow) for field in self.names]
            )

    @property
    def text_types(self) -> dict[str, pa.DataType]:
        """The types of the fields that text is read as by the column."""
        return {
            field: kind.arrow for field, kind in self.column_types.items() if type(kind) is Plain
        }

    @property
    @abstractmethod
    def reads_whole_record(self) -> bool:
        """True where the schema may look at keys other than its fields'."""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """The schema as JSON Schema says it, as nearly as it can."""

    @abstractmethod
    def described_fields(self) -> list[DescribedField]:
        """The fields in words."""

    @abstractmethod
    def judge(self, record: Record, *, by_name: bool = False, as_text: bool = False) -> Any:
        """The one judge: the schema itself, on one record.

        Args:
            record: by the keys the schema reads; by field names too where ``by_name`` says so.
            as_text: all values are text, and mean what they say, as in CSV.

        Returns:
            The record as the model wants it: an instance of a class, or a dict.

        Raises:
            RecordError: the schema refuses the record; the message names each field and why.
        """

    @abstractmethod
    def is_record(self, value: Any) -> bool:
        """Whether a value is what :meth:`judge` returns, to the eye: a prediction must be."""

    @abstractmethod
    def refuse_unfit(self, instance: Any) -> None:
        """Have the judge look at what ``predict`` returned, which it may not have seen before.

        Raises:
            RecordError: it refuses it.
        """

    def accept(
        self, columns: pa.RecordBatch, *, as_text: bool = False
    ) -> tuple[pa.RecordBatch, Mask] | None:
        """The fast accept: the columns as the model wants them, and the rows the judge would take.

        Args:
            columns: the fields, in order; of any type.
            as_text: they were read from text, as :meth:`judge` would be handed it.

        Returns:
            The columns in the types of ``arrow_schema``, and a mask with True for each row that
            is accepted. None where no row is: the shortcut is off, or a column is of a type that
            only the judge can say something of.
        """
        return None

    def values(self, instance: Any) -> tuple[Any, ...]:
        """The values of a record as they stand in columns: enumerations as their values.

        Raises:
            RecordError: a value is not of its field's type, or has no place in its column.
        """
        return self.stored(self.raw_values(instance))

    def raw_values(self, instance: Any) -> tuple[Any, ...]:
        """The values of a record as it has them."""
        return tuple(self.value(instance, name) for name in self.column_types)

    def stored(self, raw: tuple[Any, ...]) -> tuple[Any, ...]:
        """What :meth:`values` makes of :meth:`raw_values`."""
        kinds = self.column_types.items()
        return tuple(
            kind.stored(name, value) for (name, kind), value in zip(kinds, raw, strict=True)
        )

    def columns_of(self, raw: Sequence[tuple[Any, ...]]) -> pa.RecordBatch | None:
        """The columns of the values of records, given as :meth:`raw_values`; None where one of them
        has to be looked at alone."""
        if not raw:
            return self.batch([])
        columns = []
        for kind, values in zip(self.column_types.values(), zip(*raw, strict=True), strict=True):
            column = kind.column(values)
            if column is None:
                return None
            columns.append(column)
        return pa.RecordBatch.from_arrays(columns, schema=self.arrow_schema)

    @abstractmethod
    def value(self, instance: Any, name: str) -> Any:
        """The value of a field of a record; None of one that it has not."""

    def batch(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        """The rows of :meth:`values` as columns."""
        assert self.arrow_schema is not None
        columns = zip(*rows, strict=True) if rows else [()] * len(self.names)
        return pa.RecordBatch.from_arrays(
            [
                pa.array(column, type=field.type)
                for column, field in zip(columns, self.arrow_schema, strict=True)
            ],
            schema=self.arrow_schema,
        )

    def rejudged(self, row: pa.RecordBatch) -> tuple[Any, ...]:
        """What :meth:`values` gives of the one row of a batch, which the judge has to take.

        Raises:
            RecordError: it does not.
        """
        try:
            (record,) = row.to_pylist()
        except UnicodeDecodeError:
            raise
        except Exception as error:  # a date or a time that Python cannot hold
            raise RecordError("InvalidValue", f"{type(error).__name__}: {told(error)}") from error
        return self.values(self.judge(self.from_columns(record), by_name=True))

    def from_columns(self, record: Record) -> Record:
        """A record of columns, by field names, as the judge reads it."""
        return {name: self.column_types[name].read(value) for name, value in record.items()}


def is_interrupt(error: BaseException) -> bool:
    """True for what is not the author's code going wrong but someone ending the process.

    All else is: a sys.exit(), a panic of Rust's, a cancelled task. None of them may end a worker.
    """
    return isinstance(error, (KeyboardInterrupt, GeneratorExit))


def told(error: BaseException) -> str:
    """The error's own text, or none where making it fails."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # the author's __str__ may raise anything
        return ""


def column_type_or_reason(
    make: Callable[..., ColumnType], *arguments: Any
) -> ColumnType | NoColumnTypeError:
    """What a function makes of its arguments, or why that is none."""
    try:
        return make(*arguments)
    except NoColumnTypeError as reason:
        return reason


def verdict(error: BaseException) -> RecordError:
    """What an author's own code raised while it judged a record.

    Raises:
        BaseException: the error itself, where someone ends the process.
    """
    if is_interrupt(error):
        raise error
    return RecordError(type(error).__name__, told(error))

"""How the values of a field stand in a column, whatever kind of schema names the field.

Each type knows its Arrow type, what ``pyarrow.array`` takes for a value (:meth:`stored`), and what
a judge reads for a value of a column (:meth:`read`).
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import math
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

import pyarrow as pa

from model_dofns.exceptions import RecordError
from model_dofns.schemas.fast_accept import ARROW_TYPES, INT64
from model_dofns.schemas.json_values import boolean_in, json_in, number_in, of_json

# Of a decimal that says no digits and places of its own: those of SQL's NUMERIC in many engines.
DECIMAL_DIGITS: Final = 38
DECIMAL_PLACES: Final = 9


class NoColumnTypeError(Exception):
    """Values of a field cannot stand in a column; the message says which and why."""


@dataclass(frozen=True)
class ColumnType(ABC):
    """Values of one type; ``nullable`` where None is one of them."""

    nullable: bool = False

    @property
    @abstractmethod
    def arrow(self) -> pa.DataType:
        """The type of the column."""

    def stored(self, where: str, value: Any) -> Any:
        """What ``pyarrow.array`` takes for a value of the field at ``where``.

        Raises:
            RecordError: the value is not of this type, or has no place in the column.
        """
        if isinstance(value, enum.Enum):
            value = value.value
        return None if value is None and self.nullable else self._stored(where, value)

    @abstractmethod
    def _stored(self, where: str, value: Any) -> Any:
        """The same for a value that is None only where that is refused."""

    def column(self, values: Sequence[Any]) -> pa.Array | None:
        """The column of what :meth:`stored` gives of each value, where that needs no look at each.

        None where it does.
        """
        return None

    def read(self, value: Any) -> Any:
        """What a judge reads for a value of a column, which may be one of another type."""
        return value

    def handed(self, value: Any, *, as_text: bool = False) -> Any:
        """What a judge that knows JSON's types alone is handed for a value, wherever it is from.

        Integers become floats where floats are due, and where one of JSON's types is due, others
        become what JSON says for them; with ``as_text`` the value is text that means what it says,
        and JSON where it is nested. What does not fit stays as it is, for the judge to refuse.
        """
        return value

    def finite(self, where: str, value: Any) -> Any:
        """The value of a column with None for each float in it that is not finite.

        Raises:
            RecordError: there is one that may not be None.
        """
        return value

    @property
    def has_floats(self) -> bool:
        """Whether there may be floats in a value."""
        return False

    @property
    def is_nested(self) -> bool:
        """Whether there are values in a value."""
        return False

    @property
    def read_differs(self) -> bool:
        """Whether :meth:`read` may give something else than it gets."""
        return False


@dataclass(frozen=True)
class Plain(ColumnType):
    """``float``, ``int``, ``str`` or ``bool``."""

    plain: type = str

    @property
    def arrow(self) -> pa.DataType:
        return ARROW_TYPES[self.plain]

    @property
    def has_floats(self) -> bool:
        return self.plain is float

    def _stored(self, where: str, value: Any) -> Any:
        plain = self.plain
        if plain is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                message = f"{where}: a number no double can hold"
                raise RecordError("NumberOutOfRange", message) from None
        if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
            raise _unfit(where, value, plain.__name__)
        if plain is int and value not in INT64:
            raise RecordError("IntegerOutOfRange", f"{where}: {value:#x} does not fit 64 bits")
        return _sound(where, value) if isinstance(value, str) else value

    def column(self, values: Sequence[Any]) -> pa.Array | None:
        kinds = set(map(type, values)) - ({NoneType} if self.nullable else set())
        if len(kinds) == 1 and issubclass(kind := next(iter(kinds)), enum.Enum):
            values = [None if value is None else value.value for value in values]
            kinds = {type(member.value) for member in kind}
        if kinds - {self.plain}:
            return None
        try:
            return pa.array(values, self.arrow)
        except (OverflowError, UnicodeEncodeError):  # an integer beyond 64 bits; half a character
            return None

    def handed(self, value: Any, *, as_text: bool = False) -> Any:
        value = of_json(value)
        if as_text and isinstance(value, str) and self.plain is not str:
            value = boolean_in(value) if self.plain is bool else number_in(value)
        if self.plain is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if self.plain is float and isinstance(value, int) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # for the judge, and then for the column
                return float(value)
        return value

    def finite(self, where: str, value: Any) -> Any:
        if not isinstance(value, float) or math.isfinite(value):
            return value
        if self.nullable:
            return None
        raise RecordError("NotFinite", f"{where}: {value} is not finite")


@dataclass(frozen=True)
class Date(ColumnType):
    """``datetime.date``."""

    @property
    def arrow(self) -> pa.DataType:
        return pa.date32()

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
            raise _unfit(where, value, "date")
        return value


@dataclass(frozen=True)
class Instant(ColumnType):
    """``datetime.datetime``: an instant, which without a zone is taken to be in UTC."""

    @property
    def arrow(self) -> pa.DataType:
        return pa.timestamp("us", "UTC")

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, datetime.datetime):
            raise _unfit(where, value, "datetime")
        if value.tzinfo is None:
            return value.replace(tzinfo=datetime.UTC)
        try:
            return value.astimezone(datetime.UTC)
        except OverflowError:
            message = f"{where}: {value} is before the year 1 or after 9999, in UTC"
            raise RecordError("NumberOutOfRange", message) from None


@dataclass(frozen=True)
class LocalTime(ColumnType):
    """``datetime.datetime`` that has no zone, and is no instant."""

    @property
    def arrow(self) -> pa.DataType:
        return pa.timestamp("us")

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, datetime.datetime) or value.tzinfo is not None:
            raise _unfit(where, value, "datetime without a zone")
        return value


@dataclass(frozen=True)
class TimeOfDay(ColumnType):
    """``datetime.time``, without a zone."""

    @property
    def arrow(self) -> pa.DataType:
        return pa.time64("us")

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, datetime.time) or value.tzinfo is not None:
            raise _unfit(where, value, "time without a zone")
        return value


@dataclass(frozen=True)
class Decimal(ColumnType):
    """``decimal.Decimal`` of so many digits, so many of them behind the point."""

    digits: int = DECIMAL_DIGITS
    places: int = DECIMAL_PLACES

    @property
    def arrow(self) -> pa.DataType:
        return pa.decimal128(self.digits, self.places)

    def _stored(self, where: str, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            value = decimal.Decimal(value)
        if not isinstance(value, decimal.Decimal):
            raise _unfit(where, value, "Decimal")
        if not value.is_finite():
            raise RecordError("NotFinite", f"{where}: {value} is not finite")
        try:
            return value.quantize(
                decimal.Decimal(1).scaleb(-self.places),
                context=decimal.Context(
                    prec=self.digits, traps=[decimal.Inexact, decimal.InvalidOperation]
                ),
            )
        except decimal.DecimalException:
            raise RecordError(
                "NumberOutOfRange",
                f"{where}: {value} is none of {self.digits} digits, {self.places} of them behind"
                " the point",
            ) from None


@dataclass(frozen=True)
class Bytes(ColumnType):
    """``bytes``."""

    @property
    def arrow(self) -> pa.DataType:
        return pa.binary()

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, (bytes, bytearray)):
            raise _unfit(where, value, "bytes")
        return bytes(value)


@dataclass(frozen=True)
class Uuid(ColumnType):
    """``uuid.UUID``, as its text."""

    @property
    def arrow(self) -> pa.DataType:
        return pa.string()

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, (uuid.UUID, str)):
            raise _unfit(where, value, "UUID")
        return _sound(where, str(value))


@dataclass(frozen=True)
class Items(ColumnType):
    """A list, or a tuple of any length, of values of one type."""

    item: ColumnType = Plain()  # it is frozen

    @property
    def arrow(self) -> pa.DataType:
        return pa.list_(self.item.arrow)

    @property
    def has_floats(self) -> bool:
        return self.item.has_floats

    @property
    def is_nested(self) -> bool:
        return True

    @property
    def read_differs(self) -> bool:
        return self.item.read_differs

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _unfit(where, value, "list")
        return [self.item.stored(f"{where}.{i}", item) for i, item in enumerate(value)]

    def read(self, value: Any) -> Any:
        return [self.item.read(item) for item in value] if isinstance(value, list) else value

    def handed(self, value: Any, *, as_text: bool = False) -> Any:
        value = json_in(value) if as_text else value
        return [self.item.handed(item) for item in value] if isinstance(value, list) else value

    def finite(self, where: str, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [self.item.finite(f"{where}.{i}", item) for i, item in enumerate(value)]


@dataclass(frozen=True)
class Entries(ColumnType):
    """A mapping of text to values of one type."""

    value: ColumnType = Plain()  # it is frozen

    @property
    def arrow(self) -> pa.DataType:
        return pa.map_(pa.string(), self.value.arrow)

    @property
    def has_floats(self) -> bool:
        return self.value.has_floats

    @property
    def is_nested(self) -> bool:
        return True

    @property
    def read_differs(self) -> bool:
        return True

    def _stored(self, where: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _unfit(where, value, "mapping")
        key_type = Plain(plain=str)
        return [
            (key_type.stored(where, key), self.value.stored(f"{where}.{key}", item))
            for key, item in value.items()
        ]

    def read(self, value: Any) -> Any:
        """Arrow gives a map as pairs."""
        if isinstance(value, Mapping):
            return {key: self.value.read(item) for key, item in value.items()}
        if isinstance(value, list) and all(isinstance(pair, tuple) for pair in value):
            return {key: self.value.read(item) for key, item in value}
        return value

    def handed(self, value: Any, *, as_text: bool = False) -> Any:
        value = self.read(json_in(value) if as_text else value)
        if not isinstance(value, Mapping):
            return value
        return {key: self.value.handed(item) for key, item in value.items()}

    def finite(self, where: str, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [(key, self.value.finite(f"{where}.{key}", item)) for key, item in value]


@dataclass(frozen=True)
class Members(ColumnType):
    """An object with named members, each of its own type.

    Attributes:
        members: by name, in order.
        optional: those that a judge wants absent, where a column has null.
    """

    members: tuple[tuple[str, ColumnType], ...] = ()
    optional: frozenset[str] = frozenset()

    @property
    def arrow(self) -> pa.DataType:
        return pa.struct([(name, member.arrow) for name, member in self.members])

    @property
    def has_floats(self) -> bool:
        return any(member.has_floats for _, member in self.members)

    @property
    def is_nested(self) -> bool:
        return True

    @property
    def read_differs(self) -> bool:
        return any(member.read_differs for _, member in self.members)

    def _stored(self, where: str, value: Any) -> Any:
        if value is None or isinstance(value, (str, bytes, int, float, list, tuple)):
            raise _unfit(where, value, "object")
        given = value if isinstance(value, Mapping) else None
        stored = {}
        for name, member in self.members:
            found = getattr(value, name, None) if given is None else given.get(name)
            absent = found is None and name in self.optional
            stored[name] = None if absent else member.stored(f"{where}.{name}", found)
        return stored

    def read(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        members = dict(self.members)
        return {
            name: members[name].read(item) if name in members else item
            for name, item in value.items()
            if item is not None or name not in self.optional
        }

    def handed(self, value: Any, *, as_text: bool = False) -> Any:
        value = json_in(value) if as_text else value
        if not isinstance(value, Mapping):
            return value
        members = dict(self.members)
        return {
            name: members[name].handed(item) if name in members else of_json(item)
            for name, item in value.items()
        }

    def finite(self, where: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: kind.finite(f"{where}.{name}", value[name]) for name, kind in self.members}


def plain_type_of(values: Sequence[Any]) -> type | None:
    """float, int, str or bool, where all values are of exactly that one; else None."""
    kinds = {type(value.value if isinstance(value, enum.Enum) else value) for value in values}
    return kinds.pop() if len(kinds) == 1 and kinds <= set(ARROW_TYPES) else None


def _sound(where: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RecordError("InvalidUTF8", f"{where}: {text!r} has a lone surrogate") from None
    return text


def _unfit(where: str, value: Any, kind: str) -> RecordError:
    return RecordError("TypeError", f"{where}: a {type(value).__name__} is no {kind}")

"""What an annotation of Python's says of columns: for pydantic's classes, of both generations."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
import typing_extensions  # whose typed dicts pydantic takes

from model_dofns.schemas.column_types import (
    DECIMAL_DIGITS,
    DECIMAL_PLACES,
    Bytes,
    ColumnType,
    Date,
    Decimal,
    Entries,
    Instant,
    Items,
    LocalTime,
    Members,
    NoColumnTypeError,
    Plain,
    TimeOfDay,
    Uuid,
    plain_type_of,
)
from model_dofns.schemas.fast_accept import ARROW_TYPES

_LEAVES: dict[Any, type[ColumnType]] = {
    datetime.date: Date,
    datetime.datetime: Instant,
    pydantic.AwareDatetime: Instant,
    pydantic.NaiveDatetime: LocalTime,
    datetime.time: TimeOfDay,
    bytes: Bytes,
    uuid.UUID: Uuid,
}
_LISTS = (list, Sequence)
_MAPPINGS = (dict, Mapping, MutableMapping)

# Gives the annotated members of a class and what else is said of each, or None of any other thing.
MembersOf = Callable[[Any], "Mapping[str, tuple[Any, Iterable[Any]]] | None"]


def column_type(
    annotation: Any, said: Iterable[Any], members_of: MembersOf, above: tuple[Any, ...] = ()
) -> ColumnType:
    """The type of the columns that values of an annotation stand in.

    Args:
        annotation: of a field.
        said: of the field beside it, as in ``Annotated``: digits and places of a decimal.
        members_of: which classes are objects with members.
        above: the classes that this field is inside of.

    Raises:
        NoColumnTypeError: there is none; the message is the annotation, and why if that is not all.
    """
    annotation = getattr(annotation, "__supertype__", annotation)  # of a NewType
    if type(annotation).__name__ == "TypeAliasType":  # Python's, since 3.12
        annotation = annotation.__value__
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inside = [each for said_ in arguments[1:] for each in getattr(said_, "metadata", [said_])]
        return column_type(arguments[0], [*inside, *said], members_of, above)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired):
        return column_type(arguments[0], said, members_of, above)
    if origin in (Union, types.UnionType):
        others = [each for each in arguments if each is not type(None)]
        if len(others) != 1 or len(others) == len(arguments):
            raise NoColumnTypeError(f"{annotation!r}")
        return dataclasses.replace(column_type(others[0], said, members_of, above), nullable=True)

    def inner(argument: Any) -> ColumnType:
        return column_type(argument, (), members_of, above)

    if annotation in ARROW_TYPES:
        return Plain(plain=annotation)
    if annotation in _LEAVES:
        return _LEAVES[annotation]()
    if annotation is decimal.Decimal:
        return _decimal(said)
    if origin is Literal or (isinstance(annotation, type) and issubclass(annotation, enum.Enum)):
        values = arguments if origin is Literal else list(annotation)
        nullable = None in values
        plain = plain_type_of([value for value in values if value is not None])
        if plain is None:
            raise NoColumnTypeError(f"{annotation!r}, of values that are not all of one type")
        return Plain(nullable, plain)
    if origin in _LISTS or (origin is tuple and arguments[1:] == (...,)):
        return Items(item=inner(arguments[0]))
    if origin in _MAPPINGS:
        if getattr(inner(arguments[0]), "plain", None) is not str:
            raise NoColumnTypeError(f"{annotation!r}, whose keys are not text")
        return Entries(value=inner(arguments[1]))
    if isinstance(annotation, type):
        for plain in (*ARROW_TYPES, bytes):  # pydantic.v1's constrained types are such subclasses
            if issubclass(annotation, plain):
                return inner(plain)
        if issubclass(annotation, decimal.Decimal):
            return _decimal([annotation])
    members = members_of(annotation)
    if not members:
        raise NoColumnTypeError(f"{annotation!r}")
    if annotation in above:
        raise NoColumnTypeError(f"{annotation!r}, which is inside itself")
    below = (*above, annotation)
    return Members(
        members=tuple(
            (name, column_type(member, beside, members_of, below))
            for name, (member, beside) in members.items()
        ),
        optional=getattr(annotation, "__optional_keys__", frozenset()),  # of a typed dict
    )


def plain_members(annotation: Any) -> Mapping[str, tuple[Any, Iterable[Any]]] | None:
    """The members of a ``TypedDict`` or a dataclass; None of any other thing."""
    if typing_extensions.is_typeddict(annotation) or (
        isinstance(annotation, type) and dataclasses.is_dataclass(annotation)
    ):
        hints = typing.get_type_hints(annotation, include_extras=True)
        return {name: (hint, ()) for name, hint in hints.items()}
    return None


def _decimal(said: Iterable[Any]) -> Decimal:
    """With the digits and places that pydantic's ``Field`` says."""
    digits = places = None
    for each in said:
        digits = _or(digits, getattr(each, "max_digits", None))
        places = _or(places, getattr(each, "decimal_places", None))
    if digits is None or places is None:  # so many digits in all say nothing of those before it
        digits, places = DECIMAL_DIGITS, _or(DECIMAL_PLACES, places)
    assert digits is not None
    assert places is not None
    if not places <= digits <= DECIMAL_DIGITS:
        raise NoColumnTypeError(
            f"a decimal of {digits} digits, {places} of them behind the point: no column holds more"
            f" than {DECIMAL_DIGITS}"
        )
    return Decimal(digits=digits, places=places)


def _or(default: int | None, found: int | None) -> int | None:
    return default if found is None else found

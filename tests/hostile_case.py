"""What a case of hostile input is, and the verdicts that its records may meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOM = b"\xef\xbb\xbf"

Verdict = tuple[str, str]

BAD_JSON = ("decode", "InvalidJSON")
NO_OBJECT = ("decode", "NotAnObject")
BAD_CSV = ("decode", "InvalidCSV")
CELL_COUNT = ("decode", "FieldCount")
BAD_UTF8 = ("decode", "InvalidUTF8")
TOO_LARGE = ("decode", "NumberOutOfRange")
CLASH = ("decode", "NameClash")
TOO_LONG = ("decode", "RecordTooLong")
INVALID = ("validate", "ValidationError")
NO_INT64 = ("validate", "IntegerOutOfRange")
NOT_FINITE = ("output", "NotFinite")
POISONED = ("predict", "ValueError")


@dataclass(frozen=True)
class Case:
    """A file, and what must become of it.

    Attributes:
        name: what is hostile about it.
        format: ``jsonl``, ``csv`` or ``parquet``.
        content: the bytes of the file.
        scored: the ``id`` of each record that is scored, in order; a record without one is None.
        rejects: position (offset or row), stage and error of each other record, in order.
        unreadable: the file as a whole cannot be read.
        model: the class path of the model.
        max_record_bytes: the limit it is read with.
        dialect: of CSV: the arguments of its format.
    """

    name: str
    format: str
    content: bytes
    scored: tuple[int | None, ...] = ()
    rejects: tuple[tuple[int, str, str], ...] = ()
    unreadable: bool = False
    model: str = "models:PlainModel"
    max_record_bytes: int = 2 << 20
    dialect: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the file into a folder, under its format's suffix."""
        words = "".join(letter if letter.isalnum() else "_" for letter in self.name)
        path = folder / f"{words}.{self.format}"
        path.write_bytes(self.content)
        return path

"""The two files that say what a job did: ``_job.json`` at launch, ``_manifest.json`` at the end.

``_manifest.json`` is the commit marker: it is written last, and a folder without it is not whole.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from model_dofns.exceptions import ScoringError, UsageError
from model_dofns.reasons import Reason
from model_dofns.rejects import READ_STAGE

LIBRARY: Final = "model-dofns"
JOB_FILE: Final = "_job.json"
MANIFEST_FILE: Final = "_manifest.json"
REJECTS_FOLDER: Final = "_rejects"
KEPT_FOLDER: Final = "_predictions"
TEMPORARY_FOLDER: Final = "_temporary"

DONE: Final = "done"
TOO_MANY_ERRORS: Final = "too_many_errors"


@dataclass(frozen=True)
class MaxErrors:
    """How many rejects a job may have: ``"20"``, or a share of the records read, ``"0.5%"``.

    Raises:
        UsageError: it is neither.
    """

    text: str = "0"

    def __post_init__(self) -> None:
        number = re.fullmatch(r"\d+|(\d+(?:\.\d+)?)%", self.text, re.ASCII)
        if number is None or Decimal(number[1] or 0) > 100:
            raise UsageError(
                f"--max_errors {self.text!r}: write a number of records, as in 20, or a share of"
                " them, as in 0.5%"
            )

    def allows(self, rejected: int, read: int) -> bool:
        if self.text.endswith("%"):
            return rejected * 100 <= read * Decimal(self.text[:-1])  # exact, unlike a float
        return rejected <= int(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class OutputFile:
    """A finished file of the output folder.

    Attributes:
        path: where it is.
        rows: what its writer wrote into it: ``{"scored": n}``, or rejects by stage.
        bytes: its size.
        reasons: of rejects, why; the manifest has them in sum.
    """

    path: str
    rows: Mapping[str, int]
    bytes: int
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class InputFile:
    """A file of the input, as it was at launch; ``records`` is filled in when it has been read."""

    path: str
    bytes: int
    format: str = ""
    records: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Manifest:
    """What a job read and what became of it; see README, "What comes out", for each field."""

    job: str
    started: str
    ended: str
    engine: str
    runner: str
    model: Mapping[str, Any]
    options: Mapping[str, Any]
    inputs: tuple[InputFile, ...]
    outputs: tuple[OutputFile, ...]
    rejects: tuple[OutputFile, ...]
    records: Mapping[str, Any]
    status: str
    reasons: tuple[Reason, ...] = ()
    library: str = LIBRARY
    library_version: str = field(default_factory=lambda: library_version())
    python_version: str = field(default_factory=platform.python_version)

    def to_json(self) -> bytes:
        fields = asdict(self)
        for file in (*fields["outputs"], *fields["rejects"]):
            del file["reasons"]  # they stand in the manifest once, in sum
        try:
            return json.dumps(fields, indent=2, ensure_ascii=False).encode() + b"\n"
        except UnicodeEncodeError:  # a name that is not UTF-8
            return json.dumps(fields, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """What :meth:`to_json` wrote.

        Raises:
            ValueError: it is no manifest of this library.
        """
        try:
            return cls._from_fields(json.loads(text))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no manifest of {LIBRARY}: {error!r}") from error

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Manifest:
        kinds = {
            "inputs": InputFile,
            "outputs": OutputFile,
            "rejects": OutputFile,
            "reasons": Reason,
        }
        for name, kind in kinds.items():
            fields[name] = tuple(kind(**item) for item in fields[name])
        return cls(**fields)


def sum_of_records(read: int, scored: int, rejects: Iterable[OutputFile]) -> dict[str, Any]:
    """The records read at decode, held against those scored and the rows of rejects written.

    Raises:
        ScoringError: they differ: a record was lost or came twice.
    """
    rejected: dict[str, int] = {}
    for file in rejects:
        for stage, rows in file.rows.items():
            if stage == READ_STAGE:  # a file, of which no record was read
                continue
            rejected[stage] = rejected.get(stage, 0) + rows
    total = scored + sum(rejected.values())
    if read != total:
        raise ScoringError(
            f"{read} records were read, but {scored} were scored and {sum(rejected.values())}"
            " rejected: the output is not whole; please report this as a bug"
        )
    return {"read": read, "scored": scored, "rejected": rejected}


def library_version() -> str:
    """The version of this library, as installed."""
    from importlib.metadata import version  # not at import: finding it takes milliseconds

    return version(LIBRARY)


def now() -> str:
    """This moment, in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

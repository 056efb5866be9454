"""Part files: written into a temporary folder, committed by renaming, counted as data."""

from __future__ import annotations

import contextlib
import logging
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

from model_dofns.exceptions import ScoringError
from model_dofns.formats.base import Format, Payload
from model_dofns.jobs.store import Store
from model_dofns.manifest import OutputFile
from model_dofns.reasons import Reason, ReasonTally
from model_dofns.rejects import Reject
from model_dofns.scorer import ScoredRecords

_LOGGER = logging.getLogger(__name__)
# Ours; and those of reducers, whom Hadoop tells what to name it.
_PART_NAME = re.compile(r"part-\d{5,}(-of-\d{5,})?(\.\w+)*")


class Part(Protocol):
    """What goes into one part file; ``rows`` says what has been written so far."""

    rows: dict[str, int]

    def reasons(self) -> tuple[Reason, ...]:
        """Of rejects, why."""

    def takes(self, element: Any) -> bool:
        """False where the element needs a file of its own: a table of another schema."""

    def write(self, element: Any) -> None: ...

    def close(self) -> None:
        """Write what is left; the file itself is its opener's to close."""


class PredictionsPart:
    """Scored records of one format."""

    def __init__(self, file: BinaryIO, format_: Format, compression: str | None = None) -> None:
        self.rows = {"scored": 0}
        self._format = format_
        self._writer = self._format.writer(file, compression)
        self._last: Payload | None = None

    def takes(self, element: ScoredRecords) -> bool:
        return self._last is None or self._format.same_file(element.payload, self._last)

    def write(self, element: ScoredRecords) -> None:
        self._writer.write(element.payload)
        self._last = element.payload
        self.rows["scored"] += element.rows

    def reasons(self) -> tuple[Reason, ...]:
        return ()

    def close(self) -> None:
        self._writer.close()


class RejectsPart:
    """Rejects, one JSON object a line."""

    def __init__(self, file: BinaryIO) -> None:
        self.rows: dict[str, int] = {}
        self._file = file
        self._tally = ReasonTally()

    def takes(self, element: Reject) -> bool:
        return True

    def write(self, element: Reject) -> None:
        self._file.write(element.to_json())
        self.rows[element.stage] = self.rows.get(element.stage, 0) + 1
        self._tally.add(element)

    def reasons(self) -> tuple[Reason, ...]:
        return self._tally.reasons()

    def close(self) -> None:
        """Nothing is left: lines are written as they come."""


class PartsWriter:
    """Writes part files: one, or more where elements need their own; none without elements.

    Args:
        store: where they are written.
        path: how their paths begin; their folder is there.
        suffix: of their names, such as ``".jsonl"``.
        open_part: makes a :class:`Part` of an open file.
    """

    def __init__(
        self, store: Store, path: str, suffix: str, open_part: Callable[[BinaryIO], Part]
    ) -> None:
        self._store = store
        self._path = path
        self._suffix = suffix
        self._open_part = open_part
        self._file: BinaryIO | None = None
        self._part: Part | None = None
        self._written: list[OutputFile] = []

    def write(self, value: Any) -> None:
        """Add an element, in a new file where the last one does not take it."""
        if self._part is None or not self._part.takes(value):
            self._close_part()
            self._file = self._store.create(self._next_path())
            self._part = self._open_part(self._file)
        self._part.write(value)

    def close(self) -> list[OutputFile]:
        """Write what is left, and say what has been written."""
        self._close_part()
        return self._written

    def abandon(self) -> None:
        """Let go of the file that is being written; it is closed, and no one is to read it.

        Raises:
            Exception: whatever closing it raises; it is let go of all the same.
        """
        part, file = self._part, self._file
        self._part = self._file = None
        with contextlib.ExitStack() as stack:
            if file is not None:
                stack.callback(file.close)
            if part is not None:  # first, or what it still holds would be written to a closed file
                stack.callback(part.close)

    def _next_path(self) -> str:
        return f"{self._path}-{len(self._written):05d}{self._suffix}"

    def _close_part(self) -> None:
        if self._part is None or self._file is None:
            return
        self._part.close()
        self._file.close()
        path = self._next_path()
        self._written.append(
            OutputFile(path, self._part.rows, self._store.size(path), self._part.reasons())
        )
        self._part = self._file = None


def let_go(*writers: PartsWriter) -> None:
    """Abandon what is open, and log where that fails: another error is on its way, and matters."""
    for writer in writers:
        try:
            writer.abandon()
        except Exception:  # what made the task fail matters, and is raised
            _LOGGER.warning("A file that is no longer needed was not closed.", exc_info=True)


def commit_parts(
    store: Store, written: Sequence[OutputFile], folder: str, suffix: str
) -> list[OutputFile]:
    """Rename all files, of which an earlier attempt may have renamed some.

    Who starts all over writes other files, perhaps another number of them: what an attempt before
    that has renamed goes.

    Args:
        store: where they are.
        written: the files, as their writers report them.
        folder: where they end up, as ``part-00000-of-00008…``.
        suffix: of their names.

    Returns:
        The same by their final names.

    Raises:
        ScoringError: one of them is missing.
    """
    if not written:
        return []
    ordered = sorted(written, key=lambda file: file.path)
    names = [f"part-{i:05d}-of-{len(ordered):05d}{suffix}" for i in range(len(ordered))]
    finished = [
        replace(file, path=posixpath.join(folder, name))
        for file, name in zip(ordered, names, strict=True)
    ]
    store.make_folder(folder)
    remove_parts(store, folder, keep=set(names))
    waiting = {
        posixpath.join(temporary, name)
        for temporary in {posixpath.dirname(file.path) for file in ordered}
        for name in store.names(temporary)
    }
    pending = [
        (source.path, target.path)
        for source, target in zip(ordered, finished, strict=True)
        if source.path in waiting
    ]
    # Where an attempt before wrote the same and renamed it: not every store would replace it.
    present = store.names(folder)
    if twice := [target for _, target in pending if posixpath.basename(target) in present]:
        store.delete_files(twice)
    if pending:
        store.rename([source for source, _ in pending], [target for _, target in pending])
    missing = set(names) - store.names(folder)
    if missing:
        raise ScoringError(
            f"{len(missing)} part files are missing from {folder} after their renaming, the first"
            f" is {min(missing)}: did something else remove files there?"
        )
    return finished


def remove_parts(store: Store, folder: str, keep: set[str]) -> None:
    """Remove the part files of a folder, but for some; nothing else, and no folder."""
    found = {path: posixpath.basename(path) for path, _ in store.match(f"{folder}/part-*")}
    parts = [path for path, name in found.items() if is_part(name)]
    if files := sorted(path for path in parts if found[path] not in keep):
        store.delete_files(files)


def is_part(name: str) -> bool:
    """Whether it is the name of a part file."""
    return _PART_NAME.fullmatch(name) is not None


def from_fields(fields: dict[str, Any]) -> OutputFile:
    """A finished file, of the fields that JSON has kept."""
    reasons = tuple(Reason(**reason) for reason in fields["reasons"])
    return OutputFile(**fields | {"reasons": reasons})

"""Part files: written into a temporary folder, committed by renaming, counted as data.

Beam's own FileBasedSink does not serve here. When its finalize is retried after some renames it
yields only the rest, which would lose rows from the sum; it leaves stale shards of an earlier run;
and its temporary folder is read as data.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, BinaryIO, Protocol

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.iobase import Sink
from apache_beam.io.iobase import Writer as BundleWriter

from model_dofns.dofns import ScoredRecords
from model_dofns.exceptions import ScoringError
from model_dofns.formats.base import Format, Payload
from model_dofns.manifest import OutputFile
from model_dofns.reasons import Reason, ReasonTally
from model_dofns.rejects import Reject

_PART_NAME = re.compile(r"part-\d{5,}-of-\d{5,}(\.\w+)+")


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


class PartsSink(Sink):  # type: ignore[misc]  # Beam's classes are not typed
    """Writes a folder of part files, with ``beam.io.Write``.

    Every bundle writes files of its own into the temporary folder. When all bundles are done, the
    files of those that succeeded are renamed to ``part-00000-of-00008…``. Both steps may be
    retried, at any point and on another worker, and end in the same files.

    The transform yields each finished file, as :func:`to_text` writes it.

    Args:
        folder: where the part files end up.
        temporary_folder: where they are written; this sink's own, and removed by no one here.
        suffix: of a part file's name, such as ``".jsonl"``.
        open_part: makes a :class:`Part` of an open file.
        before_commit: raises where nothing may be committed any more.
        num_shards: at most so many files, for which all that is written passes a shuffle; None
            for as many as bundles make.
    """

    def __init__(
        self,
        folder: str,
        temporary_folder: str,
        suffix: str,
        open_part: Callable[[BinaryIO], Part],
        before_commit: Callable[[], None] = lambda: None,
        num_shards: int | None = None,
    ) -> None:
        self.num_shards = num_shards or 0  # read by beam.io.Write
        self._before_commit = before_commit
        self._folder = folder
        self._temporary_folder = temporary_folder
        self._suffix = suffix
        self._open_part = open_part

    def initialize_write(self) -> None:
        """Nothing to do: a folder that no part needs is not made."""

    def open_writer(self, init_result: None, uid: str) -> PartsWriter:
        make_folder(self._temporary_folder)
        path = posixpath.join(self._temporary_folder, uid)
        return PartsWriter(path, self._suffix, self._open_part)

    def pre_finalize(self, init_result: None, writer_results: Iterable[Any]) -> list[None]:
        # Beam iterates what this returns, and runs the next step with it: one element, once.
        return [None]

    def finalize_write(
        self, init_result: None, writer_results: Iterable[list[OutputFile]], _: Any
    ) -> Iterator[str]:
        written = sorted((file for files in writer_results for file in files), key=lambda f: f.path)
        names = (f"part-{i:05d}-of-{len(written):05d}" for i in range(len(written)))
        finished = [
            replace(file, path=posixpath.join(self._folder, f"{name}{self._suffix}"))
            for file, name in zip(written, names, strict=True)
        ]
        if written:
            self._rename([f.path for f in written], [f.path for f in finished])
        yield from map(to_text, finished)

    def _rename(self, sources: list[str], targets: list[str]) -> None:
        """Rename all files, of which an earlier attempt may have renamed some.

        A runner that starts all over writes other files, perhaps another number of them: what an
        attempt before that has renamed goes.
        """
        self._before_commit()
        make_folder(self._folder)
        remove_parts(self._folder, keep={posixpath.basename(target) for target in targets})
        waiting = _names_in(self._temporary_folder)
        pending = [
            (source, target)
            for source, target in zip(sources, targets, strict=True)
            if posixpath.basename(source) in waiting
        ]
        if pending:
            FileSystems.rename([source for source, _ in pending], [target for _, target in pending])
        missing = {posixpath.basename(target) for target in targets} - _names_in(self._folder)
        if missing:
            raise ScoringError(
                f"{len(missing)} part files are missing from {self._folder} after their renaming,"
                f" the first is {min(missing)}: did something else remove files there?"
            )


class PartsWriter(BundleWriter):  # type: ignore[misc]  # Beam's classes are not typed
    """Writes the part files of one bundle: one, or more where elements need their own."""

    def __init__(self, path: str, suffix: str, open_part: Callable[[BinaryIO], Part]) -> None:
        self._path = path
        self._suffix = suffix
        self._open_part = open_part
        self._file: BinaryIO | None = None
        self._part: Part | None = None
        self._written: list[OutputFile] = []

    def write(self, value: Any) -> None:
        if self._part is None or not self._part.takes(value):
            self._close_part()
            self._file = FileSystems.create(
                self._next_path(), compression_type=CompressionTypes.UNCOMPRESSED
            )
            self._part = self._open_part(self._file)
        self._part.write(value)

    def close(self) -> list[OutputFile]:
        self._close_part()
        return self._written

    def at_capacity(self) -> bool:
        return False

    def _next_path(self) -> str:
        return f"{self._path}-{len(self._written):05d}{self._suffix}"

    def _close_part(self) -> None:
        if self._part is None or self._file is None:
            return
        self._part.close()
        self._file.close()
        path = self._next_path()
        size = FileSystems.match([path])[0].metadata_list[0].size_in_bytes
        self._written.append(OutputFile(path, self._part.rows, size, self._part.reasons()))
        self._part = self._file = None


def to_text(file: OutputFile) -> str:
    """A finished file as JSON: what a sink yields must be text."""
    return json.dumps(asdict(file))


def from_text(text: str) -> OutputFile:
    """What :func:`to_text` wrote."""
    fields = json.loads(text)
    fields["reasons"] = tuple(Reason(**reason) for reason in fields["reasons"])
    return OutputFile(**fields)


def make_folder(path: str) -> None:
    """Make a folder, and those above it, where there is none; object stores need none."""
    if not FileSystems.get_filesystem(path).has_dirs():
        return
    if not FileSystems.exists(path):
        try:
            FileSystems.mkdirs(path)
        except OSError:
            # Another worker was quicker, or not: then writing into it says what is wrong.
            if not FileSystems.exists(path):
                raise


def remove_parts(folder: str, keep: set[str]) -> None:
    """Remove the part files of a folder, but for some; nothing else, and no folder."""
    parts = sorted(name for name in _names_in(folder) - keep if _PART_NAME.fullmatch(name))
    paths = [posixpath.join(folder, name) for name in parts]
    if files := [path for path in paths if not os.path.isdir(path)]:
        FileSystems.delete(files)


def _names_in(folder: str) -> set[str]:
    matched = FileSystems.match([posixpath.join(folder, "*")])[0].metadata_list
    return {posixpath.basename(file.path) for file in matched}

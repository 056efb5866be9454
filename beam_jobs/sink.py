"""Part files as a sink of Beam's.

Beam's own FileBasedSink does not serve here. When its finalize is retried after some renames it
yields only the rest, which would lose rows from the sum; it leaves stale shards of an earlier run;
and its temporary folder is read as data.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from apache_beam.io.iobase import Sink
from apache_beam.io.iobase import Writer as BundleWriter

from model_dofns.jobs.parts import Part, PartsWriter, commit_parts, from_fields
from model_dofns.jobs.store import Store
from model_dofns.manifest import OutputFile


class PartsSink(Sink):  # type: ignore[misc]  # Beam's classes are not typed
    """Writes a folder of part files, with ``beam.io.Write``.

    Every bundle writes files of its own into the temporary folder. When all bundles are done, the
    files of those that succeeded are renamed to ``part-00000-of-00008…``. Both steps may be
    retried, at any point and on another worker, and end in the same files.

    The transform yields each finished file, as :func:`to_text` writes it.

    Args:
        store: where all of it is.
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
        store: Store,
        folder: str,
        temporary_folder: str,
        suffix: str,
        open_part: Callable[[BinaryIO], Part],
        before_commit: Callable[[], None] = lambda: None,
        num_shards: int | None = None,
    ) -> None:
        self.num_shards = num_shards or 0  # read by beam.io.Write
        self._before_commit = before_commit
        self._store = store
        self._folder = folder
        self._temporary_folder = temporary_folder
        self._suffix = suffix
        self._open_part = open_part

    def initialize_write(self) -> None:
        """Nothing to do: a folder that no part needs is not made."""

    def open_writer(self, init_result: None, uid: str) -> BundlePartsWriter:
        self._store.make_folder(self._temporary_folder)
        path = posixpath.join(self._temporary_folder, uid)
        return BundlePartsWriter(self._store, path, self._suffix, self._open_part)

    def pre_finalize(self, init_result: None, writer_results: Iterable[Any]) -> list[None]:
        # Beam iterates what this returns, and runs the next step with it: one element, once.
        return [None]

    def finalize_write(
        self, init_result: None, writer_results: Iterable[list[OutputFile]], _: Any
    ) -> Iterator[str]:
        written = [file for files in writer_results for file in files]
        if written:
            self._before_commit()
        yield from map(to_text, commit_parts(self._store, written, self._folder, self._suffix))


class BundlePartsWriter(PartsWriter, BundleWriter):  # type: ignore[misc]  # not typed either
    """Writes the part files of one bundle."""

    def at_capacity(self) -> bool:
        return False


def to_text(file: OutputFile) -> str:
    """A finished file as JSON: what a sink yields must be text."""
    return json.dumps(asdict(file))


def from_text(text: str) -> OutputFile:
    """What :func:`to_text` wrote."""
    return from_fields(json.loads(text))

"""The files of the input: cut into ranges, and read in blocks by workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa

from model_dofns.counters import BYTES_READ, FILES_READ, Report
from model_dofns.exceptions import UnreadableFileError
from model_dofns.formats.base import Block, Format, Layout, Range
from model_dofns.formats.compression import codec_of
from model_dofns.jobs.store import Store
from model_dofns.manifest import InputFile


@dataclass(frozen=True)
class FileRange:
    """A range, and its file as it was at launch."""

    part: Range
    file: InputFile


def cut_into_ranges(
    file: InputFile, store: Store, formats: Mapping[str, Format], max_record_bytes: int
) -> list[FileRange]:
    """The ranges of a file, to be read side by side; they are small, unlike what they name."""
    parts = formats[file.format].ranges(
        file.path, file.bytes, open_file=store.open, max_record_bytes=max_record_bytes
    )
    return [FileRange(part, file) for part in parts]


def whole(file: InputFile) -> FileRange:
    """All of a file."""
    return FileRange(Range(file.path, 0, sys.maxsize), file)


class CountingFile:
    """A file that knows how many bytes have been read from it; all else is the file's own."""

    def __init__(self, file: BinaryIO) -> None:
        self.bytes = 0
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self.bytes += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be read, and what is wrong with it."""

    file: InputFile
    message: str


class BlockReader:
    """Reads ranges in blocks, one after the other.

    Args:
        store: where the files are.
        formats: by name.
        layout: of the records.
        skip_bad_files: name them, instead of failing.
        limit: how many records of each list of ranges are read.
        report: told what has been read.
    """

    def __init__(
        self,
        store: Store,
        formats: Mapping[str, Format],
        layout: Layout,
        *,
        skip_bad_files: bool = False,
        limit: int | None = None,
        report: Report,
    ) -> None:
        self._store = store
        self._formats = formats
        self._layout = layout
        self._skip_bad_files = skip_bad_files
        self._limit = limit
        self._report = report

    def read(self, ranges: Sequence[FileRange]) -> Iterator[Block | Unreadable]:
        """The blocks of the ranges, in their order; and the files that are skipped.

        Raises:
            UnreadableFileError: a file cannot be read, and none is to be skipped.
        """
        left = self._limit
        for part in ranges:
            if left == 0:
                return
            try:
                for block in self._counted(part):
                    if left is not None:
                        records = self._formats[block.format].records(block, self._layout)
                        block = block if len(records) <= left else records.first(left)
                        left -= min(len(records), left)
                    yield block
                    if left == 0:
                        break
            except UnreadableFileError as error:
                if not self._skip_bad_files:
                    raise
                yield Unreadable(part.file, str(error))

    def _counted(self, element: FileRange) -> Iterator[Block]:
        """The blocks of the range; what has been read is counted once they have been scored."""
        part, file_bytes = element.part, element.file.bytes
        size, counted = min(part.stop, file_bytes) - part.start, 0
        try:
            for block, read in self._blocks(element):
                yield block
                # By now it has been scored, where stages are fused. More may be read than the
                # range has: its last line to the end, a footer, a page twice.
                new = min(read, size) - counted
                self._report({BYTES_READ: new})
                counted += new
        finally:
            ends_file = part.stop >= file_bytes
            self._report({BYTES_READ: size - counted, FILES_READ: int(ends_file)})

    def _blocks(self, element: FileRange) -> Iterator[tuple[Block, int]]:
        """The blocks of the range, each with how many bytes of the file have been read by then.

        Raises:
            UnreadableFileError: the file vanished, changed, or is broken.
        """
        path, expected = element.part.path, element.file.bytes
        try:
            with self._store.open(path) as file:
                size = file.seek(0, os.SEEK_END)
                size = file.tell() if size is None else size
                if size != expected:
                    raise UnreadableFileError(
                        f"{path} had {expected} bytes when the job was launched, and has"
                        f" {size} now: do not write to files that are being read"
                    )
                file.seek(0)
                format_ = self._formats[element.file.format]
                if size == 0 and format_.may_be_compressed and codec_of(path) is not None:
                    raise OSError("it is empty, and not even compressed nothing is")
                counting = CountingFile(file)
                for block in format_.read_blocks(
                    format_.opened(cast(BinaryIO, counting), path),
                    element.part,
                    max_record_bytes=self._layout.max_record_bytes,
                ):
                    yield block, counting.bytes
        except UnreadableFileError:
            raise
        except Exception as error:
            if not self._store.is_about_the_path(error) and not isinstance(
                error, pa.ArrowException
            ):
                raise
            raise UnreadableFileError(
                f"{path} cannot be read: {type(error).__name__}: {error}"
            ) from error

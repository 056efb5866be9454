"""The files of the input: found at launch, read in blocks by workers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import TaggedOutput

from beam_jobs.stores import is_about_the_path, is_bucket, is_url, plain_errors
from model_dofns.counters import BYTES_READ, FILES_READ, Report
from model_dofns.dofns import count
from model_dofns.exceptions import InputError, UnreadableFileError
from model_dofns.formats.base import Block, Format, Layout, Range
from model_dofns.formats.compression import codec_of
from model_dofns.manifest import InputFile

_GLOB_CHARACTER = re.compile(r"[*?\[]")

BLOCKS: Final = "blocks"
UNREADABLE: Final = "unreadable"


def open_file(path: str) -> BinaryIO:
    """Open a file for reading its bytes as they are, whatever its suffix.

    Raises:
        UnreadableFileError: it cannot be opened.
    """
    try:
        opened: BinaryIO = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except Exception as error:
        # A NotImplementedError is Beam's word for what Google's store has packed twice.
        if not is_about_the_path(error) and not isinstance(error, NotImplementedError):
            raise
        raise UnreadableFileError(
            f"{path} cannot be opened: {type(error).__name__}: {error}"
        ) from error
    return opened


def absolute(path: str) -> str:
    """A local path as workers must see it, who run in folders of their own; a URL as it is."""
    return path if is_url(path) else os.path.abspath(path) + ("/" if path.endswith("/") else "")


def match_input(patterns: Iterable[str]) -> list[InputFile]:
    """The files that files, globs and folders name, each once, in the order of their paths.

    In a folder, and in those below it, what begins with ``.`` or ``_`` is passed over; in a glob
    as well, unless the glob itself names such a beginning.

    Raises:
        InputError: one of them names no file.
    """
    found: dict[str, InputFile] = {}
    for pattern in patterns:
        try:
            with plain_errors():
                files = _matched(absolute(pattern))
        except (BeamIOError, OSError, ValueError) as error:
            raise InputError(f"--input {pattern!r} cannot be looked up: {error}") from error
        if not files:
            raise InputError(
                f"--input {pattern!r} names no file: looked for a file, a glob and a folder at"
                f" {absolute(pattern)}"
            )
        found |= {file.path: file for file in files}
    return [found[path] for path in sorted(found)]


def _matched(pattern: str) -> list[InputFile]:
    glob = pattern.rstrip("/")
    first = _GLOB_CHARACTER.search(glob)
    if first is None or _exists(glob):  # a name may have characters of a glob in it
        beginning, asked_for = glob, set()
        if os.path.isdir(glob):
            _refuse_unseen(glob)
        glob = _GLOB_CHARACTER.sub("?", glob)
    else:
        beginning = glob[: first.start()].rpartition("/")[0]
        asked_for = {part[0] for part in glob[len(beginning) :].split("/") if part}
    # Files, and what is in folders; a whole bucket is no file.
    matched = ([] if is_bucket(glob) else _match(glob)) + _match(f"{glob}/**")
    return [
        file
        for file in matched
        if file.path.startswith(beginning)
        and not any(
            _is_hidden(part) and part[0] not in asked_for
            for part in file.path[len(beginning) :].split("/")
        )
    ]


def _exists(path: str) -> bool:
    """Whether there is a file or a folder of this very name, with characters of a glob in it."""
    if is_bucket(path):
        return False
    # In a store a folder is what is in it; to look for one of every glob would list all twice.
    in_folder = (
        _match(f"{_GLOB_CHARACTER.sub('?', path)}/**") if is_url(path) and "[" in path else []
    )
    return FileSystems.exists(path) or any(f.path.startswith(f"{path}/") for f in in_folder)


def _is_hidden(name: str) -> bool:
    """Whether a name begins so, and is not that of a field, as in ``_day=2026-11-22``."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _match(pattern: str) -> list[InputFile]:
    matched = FileSystems.match([pattern])[0].metadata_list
    found = [
        (file.path, file.size_in_bytes)
        for file in matched
        # Tools put an object with such a name, and nothing in it, where a store shows a folder.
        if not file.path.endswith("/") and not os.path.isdir(file.path)
    ]
    for path, _ in found:
        try:
            path.encode()
        except UnicodeEncodeError as error:  # Beam's workers could not be told of it
            raise InputError(
                f"the input {path!r} has a name that is no UTF-8: rename it"
            ) from error
        if os.path.exists(path) and not os.path.isfile(path):
            raise InputError(f"the input {path} is a pipe or a device: it cannot be read twice")
    return [InputFile(path, size) for path, size in found]


def _refuse_unseen(folder: str) -> None:
    """Refuse a local folder in which Beam would pass something over without a word.

    Raises:
        InputError: a folder below it is a link, or cannot be listed; or a link leads nowhere.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"the input folder {error.filename} cannot be listed: {error}") from error

    for above, folders, files in os.walk(folder, onerror=refuse):
        for name in (*folders, *files):
            path = os.path.join(above, name)
            if os.path.islink(path) and (name in folders or not os.path.exists(path)):
                raise InputError(
                    f"the input {path} is a link to a folder, or to nothing, which is not followed:"
                    " name what it leads to with an --input of its own"
                )


@dataclass(frozen=True)
class FileRange:
    """A range, and its file as it was at launch."""

    part: Range
    file: InputFile


def cut_into_ranges(
    file: InputFile, formats: Mapping[str, Format], max_record_bytes: int
) -> list[tuple[FileRange]]:
    """The ranges of a file, each to be read alone; they are small, and all that is shuffled."""
    parts = formats[file.format].ranges(
        file.path, file.bytes, open_file=open_file, max_record_bytes=max_record_bytes
    )
    return [(FileRange(part, file),) for part in parts]


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


class ReadBlocks(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Lists of ranges in, the blocks of one list in their order out.

    Outputs:
        ``blocks``: :class:`~model_dofns.formats.base.Block`.
        ``unreadable``: ``(path, (message, format))`` of a file that cannot be read, where those
            are skipped.

    Args:
        formats: by name.
        layout: of the records.
        skip_bad_files: name them, instead of failing.
        limit: how many records of each list are read.
    """

    def __init__(
        self,
        formats: Mapping[str, Format],
        layout: Layout,
        *,
        skip_bad_files: bool = False,
        limit: int | None = None,
        report: Report | None = None,
    ) -> None:
        self._formats = formats
        self._layout = layout
        self._skip_bad_files = skip_bad_files
        self._limit = limit
        self._report = report

    def process(self, element: Sequence[FileRange]) -> Iterator[Block | TaggedOutput]:
        left = self._limit
        for part in element:
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
                yield TaggedOutput(UNREADABLE, (part.file.path, (str(error), part.file.format)))

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
                count({BYTES_READ: new}, self._report)
                counted += new
        finally:
            ends_file = part.stop >= file_bytes
            count({BYTES_READ: size - counted, FILES_READ: int(ends_file)}, self._report)

    def _blocks(self, element: FileRange) -> Iterator[tuple[Block, int]]:
        """The blocks of the range, each with how many bytes of the file have been read by then.

        Raises:
            UnreadableFileError: the file vanished, changed, or is broken.
        """
        path, expected = element.part.path, element.file.bytes
        try:
            with open_file(path) as file:
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
            if not is_about_the_path(error) and not isinstance(error, pa.ArrowException):
                raise
            raise UnreadableFileError(
                f"{path} cannot be read: {type(error).__name__}: {error}"
            ) from error

"""The files of the input: found at launch, read in blocks by workers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import TaggedOutput

from beam_jobs.stores import is_about_the_path, is_bucket, is_url, plain_errors
from model_dofns.exceptions import InputError, UnreadableFileError, UsageError
from model_dofns.formats import FORMATS, format_of
from model_dofns.formats.base import Block, Range
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
            part.startswith((".", "_")) and part[0] not in asked_for
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


def _match(pattern: str) -> list[InputFile]:
    matched = FileSystems.match([pattern])[0].metadata_list
    found = [
        (file.path, file.size_in_bytes)
        for file in matched
        # Tools put an object with such a name, and nothing in it, where a store shows a folder.
        if not file.path.endswith("/") and not os.path.isdir(file.path)
    ]
    for path, _ in found:
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


def settle_format(files: Iterable[InputFile], asked_for: str | None) -> str:
    """The name of the one format of the input: the one asked for, or what the suffixes say.

    Raises:
        InputError: a suffix is of no known format.
        UsageError: the files are of several formats.
    """
    if asked_for is not None:
        return asked_for
    by_format: dict[str, str] = {}
    for file in files:
        format_ = format_of(file.path)
        if format_ is None:
            known = ", ".join(s for known in FORMATS.values() for s in known.suffixes)
            raise InputError(
                f"the format of {file.path} is not known by its suffix, which must be one of"
                f" {known}: name the files more exactly, as in 'folder/*.jsonl', or say with"
                " --input_format that all of them are of one format"
            )
        by_format.setdefault(format_.name, file.path)
    if len(by_format) > 1:
        examples = "; ".join(f"{name}: {path}" for name, path in sorted(by_format.items()))
        raise UsageError(
            f"the input has files of several formats ({examples}), and a job writes the one it"
            " reads: name files of one format with --input"
        )
    return next(iter(by_format))


@dataclass(frozen=True)
class FileRange:
    """A range, and the size its file had at launch."""

    part: Range
    file_bytes: int


def cut_into_ranges(file: InputFile, format_name: str) -> list[FileRange]:
    """The ranges of a file; they are small, and all that crosses a shuffle."""
    return [
        FileRange(part, file.bytes) for part in FORMATS[format_name].ranges(file.path, file.bytes)
    ]


class ReadBlocks(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Ranges in, blocks out.

    Outputs:
        ``blocks``: :class:`~model_dofns.formats.base.Block`.
        ``unreadable``: ``(path, message)`` of a file that cannot be read, where those are skipped.
    """

    def __init__(self, format_name: str, max_record_bytes: int, skip_bad_files: bool) -> None:
        self._format_name = format_name
        self._max_record_bytes = max_record_bytes
        self._skip_bad_files = skip_bad_files

    def process(self, element: FileRange) -> Iterator[Block | TaggedOutput]:
        try:
            yield from self._blocks(element)
        except UnreadableFileError as error:
            if not self._skip_bad_files:
                raise
            yield TaggedOutput(UNREADABLE, (element.part.path, str(error)))

    def _blocks(self, element: FileRange) -> Iterator[Block]:
        """The blocks of the range.

        Raises:
            UnreadableFileError: the file vanished, changed, or is broken.
        """
        path = element.part.path
        try:
            with open_file(path) as file:
                size = file.seek(0, os.SEEK_END)
                size = file.tell() if size is None else size
                if size != element.file_bytes:
                    raise UnreadableFileError(
                        f"{path} had {element.file_bytes} bytes when the job was launched, and has"
                        f" {size} now: do not write to files that are being read"
                    )
                file.seek(0)
                if size == 0 and codec_of(path) is not None:
                    raise OSError("it is empty, and not even compressed nothing is")
                format_ = FORMATS[self._format_name]
                yield from format_.read_blocks(
                    format_.opened(file, path),
                    element.part,
                    max_record_bytes=self._max_record_bytes,
                )
        except UnreadableFileError:
            raise
        except Exception as error:
            if not is_about_the_path(error) and not isinstance(error, pa.ArrowException):
                raise
            raise UnreadableFileError(
                f"{path} cannot be read: {type(error).__name__}: {error}"
            ) from error

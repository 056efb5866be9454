"""The file systems that launcher and tasks reach without Java: Arrow's, and HDFS."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from pyarrow import fs


@dataclass(frozen=True)
class Found:
    """A file or a folder."""

    path: str
    is_folder: bool
    size: int


class System(ABC):
    """One file system. What goes wrong is an :class:`OSError` or a :class:`ValueError`."""

    has_folders = True  # else a folder is what is in it

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""

    @abstractmethod
    def create(self, path: str) -> BinaryIO:
        """Open a file for writing; one of that name is replaced."""

    @abstractmethod
    def found(self, path: str) -> Found | None:
        """What is there, if anything."""

    @abstractmethod
    def below(self, folder: str, *, recursive: bool) -> list[Found]:
        """What is in a folder, and in those below it; nothing where there is no folder."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, where there is none."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Give a file another name; a file that has it is replaced."""

    @abstractmethod
    def delete(self, found: Found) -> None:
        """Remove a file, or a folder with all that is in it."""


class ArrowSystem(System):
    """One of Arrow's; local files, unless a subclass says otherwise."""

    def __init__(self, system: fs.FileSystem) -> None:
        self._system = system

    def open(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._system.open_input_file(path))

    def create(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._system.open_output_stream(path, compression=None))

    def found(self, path: str) -> Found | None:
        return _of_arrow(self._system.get_file_info(path))

    def below(self, folder: str, *, recursive: bool) -> list[Found]:
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=recursive)
        try:
            infos = map(_of_arrow, self._system.get_file_info(selector))
        except NotADirectoryError:
            return []
        return [info for info in infos if info is not None]

    def make_folder(self, path: str) -> None:
        self._system.create_dir(path, recursive=True)

    def rename(self, source: str, target: str) -> None:
        self._system.move(source, target)

    def delete(self, found: Found) -> None:
        if found.is_folder:
            self._system.delete_dir(found.path)
        else:
            self._system.delete_file(found.path)


def _of_arrow(info: fs.FileInfo) -> Found | None:
    if info.type == fs.FileType.NotFound:
        return None
    return Found(info.path, info.type == fs.FileType.Directory, info.size or 0)


# S3 copies no more than this at one request, and Arrow makes one of it.
_COPY_BYTES: Final = 5 << 30
_CHUNK_BYTES: Final = 16 << 20


class S3System(ArrowSystem):
    """S3, by Arrow's client. To remove or to rename leaves an empty object ``parent/`` behind."""

    has_folders = False

    def open(self, path: str) -> BinaryIO:
        with _plain_s3_errors(path):
            return super().open(path)

    def create(self, path: str) -> BinaryIO:
        with _plain_s3_errors(path):
            return super().create(path)

    def found(self, path: str) -> Found | None:
        with _plain_s3_errors(path):
            return super().found(path)

    def below(self, folder: str, *, recursive: bool) -> list[Found]:
        with _plain_s3_errors(folder):
            return super().below(folder, recursive=recursive)

    def rename(self, source: str, target: str) -> None:
        with _plain_s3_errors(source):
            found = super().found(source)
            if found is not None and found.size > _COPY_BYTES:
                with super().open(source) as read, super().create(target) as written:
                    shutil.copyfileobj(read, written, _CHUNK_BYTES)
                super().delete(found)
            else:
                super().rename(source, target)

    def delete(self, found: Found) -> None:
        with _plain_s3_errors(found.path):
            super().delete(found)


_S3_ERROR: Final = re.compile(r"AWS Error (\w+) during (\w+) operation")
_NOT_PERMITTED: Final = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
_OUT_OF_REACH: Final = (
    *("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "INTERNAL_FAILURE"),
    *("SERVICE_UNAVAILABLE", "SLOW_DOWN", "THROTTLING"),
)


def is_out_of_reach(error: Exception) -> bool:
    """Whether S3 could not be asked, or did not answer: of a file that says nothing."""
    said = _S3_ERROR.search(str(error))
    return isinstance(error, OSError) and said is not None and said[1] in _OUT_OF_REACH


@contextlib.contextmanager
def _plain_s3_errors(path: str) -> Iterator[None]:
    """What S3 refuses comes as an OSError that only Amazon's names tell apart."""
    try:
        yield
    except OSError as error:
        said = _S3_ERROR.search(str(error))
        if said is None or said[1] not in _NOT_PERMITTED:
            raise
        raise PermissionError(
            f"S3 does not permit {said[2]} of s3://{path} ({said[1]}): these credentials must be"
            " permitted that, by their own policies and by that of the bucket"
        ) from error


class HdfsSystem(System):
    """HDFS, by hdfs-native: its own protocol, without Java.

    Not through Arrow's file systems, to which it could be handed: written that way, 100 MB took
    20 s instead of 0.3, as each byte of a buffer of Arrow's was handed over alone.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def open(self, path: str) -> BinaryIO:
        with _plain_errors(path):
            return cast(BinaryIO, self._client.read(path))

    def create(self, path: str) -> BinaryIO:
        with _plain_errors(path):
            written = self._client.create(path, _overwriting())
        return cast(BinaryIO, _HdfsWriter(written, path))

    def found(self, path: str) -> Found | None:
        try:
            with _plain_errors(path):
                return _of_hdfs(self._client.get_file_info(path))
        except FileNotFoundError:
            return None

    def below(self, folder: str, *, recursive: bool) -> list[Found]:
        try:
            with _plain_errors(folder):
                return list(map(_of_hdfs, self._client.list_status(folder, recursive)))
        except FileNotFoundError:
            return []

    def make_folder(self, path: str) -> None:
        with _plain_errors(path):
            self._client.mkdirs(path, create_parent=True)

    def rename(self, source: str, target: str) -> None:
        with _plain_errors(source):
            self._client.rename(source, target, overwrite=True)

    def delete(self, found: Found) -> None:
        with _plain_errors(found.path):
            self._client.delete(found.path, recursive=found.is_folder)


def _of_hdfs(status: Any) -> Found:
    return Found(status.path, status.isdir, status.length)


def _overwriting() -> Any:
    from hdfs_native import WriteOptions

    options = WriteOptions()
    options.overwrite = True
    return options


class _HdfsWriter(io.RawIOBase):
    """A file that takes any buffer; hdfs-native is quick with ``bytes`` alone."""

    def __init__(self, writer: Any, path: str) -> None:
        self._writer = writer
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        with _plain_errors(self._path):
            return int(self._writer.write(data if type(data) is bytes else bytes(data)))

    def close(self) -> None:
        if not self.closed:
            super().close()
            with _plain_errors(self._path):
                self._writer.close()


_REFUSED: Final = ("AccessControlException", "SafeModeException")


@contextlib.contextmanager
def _plain_errors(path: str) -> Iterator[None]:
    """What HDFS refuses comes as a RuntimeError, with the trace of the server behind its words."""
    try:
        yield
    except RuntimeError as error:
        words = str(error).replace("\\n", "\n").partition("\n")[0]
        kind = PermissionError if any(name in words for name in _REFUSED) else OSError
        raise kind(f"{path}: {words}") from error

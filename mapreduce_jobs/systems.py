"""The file systems that launcher and tasks reach without Java: Arrow's, and HDFS."""

from __future__ import annotations

import contextlib
import io
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
    """One of Arrow's: local files, S3."""

    def __init__(self, system: fs.FileSystem) -> None:
        self._system = system
        self.has_folders = not isinstance(system, fs.S3FileSystem)

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

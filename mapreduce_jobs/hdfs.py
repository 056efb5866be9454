"""HDFS, by hdfs-native: its own protocol, without Java."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

from mapreduce_jobs.systems import Found, OutOfReachError, System


class HdfsSystem(System):
    """One cluster's.

    Not through Arrow's file systems, to which it could be handed: written that way, 100 MB took
    20 s instead of 0.3, as each byte of a buffer of Arrow's was handed over alone.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def open(self, path: str) -> BinaryIO:
        with _plain_errors(path):
            return cast(BinaryIO, _HdfsReader(self._client.read(path), path))

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

    def make_private(self, folder: str) -> None:
        with _plain_errors(folder):
            self._client.set_permission(folder, 0o700)

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


class _HdfsReader(io.RawIOBase):
    """A file that says plainly what goes wrong."""

    def __init__(self, reader: Any, path: str) -> None:
        self._reader = reader
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with _plain_errors(self._path):
            return bytes(self._reader.read(-1 if size is None else size))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with _plain_errors(self._path):
            self._reader.seek(offset, whence)
            return int(self._reader.tell())

    def tell(self) -> int:
        return int(self._reader.tell())


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


_OF_THE_PATH: Final = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)


@contextlib.contextmanager
def _plain_errors(path: str) -> Iterator[None]:
    """What HDFS says comes with the trace of the server behind its words; a refusal as a
    RuntimeError."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        words = str(error).replace("\\n", "\n").partition("\n")[0]
        kind: type[OSError] = OutOfReachError
        if isinstance(error, _OF_THE_PATH):
            kind = type(error)
        elif "AccessControlException" in words:
            kind = PermissionError
        raise kind(f"{path}: {words}") from error

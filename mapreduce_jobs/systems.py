"""What a file system is to the store, and Arrow's file systems."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import BinaryIO, cast

from pyarrow import fs


@dataclass(frozen=True)
class Found:
    """A file or a folder."""

    path: str
    is_folder: bool
    size: int


class OutOfReachError(OSError):
    """A file system could not be asked, or did not answer: of a file that says nothing."""


class System(ABC):
    """One file system. What goes wrong is an :class:`OSError` or a :class:`ValueError`.

    That of files that have been opened as well; it is an :class:`OutOfReachError` where another try
    may go well.
    """

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
    def make_private(self, folder: str) -> None:
        """Let no one else look into a folder, where a file system has such a thing."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Give a file another name; a file that has it is replaced."""

    @abstractmethod
    def delete(self, found: Found) -> None:
        """Remove a file, or a folder with all that is in it."""


class ArrowSystem(System):
    """One of Arrow's, but for what is special about each."""

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


class LocalSystem(ArrowSystem):
    """Files of this machine."""

    def __init__(self) -> None:
        super().__init__(fs.LocalFileSystem())

    def make_private(self, folder: str) -> None:
        os.chmod(folder, 0o700)

"""Where a job's files are: the few things it asks of a file system, or of several."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import BinaryIO


class Store(ABC):
    """Files and folders by their paths: local ones, and URLs. It holds nothing, and travels.

    What goes wrong is an :class:`OSError`, or a :class:`ValueError` where there is no such file
    system, unless a method says otherwise.
    """

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """Open a file for reading its bytes as they are, whatever its suffix.

        Raises:
            UnreadableFileError: it cannot be opened.
        """

    @abstractmethod
    def create(self, path: str) -> BinaryIO:
        """Open a file for writing, in a folder that is there; one of that name is replaced."""

    @abstractmethod
    def match(self, pattern: str) -> list[tuple[str, int]]:
        """The files that a glob names, each with its size; ``**`` goes into folders below."""

    @abstractmethod
    def names(self, folder: str) -> set[str]:
        """The names of what is in a folder, folders included; none where there is no folder."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is such a file; or a folder, where a file system has folders."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make a folder, and those above it, where there is none; object stores need none."""

    @abstractmethod
    def rename(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        """Give files other names; files that have those names are replaced."""

    @abstractmethod
    def delete_files(self, paths: Sequence[str]) -> None:
        """Remove files that are there."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""

    @abstractmethod
    def check_access(self, paths: Iterable[str]) -> None:
        """Find at launch what would cost minutes later.

        Raises:
            DoesNotFitError: a file system needs what is not installed, or cannot be reached, or
                knows us not.
        """

    def canonical(self, path: str) -> str:
        """One for all paths of a file, to be compared; of a local one, the path without links."""
        return path if is_url(path) else os.path.realpath(path)

    def is_about_the_path(self, error: Exception) -> bool:
        """Whether an error while reading says that a path is at fault, and not the way to it."""
        return isinstance(error, OSError)

    def size(self, path: str) -> int:
        """The bytes of a file."""
        ((_, size),) = self.match(path)
        return size

    def read(self, path: str) -> bytes:
        """All of a small file."""
        with self.open(path) as file:
            return bytes(file.read())


def is_url(path: str) -> bool:
    """Whether a path is one of an object store, or of another file system that is not local."""
    return "://" in path


def is_bucket(path: str) -> bool:
    """Whether it is a whole bucket, of which a store can only list what is in it."""
    return is_url(path) and "/" not in path.partition("://")[2].rstrip("/")


def absolute(path: str) -> str:
    """A local path as workers must see it, who run in folders of their own; a URL as it is."""
    return path if is_url(path) else os.path.abspath(path) + ("/" if path.endswith("/") else "")

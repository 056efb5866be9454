"""A store of what launcher and tasks both reach without Java: local files, HDFS and S3."""

from __future__ import annotations

import fnmatch
import functools
import os
import posixpath
import queue
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Final

from pyarrow import fs

from mapreduce_jobs.hdfs import HdfsSystem
from mapreduce_jobs.s3 import S3System
from mapreduce_jobs.systems import LocalSystem, OutOfReachError, System
from model_dofns.exceptions import DoesNotFitError, UnreadableFileError
from model_dofns.jobs.store import Store, is_url

_S3_SCHEMES: Final = ("s3", "s3a", "s3n")
_PATIENCE_SECONDS: Final = 30.0
# Renames, and removals: most of each is waiting, where files are far away.
_AT_ONCE: Final = 16
# In a set, a ] that comes first is one of its characters; a [ without an end is one itself.
_GLOB_TOKENS = re.compile(r"\*\*|\*|\?|\[!?+.[^\]]*\]|.", re.DOTALL)
_TRANSLATED = re.compile(r"\(\?s:(.*)\)\\[Zz]", re.DOTALL)


class ClusterStore(Store):
    """Local paths, ``hdfs://`` and ``s3://``."""

    def open(self, path: str) -> BinaryIO:
        try:
            system, inner = _found(path)
            return system.open(inner)
        except OutOfReachError:
            raise
        except (OSError, ValueError) as error:
            raise UnreadableFileError(
                f"{path} cannot be opened: {type(error).__name__}: {error}"
            ) from error

    def is_about_the_path(self, error: Exception) -> bool:
        return super().is_about_the_path(error) and not isinstance(error, OutOfReachError)

    def create(self, path: str) -> BinaryIO:
        system, inner = _found(path)
        return system.create(inner)

    def match(self, pattern: str) -> list[tuple[str, int]]:
        system, inner = _found(pattern)
        scheme = pattern[: len(pattern) - len(inner)]
        first = re.search(r"[*?\[]", inner)
        if first is None:
            found = system.found(inner)
            return [(pattern, found.size)] if found is not None and not found.is_folder else []
        base, slash, _ = inner[: first.start()].rpartition("/")
        rest = inner[len(base) + len(slash) :]
        glob = re.compile(_expression(inner), re.DOTALL)
        below = system.below(base or slash, recursive="/" in rest or "**" in rest)
        return [
            (scheme + found.path, found.size)
            for found in below
            if not found.is_folder and glob.fullmatch(found.path)
        ]

    def names(self, folder: str) -> set[str]:
        system, inner = _found(folder.rstrip("/"))
        found = system.below(inner, recursive=False)
        return {each.path.rstrip("/").rpartition("/")[2] for each in found}

    def exists(self, path: str) -> bool:
        system, inner = _found(path)
        return system.found(inner) is not None

    def make_folder(self, path: str) -> None:
        system, inner = _found(path)
        if system.has_folders:
            system.make_folder(inner)

    def rename(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(_rename, sources, targets))

    def delete_files(self, paths: Sequence[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(_delete_file, paths))

    def delete(self, path: str) -> None:
        system, inner = _found(path)
        if (found := system.found(inner)) is not None:
            system.delete(found)

    def canonical(self, path: str) -> str:
        scheme, mark, rest = path.partition("://")
        if not mark:
            return super().canonical(path)
        # Of HDFS, the default NameNode may be named or not.
        inner = posixpath.normpath("/" + (rest.partition("/")[2] if scheme == "hdfs" else rest))
        return f"{'s3' if scheme in _S3_SCHEMES else scheme}:/{inner}"

    def check_access(self, paths: Iterable[str]) -> None:
        for path in filter(is_url, paths):
            try:
                _in_time(functools.partial(_look_up, path))
            except (OSError, ValueError) as error:
                says_enough = isinstance(error, ValueError | PermissionError | FileNotFoundError)
                hint = "" if says_enough else _hint(path)
                raise DoesNotFitError(f"{path} cannot be looked up: {error}{hint}") from error


def make_private(folder: str) -> None:
    """Let no one else look into a folder, where its file system has such a thing."""
    system, inner = _found(folder)
    system.make_private(inner)


def _look_up(path: str) -> None:
    """Ask its file system for something.

    Raises:
        FileNotFoundError: there is no such bucket, of which S3 would say that nothing is in it.
    """
    system, inner = _found(path)
    bucket = inner.partition("/")[0]
    if system.has_folders:
        system.found(re.split(r"[*?\[]", inner, maxsplit=1)[0].rpartition("/")[0])
        return
    try:
        is_missing = system.found(bucket) is None
    except PermissionError:  # to look at the bucket itself; to list what is asked for will do
        system.below(inner.rstrip("/").rpartition("/")[0] or bucket, recursive=False)
        is_missing = False
    if is_missing:
        raise FileNotFoundError(f"there is no bucket {bucket}")


def _in_time(look: Callable[[], object]) -> None:
    """Look, but not for ever: where no NameNode is, hdfs-native goes on asking.

    Raises:
        TimeoutError: there was no answer.
    """
    answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            look()
        except Exception as error:  # noqa: BLE001  # it is raised by who waits
            answers.put(error)
        else:
            answers.put(None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=_PATIENCE_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {_PATIENCE_SECONDS:.0f} seconds") from None
    if error is not None:
        raise error


def _delete_file(path: str) -> None:
    """Remove a file; a folder of that name is a person's, and stays."""
    system, inner = _found(path)
    if (found := system.found(inner)) is not None and not found.is_folder:
        system.delete(found)


def _rename(source: str, target: str) -> None:
    system, inner = _found(source)
    system.rename(inner, _found(target)[1])


def _found(path: str) -> tuple[System, str]:
    """The file system of a path, and the path in it.

    Raises:
        ValueError: there is no such file system.
    """
    scheme, mark, rest = path.partition("://")
    if not mark:
        return _local(), path
    if scheme in _S3_SCHEMES:
        bucket = rest.partition("/")[0]
        if not bucket:
            raise ValueError(f"{path!r} names no bucket")
        return _s3(bucket, os.getpid()), rest
    if scheme == "hdfs":
        authority, slash, inner = rest.partition("/")
        return _hdfs(authority, os.getpid()), slash + inner
    raise ValueError(f"there is no {scheme}:// here, but local paths, hdfs:// and s3://")


@functools.cache
def _local() -> System:
    return LocalSystem()


# Clients have threads, which a forked process has not: each process makes its own.
@functools.cache
def _s3(bucket: str, _process: int) -> System:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = fs.FileSystem.from_uri(f"s3://{bucket}")[0].region  # the bucket's own
    # A file that is written in the background, and left open, would keep a process from its end.
    return S3System(
        fs.S3FileSystem(region=region, endpoint_override=endpoint, background_writes=False)
    )


@functools.cache
def _hdfs(authority: str, _process: int) -> System:
    try:
        from hdfs_native import Client
    except ModuleNotFoundError as error:
        raise DoesNotFitError(
            f"hdfs:// needs {error.name}, which is not installed:"
            " pip install 'model-dofns[mapreduce]'"
        ) from error
    try:
        return HdfsSystem(Client(f"hdfs://{authority}"))
    except RuntimeError as error:  # no configuration that says where the NameNode is
        raise OSError(str(error)) from error


def _expression(glob: str) -> str:
    """A glob as a regular expression: ``*`` and ``?`` stay within a name, ``**`` does not."""
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        parts.get(token) or (_set(token) if len(token) > 1 else re.escape(token))
        for token in _GLOB_TOKENS.findall(glob)
    )


def _set(token: str) -> str:
    """``[a-c]`` and the like: as in a shell, but within a name."""
    translated = _TRANSLATED.fullmatch(fnmatch.translate(token))
    assert translated is not None, token
    return f"(?!/){translated[1]}"


def _hint(path: str) -> str:
    if path.partition("://")[0] not in ("hdfs", *_S3_SCHEMES):
        return ""
    if path.startswith("hdfs://"):
        return (
            "; where the NameNode is, is read from core-site.xml and hdfs-site.xml in the folder"
            " that HADOOP_CONF_DIR names, unless the path says so: hdfs://host:port/…"
        )
    return (
        "; credentials and regions are looked for where Amazon's tools look for them, and another"
        " endpoint in AWS_ENDPOINT_URL"
    )

"""The files of the input, found at launch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from model_dofns.exceptions import InputError
from model_dofns.jobs.store import Store, absolute, is_bucket, is_url
from model_dofns.manifest import InputFile

_GLOB_CHARACTER = re.compile(r"[*?\[]")


def match_input(store: Store, patterns: Iterable[str]) -> list[InputFile]:
    """The files that files, globs and folders name, each once, in the order of their paths.

    In a folder, and in those below it, what begins with ``.`` or ``_`` is passed over; in a glob
    as well, unless the glob itself names such a beginning.

    Raises:
        InputError: one of them names no file.
    """
    found: dict[str, InputFile] = {}
    for pattern in patterns:
        try:
            files = _matched(store, absolute(pattern))
        except (OSError, ValueError) as error:
            raise InputError(f"the input {pattern!r} cannot be looked up: {error}") from error
        if not files:
            raise InputError(
                f"the input {pattern!r} names no file: looked for a file, a glob and a folder at"
                f" {absolute(pattern)}"
            )
        found |= {file.path: file for file in files}
    return [found[path] for path in sorted(found)]


def _matched(store: Store, pattern: str) -> list[InputFile]:
    glob = pattern.rstrip("/")
    first = _GLOB_CHARACTER.search(glob)
    if first is None or _exists(store, glob):  # a name may have characters of a glob in it
        beginning, asked_for = glob, set()
        if os.path.isdir(glob):
            _refuse_unseen(glob)
        glob = _GLOB_CHARACTER.sub("?", glob)
    else:
        beginning = glob[: first.start()].rpartition("/")[0]
        asked_for = {part[0] for part in glob[len(beginning) :].split("/") if part}
    # Files, and what is in folders; a whole bucket is no file.
    matched = ([] if is_bucket(glob) else _match(store, glob)) + _match(store, f"{glob}/**")
    return [
        file
        for file in matched
        if file.path.startswith(beginning)
        and not any(
            _is_hidden(part) and part[0] not in asked_for
            for part in file.path[len(beginning) :].split("/")
        )
    ]


def _exists(store: Store, path: str) -> bool:
    """Whether there is a file or a folder of this very name, with characters of a glob in it."""
    if is_bucket(path):
        return False
    # In a store a folder is what is in it; to look for one of every glob would list all twice.
    in_folder = (
        _match(store, f"{_GLOB_CHARACTER.sub('?', path)}/**")
        if is_url(path) and "[" in path
        else []
    )
    return store.exists(path) or any(f.path.startswith(f"{path}/") for f in in_folder)


def _is_hidden(name: str) -> bool:
    """Whether a name begins so, and is not that of a field, as in ``_day=2026-11-22``."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _match(store: Store, pattern: str) -> list[InputFile]:
    found = store.match(pattern)
    for path, _ in found:
        try:
            path.encode()
        except UnicodeEncodeError as error:  # workers could not be told of it
            raise InputError(
                f"the input {path!r} has a name that is no UTF-8: rename it"
            ) from error
        if os.path.exists(path) and not os.path.isfile(path):
            raise InputError(f"the input {path} is a pipe or a device: it cannot be read twice")
    return [InputFile(path, size) for path, size in found]


def _refuse_unseen(folder: str) -> None:
    """Refuse a local folder in which a glob would pass something over without a word.

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
                    " name what it leads to itself"
                )

"""The output folder at launch and after a failure: made ready, marked, and never half a lie.

A folder is whole if it has a ``_manifest.json``; that is written last, and removed first.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import posixpath

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.sink import make_folder, remove_parts
from beam_jobs.stores import plain_errors
from model_dofns.exceptions import OutputFolderError, ScoringError
from model_dofns.manifest import (
    JOB_FILE,
    LIBRARY,
    MANIFEST_FILE,
    REJECTS_FOLDER,
    TEMPORARY_FOLDER,
    Manifest,
    library_version,
    now,
)

_LOGGER = logging.getLogger(__name__)


class OutputFolder:
    """The output folder of one job, on any of Beam's file systems.

    Args:
        path: the folder, absolute.
        job: the job's id.
        started: when the job started, in UTC.
    """

    def __init__(self, path: str, job: str, started: str) -> None:
        self.path = path
        self.job = job
        self.started = started

    @property
    def temporary(self) -> str:
        return posixpath.join(self.path, TEMPORARY_FOLDER, self.job)

    @property
    def rejects(self) -> str:
        return posixpath.join(self.path, REJECTS_FOLDER)

    @property
    def manifest(self) -> str:
        return posixpath.join(self.path, MANIFEST_FILE)

    def check(self, *, overwrite: bool) -> bool:
        """Refuse the folder as :meth:`prepare` would; nothing is written.

        Returns:
            True where there is something in it, which would be replaced.

        Raises:
            OutputFolderError: as :meth:`prepare`.
        """
        try:
            with plain_errors():
                return bool(self._names_to_replace(overwrite))
        except (BeamIOError, OSError, ValueError) as error:
            raise self._unusable(error) from error

    def prepare(self, *, overwrite: bool) -> None:
        """Empty the folder of an earlier job's files, or refuse it; then write ``_job.json``.

        Raises:
            OutputFolderError: it is not empty and ``overwrite`` is False; or nothing in it says
                that a job of this library made it; or it cannot be written.
        """
        try:
            with plain_errors():
                self._prepare(overwrite)
        except (BeamIOError, OSError, ValueError) as error:  # a ValueError: no such file system
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> OutputFolderError:
        return OutputFolderError(f"the output folder {self.path} cannot be used: {error}")

    def _refuse_unwritable(self) -> None:
        """As far as can be seen without writing: of a local folder, whether it can be made."""
        if "://" in self.path:
            return
        above = self.path
        while not os.path.lexists(above):
            above = os.path.dirname(above)
        if not os.path.isdir(above):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), above)
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), above)

    def _names_to_replace(self, overwrite: bool) -> set[str]:
        self._refuse_unwritable()
        names = _entries(self.path)
        if names and not overwrite:
            raise OutputFolderError(
                f"the output folder {self.path} is not empty: it has {_some(names)}; name another"
                " one, or replace what an earlier job wrote there with --overwrite"
            )
        if names and not self._is_ours():
            raise OutputFolderError(
                f"the output folder {self.path} is not empty, and has no {JOB_FILE} or"
                f" {MANIFEST_FILE} of {LIBRARY}: --overwrite removes only what a job of ours wrote;"
                " name another folder, or empty this one yourself"
            )
        return names

    def _prepare(self, overwrite: bool) -> None:
        names = self._names_to_replace(overwrite)
        _delete(self.manifest)  # first: from here on the folder is not whole
        for name in sorted(names):
            if name == TEMPORARY_FOLDER:
                _delete(posixpath.join(self.path, name))
        for folder in (self.path, self.rejects):
            remove_parts(folder, keep=set())
        if not _entries(self.rejects):
            _delete(self.rejects)
        make_folder(self.path)
        try:
            with plain_errors():
                self._write_job({})
        except OSError:
            self.remove_temporary()  # or the folder would be neither empty nor ours
            raise

    def mark(self, status: str, error: str) -> None:
        """Say in ``_job.json`` how a job ended that did not get to its manifest, if that works."""
        try:
            with plain_errors():
                self.refuse_if_taken()
                self._write_job({"status": status, "ended": now(), "error": error})
        except (BeamIOError, OSError, ValueError, ScoringError) as failure:  # the job's own matters
            _LOGGER.warning("%s cannot be marked as %s: %s", self.path, status, failure)

    def _write_job(self, facts: dict[str, str]) -> None:
        known = {
            "library": LIBRARY,
            "library_version": library_version(),
            "job": self.job,
            "started": self.started,
        }
        self._replace(JOB_FILE, json.dumps(known | facts, indent=2).encode() + b"\n")

    def refuse_if_taken(self) -> None:
        """Nothing more may be committed where another job has been launched into this folder.

        Raises:
            ScoringError: ``_job.json`` is that of another job.
        """
        path = posixpath.join(self.path, JOB_FILE)
        job = json.loads(_read(path)).get("job") if FileSystems.exists(path) else self.job
        if job != self.job:
            raise ScoringError(
                f"the job {job} has been launched into {self.path} meanwhile, with --overwrite;"
                f" this one, {self.job}, ends without a word in it"
            )

    def commit(self, manifest: Manifest) -> None:
        """Write ``_manifest.json``; from then on the folder is whole.

        Raises:
            ScoringError: another job has been launched into this folder.
        """
        self.refuse_if_taken()
        self._replace(MANIFEST_FILE, manifest.to_json())

    def _replace(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        make_folder(self.temporary)
        written, target = posixpath.join(self.temporary, name), posixpath.join(self.path, name)
        with FileSystems.create(written, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(content)
        FileSystems.rename([written], [target])

    def remove_temporary(self) -> None:
        """Remove what was only needed while the job ran; a job that is done is done without it."""
        try:
            with plain_errors():
                _delete(self.temporary)
                above = posixpath.join(self.path, TEMPORARY_FOLDER)
                if not _entries(above):
                    _delete(above)
        except (BeamIOError, OSError) as error:
            _LOGGER.warning("%s cannot be removed: %s", self.temporary, error)

    def read_manifest(self) -> Manifest:
        return Manifest.from_json(_read(self.manifest))

    def is_whole(self) -> bool:
        """Whether this job has written its manifest, as far as can be seen."""
        try:
            with plain_errors():
                return self.read_manifest().job == self.job
        except (BeamIOError, OSError, ValueError):  # none, or that of something else
            return False

    def _is_ours(self) -> bool:
        for name in (JOB_FILE, MANIFEST_FILE):
            path = posixpath.join(self.path, name)
            if not FileSystems.exists(path):
                continue
            try:
                marker = json.loads(_read(path))
            except ValueError:
                continue
            if isinstance(marker, dict) and marker.get("library") == LIBRARY:
                return True
        return False


def _entries(folder: str) -> set[str]:
    """The names of what is in a folder, folders included; none where there is no folder."""
    prefix = folder.rstrip("/") + "/"
    matched = FileSystems.match([prefix + "**"])[0].metadata_list
    # A store may have an object of the folder's own name, with a / at its end, put there by a tool.
    return {file.path[len(prefix) :].split("/")[0] for file in matched} - {""}


def _delete(path: str) -> None:
    """Remove a file or a folder, if it is there."""
    files = [file.path for file in FileSystems.match([path + "/**"])[0].metadata_list]
    if files:
        FileSystems.delete(files)
    if FileSystems.exists(path):  # a file; or a folder, where a file system has folders
        FileSystems.delete([path])


def _some(names: set[str]) -> str:
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _read(path: str) -> bytes:
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        return bytes(file.read())

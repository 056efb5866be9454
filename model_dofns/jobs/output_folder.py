"""The output folder at launch and after a failure: made ready, marked, and never half a lie.

A folder is whole if it has a ``_manifest.json``; that is written last, and removed first.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import posixpath
from collections.abc import Collection

from model_dofns.exceptions import OutputFolderError, ScoringError
from model_dofns.jobs.parts import is_part, remove_parts
from model_dofns.jobs.store import Store, is_url
from model_dofns.manifest import (
    JOB_FILE,
    KEPT_FOLDER,
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
    """The output folder of one job.

    Args:
        store: what the folder is in.
        path: the folder, absolute.
        job: the job's id.
        started: when the job started, in UTC.
    """

    def __init__(self, store: Store, path: str, job: str, started: str) -> None:
        self.store = store
        self.path = path
        self.job = job
        self.started = started

    def below(self, name: str) -> OutputFolder:
        """A folder in this one, of the same job."""
        return OutputFolder(self.store, posixpath.join(self.path, name), self.job, self.started)

    @property
    def temporary(self) -> str:
        return posixpath.join(self.path, TEMPORARY_FOLDER, self.job)

    @property
    def rejects(self) -> str:
        return posixpath.join(self.path, REJECTS_FOLDER)

    @property
    def kept(self) -> str:
        """Where predictions are that stand beside what the job itself gives."""
        return posixpath.join(self.path, KEPT_FOLDER)

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
            return bool(self._names_to_replace(overwrite))
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    def refuse_as_top(self, names: Collection[str], *, has_manifest: bool) -> None:
        """Refuse it as the folder that folders of several models are in.

        Nothing in it may be taken for what this job has written, or the other way round.

        Args:
            names: of the models' folders.
            has_manifest: whether this one gets a manifest too, that of all models.

        Raises:
            OutputFolderError: it is not fit for that.
        """
        try:
            found = self.store.names(self.path)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error
        markers = {JOB_FILE, MANIFEST_FILE}
        if not has_manifest and found & markers:
            raise OutputFolderError(
                f"the output folder {self.path} has a {min(found & markers)} of its own, and the"
                " folders of these models would not be what that says: name another folder"
            )
        own = markers | {REJECTS_FOLDER, TEMPORARY_FOLDER}
        others = {name for name in found - own - set(names) if not is_part(name)}
        if has_manifest and others:
            raise OutputFolderError(
                f"the output folder {self.path} has {_some(others)}, which is of none of these"
                " models, and would stay beside their folders: name another one, or remove that"
            )

    def prepare(self, *, overwrite: bool) -> None:
        """Empty the folder of an earlier job's files, or refuse it; then write ``_job.json``.

        Raises:
            OutputFolderError: it is not empty and ``overwrite`` is False; or nothing in it says
                that a job of this library made it; or it cannot be written.
        """
        try:
            self._prepare(overwrite)
        except (OSError, ValueError) as error:  # a ValueError: no such file system
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> OutputFolderError:
        return OutputFolderError(f"the output folder {self.path} cannot be used: {error}")

    def _refuse_unwritable(self) -> None:
        """As far as can be seen without writing: of a local folder, whether it can be made."""
        if is_url(self.path):
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
        names = self.store.names(self.path)
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
        self.store.delete(self.manifest)  # first: from here on the folder is not whole
        for name in sorted(names):
            if name == TEMPORARY_FOLDER:
                self.store.delete(posixpath.join(self.path, name))
        for folder in (self.path, self.rejects, self.kept):
            remove_parts(self.store, folder, keep=set())
        for folder in (self.rejects, self.kept):
            if not self.store.names(folder):
                self.store.delete(folder)
        self.store.make_folder(self.path)
        try:
            self._write_job({})
        except OSError:
            self.remove_temporary()  # or the folder would be neither empty nor ours
            raise

    def mark(self, status: str, error: str) -> None:
        """Say in ``_job.json`` how a job ended that did not get to its manifest, if that works."""
        try:
            self.refuse_if_taken()
            self._write_job({"status": status, "ended": now(), "error": error})
        except (OSError, ValueError, ScoringError) as failure:  # the job's own matters
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
        job = json.loads(self.store.read(path)).get("job") if self.store.exists(path) else self.job
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
        self.store.make_folder(self.temporary)
        written, target = posixpath.join(self.temporary, name), posixpath.join(self.path, name)
        with self.store.create(written) as file:
            file.write(content)
        self.store.rename([written], [target])

    def refuse_folders_of_models(self) -> None:
        """Refuse a folder with folders in it that an earlier job filled for several models.

        They would stand beside what this job writes, and be read with it.

        Raises:
            OutputFolderError: there are such, or the folder cannot be looked into.
        """
        try:
            below = sorted(
                name
                for name in self.store.names(self.path)
                if not name.startswith(("part-", "_"))  # of which there may be thousands
                and (
                    self.store.exists(posixpath.join(self.path, name, JOB_FILE))
                    or self.store.exists(posixpath.join(self.path, name, MANIFEST_FILE))
                )
            )
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error
        if below:
            raise OutputFolderError(
                f"the output folder {self.path} has folders of several models: {', '.join(below)};"
                " name another one, or remove them yourself"
            )

    def remove_leftovers(self) -> None:
        """Remove what earlier jobs left in passing that were killed.

        Raises:
            OutputFolderError: it cannot be removed.
        """
        try:
            self.store.delete(posixpath.join(self.path, TEMPORARY_FOLDER))
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    def remove_temporary(self) -> None:
        """Remove what was only needed while the job ran; a job that is done is done without it."""
        try:
            self.store.delete(self.temporary)
            above = posixpath.join(self.path, TEMPORARY_FOLDER)
            if not self.store.names(above):
                self.store.delete(above)
        except OSError as error:
            _LOGGER.warning("%s cannot be removed: %s", self.temporary, error)

    def read_manifest(self) -> Manifest:
        return Manifest.from_json(self.store.read(self.manifest))

    def is_whole(self) -> bool:
        """Whether this job has written its manifest, as far as can be seen."""
        try:
            return self.read_manifest().job == self.job
        except (OSError, ValueError, ScoringError):  # none, or that of something else
            return False

    def _is_ours(self) -> bool:
        for name in (JOB_FILE, MANIFEST_FILE):
            path = posixpath.join(self.path, name)
            if not self.store.exists(path):
                continue
            try:
                marker = json.loads(self.store.read(path))
            except ValueError:
                continue
            if isinstance(marker, dict) and marker.get("library") == LIBRARY:
                return True
        return False


def _some(names: set[str]) -> str:
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

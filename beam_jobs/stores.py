"""Beam's file systems as a store; object stores among them: what they need, what their errors mean.

Beam hands on whatever a store's client raises: an error of Google's, of Amazon's, or its own. Here
they become errors of the operating system, which is what a caller of a file system expects.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from apache_beam.io.aws import s3io
from apache_beam.io.aws.clients.s3 import messages
from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from model_dofns.exceptions import DoesNotFitError, ScoringError, UnreadableFileError
from model_dofns.jobs.store import Store, is_url

_EXTRAS: Final = {"gs": "gcp", "s3": "aws"}
_AS_IT_IS: Final = CompressionTypes.UNCOMPRESSED  # Beam would go by the suffix
_OF_THE_PATH: Final = {403, 404, 416}  # HTTP: forbidden, not there, no such range


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """What a store's client raises comes out as an :class:`OSError`."""
    try:
        yield
    except (OSError, ValueError, TypeError, ScoringError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


class BeamStore(Store):
    """All file systems that Beam knows."""

    def open(self, path: str) -> BinaryIO:
        try:
            opened: BinaryIO = FileSystems.open(path, compression_type=_AS_IT_IS)
        except Exception as error:
            # A NotImplementedError is Beam's word for what Google's store has packed twice.
            if not self.is_about_the_path(error) and not isinstance(error, NotImplementedError):
                raise
            raise UnreadableFileError(
                f"{path} cannot be opened: {type(error).__name__}: {error}"
            ) from error
        return opened

    def is_about_the_path(self, error: Exception) -> bool:
        return isinstance(error, OSError) or getattr(error, "code", None) in _OF_THE_PATH

    @plain_errors()
    def read(self, path: str) -> bytes:
        return super().read(path)

    @plain_errors()
    def create(self, path: str) -> BinaryIO:
        created: BinaryIO = FileSystems.create(path, compression_type=_AS_IT_IS)
        return created

    @plain_errors()
    def match(self, pattern: str) -> list[tuple[str, int]]:
        return [
            (file.path, file.size_in_bytes)
            for file in _matched(pattern)
            # Tools put an object with such a name, and nothing in it, where a store shows a folder.
            if not file.path.endswith("/") and not os.path.isdir(file.path)
        ]

    @plain_errors()
    def names(self, folder: str) -> set[str]:
        prefix = folder.rstrip("/") + "/"
        # A store may have an object of the folder's own name, with a / at its end, put there by a
        # tool.
        found = _matched(f"{prefix}**")
        return {file.path[len(prefix) :].split("/")[0] for file in found} - {""}

    @plain_errors()
    def exists(self, path: str) -> bool:
        return bool(FileSystems.exists(path))

    @plain_errors()
    def make_folder(self, path: str) -> None:
        if not FileSystems.get_filesystem(path).has_dirs() or FileSystems.exists(path):
            return
        try:
            FileSystems.mkdirs(path)
        except OSError:
            # Another worker was quicker, or not: then writing into it says what is wrong.
            if not FileSystems.exists(path):
                raise

    @plain_errors()
    def rename(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        FileSystems.rename(list(sources), list(targets))

    @plain_errors()
    def delete_files(self, paths: Sequence[str]) -> None:
        FileSystems.delete(list(paths))

    @plain_errors()
    def delete(self, path: str) -> None:
        if files := [file.path for file in _matched(f"{path}/**")]:
            FileSystems.delete(files)
        if FileSystems.exists(path):  # a file; or a folder, where a file system has folders
            FileSystems.delete([path])

    def check_access(self, paths: Iterable[str]) -> None:
        # Beam tries everything again and again.
        for path in paths:
            if is_url(path) and path.partition("://")[0] in _EXTRAS:
                _check_access(path)


def _matched(pattern: str) -> list[FileMetadata]:
    found: list[FileMetadata] = FileSystems.match([pattern])[0].metadata_list
    return found


def use_options(pipeline_args: Iterable[str]) -> None:
    """Let Beam's file systems know its flags, as a pipeline does, but before there is one.

    Where there are no flags, those of a pipeline that has been made already are left alone.
    """
    flags = list(pipeline_args)
    if flags or FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions(flags))


def _check_access(path: str) -> None:
    scheme, _, rest = path.partition("://")
    if not rest.partition("/")[0]:
        raise DoesNotFitError(f"{path!r} names no bucket")
    try:
        FileSystems.get_filesystem(path)
        if scheme == "s3":
            _ask_s3_once(path)
    except (ValueError, RuntimeError) as error:  # of Beam, without what it needs for the store
        raise DoesNotFitError(
            f"{path} needs Beam's support of {scheme}://, which is not installed:"
            f" pip install 'model-dofns[{_EXTRAS[scheme]}]'"
        ) from error
    except messages.S3ClientError as error:
        raise DoesNotFitError(
            f"{path} cannot be looked up: {error}; credentials and regions are looked for where"
            " Amazon's tools look for them, in the environment and in ~/.aws; Beam's flags"
            " --s3_… name others, and another endpoint"
        ) from error


def _ask_s3_once(path: str) -> None:
    """Beam tries for ten minutes without credentials, as it takes that for a server's trouble.

    Raises:
        RuntimeError: boto3 is not installed.
        S3ClientError: what S3 says, but for that there is nothing.
    """
    bucket, prefix = s3io.parse_s3_path(path.rstrip("/") + "/", object_optional=True)
    client = s3io.S3IO(options=FileSystems._pipeline_options or PipelineOptions([])).client
    try:
        client.list(messages.ListRequest(bucket, prefix))
    except messages.S3ClientError as error:
        if error.code != 404:
            raise

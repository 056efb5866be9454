"""S3, by Arrow's client."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from typing import BinaryIO, Final

from mapreduce_jobs.systems import ArrowSystem, Found, OutOfReachError

# S3 copies no more than this at one request, and Arrow makes one of it.
_COPY_BYTES: Final = 5 << 30
_CHUNK_BYTES: Final = 16 << 20


class S3System(ArrowSystem):
    """Buckets. To remove or to rename a file leaves an empty object ``parent/`` behind."""

    has_folders = False

    def open(self, path: str) -> BinaryIO:
        with _plain_errors(path):
            return super().open(path)

    def create(self, path: str) -> BinaryIO:
        with _plain_errors(path):
            return super().create(path)

    def found(self, path: str) -> Found | None:
        with _plain_errors(path):
            return super().found(path)

    def below(self, folder: str, *, recursive: bool) -> list[Found]:
        with _plain_errors(folder):
            return super().below(folder, recursive=recursive)

    def make_private(self, folder: str) -> None:
        """What may be read is for the policies of the bucket."""

    def rename(self, source: str, target: str) -> None:
        with _plain_errors(source):
            found = super().found(source)
            if found is not None and found.size > _COPY_BYTES:
                with super().open(source) as read, super().create(target) as written:
                    shutil.copyfileobj(read, written, _CHUNK_BYTES)
                super().delete(found)
            else:
                super().rename(source, target)

    def delete(self, found: Found) -> None:
        with _plain_errors(found.path):
            super().delete(found)


# Of what has no body Amazon's client says no name, but the status.
_ERROR: Final = re.compile(r"AWS Error (\w+)(?: \(HTTP status (\d+)\))? during (\w+) operation")
_NOT_PERMITTED: Final = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
_OUT_OF_REACH: Final = (
    *("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "INTERNAL_FAILURE"),
    *("SERVICE_UNAVAILABLE", "SLOW_DOWN", "THROTTLING"),
)


@contextlib.contextmanager
def _plain_errors(path: str) -> Iterator[None]:
    """What S3 refuses comes as an OSError that only Amazon's names tell apart."""
    try:
        yield
    except OSError as error:
        said = _ERROR.search(str(error))
        if said is None:
            raise
        name, status, operation = said.groups()
        if name in _NOT_PERMITTED:
            raise PermissionError(
                f"S3 does not permit {operation} of s3://{path} ({name}): these credentials must be"
                " permitted that, by their own policies and by that of the bucket"
            ) from error
        if name in _OUT_OF_REACH or (status or "")[:1] == "5" or status == "429":
            raise OutOfReachError(str(error)) from error
        raise

"""Object stores behind Beam's file systems: what they need, and what their errors mean.

Beam hands on whatever a store's client raises: an error of Google's, of Amazon's, or its own. Here
they become errors of the operating system, which is what a caller of a file system expects.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from apache_beam.io.aws import s3io
from apache_beam.io.aws.clients.s3 import messages
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from model_dofns.exceptions import DoesNotFitError, ScoringError

_EXTRAS: Final = {"gs": "gcp", "s3": "aws"}
_OF_THE_PATH: Final = {403, 404, 416}  # HTTP: forbidden, not there, no such range


def is_url(path: str) -> bool:
    """Whether a path is one of an object store, or of another file system that is not local."""
    return "://" in path


def is_bucket(path: str) -> bool:
    """Whether it is a whole bucket, of which Beam's file systems can only list what is in it."""
    return is_url(path) and "/" not in path.partition("://")[2].rstrip("/")


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """What a store's client raises comes out as an :class:`OSError`."""
    try:
        yield
    except (OSError, ValueError, TypeError, ScoringError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def is_about_the_path(error: Exception) -> bool:
    """Whether a store says that a path is at fault, and not the store or the way to it."""
    return isinstance(error, OSError) or getattr(error, "code", None) in _OF_THE_PATH


def use_options(pipeline_args: Iterable[str]) -> None:
    """Let Beam's file systems know its flags, as a pipeline does, but before there is one.

    Where there are no flags, those of a pipeline that has been made already are left alone.
    """
    flags = list(pipeline_args)
    if flags or FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions(flags))


def check_access(paths: Iterable[str]) -> None:
    """Find at launch what would cost minutes later, as Beam tries everything again and again.

    Raises:
        DoesNotFitError: a store needs an extra that is not installed, or cannot be reached, or
            knows us not.
    """
    for path in paths:
        scheme, _, rest = path.partition("://")
        if not is_url(path) or scheme not in _EXTRAS:
            continue
        if not rest.partition("/")[0]:
            raise DoesNotFitError(f"{path!r} names no bucket")
        try:
            FileSystems.get_filesystem(path)
            if scheme == "s3":
                _ask_s3_once(path)
        except (ValueError, RuntimeError) as error:  # of Beam, without what it needs for the store
            extra = _EXTRAS[scheme]
            raise DoesNotFitError(
                f"{path} needs Beam's support of {scheme}://, which is not installed:"
                f" pip install 'model-dofns[{extra}]'"
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

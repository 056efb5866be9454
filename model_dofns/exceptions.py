"""Every error this library raises on purpose, and the exit code a job ends with because of it.

One place for both, so that a caller who catches :class:`ScoringError` has caught all of them, and
so that an exit code means the same on every engine. A message says what was wrong, the value,
where it was, and what to do about it.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_DONE = 0


class ScoringError(Exception):
    """The job failed: exit code 1, unless a subclass says otherwise."""

    exit_code: ClassVar[int] = 1


class UsageError(ScoringError):
    """The command line makes no sense, whatever the data: exit code 2."""

    exit_code: ClassVar[int] = 2


class InterruptedJobError(ScoringError):
    """Someone interrupted the job, and it has been cancelled: exit code 130."""

    exit_code: ClassVar[int] = 130


class TooManyErrorsError(ScoringError):
    """More rejects than ``--max_errors`` allows; predictions are kept: exit code 3."""

    exit_code: ClassVar[int] = 3


class DoesNotFitError(ScoringError):
    """Found before the job starts: something named does not exist or does not fit: exit code 4."""

    exit_code: ClassVar[int] = 4


class ModelError(DoesNotFitError):
    """The model cannot be found, imported or constructed, or it breaks the ``MLModel`` contract."""


class ModelVersionError(ModelError):
    """The model loaded, but it is not of the version that was asked for."""


class ModelCheckError(DoesNotFitError):
    """A model does not do what a check asks of it."""


class ModelsFileError(DoesNotFitError):
    """A models file cannot be read, or an entry of it makes no sense."""


class InputError(DoesNotFitError):
    """The input cannot be matched, or it is of no format that can be read."""


class OutputFolderError(DoesNotFitError):
    """The output folder cannot be used: not empty, not ours to overwrite, or not writable."""


class UnreadableFileError(ScoringError):
    """A file of the input cannot be read: it vanished, is cut short, or is not of its format."""


class EveryPredictionFailsError(ScoringError):
    """The first records of a task all failed in ``predict``: the model cannot work on this data."""


class RecordError(ScoringError):
    """One record is unfit. It becomes a reject and never ends a job.

    ``error`` is the name that stands in the reject's ``error`` field.
    """

    def __init__(self, error: str, message: str) -> None:
        super().__init__(error, message)
        self.error = error
        self.message = message

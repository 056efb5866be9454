"""Models of which a task's first attempt does what their names say, as ``"attempt_models:…"``.

Each has a folder, in which an attempt that has come to its poison leaves a file of its name. They
predict what the models of ``tests/models.py`` do, and reject what scores above 100.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import models

GO = "go"  # in the folder: no one waits any more
_ATTEMPT = "mapreduce_task_attempt_id"  # as Hadoop spells it


class TastingModel(models.PoisonModel):
    """All attempts are alike."""

    output_schema = models.BoundedOutput

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = Path(folder)

    def taste(self, xs: Sequence[float]) -> None:
        attempt = os.environ.get(_ATTEMPT)
        if attempt is None or models.POISON not in xs:  # the launcher's, or a good batch
            return
        note = self.folder / attempt
        if not note.exists():
            note.touch()
            self.act(is_first=attempt.endswith("_0"))

    def act(self, *, is_first: bool) -> None:
        pass


class WaitingModel(TastingModel):
    """The first attempt waits until there is a file ``go``."""

    def act(self, *, is_first: bool) -> None:
        while is_first and not (self.folder / GO).exists():
            time.sleep(0.05)


class DyingModel(TastingModel):
    """The first attempt ends without a word."""

    def act(self, *, is_first: bool) -> None:
        if is_first:
            os._exit(1)


class FailingModel(TastingModel):
    """No attempt gets any further: a model that cannot be loaded where tasks run."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        if attempt := os.environ.get(_ATTEMPT):
            (self.folder / attempt).touch()
            raise RuntimeError(f"no licence for é on this node, {folder}")

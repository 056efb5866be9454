"""Models that meet their end on a worker, as ``"beam_models:…"``; worker processes import them.

They read and predict what the models of ``tests/models.py`` do, but for what their names say.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import models


class EveryStageModel(models.PoisonModel):
    """Rejects at every stage: raises for poison, and scores above the bound of its own output."""

    output_schema = models.BoundedOutput

    def __init__(self, pids: str | None = None) -> None:
        """Leave the number of this process in the folder ``pids``."""
        super().__init__()
        if pids is not None:
            (Path(pids) / str(os.getpid())).touch()


class BrokenModel(models.PlainModel):
    """Does not load, and says so in several lines, the last of which says nothing."""

    def __init__(self) -> None:
        raise ValueError("the parameters are gone\nFor further information visit nowhere")


class HeavyModel(models.PlainModel):
    """Takes a tenth of a second to load."""

    def __init__(self) -> None:
        super().__init__()
        time.sleep(0.1)


class KilledModel(models.PoisonModel):
    """Poison kills the process, as a machine without memory does."""

    def taste(self, xs: Sequence[float]) -> None:
        if models.POISON in xs:
            os.kill(os.getpid(), signal.SIGKILL)


class SlowModel(models.PoisonModel):
    """Takes half a minute for a batch, and leaves the file ``busy`` when it has begun."""

    def __init__(self, busy: str) -> None:
        super().__init__()
        self.busy = Path(busy)

    def taste(self, xs: Sequence[float]) -> None:
        self.busy.touch()
        time.sleep(30)


class InterruptedModel(models.PoisonModel):
    """Poison is Ctrl-C."""

    def taste(self, xs: Sequence[float]) -> None:
        if models.POISON in xs:
            signal.raise_signal(signal.SIGINT)

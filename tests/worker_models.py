"""Models that meet their end on a worker, as ``"worker_models:…"``; worker processes import them.

They read and predict what the models of ``tests/models.py`` do, but for what their names say.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path

import models
import pyarrow as pa


class EveryStageModel(models.PoisonModel):
    """Rejects at every stage: raises for poison, and scores above the bound of its own output."""

    output_schema = models.BoundedOutput

    def __init__(self, pids: str | None = None) -> None:
        """Leave the number of this process in the folder ``pids``."""
        super().__init__()
        if pids is not None:
            (Path(pids) / str(os.getpid())).touch()


class CountedModel(models.PlainModel):
    """Leaves a file in the folder ``made`` for each instance of itself."""

    def __init__(self, made: str) -> None:
        super().__init__()
        (Path(made) / uuid.uuid4().hex).touch()


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


class LeisurelyModel(models.PlainModel):
    """Takes a fifth of a second for a batch."""

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        time.sleep(0.2)
        return super().predict_batch(batch)


class TalkingModel(LeisurelyModel):
    """Logs each batch."""

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        logging.getLogger("talking").warning("a batch of %d", batch.num_rows)
        return super().predict_batch(batch)


class ManyErrorsModel(models.RecordModel):
    """Each record raises an exception of a class of its own."""

    def predict(self, record: models.PlainInput) -> models.PlainOutput:
        raise type(f"Error{record.n}", (Exception,), {})


class InterruptedModel(models.PoisonModel):
    """Poison is Ctrl-C."""

    ENDING = signal.SIGINT

    def taste(self, xs: Sequence[float]) -> None:
        if models.POISON in xs:
            signal.raise_signal(self.ENDING)


class TerminatedModel(InterruptedModel):
    """Poison is what a scheduler sends."""

    ENDING = signal.SIGTERM


class HungUpModel(InterruptedModel):
    """Poison is the end of a terminal."""

    ENDING = signal.SIGHUP


class LoudModel(models.PlainModel):
    """Prints all the ways there are what could be taken for a pair, or a prediction."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(self.shout)
        self.shout()

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.shout()
        return super().predict_batch(batch)

    def shout(self) -> None:
        print('"red"\t1000')
        print('"red"\t1001', file=sys.__stdout__)
        os.write(1, b'"red"\t1002\n')
        subprocess.run(["echo", '"red"\t1003'], check=True)
        print("né \udcff", file=sys.stderr)
        logging.getLogger("loud").error("%s", "a log line")
        warnings.warn("a warning", stacklevel=2)


class MissingModel(models.PlainModel):
    """Is not there where a task of MapReduce looks for it."""


if "--mapper" in sys.argv:
    del MissingModel

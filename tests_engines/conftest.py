"""The same jobs on every engine: in processes of their own, or on both engines in this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PYTHONPATH = [str(HERE), str(HERE.parent / "tests"), str(HERE.parent)]
sys.path[:0] = PYTHONPATH

from job_runs import (  # noqa: E402  # found by the path
    DATA_FORMATS,
    Ended,
    in_this_process,
    write_hostile_data,
)
from several import Engine  # noqa: E402

from mapreduce_jobs import launching  # noqa: E402


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Ended]:
    """A job on an engine: ``run(engine, *flags, files=…, out=…)``; of mrjob inline three tasks."""
    configuration = tmp_path_factory.mktemp("mrjob") / "mrjob.conf"  # not that of whoever runs this
    configuration.write_text("runners: {}\n")
    monkeypatch.setenv("MRJOB_CONF", str(configuration))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(PYTHONPATH))  # workers find the models
    tasks = launching._tasks
    monkeypatch.setattr(
        launching,
        "_tasks",
        lambda runner, chosen: 3 if runner == "inline" else tasks(runner, chosen),
    )

    def run_(engine: Engine, *flags: object, files: Path, out: Path) -> Ended:
        return in_this_process(engine.main, capsys)(*engine.words(*flags, files=files, out=out))

    return run_


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of several files, good and hostile, for each format."""
    folder = tmp_path_factory.mktemp("data")
    for format_name in DATA_FORMATS:
        write_hostile_data(folder / format_name, format_name)
    return folder

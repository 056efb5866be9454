"""What all jobs share is tried with the job on Beam; where engines may differ, on both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from job_runs import Ended, Score, in_this_process
from several import Engine

from beam_jobs.score import main
from mapreduce_jobs import launching


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process."""
    return in_this_process(main, capsys)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Ended]:
    """A job on an engine: ``run(engine, *flags, files=…, out=…)``."""
    configuration = tmp_path_factory.mktemp("mrjob") / "mrjob.conf"  # not that of whoever runs this
    configuration.write_text("runners: {}\n")
    monkeypatch.setenv("MRJOB_CONF", str(configuration))
    tasks = launching._tasks
    monkeypatch.setattr(
        launching,
        "_tasks",
        lambda runner, chosen: 3 if runner == "inline" else tasks(runner, chosen),
    )

    def run_(engine: Engine, *flags: object, files: Path, out: Path) -> Ended:
        return in_this_process(engine.main, capsys)(*engine.words(*flags, files=files, out=out))

    return run_


@pytest.fixture(autouse=True)
def _workers_find_models(worker_path: None) -> None: ...

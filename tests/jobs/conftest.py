"""What all jobs share is tried with the job on Beam; tests_engines tries it on both."""

from __future__ import annotations

import pytest
from job_runs import Score, in_this_process

from beam_jobs.score import main


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process."""
    return in_this_process(main, capsys)


@pytest.fixture(autouse=True)
def _workers_find_models(worker_path: None) -> None: ...

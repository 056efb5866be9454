"""Runs of the job: in this process, where nothing asks for another one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from job_runs import Score, in_this_process

sys.path.append(str(Path(__file__).parent))  # tables that several tests here read

from beam_jobs.score import main


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process."""
    return in_this_process(main, capsys)


@pytest.fixture(autouse=True)
def _workers_find_models(worker_path: None) -> None: ...

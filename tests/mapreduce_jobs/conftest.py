"""Runs of the job: in this process, where nothing asks for another one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from job_runs import Score, in_this_process

sys.path.append(str(Path(__file__).parent))  # jobs of one's own, which stand beside the tests

from mapreduce_jobs import launching
from mapreduce_jobs.score import main


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process."""
    return in_this_process(main, capsys)


@pytest.fixture
def three_tasks(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Words with which the inline runner runs three tasks, one after the other."""
    monkeypatch.setattr(launching, "_tasks", lambda *_: 3)
    return ("--num-cores", "3")


@pytest.fixture(autouse=True)
def _workers_find_models(worker_path: None) -> None: ...


@pytest.fixture(autouse=True)
def _no_ones_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Not that of whoever runs the tests."""
    file = tmp_path_factory.getbasetemp() / "mrjob.conf"
    file.write_text("runners: {}\n")
    monkeypatch.setenv("MRJOB_CONF", str(file))

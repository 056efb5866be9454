"""Runs of the job: in this process, where nothing asks for another one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS, ROOT = HERE.parent, HERE.parent.parent
# The checkout before tests/, in which a folder is named beam_jobs as well.
PYTHONPATH = [str(ROOT), str(TESTS), str(HERE)]
sys.path[:0] = PYTHONPATH

from job_runs import DATA_FORMATS, Ended, Score, write_hostile_data  # noqa: E402  # found by the path

from beam_jobs.score import main  # noqa: E402  # as above


@pytest.fixture(scope="session", autouse=True)
def worker_path() -> Iterator[None]:
    """Worker processes find the models of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(PYTHONPATH))
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of several files, good and hostile, for each format."""
    folder = tmp_path_factory.mktemp("data")
    for format_name in DATA_FORMATS:
        write_hostile_data(folder / format_name, format_name)
    return folder


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        return Ended(exit_code, *capsys.readouterr())

    return run

"""What tests of all engines share.

Puts ``tests/`` on the path, so that a model there has the same class path in every process; and the
checkout before it, in which folders are named as packages are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PYTHONPATH = [str(TESTS.parent), str(TESTS)]
sys.path[:0] = PYTHONPATH

from job_runs import DATA_FORMATS, write_hostile_data  # noqa: E402  # found by the path


@pytest.fixture
def worker_path(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Worker processes find the models of the tests, and what is beside the test itself."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*PYTHONPATH, str(request.path.parent)]))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of several files, good and hostile, for each format."""
    folder = tmp_path_factory.mktemp("data")
    for format_name in DATA_FORMATS:
        write_hostile_data(folder / format_name, format_name)
    return folder

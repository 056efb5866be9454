"""The fixture ``check_model``, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_sound(check_model):
    assert len(list(check_model("broken_models:GoodModel", [{"weight": 1.0, "name": "x"}]))) > 10

def test_broken(check_model):
    check_model("broken_models:TwoPartVersionModel")
"""


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_models.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_a_model_s_tests_have_the_fixture(folder: Path) -> None:
    # By name, as the tests may run where an older release is installed.
    done = run("-m", "pytest", "-p", "pytest_model_dofns", "-p", "no:xdist", folder=folder)
    assert "1 failed, 1 passed" in done.stdout
    assert "failed: version" in done.stdout
    assert "write MAJOR.MINOR.PATCH" in done.stdout


def test_a_start_of_pytest_imports_nothing_of_the_library(folder: Path) -> None:
    script = (
        "import sys, pytest, pytest_model_dofns;"
        "print({'model_dofns', 'pyarrow', 'pydantic', 'hypothesis'} & set(sys.modules))"
    )
    assert run("-c", script, folder=folder).stdout == "set()\n"


def test_the_entry_point_names_it() -> None:
    setup = (Path(__file__).parent.parent / "setup.py").read_text(encoding="utf-8")
    assert 'entry_points={"pytest11": ["pytest_model_dofns = pytest_model_dofns"]}' in setup
    assert 'py_modules=["pytest_model_dofns"]' in setup

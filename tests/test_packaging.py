"""The wheel alone, in a clean environment: the core works, and no engine comes along."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = """
import importlib.util
from pydantic import BaseModel
from model_dofns import MLModel, ModelSpec, Scorer
from model_dofns.formats.base import Block

class In(BaseModel):
    x: float

class Out(BaseModel):
    y: float

class Twice(MLModel):
    display_name, qualified_name, description, version = "Twice", "twice", "Twice x.", "1.0.0"
    input_schema, output_schema = In, Out
    def __init__(self): ...
    def predict(self, record): return Out(y=2 * record.x)

scored = Scorer(ModelSpec("__main__:Twice")).score(Block("jsonl", "f", b'{"x":1.5}', 0))
print(bytes(scored.predictions).decode().strip())
print([name for name in ("apache_beam", "mrjob", "sklearn") if importlib.util.find_spec(name)])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), "."]
    subprocess.run([*command, "--no-build-isolation"], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_packages_and_their_type_markers(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    packages = {"model_dofns", "beam_jobs", "mapreduce_jobs"}
    assert tops == packages | {"pytest_model_dofns.py"}
    assert {f"{top}/py.typed" for top in packages} <= set(names)


def test_the_base_install_scores_without_an_engine(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    done = subprocess.run(
        [python, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ['{"x":1.5,"prediction":{"y":3.0}}', "[]"]

"""The other Pythons of this machine, with all that is locked installed in an environment each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


def interpreter(version: str) -> str | None:
    """The path of a Python of that version, on the PATH or among pyenv's; else None."""
    found = _path_of(f"python{version}")
    if found is None and shutil.which("pyenv"):
        for name in _said(["pyenv", "versions", "--bare"]).split():
            if name.startswith(f"{version}."):
                found = _path_of(f"python{version}", PYENV_VERSION=name)
    return found


def environment(python: str, folder: Path) -> str:
    """Make a virtual environment with what requirements.lock says, and return its Python."""
    inside = str(folder / "bin" / "python")
    uv = [str(Path(sys.executable).parent / "uv")]
    install = [*uv, "pip", "install", "--quiet", "--python", inside]
    packages = ["-e", str(ROOT), "-e", str(ROOT / "examples" / "iris_model")]
    for command in (
        [*uv, "venv", "--quiet", "--python", python, str(folder)],
        [*install, "-r", str(ROOT / "requirements.lock")],
        [*install, "--no-build-isolation", "--no-deps", *packages],
    ):
        subprocess.run(command, check=True)
    return inside


def _path_of(name: str, **variables: str) -> str | None:
    command = [name, "-c", "import sys; print(sys.executable)"]
    try:
        return _said(command, **variables).strip()
    except (OSError, subprocess.CalledProcessError):  # none, or one of pyenv's that is not chosen
        return None


def _said(command: Sequence[str], **variables: str) -> str:
    environment = {**os.environ, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout

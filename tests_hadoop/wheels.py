"""Wheels of what is installed here, so that an environment can be made without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def make_wheels(sources: Sequence[Path], names: Sequence[str], folder: Path) -> None:
    """Make wheels of packages, and of all that they need as it is installed here.

    Args:
        sources: the folders of packages, which are built.
        names: of the same, with their extras.
        folder: where the wheels go.
    """
    for source in sources:
        with tempfile.TemporaryDirectory() as copy:  # as a build leaves files where it runs
            ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "tests*")
            shutil.copytree(source, f"{copy}/source", ignore=ignored)
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
                    *("--no-build-isolation", "--wheel-dir", str(folder), f"{copy}/source"),
                ],
                check=True,
            )
    built = {wheel.name.partition("-")[0] for wheel in folder.iterdir()}
    for found in _needed(names):
        if _file_name(found) not in built:
            _pack(found, folder)


def _file_name(found: Distribution) -> str:
    return re.sub(r"[-_.]+", "_", found.name).lower()


def _pack(found: Distribution, folder: Path) -> None:
    """Put an installed package into a wheel again, without its programs."""
    (*_, tag) = re.findall("^Tag: (.+)$", found.read_text("WHEEL") or "", re.MULTILINE)
    name = f"{_file_name(found)}-{found.version}-{tag}.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for file in found.files or ():
            if file.parts[0] != ".." and file.suffix != ".pyc":
                wheel.write(file.locate(), str(file))


def _needed(names: Sequence[str]) -> Iterator[Distribution]:
    """The distributions, and those that they need here, each once."""
    seen: set[str] = set()
    left = list(map(Requirement, names))
    while left:
        wanted = left.pop()
        found = distribution(wanted.name)
        if _file_name(found) not in seen:
            yield found
        elif not wanted.extras:
            continue
        seen.add(_file_name(found))
        for requirement in map(Requirement, found.requires or ()):
            marker, extras = requirement.marker, wanted.extras or {""}
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                left.append(requirement)

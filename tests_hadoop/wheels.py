"""Wheels of what is installed here, so that an environment can be made without a network."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def build(sources: list[Path], folder: Path) -> None:
    """Build the wheels of packages from their sources.

    Args:
        sources: their folders.
        folder: where the wheels go.
    """
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    for source in sources:
        subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True)


def gather(names: list[str], built: set[str], folder: Path) -> None:
    """Put what is installed into wheels again, with all that it needs.

    Args:
        names: of distributions, with their extras.
        built: those among them, and among what they need, that have wheels already.
        folder: where the wheels go.
    """
    for found in _needed(names):
        name, version = re.sub(r"\W", "_", found.name), found.version
        if found.name not in built:
            (tag,) = re.findall("^Tag: (.+)$", found.read_text("WHEEL") or "", re.MULTILINE)[:1]
            with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
                for file in found.files or ():
                    if not file.parts[0] == ".." and file.suffix != ".pyc":
                        wheel.write(file.locate(), str(file))


def _needed(names: list[str]) -> Iterator[Distribution]:
    """The distributions, and those that they need here, each once."""
    seen = set()
    left = [Requirement(name) for name in names]
    while left:
        wanted = left.pop()
        key = (wanted.name.lower(), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        found = distribution(wanted.name)
        if (wanted.name.lower(), None) not in seen:
            seen.add((wanted.name.lower(), None))
            yield found
        for text in found.requires or ():
            requirement = Requirement(text)
            extras = wanted.extras or {""}
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras
            ):
                left.append(requirement)

"""What it was measured on: without names or paths of this machine."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psutil

PACKAGES = ("pyarrow", "apache-beam", "mrjob", "scikit-learn", "numpy", "pydantic")


PEERS = {"pyspark": "spark.txt", "ray": "ray_data.txt"}


def machine(*, peers: bool) -> Mapping[str, str]:
    """Processor, memory, system, Python and the versions of what takes part."""
    described = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
    }
    described |= {name: metadata.version(name) for name in PACKAGES}
    if peers:
        described |= {name: _pinned(name, file) for name, file in PEERS.items()}
    return described


def load() -> str:
    """How many processes were at work in the last minute, on average."""
    return f"{os.getloadavg()[0]:.1f}"


def commit() -> str:
    """Which state of this repository was measured; empty where that is not known."""
    root = Path(__file__).parent
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return told.stdout.strip()


def _pinned(name: str, file: str) -> str:
    """The version of a peer: that of its own environment, which the file has made."""
    lines = (Path(__file__).parent / "peers" / file).read_text().splitlines()
    (version,) = (line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))
    return version


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()

"""Hadoop's jars, by Maven, in a cache outside the tree; and what has to be installed for them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
STREAMING_JAR = "hadoop-streaming-"


class ClusterError(Exception):
    """The cluster cannot do what was asked; the text says what to do."""


class MissingProgramError(ClusterError):
    """Something that has to be installed is not."""


def default_cache() -> Path:
    """The folder of caches of this project, for this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "model-dofns"


def require_programs(*, download: bool) -> None:
    """Refuse at once where there is no Java, no `/proc`, or no Maven and jars to download."""
    if sys.platform != "linux":
        raise MissingProgramError(
            f"the Hadoop cluster runs on Linux only (it looks into /proc), this is {sys.platform!r}"
        )
    java_executable()
    if download and shutil.which("mvn") is None:
        raise MissingProgramError(
            f"mvn was not found on PATH, {os.environ.get('PATH')!r}; it downloads Hadoop's jars,"
            " once. Install Maven 3 (on Debian: apt install maven)"
        )


def java_executable() -> Path:
    """That of `JAVA_HOME`, as in Hadoop's own scripts, else that of `PATH`."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home, "bin", "java")
        if not os.access(java, os.X_OK):
            raise MissingProgramError(
                f"JAVA_HOME is {home!r}, but {java} is no program: correct it"
            )
        return java
    found = shutil.which("java")
    if found is None:
        raise MissingProgramError(
            f"java was not found on PATH, {os.environ.get('PATH')!r}, and JAVA_HOME is not set;"
            " install Java 11 or 17 (on Debian: apt install openjdk-17-jre-headless)"
        )
    return Path(found)


def jars_folder(cache: Path) -> Path:
    """Where the jars of this pom are, or will be."""
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return cache / f"hadoop-{digest}"


def provide_jars(cache: Path) -> Path:
    """Download the jars unless they are there, and return their folder.

    They appear whole or not at all, as they are moved there in one step: a download that was cut
    short leaves nothing that counts, and of two at once the second is thrown away.
    """
    folder = jars_folder(cache)
    if folder.is_dir():
        return folder
    require_programs(download=True)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as temporary:
        download = Path(temporary, "jars")
        _copy_dependencies(download)
        try:
            download.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another one was faster, with the same jars
                raise
    return folder


def streaming_jar(folder: Path) -> Path:
    """The jar of Hadoop Streaming."""
    found = sorted(folder.glob(f"{STREAMING_JAR}*.jar"))
    if len(found) != 1:
        raise ClusterError(
            f"{folder} has {len(found)} jars named {STREAMING_JAR}*, not 1; delete this folder"
            " to download it again"
        )
    return found[0]


def _copy_dependencies(folder: Path) -> None:
    print("Downloading Hadoop's jars, once: 93 MB", file=sys.stderr, flush=True)
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(POM)]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    ended = subprocess.run(
        [*command, f"-DoutputDirectory={folder}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise ClusterError(
            f"mvn could not download Hadoop's jars, exit code {ended.returncode}; is the network"
            f" there, and a mirror in ~/.m2/settings.xml if one is needed? It says:\n{ended.stdout}"
        )

"""What goes wrong before a cluster runs, and what must not be mistaken for one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import cluster as command
import jars
import pytest
from cluster import Cluster, free_base_port
from daemons import NAMENODE, Daemons
from jars import ClusterError, MissingProgramError
from processes import Process, container_processes, end


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that PATH has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def write_program(folder: Path, name: str, text: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")
    program.chmod(0o755)


# What mvn is asked for stands in its last word: -DoutputDirectory=FOLDER.
MVN = 'for word; do :; done\nfolder="${word#-DoutputDirectory=}"\nmkdir "$folder"\n'
WHOLE_MVN = MVN + 'touch "$folder/hadoop-streaming-1.jar" "$folder/another.jar"'


def test_without_java_start_ends_with_a_code_of_its_own(
    bin_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--state={tmp_path / 'state'}", f"--cache={tmp_path / 'cache'}"]
    assert command.main(["start", *flags]) == 4
    assert "java was not found" in capsys.readouterr().err
    write_program(bin_folder, "java", "exit 0")
    assert command.main(["start", *flags]) == 4
    assert "mvn was not found" in capsys.readouterr().err


def test_a_java_home_without_java_is_refused(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(bin_folder, "java", "exit 0")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(MissingProgramError, match=r"JAVA_HOME is .*correct it"):
        jars.java_executable()


def test_a_download_cut_short_leaves_nothing(bin_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write_program(bin_folder, "java", "exit 0")
    write_program(bin_folder, "mvn", MVN + 'touch "$folder/a.jar"\necho no route to host\nexit 1')
    with pytest.raises(ClusterError, match="no route to host"):
        jars.provide_jars(cache)
    assert list(cache.iterdir()) == []
    write_program(bin_folder, "mvn", WHOLE_MVN)
    folder = jars.provide_jars(cache)
    assert {file.name for file in folder.iterdir()} == {"hadoop-streaming-1.jar", "another.jar"}
    assert list(cache.iterdir()) == [folder]
    (bin_folder / "mvn").unlink()
    assert jars.provide_jars(cache) == folder  # without Maven, as nothing need be downloaded
    assert jars.streaming_jar(folder).name == "hadoop-streaming-1.jar"


def test_two_downloads_at_once_are_one_folder(bin_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write_program(bin_folder, "java", "exit 0")
    # Neither ends before the other has begun.
    write_program(
        bin_folder,
        "mvn",
        f'touch "{tmp_path}/began.$$"\n'
        f'while [ "$(ls "{tmp_path}" | grep -c began)" -lt 2 ]; do sleep 0.05; done\n{WHOLE_MVN}',
    )
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(jars.provide_jars(cache)), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert folders == [jars.jars_folder(cache)] * 2
    assert list(cache.iterdir()) == [folders[0]]
    assert len(list(folders[0].iterdir())) == 2


def test_a_pid_that_is_another_process_s_now_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        process = Process.of(stranger.pid)
        assert process is not None
        (tmp_path / "pids").mkdir()
        file = tmp_path / "pids" / NAMENODE.name
        file.write_text(f"{process.pid} {process.began - 1}")
        cluster = Cluster(tmp_path)
        assert cluster.status()[NAMENODE.name] is None
        assert cluster.stop() == []
        assert stranger.poll() is None
        file.write_text(f"{process.pid} {process.began}")  # that is how it would be ours
        assert cluster.status()[NAMENODE.name] == stranger.pid
        assert cluster.stop() == [NAMENODE.name]
    assert stranger.returncode == -15
    assert not process.alive


def test_a_process_is_of_a_container_by_its_environment(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CONTAINER_ID": "container_e05_1700000000000_0012_01_000003",
        "LOCAL_DIRS": f"/elsewhere,{tmp_path}/usercache/someone",
        "mapreduce_task_attempt_id": "attempt_1700000000000_0012_m_000001_0",
    }
    code = "print('here', flush=True); import time; time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
    ) as mapper:
        assert mapper.stdout is not None
        mapper.stdout.readline()
        (found,) = container_processes(tmp_path)
        assert (found.process.pid, found.kind) == (mapper.pid, "mapper")
        assert found.application == "application_1700000000000_0012"
        assert found.attempt == "attempt_1700000000000_0012_m_000001_0"
        assert found.command == (sys.executable, "-c", code)
        assert container_processes(tmp_path / "other") == []
        end([found.process])
    assert container_processes(tmp_path) == []


def test_ports_that_are_taken_are_named(hadoop: Cluster, tmp_path: Path) -> None:
    other = Cluster(tmp_path, hadoop.base_port - 1, hadoop.cache)
    taken = f"ports {hadoop.base_port}, .* are taken, .*--base-port"
    with pytest.raises(ClusterError, match=taken):
        other.start()
    assert not any(other.status().values())


def test_a_daemon_that_dies_ends_the_start_with_its_log(hadoop: Cluster, tmp_path: Path) -> None:
    (tmp_path / "hdfs" / "name" / "current").mkdir(parents=True)  # as if HDFS were formatted
    other = Cluster(tmp_path, free_base_port(), hadoop.cache)
    with pytest.raises(ClusterError, match=r"namenode died(.|\n)*not formatted(.|\n)*namenode.log"):
        other.start()
    assert not any(other.status().values())
    assert Daemons(tmp_path).log(NAMENODE).stat().st_size > 0

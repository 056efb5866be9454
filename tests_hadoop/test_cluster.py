from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cluster as command
import pytest
from cluster import Cluster
from configuration import SCORER, SUPERUSER
from processes import ContainerProcess

WORDS = Path(__file__).with_name("words.py")


def words_command(*arguments: str) -> list[str]:
    """Tasks run this interpreter, which has mrjob, so that nothing need be packed."""
    return [
        *(sys.executable, str(WORDS), "--runner=hadoop", f"--python-bin={sys.executable}"),
        *("--no-bootstrap-mrjob", f"--hadoop-tmp-dir=hdfs:///user/{SCORER}/tmp"),
        *("--no-cat-output", *arguments),
    ]


@pytest.fixture
def text(hadoop: Cluster, tmp_path: Path) -> str:
    """Its name has a space on HDFS only: `hadoop fs -put` does not find such a local file."""
    file = tmp_path / "words.txt"
    file.write_text("a b a\nb c\n")
    path = f"hdfs:///user/{SCORER}/two words.txt"
    put = hadoop.hadoop("fs", "-put", "-f", str(file), path)
    assert put.returncode == 0, put.stderr
    return path


def counts_in(hadoop: Cluster, folder: str) -> dict[str, int]:
    """What a job has written."""
    shown = hadoop.hadoop("fs", "-cat", f"{folder}/part-*")
    assert shown.returncode == 0, shown.stderr
    pairs = [line.split("\t") for line in shown.stdout.splitlines()]
    assert len(pairs) == len({word for word, _ in pairs})
    return {json.loads(word): int(count) for word, count in pairs}


def test_a_job_runs_as_a_user_who_is_not_the_superuser(
    hadoop: Cluster, hadoop_environment: dict[str, str], text: str
) -> None:
    output = f"hdfs:///user/{SCORER}/counted words"
    command = words_command(text, f"--output-dir={output}")
    ended = subprocess.run(
        command, env=hadoop_environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"words\n\s+lines=2\n", ended.stderr), ended.stderr
    assert counts_in(hadoop, output) == {"a": 2, "b": 2, "c": 1}
    owners = hadoop.hadoop("fs", "-stat", "%u", f"{output}/part-00000", output)
    assert owners.stdout.split() == [SCORER, SCORER]


def test_what_is_another_user_s_is_closed(hadoop: Cluster) -> None:
    made = hadoop.hadoop("fs", "-mkdir", f"/user/{SUPERUSER}/mine")
    assert made.returncode == 1
    assert f"Permission denied: user={SCORER}, access=WRITE" in made.stderr
    listed = hadoop.hadoop("fs", "-ls", f"/user/{SUPERUSER}")
    assert (listed.returncode, listed.stdout) == (0, "")


def test_every_user_may_write_to_tmp_and_only_the_owner_deletes(hadoop: Cluster) -> None:
    assert hadoop.hadoop("fs", "-mkdir", "/tmp/of_another", user="another").returncode == 0
    removed = hadoop.hadoop("fs", "-rm", "-r", "-skipTrash", "/tmp/of_another")
    assert removed.returncode == 1
    assert "Permission denied" in removed.stderr


def test_a_job_outlives_a_mapper_and_a_node_manager_that_are_killed(
    hadoop: Cluster, hadoop_environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "slow.txt"
    file.write_text("wait a\n")
    output = f"hdfs:///user/{SCORER}/slow_words"
    with (tmp_path / "stderr").open("w+") as stderr:
        job = subprocess.Popen(
            words_command(str(file), f"--output-dir={output}", "-Dmapreduce.job.maps=1"),
            env=hadoop_environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            mapper = _wait_for_mapper(hadoop, job)
            first = mapper.attempt
            assert mapper.application in {
                process.application for process in hadoop.processes("master")
            }
            assert any(WORDS.name in word for word in mapper.command)
            mapper.process.signal(signal.SIGKILL)
            second = _wait_for_mapper(hadoop, job, not_of=first)
            assert second.application == mapper.application
            hadoop.restart_node_manager()
            assert job.wait(240) == 0, Path(stderr.name).read_text()
        finally:
            job.kill()
            job.wait()
    assert counts_in(hadoop, output) == {"wait": 1, "a": 1}


def _wait_for_mapper(
    hadoop: Cluster, job: subprocess.Popen[bytes], not_of: str = ""
) -> ContainerProcess:
    end = time.monotonic() + 120
    while time.monotonic() < end and job.poll() is None:
        for found in hadoop.processes("mapper"):
            if found.attempt != not_of:
                return found
        time.sleep(0.2)
    raise AssertionError(f"no mapper was seen; the job's exit code is {job.poll()}")


def test_starting_what_runs_says_so(hadoop: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    before = hadoop.status()
    flags = [f"--state={hadoop.state}", f"--cache={hadoop.cache}"]
    port = f"--base-port={hadoop.base_port}"
    assert command.main(["start", *flags, port]) == 0
    assert capsys.readouterr().out.startswith(f"# Hadoop runs already: {hadoop.uri}")
    assert hadoop.status() == before
    assert command.main(["start", *flags, f"--base-port={hadoop.base_port + 1000}"]) == 1
    assert f"runs with base port {hadoop.base_port}, not" in capsys.readouterr().err
    assert command.main(["status", *flags]) == 0


def test_what_start_prints_is_for_a_shell(
    hadoop: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main(
        [
            *("start", f"--state={hadoop.state}", f"--cache={hadoop.cache}"),
            f"--base-port={hadoop.base_port}",
        ]
    )
    printed = capsys.readouterr().out
    script = f"{printed}\nhadoop fs -touchz /tmp/by_shell && hadoop fs -stat %u /tmp/by_shell"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert ended.stdout == f"{SCORER}\n", ended.stderr


def test_stopping_what_does_not_run_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--state={tmp_path / 'none'}", f"--cache={tmp_path}"]
    for _ in range(2):
        assert command.main(["stop", *flags]) == 0
        assert capsys.readouterr().out == "nothing to stop\n"
    assert command.main(["status", *flags]) == 1
    assert not (tmp_path / "none").exists()

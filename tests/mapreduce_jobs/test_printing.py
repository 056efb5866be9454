"""What a model prints is no data, and nothing that the launcher says."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import count_colours
import pytest
from count_colours import CountColours
from job_runs import (
    PLAIN,
    assert_whole,
    read_result,
    records,
    scored_directly,
    start_apart,
    wait_for,
    write_lines,
)

from mapreduce_jobs.launching import orders_of, prepare_tasks
from mapreduce_jobs.receipts import ORDERS
from mapreduce_jobs.tasks import TaskPlan

LOUD = "worker_models:LoudModel"
SCORE = ("-m", "mapreduce_jobs.score")
COUNT = (str(Path(count_colours.__file__)),)
WAYS = [f'"red"\t{number}' for number in (1000, 1001, 1002, 1003)]
RUNNERS = {"inline": ("-r", "inline"), "local": ("-r", "local", "--num-cores", "1")}


@pytest.fixture
def given(tmp_path: Path) -> Path:
    write_lines(tmp_path / "in" / "a.jsonl", records(9))
    return tmp_path / "in"


@pytest.fixture(autouse=True)
def _buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed and not flushed may come out much later."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
def test_a_model_that_prints_spoils_neither_pairs_nor_predictions(
    runner: tuple[str, ...], given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = (
        *runner,
        "--model",
        LOUD,
        "--output-dir",
        out,
        "--keep-predictions",
        "--at-least",
        "1",
        given,
    )
    ended = wait_for(start_apart(*words, program=COUNT))  # its stdout is a pipe
    assert ended.exit_code == 0, ended.err
    first_words = [line.split()[0] for line in ended.out.splitlines()]
    assert first_words == ["records", "scored", "time", "predictions", "rejects"]
    for way in WAYS:  # the launcher has loaded the model as well
        assert way in ended.err
    lines = [line for path in out.glob("part-*") for line in path.read_text().splitlines()]
    assert sorted(lines) == ['"blue"\t3', '"green"\t3', '"pairs"\t8', '"red"\t2', '"tasks"\t1']
    expected = scored_directly(given, "jsonl", PLAIN)
    assert read_result(out / "_predictions").predictions == expected.predictions


def test_a_model_that_prints_spoils_no_stdout_of_a_task(given: Path, tmp_path: Path) -> None:
    """As Hadoop starts one: its stdout is a pipe, from the first import to Python's end."""
    script = tmp_path / "script.py"
    first = "from __future__ import annotations\n"
    source = Path(count_colours.__file__).read_text()
    script.write_text(source.replace(first, f"{first}print('hello')\nimport worker_models\n"))
    job = CountColours.of(["--model", LOUD, "--output-dir", str(tmp_path / "out"), str(given)])
    planned = job._planned()
    planned.folder.prepare(overwrite=False)
    plan = TaskPlan(planned, keeps_records=False, gives_pairs=True)
    plan_path = prepare_tasks(plan, orders_of(planned, 1), str(tmp_path))
    with (tmp_path / ORDERS).open("rb") as orders:
        ended = subprocess.run(
            [sys.executable, script, "--step-num", "0", "--mapper", "--task", plan_path],
            stdin=orders,
            capture_output=True,
            text=True,
        )
    assert ended.returncode == 0, ended.stderr
    pairs = [f'"{colour}"\t1' for colour in ("blue", "green", "red")] * 3
    assert sorted(ended.stdout.splitlines()) == sorted([*pairs, '"pairs"\t9', '"tasks"\t1'])
    assert "hello" in ended.stderr
    for way in WAYS:  # loading, predicting, ending
        assert ended.stderr.count(way) == 3
    assert "reporter:counter:model_dofns,records_scored,9" in ended.stderr


def test_a_plan_shows_nothing_that_a_model_prints(given: Path, tmp_path: Path) -> None:
    words = ("--model", LOUD, "--plan", "--output-dir", tmp_path / "out", given)
    ended = wait_for(start_apart(*words, program=SCORE))
    assert ended.exit_code == 0, ended.err
    assert '"red"' not in ended.out
    assert all(way in ended.err for way in WAYS)
    assert "1 file" in ended.out


@pytest.mark.parametrize("stream", [">/dev/full", "| head -c 0", "2>&-", ">&- 2>&- <&-"])
def test_a_job_that_cannot_say_so_is_done_all_the_same(
    stream: str, given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = shlex.join([sys.executable, *SCORE, "--model", LOUD, "--output-dir", str(out)])
    script = f"{command} {shlex.quote(str(given))} {stream}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    assert_whole(out)
    assert read_result(out) == scored_directly(given, "jsonl", PLAIN)


def test_the_streams_of_the_launcher_are_given_back(
    given: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    streams = sys.stdout, sys.stderr
    words = ["--model", LOUD, "--output-dir", str(tmp_path / "out"), str(given)]
    assert CountColours.main(words) == 0
    assert (sys.stdout, sys.stderr) == streams
    capfd.readouterr()
    subprocess.run(["echo", "heard"], check=True)
    assert capfd.readouterr().out == "heard\n"
    assert json.loads((tmp_path / "out" / "_manifest.json").read_text())["status"] == "done"

"""Several worker processes of one machine share its cores; one alone has all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_jobs.runner import cores_shared, empty_pipeline
from beam_jobs.score import parse_args
from mapreduce_jobs.local import LocalRunner
from model_dofns.jobs.threads import VARIABLE, environment_of_each

WORDS = ("--model", "x:Y", "--input", "in", "--output", "out")


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)  # of which this process may use
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(("workers", "threads"), [(2, "4"), (3, "2"), (8, "1"), (20, "1")])
def test_cores_are_shared(workers: int, threads: str) -> None:
    assert environment_of_each(workers) == {VARIABLE: threads}


def test_one_alone_has_all_and_what_the_user_says_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_of_each(1) == {}
    monkeypatch.setenv(VARIABLE, "3")
    assert environment_of_each(2) == {}


@pytest.mark.parametrize(
    ("flags", "threads"),
    [
        (("--direct_num_workers", "4", "--direct_running_mode", "multi_processing"), "2"),
        (("--direct_num_workers", "0", "--direct_running_mode", "multi_processing"), "1"),
        (("--direct_num_workers", "4", "--direct_running_mode", "multi_threading"), None),
        ((), None),
    ],
)
def test_beam_starts_its_workers_with_it(flags: tuple[str, ...], threads: str | None) -> None:
    with cores_shared(empty_pipeline(parse_args([*WORDS, *flags]))):
        assert os.environ.get(VARIABLE) == threads
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(("tasks", "threads"), [(1, "none"), (2, "4")])
def test_tasks_of_mrjob_are_started_with_it(tasks: int, threads: str, tmp_path: Path) -> None:
    runner = LocalRunner(conf_paths=[])
    words = ["sh", "-c", f"echo ${{{VARIABLE}-none}}"]

    def task(number: int) -> None:
        with (tmp_path / str(number)).open("wb") as out, open(os.devnull, "rb") as nothing:
            runner._run_apart(words, 0, nothing, out, out, str(tmp_path), dict(os.environ))

    runner._run_multiple([lambda n=n: task(n) for n in range(tasks)], 2)
    said = [(tmp_path / str(number)).read_text().strip() for number in range(tasks)]
    assert said == [threads] * tasks

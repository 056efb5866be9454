"""``--log_level``: of ours, of Beam's and of models, here and in worker processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions
from job_runs import EVERY_STAGE, record, records, start_apart, wait_for, write_lines

from beam_jobs.logs import set_levels_of_workers
from model_dofns.jobs.options import LOG_LEVELS as LEVELS

TWO_PROCESSES = ("--direct_num_workers", "2", "--direct_running_mode", "multi_processing")
TALKING = "worker_models:TalkingModel"


@pytest.mark.parametrize(
    ("level", "ours", "models"),
    [
        ("debug", True, True),
        ("info", True, True),
        ("warning", False, True),
        ("error", False, False),
    ],
)
def test_the_level_is_that_of_what_is_said(
    level: str, ours: bool, models: bool, tmp_path: Path
) -> None:
    given = write_lines(tmp_path / "a.jsonl", records(3))
    ended = wait_for(
        start_apart(
            *("--model", TALKING, "--input", given, "--output", tmp_path / "out"),
            *("--log_level", level),
        )
    )
    assert ended.exit_code == 0
    assert ("INFO model_dofns: Scoring 1 file" in ended.err) == ours
    assert ("WARNING talking: a batch of 3" in ended.err) == models
    assert ("INFO apache_beam" in ended.err) == (level == "debug")
    if level == "error":
        assert ended.err == ""


def test_an_error_is_told_at_every_level(tmp_path: Path) -> None:
    ended = wait_for(
        start_apart(
            *("--model", EVERY_STAGE, "--input", tmp_path / "none.jsonl", "--output", tmp_path),
            *("--log_level", "error"),
        )
    )
    assert ended.exit_code == 4
    assert ended.err.startswith("error: ")


def test_worker_processes_keep_quiet(tmp_path: Path) -> None:
    given = write_lines(tmp_path / "in" / "a.jsonl", [*records(3), record(3)])
    write_lines(tmp_path / "in" / "b.jsonl", records(3))
    ended = wait_for(
        start_apart(
            *("--model", EVERY_STAGE, "--input", given.parent, "--output", tmp_path / "out"),
            *TWO_PROCESSES,
        )
    )
    assert ended.exit_code == 0, ended.err
    lines = ended.err.splitlines()
    # What Beam says before it knows its flags.
    first_words = ("WARNING:root:apitools not found", "INFO:__main__:Logging handler created.")
    assert [line for line in lines if not line.startswith(first_words)] == [
        line for line in lines if line.startswith("INFO model_dofns: Scoring 2 files")
    ]


def levels(*words: str, log_level: str = "info") -> tuple[str, dict[str, str]]:
    options = PipelineOptions(list(words))
    set_levels_of_workers(options, log_level)
    workers = options.view_as(WorkerOptions)
    return workers.default_sdk_harness_log_level, workers.sdk_harness_log_level_overrides


@pytest.mark.parametrize("log_level", LEVELS)
def test_workers_elsewhere_are_told(log_level: str) -> None:
    default, overrides = levels(log_level=log_level)
    assert overrides["beam_jobs"] == overrides["model_dofns"] == log_level.upper()
    assert default == {"debug": "INFO", "error": "ERROR"}.get(log_level, "WARNING")


def test_flags_of_beam_go_before() -> None:
    given = {"beam_jobs": "ERROR", "sklearn": "DEBUG"}
    default, overrides = levels(
        "--default_sdk_harness_log_level=DEBUG",
        f"--sdk_harness_log_level_overrides={json.dumps(given)}",
    )
    assert default == "DEBUG"
    assert overrides.items() >= {**given, "model_dofns": "INFO"}.items()

"""What a job costs before its first task runs: each call of `hadoop` is a JVM."""

from __future__ import annotations

from pathlib import Path

from job_runs import records, write_lines
from scoring import Scoring


def test_a_job_calls_hadoop_five_times(scoring: Scoring, tmp_path: Path) -> None:
    write_lines(tmp_path / "data" / "a.jsonl", records(10))
    files = scoring.put(tmp_path / "data")
    flags = ("--model", "models:PlainModel", "--output-dir", scoring.new_folder(), files)
    ended = scoring.run(*flags, caller="start")
    assert ended.exit_code == 0, ended.err
    calls = scoring.calls("start")
    shown = [" ".join(words[: 2 if words[0] == "fs" else 1]) for words in calls]
    assert shown == ["version", "fs -mkdir", "fs -put", "fs -mkdir", "jar"]

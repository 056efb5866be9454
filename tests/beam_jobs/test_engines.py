"""The same job with one worker and with two, and the same results as without any.

Other runners, and all hostile cases, are for ``tests_engines``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    Score,
    assert_whole,
    read_result,
    scored_directly,
)

from beam_jobs.stores import BeamStore
from model_dofns.formats import FORMATS

TWO_WORKERS = ("--direct_num_workers", "2", "--direct_running_mode")

ENGINES = {
    "one process": (),
    "two threads": (*TWO_WORKERS, "multi_threading"),
    "two processes": (*TWO_WORKERS, "multi_processing"),
}


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_equals_direct_scoring(
    engine: str, format_name: str, data: Path, tmp_path: Path, score: Score
) -> None:
    pids, out = tmp_path / "pids", tmp_path / "out"
    pids.mkdir()
    models_file = tmp_path / "models.yaml"
    configuration = f"configuration: {{pids: {pids}}}"
    models_file.write_text(f"models: {{noted: {{class: {EVERY_STAGE!r}, {configuration}}}}}")

    arguments = (
        *("--models", models_file, "--model", "noted", "--max_errors", "50%"),
        *("--input", data / format_name, "--output", out, *ENGINES[engine]),
    )

    ended = score(*arguments)

    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(out)
    assert len(manifest.inputs) == 4
    expected = scored_directly(data / format_name, format_name)
    assert {"predict", "output"} < manifest.records["rejected"].keys()
    assert read_result(out) == expected
    if engine in ("two threads", "two processes"):
        assert len(manifest.outputs) >= 2
    if engine == "two processes":
        assert len(list(pids.iterdir())) == 3  # the launcher, who tries the model, and two workers


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("range_bytes", [4, 400])
def test_cutting_files_into_ranges_changes_nothing(
    format_name: str,
    range_bytes: int,
    data: Path,
    tmp_path: Path,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranges = type(FORMATS[format_name]).ranges
    monkeypatch.setattr(ranges, "__defaults__", (range_bytes,))
    files = filter(Path.is_file, (data / format_name).glob("*"))
    largest = max(files, key=lambda path: path.stat().st_size)
    size = largest.stat().st_size
    assert len(FORMATS[format_name].ranges(str(largest), size, open_file=BeamStore().open)) > 1
    out = tmp_path / "out"

    ended = score(
        *("--model", EVERY_STAGE, "--input", data / format_name, "--output", out),
        *("--max_errors", "50%", *ENGINES["two threads"]),
    )

    assert ended.exit_code == 0
    assert len(assert_whole(out).outputs) >= 2
    assert read_result(out) == scored_directly(data / format_name, format_name)


def test_beams_flags_reach_worker_processes(
    data: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of themselves they would get none, and look for s3:// where it is not."""
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("PLUGIN_NOTES", str(tmp_path / "notes"))
    ended = score(
        *("--model", EVERY_STAGE, "--input", data / "jsonl", "--output", tmp_path / "out"),
        *("--max_errors", "50%", "--beam_plugins=plugin", *ENGINES["two processes"]),
    )
    assert ended.exit_code == 0, ended.err
    assert len(list((tmp_path / "notes").iterdir())) == 2

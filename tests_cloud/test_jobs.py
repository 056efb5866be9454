"""Jobs from store to store: the same as local ones."""

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
from results import in_words_of
from stores import Bucket

WORKERS = {
    "one process": (),
    "two threads": ("--direct_num_workers=2", "--direct_running_mode=multi_threading"),
    "two processes": ("--direct_num_workers=2", "--direct_running_mode=multi_processing"),
}


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("workers", WORKERS)
def test_a_job_equals_a_local_one(
    workers: str, format_name: str, bucket: Bucket, data: Path, tmp_path: Path, score: Score
) -> None:
    source = bucket.upload(data / format_name, "in")

    ended = score(
        *("--model", EVERY_STAGE, "--input", source, "--output", bucket.url("out")),
        *("--max_errors", "50%", *WORKERS[workers]),
    )

    assert ended.exit_code == 0, ended.err
    out = bucket.download("out", tmp_path / "out")
    manifest = assert_whole(out)
    assert {file.path for file in manifest.inputs} == {
        bucket.url(f"in/{name}") for name in bucket.names("in")
    }
    expected = scored_directly(data / format_name, format_name)
    assert read_result(out) == in_words_of(source, expected, data / format_name)

"""Jobs from store to store: the same as local ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    Result,
    Score,
    assert_whole,
    read_result,
    scored_directly,
)
from stores import Bucket

WORKERS = {
    "one process": (),
    "two threads": ("--direct_num_workers=2", "--direct_running_mode=multi_threading"),
    "two processes": ("--direct_num_workers=2", "--direct_running_mode=multi_processing"),
}


def in_words_of(bucket: Bucket, result: Result, folder: Path) -> Result:
    """A local result as if its input were in the bucket."""
    rejects = Counter[str]()
    for reject, count in result.rejects.items():
        rejects[reject.replace(f'"file": "{folder}', f'"file": "{bucket.url("in")}')] += count
    assert rejects != result.rejects
    return Result(result.predictions, rejects)


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
    assert read_result(out) == in_words_of(bucket, expected, data / format_name)

"""Input on a store: which objects are read, and those that cannot be."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import boto3.session
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from job_runs import PLAIN, Score, assert_whole, read_result, records
from stores import Bucket, free_port

from beam_jobs.score import main, parse_args, plan
from beam_jobs.stores import BeamStore
from mapreduce_jobs.stores import ClusterStore
from model_dofns.exceptions import InputError
from model_dofns.jobs.inputs import match_input
from model_dofns.jobs.store import Store

LINES = b"".join(json.dumps(row).encode() + b"\n" for row in records(2_000))
NAMES = (
    "in/a.jsonl",
    "in/b.jsonl",
    "in/c [1].jsonl",
    "in/[x]/j.jsonl",
    "in/é/d.jsonl",
    "in/é/deep/e.jsonl",
)
STORES = [("google", "beam"), ("amazon", "beam"), ("amazon", "mapreduce")]
HIDDEN = ("in/.f.jsonl", "in/_job.json", "in/_rejects/g.jsonl", "in/é/.h/i.jsonl")


@pytest.fixture
def store(engine: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The bucket, as a job of an engine sees it."""
    if engine == "beam":
        FileSystems.set_options(PipelineOptions(list(bucket.flags)))
        return BeamStore()
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.flags[0].partition("=")[2])
    return ClusterStore()


@pytest.mark.parametrize(("bucket", "engine"), STORES, indirect=["bucket"])
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("in", NAMES),
        ("in/", NAMES),
        ("i?", NAMES),
        ("in/**", NAMES),
        ("in/é", NAMES[4:]),
        ("in/a.jsonl", NAMES[:1]),
        ("in/c [1].jsonl", NAMES[2:3]),
        ("in/[ab].jsonl", NAMES[:2]),
        ("in/?.jsonl", NAMES[:2]),
        ("in/*.jsonl", NAMES[:3]),
        ("in/é/**.jsonl", NAMES[4:]),
        ("in/_rejects", ("in/_rejects/g.jsonl",)),
        ("in/.f.jsonl", ("in/.f.jsonl",)),
        ("*/a.jsonl", NAMES[:1]),
        ("in/[x]", ("in/[x]/j.jsonl",)),
    ],
)
def test_a_pattern_finds_what_it_finds_in_folders(
    pattern: str, found: tuple[str, ...], bucket: Bucket, store: Store
) -> None:
    for name in (*NAMES, *HIDDEN, "input/other.jsonl"):
        bucket.put(name, name.encode())
    files = match_input(store, [bucket.url(pattern)])
    assert [file.path for file in files] == sorted(map(bucket.url, found))
    assert [file.bytes for file in files] == [len(name.encode()) for name in sorted(found)]


@pytest.mark.parametrize(("bucket", "engine"), STORES, indirect=["bucket"])
@pytest.mark.parametrize("pattern", ["none", "none/*.jsonl", "in/none*"])
def test_a_pattern_without_files_is_an_error(pattern: str, bucket: Bucket, store: Store) -> None:
    bucket.put("in/a.jsonl", b"")
    with pytest.raises(InputError, match="names no file"):
        match_input(store, [bucket.url(pattern)])


def test_beams_flags_reach_its_file_systems_before_there_is_a_pipeline(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the README's example of a job in a pipeline of one's own."""
    monkeypatch.setattr(FileSystems, "_pipeline_options", None)
    bucket.put("a.jsonl", LINES)
    words = ["--model", PLAIN, "--input", bucket.url("a.jsonl"), "--output", bucket.url("out")]
    job = plan(parse_args([*words, *bucket.flags]))
    job.folder.prepare(overwrite=False)
    assert [file.bytes for file in job.files] == [len(LINES)]
    assert json.loads(bucket.get("out/_job.json"))["job"] == job.id


def test_packed_lines_come_in_and_go_out(bucket: Bucket, tmp_path: Path, score: Score) -> None:
    source = bucket.put("in/a.jsonl.gz", gzip.compress(LINES))
    ended = score(
        *("--model", PLAIN, "--input", source, "--output", bucket.url("out")),
        *("--compression", "gzip"),
    )
    assert ended.exit_code == 0, ended.err
    out = bucket.download("out", tmp_path / "out")
    assert assert_whole(out).records["scored"] == 2_000
    assert [path.name for path in out.glob("part-*")] == ["part-00000-of-00001.jsonl.gz"]
    assert read_result(out).predictions.total() == 2_000


def test_an_object_that_is_cut_short_fails_the_job_or_is_skipped(
    bucket: Bucket, tmp_path: Path, score: Score
) -> None:
    packed = gzip.compress(LINES)
    bucket.put("in/a.jsonl.gz", packed)
    bad = bucket.put("in/b.jsonl.gz", packed[: len(packed) // 2])
    words = ("--model", PLAIN, "--input", bucket.url("in"), "--output", bucket.url("out"))

    ended = score(*words)
    assert ended.exit_code == 1
    assert "--skip_bad_files" in ended.err
    assert "_manifest.json" not in bucket.names("out")
    # Into another folder: a writer that the failed job left open is closed when it is collected,
    # and only then its object appears, where the process does not end perhaps in the next job.
    words = (*words[:-1], bucket.url("more"))
    ended = score(*words, "--skip_bad_files")
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(bucket.download("more", tmp_path / "more"))
    assert [file.path for file in manifest.inputs if file.error] == [bad]
    assert manifest.records["scored"] >= 2_000


def test_an_object_that_vanishes_is_skipped_where_that_is_asked_for(
    bucket: Bucket, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("in/a.jsonl", LINES)
    gone = bucket.put("in/b.jsonl", LINES)
    rename = FileSystems.rename

    def late(sources: list[str], targets: list[str]) -> None:
        rename(sources, targets)
        if "in/b.jsonl" in bucket.names():  # when _job.json has been written
            bucket.delete("in/b.jsonl")

    monkeypatch.setattr(FileSystems, "rename", staticmethod(late))
    ended = score(
        *("--model", PLAIN, "--input", bucket.url("in"), "--output", bucket.url("out")),
        "--skip_bad_files",
    )
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(bucket.download("out", tmp_path / "out"))
    assert [file.path for file in manifest.inputs if file.error] == [gone]


# --- stores that do not let us in ---


@pytest.mark.parametrize("flag", ["--input", "--output"])
def test_a_bucket_that_is_not_there_is_found_at_launch(
    flag: str, bucket: Bucket, score: Score
) -> None:
    given = {"--input": bucket.put("a.jsonl", LINES), "--output": bucket.url("out")}
    given[flag] = f"{bucket.scheme}://no-such-bucket/a.jsonl"
    ended = score("--model", PLAIN, *(word for pair in given.items() for word in pair))
    assert ended.exit_code == 4, ended.err
    assert "no-such-bucket" in ended.err
    assert bucket.names() == {"a.jsonl"}


@pytest.mark.parametrize(
    ("flag", "message"), [("--input", "names no bucket"), ("--output", "names no folder")]
)
def test_a_url_without_a_bucket_is_refused(
    flag: str, message: str, bucket: Bucket, score: Score
) -> None:
    given = {"--input": bucket.put("a.jsonl", LINES), "--output": bucket.url("out")}
    given[flag] = f"{bucket.scheme}://"
    ended = score("--model", PLAIN, *(word for pair in given.items() for word in pair))
    assert (ended.exit_code, message in ended.err) == (4, True)


@pytest.mark.parametrize("bucket", ["amazon"], indirect=True)
@pytest.mark.parametrize("trouble", ["no account", "no server"])
def test_s3_without_an_account_or_a_server_is_no_long_wait(
    trouble: str,
    bucket: Bucket,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, flags = bucket.put("a.jsonl", LINES), bucket.flags
    if trouble == "no account":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setattr(boto3.session, "Session", type(boto3.session.Session()))  # a new one
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # nothing leads off this machine
    else:
        flags = (*flags, f"--s3_endpoint_url=http://127.0.0.1:{free_port()}")  # the last counts
    started = time.monotonic()
    exit_code = main(["--model", PLAIN, "--input", source, "--output", bucket.url("out"), *flags])
    assert time.monotonic() - started < 30
    assert exit_code == 4
    assert "cannot be looked up" in capsys.readouterr().err

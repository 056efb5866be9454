"""The job of MapReduce on S3, on this machine: what it reads there and writes, and what it says."""

from __future__ import annotations

import gc
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    PLAIN,
    Ended,
    Score,
    assert_whole,
    read_result,
    record,
    records,
    scored_directly,
)
from results import in_words_of
from stores import AmazonClient, Bucket, free_port

from mapreduce_jobs import s3 as s3_system
from mapreduce_jobs.score import main
from mapreduce_jobs.stores import ClusterStore
from model_dofns.exceptions import UnreadableFileError

pytestmark = pytest.mark.parametrize("bucket", ["amazon"], indirect=True)

LINES = b"".join(json.dumps(row).encode() + b"\n" for row in records(2_000))
FEW_LINES = b"".join(LINES.splitlines(keepends=True)[:5])
COUNT_COLOURS = Path(__file__).parent / "count_colours.py"


@pytest.fixture
def s3(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, where this process and those it starts look for S3."""
    (flag,) = bucket.flags
    monkeypatch.setenv("AWS_ENDPOINT_URL", flag.partition("=")[2])
    return bucket


@pytest.fixture
def score(s3: Bucket, capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        return Ended(exit_code, *capsys.readouterr())

    return run


def assert_failed(s3: Bucket, folder: str = "out") -> None:
    """Nothing looks whole, or is there in passing; "" is an object of Arrow's."""
    assert s3.names(folder) - {""} == {"_job.json"}
    assert json.loads(s3.get(f"{folder}/_job.json"))["status"] == "failed"


# --- jobs ---


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_job_equals_a_local_one(
    runner: str, format_name: str, s3: Bucket, data: Path, tmp_path: Path, score: Score
) -> None:
    source, out = s3.upload(data / format_name, "50% #é [1]"), "out é #1 %41"

    ended = score(
        *("-r", runner, "--model", EVERY_STAGE, "--max-errors", "50%"),
        *("--output-dir", s3.url(out), source),
    )

    assert ended.exit_code == 0, ended.err
    result = s3.download(out, tmp_path / "out")
    manifest = assert_whole(result)
    assert {file.path for file in manifest.inputs} == {
        f"{source}/{name}" for name in s3.names("50% #é [1]")
    }
    expected = scored_directly(data / format_name, format_name)
    assert read_result(result) == in_words_of(source, expected, data / format_name)


def test_reducers_write_to_the_store(s3: Bucket) -> None:
    source = s3.put("in/a.jsonl", LINES)
    words = ["-r", "local", "--model", PLAIN, "--keep-predictions", "--output-dir", s3.url("out")]

    ended = subprocess.run(
        [sys.executable, COUNT_COLOURS, *words, source],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    out = s3.snapshot("out")
    printed = b"".join(out[name] for name in sorted(out) if name.startswith("part-"))
    assert dict(map(str.split, printed.decode().splitlines())) == {
        '"red"': "667", '"green"': "667", '"blue"': "666",
    }  # fmt: skip
    kept = [data for name, data in out.items() if name.startswith("_predictions/part-")]
    assert sum(data.count(b"\n") for data in kept) == 2_000


def test_a_whole_bucket_is_a_folder(s3: Bucket, score: Score, tmp_path: Path) -> None:
    s3.put("a.jsonl", LINES)
    s3.put("deeper/b.jsonl", LINES)
    s3.put("deeper/none/", b"")  # as a console makes a folder
    ended = score("--model", PLAIN, "--output-dir", tmp_path / "out", s3.url().rstrip("/"))
    assert ended.exit_code == 0, ended.err
    assert assert_whole(tmp_path / "out").records["scored"] == 4_000

    for name in s3.names():
        s3.delete(name)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(LINES)
    ended = score("--model", PLAIN, "--output-dir", s3.url(), tmp_path / "in")
    assert ended.exit_code == 0, ended.err
    assert s3.names() == {"_job.json", "_manifest.json", "part-00000-of-00001.jsonl"}


# --- folders that are there ---


def test_overwrite_removes_what_a_job_wrote_and_only_that(s3: Bucket, score: Score) -> None:
    s3.put("in/a.jsonl", FEW_LINES)
    last = s3.put("in/b.jsonl", json.dumps(record(1, x=13.0)).encode() + b"\n")
    for name in ("in/", "in/none/", "out/"):  # folders, as consoles make them: empty
        s3.put(name, b"")
    words = ("--model", EVERY_STAGE, "--max-errors", "1", "--output-dir", s3.url("out"))
    job = {"_job.json", "_manifest.json", "part-00000-of-00001.jsonl"}
    ended = score(*words, s3.url("in"))
    assert ended.exit_code == 0, ended.err
    assert s3.names("out") == {"", *job, "_rejects/part-00000-of-00001.jsonl"}
    before = s3.snapshot()
    ended = score(*words, s3.url("in"))
    assert (ended.exit_code, "--overwrite" in ended.err) == (4, True)
    assert s3.snapshot() == before

    others = {"notes.txt", "more/part-00000-of-00001.jsonl", "part-00000-of-00001.jsonl.d/x"}
    for name in others:
        s3.put(f"out/{name}", b"a person's")
    s3.put("out/_temporary/lost/predictions/x.jsonl", b"of a job that was killed")
    s3.put("out/part-00001-of-00002.jsonl", b"of a job that was killed")
    s3.put("output/part-00000-of-00001.jsonl", b"another folder's")
    s3.delete(last.removeprefix(s3.url()))
    ended = score(*words, "--overwrite", s3.url("in"))

    assert ended.exit_code == 0, ended.err
    assert s3.names("out") == {"", *job, *others}
    assert s3.names("output") == {"part-00000-of-00001.jsonl"}
    assert s3.names("in") == {"", "a.jsonl", "none/"}


# --- what cannot be read, or written ---


@pytest.mark.parametrize("skips", [False, True])
def test_an_object_that_vanishes(
    skips: bool, s3: Bucket, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("in/a.jsonl", LINES)
    gone = s3.put("in/b.jsonl", LINES)
    rename = ClusterStore.rename

    def late(store: ClusterStore, sources: Sequence[str], targets: Sequence[str]) -> None:
        rename(store, sources, targets)
        if "in/b.jsonl" in s3.names():  # when _job.json has been written
            s3.delete("in/b.jsonl")

    monkeypatch.setattr(ClusterStore, "rename", late)
    flags = ("--skip-bad-files",) if skips else ()
    ended = score("--model", PLAIN, "--output-dir", s3.url("out"), *flags, s3.url("in"))

    assert ended.exit_code == (0 if skips else 1), ended.err
    if skips:
        manifest = json.loads(s3.get("out/_manifest.json"))
        assert [file["path"] for file in manifest["inputs"] if file["error"]] == [gone]
        assert manifest["records"]["scored"] == 2_000
    else:
        assert gone in ended.err
        assert_failed(s3)


@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_a_task_that_fails_leaves_nothing_open(format_name: str, s3: Bucket, score: Score) -> None:
    """Its predictions so far were in a stream, which is an object as soon as it is closed."""
    s3.put("in/a.jsonl", LINES)
    s3.put("in/b.jsonl.gz", gzip.compress(LINES)[:-100])
    words = ["--model", PLAIN, "--output-format", format_name, s3.url("in"), "--output-dir"]
    ended = score(*words, s3.url("out"))
    gc.collect()
    assert ended.exit_code == 1, ended.err
    assert "--skip_bad_files" in ended.err
    assert_failed(s3)

    command = [sys.executable, "-m", "mapreduce_jobs.score", *words, s3.url("apart")]
    apart = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert apart.returncode == 1, apart.stderr
    assert "destroying" not in apart.stderr  # Arrow's word for a stream that no one closed
    assert_failed(s3, "apart")


@pytest.mark.parametrize("flags", [(), ("--plan",)])
@pytest.mark.parametrize("missing", ["input", "output"])
def test_a_bucket_that_is_not_there_is_found_at_launch(
    missing: str, flags: tuple[str, ...], s3: Bucket, score: Score
) -> None:
    source, output = s3.put("a.jsonl", LINES), s3.url("out")
    if missing == "input":
        source = "s3://no-such-bucket/a.jsonl"
    else:
        output = "s3://no-such-bucket/out"
    ended = score("--model", PLAIN, "--output-dir", output, *flags, source)
    assert ended.exit_code == 4, ended.err
    assert "there is no bucket no-such-bucket" in ended.err
    assert s3.names() == {"a.jsonl"}


def test_a_url_without_a_bucket_is_refused(s3: Bucket, score: Score) -> None:
    source = s3.put("a.jsonl", LINES)
    for words, message in (
        ((s3.url("out"), "s3://"), "'s3://' names no bucket"),
        (("s3://", source), "the output s3:// names no folder"),
    ):
        ended = score("--model", PLAIN, "--output-dir", *words)
        assert (ended.exit_code, message in ended.err) == (4, True)


@pytest.mark.parametrize(
    ("prefix", "actions", "source", "exit_code"),
    [
        ("in/a", ("GetObject", "HeadObject"), "in/a.jsonl", 4),
        ("in/a", ("GetObject", "HeadObject"), "in", 1),  # it is in the list, and looks good
        ("out", ("PutObject", "PostObject"), "in", 4),
        ("out", ("GetObject", "HeadObject"), "in", 4),
        ("out", ("DeleteObject",), "in", 4),
    ],
)
def test_what_is_not_permitted_is_said_plainly(
    prefix: str, actions: Sequence[str], source: str, exit_code: int, s3: Bucket, score: Score
) -> None:
    s3.put("in/a.jsonl", LINES)
    assert isinstance(s3.client, AmazonClient)
    s3.client.forbid(s3.name, prefix, *actions)

    ended = score("--model", PLAIN, "--output-dir", s3.url("out"), s3.url(source))

    assert ended.exit_code == exit_code, ended.err
    assert "S3 does not permit" in ended.err
    assert s3.url(prefix) in ended.err
    assert "_manifest.json" not in s3.names("out")


def test_a_store_that_is_out_of_reach_says_nothing_of_a_file(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that --skip-bad-files does not pass over good files, and the task is tried again."""
    store = ClusterStore()
    with pytest.raises(UnreadableFileError):
        store.open(s3.url("none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(OSError, match="NETWORK_CONNECTION") as caught:
        store.open("s3://another-bucket/a.jsonl")
    assert not store.is_about_the_path(caught.value)


# --- the store itself ---


@pytest.mark.parametrize("most", [1 << 30, 1])
def test_a_rename_replaces(most: int, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a file that is larger than S3 copies at one request."""
    monkeypatch.setattr(s3_system, "_COPY_BYTES", most)
    names = [f"a é #{number}" for number in range(20)]
    for name in names:
        s3.put(f"from/{name}", name.encode())
        s3.put(f"to/{name}", b"old")
    ClusterStore().rename(
        [s3.url(f"from/{name}") for name in names], [s3.url(f"to/{name}") for name in names]
    )
    assert s3.snapshot("to") == {name: name.encode() for name in names}
    assert s3.names("from") - {""} == set()


def test_names_and_removal_know_objects_that_stand_for_folders(s3: Bucket) -> None:
    store = ClusterStore()
    for name in ("in/", "in/a", "in/none/", "in/more/b", "in.d/c"):
        s3.put(name, b"" if name.endswith("/") else b"x")
    assert store.names(s3.url("in")) == {"a", "none", "more"}
    assert store.names(s3.url("none")) == set()
    assert sorted(store.match(s3.url("in/**"))) == [(s3.url("in/a"), 1), (s3.url("in/more/b"), 1)]
    store.delete(s3.url("in/none"))
    store.delete(s3.url("in/more"))
    store.delete(s3.url("in/nothing"))
    assert s3.names() == {"in/", "in/a", "in.d/c"}
    store.delete(s3.url("in"))
    assert s3.names() == {"in.d/c"}

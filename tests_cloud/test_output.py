"""The output folder on a store: its marker last, nothing of others removed, steps tried again."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from job_runs import EVERY_STAGE, PLAIN, Score, assert_whole, record, records
from stores import Bucket

from beam_jobs.sink import PartFiles
from beam_jobs.stores import BeamStore
from model_dofns.dofns import ScoredRecords
from model_dofns.exceptions import ScoringError
from model_dofns.formats import FORMATS
from model_dofns.jobs.parts import PredictionsPart, commit_parts
from model_dofns.manifest import OutputFile

POISON = {"x": 13.0}


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def words(bucket: Bucket) -> tuple[str, ...]:
    """A job of two files that leaves predictions and rejects."""
    bucket.put("in/a.jsonl", lines(*records(5)))
    bucket.put("in/b.jsonl", lines(record(5, **POISON), *records(2, 6)))
    flags = ("--model", EVERY_STAGE, "--max_errors", "1")
    return (*flags, "--input", bucket.url("in"), "--output", bucket.url("out"))


WHOLE = {
    *("_job.json", "_manifest.json"),
    *("part-00000-of-00001.jsonl", "_rejects/part-00000-of-00001.jsonl"),
}


# --- a job ---


def test_the_manifest_is_written_last_and_nothing_else_is_left(
    bucket: Bucket, words: tuple[str, ...], score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, renamed = FileSystems.rename, list[str]()

    def noted(sources: list[str], targets: list[str]) -> None:
        assert "_manifest.json" not in bucket.names("out")
        rename(sources, targets)
        renamed.extend(target.removeprefix(bucket.url("out/")) for target in targets)

    monkeypatch.setattr(FileSystems, "rename", staticmethod(noted))
    assert score(*words).exit_code == 0
    assert (renamed[0], renamed[-1]) == ("_job.json", "_manifest.json")
    assert set(renamed) == WHOLE == bucket.names("out")


@pytest.mark.parametrize("cause", ["a file vanishes", "a commit fails"])
def test_a_job_that_fails_leaves_no_manifest_and_can_be_run_again(
    cause: str,
    bucket: Bucket,
    words: tuple[str, ...],
    score: Score,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rename = FileSystems.rename

    def spoilt(sources: list[str], targets: list[str]) -> None:
        if cause == "a commit fails" and "/part-" in targets[0]:
            raise OSError("the store is gone")
        rename(sources, targets)
        if cause == "a file vanishes":  # after launch, when nothing has been read
            bucket.delete("in/b.jsonl")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystems, "rename", staticmethod(spoilt))
        ended = score(*words)
    assert ended.exit_code == 1, ended.err
    assert "run the same command with --overwrite" in ended.err
    assert bucket.names("out") == {"_job.json"}
    assert json.loads(bucket.get("out/_job.json"))["status"] == "failed"

    bucket.put("in/b.jsonl", lines(record(5, **POISON), *records(2, 6)))
    assert score(*words, "--overwrite").exit_code == 0
    assert assert_whole(bucket.download("out", tmp_path / "out")).records["read"] == 8


# --- written again ---


def test_overwrite_removes_what_a_job_wrote_and_only_that(
    bucket: Bucket, words: tuple[str, ...], score: Score
) -> None:
    assert score(*words).exit_code == 0
    others = {
        *("notes.txt", "part-notes.md", "_rejects/notes.txt"),
        *("more/part-00000-of-00001.jsonl", "part-00000-of-00001.jsonl.d/x"),
    }
    for name in others:
        bucket.put(f"out/{name}", b"a person's")
    bucket.put("out/_temporary/lost/predictions/x.jsonl", b"of a job that was killed")
    bucket.put("out/part-00001-of-00002.jsonl", b"of a job that was killed")
    bucket.put("output/part-00000-of-00001.jsonl", b"another folder's")

    bucket.delete("in/b.jsonl")
    ended = score(*words, "--overwrite")

    assert ended.exit_code == 0, ended.err
    job = {"_job.json", "_manifest.json", "part-00000-of-00001.jsonl"}
    assert bucket.names("out") == job | others
    assert bucket.names("output") == {"part-00000-of-00001.jsonl"}
    part = bucket.get("out/part-00000-of-00001.jsonl").splitlines()
    assert [json.loads(line)["id"] for line in part] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_folder_that_is_not_ours_is_refused_and_left_untouched(
    overwrite: tuple[str, ...], bucket: Bucket, words: tuple[str, ...], score: Score
) -> None:
    bucket.put("out/part-00000-of-00001.jsonl", b"{}")
    bucket.put("out/_job.json", b'{"library": "another"}')
    before = bucket.snapshot()
    ended = score(*words, *overwrite)
    assert ended.exit_code == 4
    assert f"the output folder {bucket.url('out')} is not empty" in ended.err
    assert bucket.snapshot() == before


def test_our_own_folder_is_refused_without_overwrite(
    bucket: Bucket, words: tuple[str, ...], score: Score
) -> None:
    assert score(*words).exit_code == 0
    before = bucket.snapshot()
    ended = score(*words)
    assert (ended.exit_code, "--overwrite" in ended.err) == (4, True)
    assert bucket.snapshot() == before


def test_a_folder_that_only_a_tool_has_made_is_empty(
    bucket: Bucket, words: tuple[str, ...], score: Score
) -> None:
    """Consoles make a folder by an object with a / at the end of its name, and nothing in it."""
    for name in ("in/", "in/deeper/", "out/"):
        bucket.put(name, b"")
    ended = score(*words)
    assert ended.exit_code == 0, ended.err
    assert bucket.names("out") - {""} == WHOLE


def test_a_whole_bucket_is_a_folder(bucket: Bucket, score: Score, tmp_path: Path) -> None:
    bucket.put("a.jsonl", lines(*records(3)))
    bucket.put("deeper/b.jsonl", lines(*records(2, 3)))
    words = ("--model", PLAIN, "--input", bucket.url(), "--output", str(tmp_path / "out"))
    ended = score(*words)
    assert ended.exit_code == 0, ended.err
    assert assert_whole(tmp_path / "out").records["scored"] == 5

    for name in bucket.names():
        bucket.delete(name)
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines(*records(3)))
    ended = score("--model", PLAIN, "--input", source, "--output", bucket.url())
    assert ended.exit_code == 0, ended.err
    assert bucket.names() == {"_job.json", "_manifest.json", "part-00000-of-00001.jsonl"}


# --- the last step of a job, tried again ---


@pytest.fixture
def files(bucket: Bucket) -> PartFiles:
    FileSystems.set_options(PipelineOptions(list(bucket.flags)))
    part = functools.partial(PredictionsPart, format_=FORMATS["jsonl"])
    temporary = bucket.url("out/_temporary/job/predictions")
    return PartFiles(BeamStore(), temporary, ".jsonl", part)


def three_bundles(to: PartFiles) -> list[list[OutputFile]]:
    bundles = []
    for uid, rows in (("c", 3), ("a", 1), ("b", 2)):
        writer = to.writer(uid)
        writer.write(ScoredRecords(lines(*range(rows)), rows))
        bundles.append(writer.close())
    return bundles


def committed(to: PartFiles, bundles: list[list[OutputFile]]) -> list[OutputFile]:
    written = [file for files in bundles for file in files]
    return commit_parts(to.store, written, to.folder.partition("/_temporary/")[0], to.suffix)


class WorkerGoneError(OSError):
    """In the middle of a step."""


@pytest.mark.parametrize("deleted", [True, False], ids=["renamed", "copied and not yet removed"])
@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
def test_committing_again_after_some_renames_yields_every_file(
    renamed: int, deleted: bool, bucket: Bucket, files: PartFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles, rename = three_bundles(files), FileSystems.rename
    there = bucket.snapshot("out/_temporary")

    def dies(sources: list[str], targets: list[str]) -> None:
        rename(sources[:renamed], targets[:renamed])
        if not deleted:  # a store copies, and then removes
            for name in there.keys() - bucket.names("out/_temporary"):
                bucket.put(f"out/_temporary/{name}", there[name])
        raise WorkerGoneError

    with monkeypatch.context() as patch:
        patch.setattr(FileSystems, "rename", staticmethod(dies))
        with pytest.raises(WorkerGoneError):
            committed(files, bundles)

    first, second = committed(files, bundles), committed(files, bundles[::-1])  # on another worker

    assert first == second
    assert [(file.rows["scored"], file.bytes) for file in first] == [(1, 2), (2, 4), (3, 6)]
    expected = {
        f"part-0000{i}-of-00003.jsonl": lines(*range(rows)) for i, rows in enumerate((1, 2, 3))
    }
    assert bucket.snapshot("out") == expected
    assert [file.path for file in first] == [bucket.url(f"out/{name}") for name in expected]


def test_a_part_that_is_missing_is_an_error(bucket: Bucket, files: PartFiles) -> None:
    bundles = three_bundles(files)
    committed(files, bundles)
    bucket.delete("out/part-00001-of-00003.jsonl")
    with pytest.raises(ScoringError, match=r"1 part files are missing .* part-00001-of-00003"):
        committed(files, bundles)


def test_a_runner_that_starts_all_over_leaves_no_part_of_its_first_attempt(
    bucket: Bucket, files: PartFiles
) -> None:
    committed(files, three_bundles(files))
    committed(files, three_bundles(files)[:1])
    assert {name for name in bucket.names("out") if name.startswith("part-")} == {
        "part-00000-of-00001.jsonl"
    }

"""Part files: one bundle's, shards, and their final names, however often that step is tried."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.testing.test_pipeline import TestPipeline as CheckedPipeline
from apache_beam.testing.util import assert_that
from job_runs import contents

from beam_jobs.sink import PartFiles, WriteParts
from beam_jobs.stores import BeamStore
from model_dofns import Reject, ScoringError
from model_dofns.dofns import ScoredRecords
from model_dofns.formats import FORMATS
from model_dofns.jobs.parts import PredictionsPart, RejectsPart, commit_parts
from model_dofns.manifest import OutputFile


class StoreGoneError(OSError):
    """Of a file system, in the middle of it."""


def lines(*numbers: int) -> ScoredRecords:
    return ScoredRecords(b"".join(b'{"id":%d}\n' % number for number in numbers), len(numbers))


def table(**columns: list[Any]) -> ScoredRecords:
    batch = pa.RecordBatch.from_pydict(columns)
    return ScoredRecords(batch, batch.num_rows)


def reject(stage: str) -> Reject:
    return Reject(stage, "Error", "é", {"input": "{}", "offset": 0}, "jsonl", "file", "m", "1.0.0")


def part_files(folder: Path, part: Callable[..., Any], suffix: str = ".jsonl") -> PartFiles:
    return PartFiles(BeamStore(), str(folder / "out/_temporary/job/x"), suffix, part)


def prediction_files(folder: Path, format_name: str = "jsonl") -> PartFiles:
    part = functools.partial(PredictionsPart, format_=FORMATS[format_name])
    return part_files(folder, part, f".{format_name}")


def write_bundle(to: PartFiles, uid: str, *elements: Any) -> list[OutputFile]:
    writer = to.writer(uid)
    for element in elements:
        writer.write(element)
    return writer.close()


def committed(to: PartFiles, bundles: list[list[OutputFile]]) -> list[OutputFile]:
    written = [file for files in bundles for file in files]
    return commit_parts(to.store, written, to.folder.partition("/_temporary/")[0], to.suffix)


def three_bundles(to: PartFiles) -> list[list[OutputFile]]:
    return [
        write_bundle(to, uid, lines(*range(rows))) for uid, rows in (("c", 3), ("a", 1), ("b", 2))
    ]


# --- a bundle ---


def test_a_bundle_is_one_file_with_its_rows_and_bytes(tmp_path: Path) -> None:
    (file,) = write_bundle(prediction_files(tmp_path), "uid", lines(1, 2), lines(3))
    assert Path(file.path).read_bytes() == b'{"id":1}\n{"id":2}\n{"id":3}\n'
    assert (file.rows, file.bytes) == ({"scored": 3}, 27)


def test_rejects_are_counted_by_stage(tmp_path: Path) -> None:
    to = part_files(tmp_path, RejectsPart)
    rejects = [reject("decode"), reject("output"), reject("decode")]
    (file,) = write_bundle(to, "uid", *rejects)
    assert file.rows == {"decode": 2, "output": 1}
    assert file.bytes == Path(file.path).stat().st_size
    assert Path(file.path).read_bytes() == b"".join(each.to_json() for each in rejects)


def test_an_empty_bundle_writes_nothing(tmp_path: Path) -> None:
    to = prediction_files(tmp_path)
    assert write_bundle(to, "uid") == []
    assert committed(to, [[]]) == committed(to, []) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_two_schemas_are_two_files(tmp_path: Path) -> None:
    to = prediction_files(tmp_path, "parquet")
    ints, texts = table(id=[1, 2]), table(id=["three"])

    bundle = write_bundle(to, "uid", ints, table(id=[4]), texts, ints)

    assert [file.rows["scored"] for file in bundle] == [3, 1, 2]
    files = committed(to, [bundle])
    assert [pq.read_table(file.path).column("id").to_pylist() for file in files] == [
        *([1, 2, 4], ["three"], [1, 2])
    ]


def test_a_payload_of_lines_may_be_a_buffer(tmp_path: Path) -> None:
    payload = pa.py_buffer(b'{"id":1}\n{"id":2}\n').slice(9)
    (file,) = write_bundle(prediction_files(tmp_path), "uid", ScoredRecords(payload, 1))
    assert Path(file.path).read_bytes() == b'{"id":2}\n'


@pytest.mark.parametrize("num_shards", [None, 1, 3])
def test_all_that_comes_is_written_once_and_each_file_is_told_of(
    num_shards: int | None, tmp_path: Path
) -> None:
    def check(told: list[list[OutputFile]]) -> None:
        files = [file for each in told for file in each]
        assert len(files) == (num_shards or len(files)) > 0
        written = [line for f in files for line in Path(f.path).read_bytes().splitlines()]
        assert sorted(written) == sorted(b'{"id":%d}' % number for number in range(10))
        assert sum(file.rows["scored"] for file in files) == 10

    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        elements = pipeline | beam.Create([lines(number) for number in range(10)])
        told = elements | WriteParts(prediction_files(tmp_path), list, num_shards)
        assert_that(told, check)


# --- the final names ---


def test_committing_renames_all_files_in_the_order_of_their_bundles(tmp_path: Path) -> None:
    to = prediction_files(tmp_path)
    bundles = three_bundles(to)

    files = committed(to, bundles)

    assert [Path(file.path).name for file in files] == [
        f"part-0000{number}-of-00003.jsonl" for number in range(3)
    ]
    assert [file.rows["scored"] for file in files] == [1, 2, 3]
    assert [file.bytes for file in files] == [Path(file.path).stat().st_size for file in files]
    assert contents(tmp_path / "out/_temporary") == {"job", "job/x"}


@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
def test_committing_again_after_some_renames_yields_every_file(
    renamed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, expected_of = prediction_files(tmp_path / "tried"), prediction_files(tmp_path / "once")
    bundles, rename = three_bundles(to), FileSystems.rename

    def failing(sources: list[str], targets: list[str]) -> None:
        if renamed:
            rename(sources[:renamed], targets[:renamed])
        raise StoreGoneError

    with monkeypatch.context() as patch:
        patch.setattr(FileSystems, "rename", staticmethod(failing))
        with pytest.raises(StoreGoneError):
            committed(to, bundles)

    first, second = committed(to, bundles), committed(to, bundles[::-1])
    once = committed(expected_of, three_bundles(expected_of))
    assert first == second
    assert [(Path(f.path).name, f.rows, f.bytes) for f in first] == [
        (Path(f.path).name, f.rows, f.bytes) for f in once
    ]
    for file, same in zip(first, once, strict=True):
        assert Path(file.path).read_bytes() == Path(same.path).read_bytes()
    assert contents(tmp_path / "tried/out") == contents(tmp_path / "once/out")


def test_files_of_a_bundle_that_was_given_up_are_left_out(tmp_path: Path) -> None:
    """A runner that tries a bundle again hands on the result of one attempt."""
    to = prediction_files(tmp_path)
    write_bundle(to, "given up", lines(7))
    (file,) = committed(to, [write_bundle(to, "again", lines(7))])
    assert file.path.endswith("part-00000-of-00001.jsonl")
    assert [path.name for path in (tmp_path / "out").glob("part-*")] == [Path(file.path).name]


def test_a_runner_that_starts_all_over_leaves_no_file_of_its_first_attempt(tmp_path: Path) -> None:
    to = prediction_files(tmp_path)
    committed(to, three_bundles(to))
    again = [write_bundle(to, "again", lines(1, 2, 3, 4, 5, 6))]
    (file,) = committed(to, again)
    assert [path for path in contents(tmp_path) if "/part-" in path] == [
        str(Path(file.path).relative_to(tmp_path))
    ]


@pytest.mark.parametrize("when", ["before it was renamed", "after it was renamed"])
def test_a_file_that_is_missing_is_an_error(when: str, tmp_path: Path) -> None:
    to = prediction_files(tmp_path)
    bundles = three_bundles(to)
    if when == "before it was renamed":
        Path(bundles[1][0].path).unlink()
    else:
        committed(to, bundles)
        (tmp_path / "out/part-00000-of-00003.jsonl").unlink()
    with pytest.raises(ScoringError, match=r"1 part files are missing .* part-00000-of-00003"):
        committed(to, bundles)

"""Compressed files in, and compressed parts out."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_runs import PLAIN, Score, assert_not_whole, assert_whole, record, records, write_rows

from model_dofns.formats.compression import SUFFIXES


def pack(path: Path, codec: str, count: int) -> Path:
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in records(count))
    path.parent.mkdir(exist_ok=True)
    with pa.CompressedOutputStream(str(path), codec) as stream:
        stream.write(lines)
    return path


@pytest.mark.parametrize("codec", SUFFIXES)
def test_compressed_lines_in_and_out(codec: str, tmp_path: Path, score: Score) -> None:
    given, out, again = tmp_path / "in", tmp_path / "out", tmp_path / "again"
    pack(given / f"a.jsonl{SUFFIXES[codec]}", codec, 20)
    ended = score(*("--model", PLAIN, "--input", given, "--output", out, "--compression", codec))
    assert ended.exit_code == 0, ended.err
    (part,) = assert_whole(out).outputs
    assert part.path.endswith(f".jsonl{SUFFIXES[codec]}")
    with pa.input_stream(part.path, compression=codec) as stream:
        lines = stream.read().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == list(range(20))

    words = ("--model", PLAIN, "--input", out, "--output", again, "--prediction_field", "second")
    assert score(*words).exit_code == 0
    assert assert_whole(again).records["scored"] == 20


def test_the_offset_of_a_reject_counts_decompressed_bytes(tmp_path: Path, score: Score) -> None:
    good = json.dumps(record(1)).encode() + b"\n"
    with pa.CompressedOutputStream(str(tmp_path / "a.jsonl.gz"), "gzip") as stream:
        stream.write(good + b"{\n" + good)
    out = tmp_path / "out"
    words = ("--model", PLAIN, "--input", tmp_path / "a.jsonl.gz", "--output", out)
    assert score(*words, "--max_errors", 1).exit_code == 0
    (reject,) = (out / "_rejects" / "part-00000-of-00001.jsonl").read_text().splitlines()
    assert json.loads(reject)["offset"] == len(good)


def test_a_file_cut_short_fails_the_job_or_is_skipped(tmp_path: Path, score: Score) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    whole = pack(given / "whole.jsonl.gz", "gzip", 20)
    (given / "cut.jsonl.gz").write_bytes(whole.read_bytes()[:-5])
    words = ("--model", PLAIN, "--input", given, "--output", out)
    ended = score(*words)
    assert ended.exit_code == 1
    assert "cut.jsonl.gz" in ended.err
    assert "Truncated" in ended.err
    assert_not_whole(out, "failed")

    assert score(*words, "--overwrite", "--skip_bad_files").exit_code == 0
    manifest = assert_whole(out)
    assert manifest.records["scored"] == 20
    assert [bool(file.error) for file in manifest.inputs] == [True, False]


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip", "none"])
def test_parquet_is_compressed_inside(compression: str, tmp_path: Path, score: Score) -> None:
    out = tmp_path / "out"
    given = write_rows(tmp_path / "a.parquet", records(9))
    words = ("--model", PLAIN, "--input", given, "--output", out, "--compression", compression)
    assert score(*words).exit_code == 0
    (part,) = assert_whole(out).outputs
    found = pq.ParquetFile(part.path).metadata.row_group(0).column(0).compression
    assert found == ("UNCOMPRESSED" if compression == "none" else compression.upper())


def test_a_codec_of_another_format_is_refused(tmp_path: Path, score: Score) -> None:
    given = write_rows(tmp_path / "a.parquet", records(1))
    words = ("--model", PLAIN, "--input", given, "--output", tmp_path / "out")
    ended = score(*words, "--compression", "bz2")
    assert ended.exit_code == 2
    assert "snappy" in ended.err
    assert not (tmp_path / "out").exists()

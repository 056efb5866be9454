"""The job on CSV: dialects, headers, line ends in cells, compressed files; in more than one worker.

That it is the same on every engine is for ``test_engines.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from job_runs import (
    CSV,
    EVERY_STAGE,
    PLAIN,
    Score,
    assert_not_whole,
    assert_whole,
    read_result,
    record,
    records,
    scored_directly,
    write_csv,
    write_hostile_csv,
)

from model_dofns.formats.compression import SUFFIXES
from model_dofns.formats.csv import CsvFormat

TWO_PROCESSES = ("--direct_num_workers", "2", "--direct_running_mode", "multi_processing")


def packed(path: Path, codec: str) -> None:
    """Put a compressed file in the place of a plain one."""
    with pa.CompressedOutputStream(f"{path}{SUFFIXES[codec]}", codec) as stream:
        stream.write(path.read_bytes())
    path.unlink()


# The format, the flags that say so, and the codec of input and output.
DIALECTS: Mapping[str, tuple[CsvFormat, tuple[str, ...], str | None]] = {
    "semicolons, no header": (
        CsvFormat(";", columns=CSV.columns, header=False),
        ("--csv_delimiter", ";", "--csv_columns", "id,x,n,colour,name"),
        None,
    ),
    "tabs and single quotes": (
        CsvFormat("\t", "'", columns=CSV.columns),
        ("--csv_delimiter", r"\t", "--csv_quote", "'"),
        None,
    ),
    "gzip": (CSV, ("--compression", "gzip"), "gzip"),
}


@pytest.mark.parametrize(("csv", "flags", "codec"), DIALECTS.values(), ids=DIALECTS)
def test_hostile_files_of_any_dialect(
    csv: CsvFormat, flags: tuple[str, ...], codec: str | None, tmp_path: Path, score: Score
) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_hostile_csv(given, csv)
    if codec is not None:
        for path in [path for path in given.rglob("*") if path.is_file()]:
            packed(path, codec)

    ended = score(
        *("--model", EVERY_STAGE, "--input", given, "--output", out, "--max_errors", "50%"),
        *flags,
        *TWO_PROCESSES,
    )

    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(out, csv)
    assert len(manifest.inputs) == 4
    assert len(manifest.outputs) >= 2
    assert manifest.records["rejected"].keys() == {"decode", "validate", "predict", "output"}
    assert read_result(out, csv) == scored_directly(given, "csv", EVERY_STAGE, csv)


def test_the_row_comes_out_as_it_came_with_the_prediction_behind_it(
    tmp_path: Path, score: Score
) -> None:
    rows = [
        b'1,0.50,2,red,"quoted, and \n""over"" lines"',
        b' 2,"5e-1",2,red, NA ',
    ]
    given, out = write_csv(tmp_path / "a.csv", rows, end="\r\n"), tmp_path / "out"
    assert score("--model", PLAIN, "--input", given, "--output", out).exit_code == 0
    header = b"id,x,n,colour,name,prediction_label,prediction_score,prediction_ratio\n"
    predictions = (
        b'"quoted, and \n""over"" lines is red",3.0,0.25\n',
        b'" NA  is red",3.0,0.25\n',
    )
    assert (out / "part-00000-of-00001.csv").read_bytes() == header + b"".join(
        row + b"," + prediction for row, prediction in zip(rows, predictions, strict=True)
    )


def test_a_file_larger_than_a_range_is_cut_where_rows_begin(
    tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In quoted cells stands what looks like rows; a cut at any of their lines would lose some."""
    name = "\n".join(f"{n},1.5,2,red,a" for n in range(50))
    given, out = tmp_path / "in", tmp_path / "out"
    write_csv(given / "a.csv", (record(n, name=name) for n in range(2_000)))
    monkeypatch.setattr(CsvFormat.ranges, "__defaults__", (200_000,))
    ended = score(
        *("--model", PLAIN, "--input", given, "--output", out),
        *("--direct_num_workers", "2", "--direct_running_mode", "multi_threading"),
    )
    assert ended.exit_code == 0, ended.err
    manifest = assert_whole(out)
    assert manifest.records == {"read": 2_000, "scored": 2_000, "rejected": {}}
    assert len(manifest.outputs) >= 2
    assert read_result(out) == scored_directly(given, "csv", PLAIN)


@pytest.mark.parametrize("codec", SUFFIXES)
def test_output_can_be_scored_again(codec: str, tmp_path: Path, score: Score) -> None:
    given, out, again = tmp_path / "in", tmp_path / "out", tmp_path / "again"
    packed(write_csv(given / "a.csv", records(20)), codec)
    packed(write_csv(given / "b.csv", records(20, 20)), codec)
    words = ("--model", PLAIN, "--input", given, "--output", out, "--compression", codec)
    assert score(*words).exit_code == 0
    assert all(Path(file.path).name.endswith(f".csv{SUFFIXES[codec]}")
               for file in assert_whole(out).outputs)  # fmt: skip

    words = ("--model", PLAIN, "--input", out, "--output", again, "--prediction_field", "second")
    assert score(*words).exit_code == 0
    assert assert_whole(again).records["scored"] == 40


def test_the_offset_of_a_reject_counts_decompressed_bytes(tmp_path: Path, score: Score) -> None:
    path = write_csv(tmp_path / "a.csv", [record(1), b"1,2", record(2)])
    offset = path.read_bytes().index(b"1,2\n")
    packed(path, "gzip")
    out = tmp_path / "out"
    words = ("--model", PLAIN, "--input", tmp_path / "a.csv.gz", "--output", out)
    assert score(*words, "--max_errors", 1).exit_code == 0
    (reject,) = (out / "_rejects" / "part-00000-of-00001.jsonl").read_text().splitlines()
    found = json.loads(reject)
    assert (found["offset"], found["error"], found["input"]) == (offset, "FieldCount", "1,2")


def test_files_with_other_headers_are_refused(tmp_path: Path, score: Score) -> None:
    write_csv(tmp_path / "in" / "a.csv", records(2))
    other = CsvFormat(columns=("x", "id", "n", "colour", "name"))
    write_csv(tmp_path / "in" / "b.csv", records(2), other)
    out = tmp_path / "out"
    ended = score("--model", PLAIN, "--input", tmp_path / "in", "--output", out)
    assert ended.exit_code == 4
    assert "a.csv" in ended.err
    assert "b.csv" in ended.err
    assert not out.exists()


def test_a_file_cut_short_fails_the_job_or_is_skipped(tmp_path: Path, score: Score) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    for name in ("whole", "cut"):
        packed(write_csv(given / f"{name}.csv", records(2_000)), "gzip")
    cut = given / "cut.csv.gz"
    cut.write_bytes(cut.read_bytes()[:-5])
    words = ("--model", PLAIN, "--input", given, "--output", out)
    ended = score(*words)
    assert ended.exit_code == 1
    assert "cut.csv.gz" in ended.err
    assert_not_whole(out, "failed")

    assert score(*words, "--overwrite", "--skip_bad_files").exit_code == 0
    manifest = assert_whole(out)
    assert [bool(file.error) for file in manifest.inputs] == [True, False]
    assert manifest.records["scored"] == 2_000 + manifest.inputs[0].records

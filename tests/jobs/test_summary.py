"""What is said when a job has ended: why records were rejected, and where to look."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from job_runs import EVERY_STAGE, Score, read_manifest, read_result, record, records, write_lines

from model_dofns.jobs.summary import common_folder, one_line

TWO_THREADS = ("--direct_num_workers", "2", "--direct_running_mode", "multi_threading")


@pytest.mark.parametrize("format_name", ["jsonl", "parquet"])
def test_reasons_add_up_and_lead_to_a_reject(
    format_name: str, data: Path, tmp_path: Path, score: Score
) -> None:
    reasons = []
    for name, words in (("one", ()), ("two", TWO_THREADS)):
        ended = score(
            *("--model", EVERY_STAGE, "--input", data / format_name, "--max_errors", "50%"),
            *("--output", tmp_path / name, *words),
        )
        assert ended.exit_code == 0, ended.err
        reasons.append(read_manifest(tmp_path / name).reasons)
    assert reasons[0] == reasons[1]  # whoever wrote them

    rejects = [json.loads(line) for line in read_result(tmp_path / "one").rejects.elements()]
    counts = Counter((reject["stage"], reject["error"]) for reject in rejects)
    assert {(r.stage, r.error): r.count for r in reasons[0]} == counts
    for reason in reasons[0]:
        same = [r for r in rejects if (r["stage"], r["error"]) == (reason.stage, reason.error)]
        assert (
            reason.example.items()
            <= min(same, key=lambda r: (r["file"], r.get("offset", r.get("row")))).items()
        )


def test_the_summary_says_where_to_look(tmp_path: Path, score: Score) -> None:
    lines = [*records(3), b"{broken", record(4, n="two"), record(5, n="three")]
    for day in ("1", "2"):
        write_lines(tmp_path / "in" / day / "a.jsonl", lines)
    out = tmp_path / "out"
    ended = score(
        *("--model", EVERY_STAGE, "--input", tmp_path / "in", "--output", out),
        *("--max_errors", "6"),
    )
    text = (tmp_path / "in/1/a.jsonl").read_bytes()
    assert ended.out.splitlines()[2:8] == [
        "rejected at decode               2",
        f"  InvalidJSON                    2  1/a.jsonl, byte {text.index(b'{broken')}",
        "    Expecting property name enclosed in double quotes at character 1",
        "rejected at validate             4",
        f"  ValidationError                4  1/a.jsonl, byte {text.index(b'{broken') + 8}",
        "    n: Input should be a valid integer, unable to parse string as an integer",
    ]
    assert f"rejects               {out}/_rejects" in ended.out


def test_many_reasons_are_counted_and_not_all_listed(tmp_path: Path, score: Score) -> None:
    given = write_lines(tmp_path / "a.jsonl", [record(i, x=float(i)) for i in range(8)])
    score_ = ("--model", "worker_models:ManyErrorsModel", "--input", given, "--max_errors", "8")
    ended = score(*score_, "--output", tmp_path / "out")
    assert ended.exit_code == 0, ended.err
    assert len([line for line in ended.out.splitlines() if ", byte " in line]) == 5
    assert "  others                         3" in ended.out
    assert len(read_manifest(tmp_path / "out").reasons) == 8


def test_what_others_say_moves_no_cursor() -> None:
    assert one_line("\x1b[2Ja\nb\tc\r\u202e d") == "[2Ja b c d"
    assert one_line("x" * 90, 80) == "x" * 79 + "…"


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["/d/a.jsonl"], "/d/"),
        (["/d/part-1/a", "/d/part-2/a"], "/d/"),
        (["gs://b/x/1", "gs://b/x/2"], "gs://b/x/"),
        (["/a", "/b"], "/"),
    ],
)
def test_what_files_have_in_common(paths: list[str], folder: str) -> None:
    assert common_folder(paths) == folder

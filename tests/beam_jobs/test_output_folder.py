"""What stands in the output folder of a job that has ended well, and of one written again."""

from __future__ import annotations

import json
import pickle
import platform
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.dataset
import pytest
from apache_beam.io.filesystems import FileSystems
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    PLAIN,
    Score,
    assert_whole,
    contents,
    read_manifest,
    read_result,
    record,
    records,
    scored_directly,
    snapshot,
    write_csv,
    write_lines,
    write_rows,
)

from beam_jobs.score import Job, Options, build, parse_args, plan
from model_dofns.manifest import MaxErrors, library_version

THREADS = ("--direct_num_workers", "2", "--direct_running_mode", "multi_threading")
POISON = {"x": 13.0}


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Three files: five good records and two; one that is rejected in predict; an empty one."""
    write_lines(tmp_path / "in" / "a.jsonl", records(5))
    write_lines(tmp_path / "in" / "b.jsonl", [record(5, **POISON), *records(2, 6)])
    write_lines(tmp_path / "in" / "c.jsonl", [])
    return tmp_path / "in"


# --- what is in it ---


def test_it_holds_parts_job_manifest_and_rejects(given: Path, tmp_path: Path, score: Score) -> None:
    out = tmp_path / "out"

    ended = score("--model", EVERY_STAGE, "--input", given, "--output", out, "--max_errors", 1)

    assert ended.exit_code == 0
    assert contents(out) == {
        "part-00000-of-00001.jsonl",
        "_job.json",
        "_manifest.json",
        "_rejects",
        "_rejects/part-00000-of-00001.jsonl",
    }
    assert_whole(out)


def test_without_rejects_there_is_no_folder_of_them(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    score("--model", PLAIN, "--input", given, "--output", out)
    assert contents(out) == {"part-00000-of-00001.jsonl", "_job.json", "_manifest.json"}


def test_the_manifest_says_what_was_done(given: Path, tmp_path: Path, score: Score) -> None:
    out = tmp_path / "out"
    score("--model", EVERY_STAGE, "--input", given, "--output", out, "--max_errors", "12.5%")

    manifest, job = read_manifest(out), json.loads((out / "_job.json").read_text())

    assert manifest.job == job["job"]
    assert job["started"] == manifest.started <= manifest.ended
    assert (manifest.engine, manifest.runner) == ("beam", "FnApiRunner")
    assert (manifest.library, manifest.library_version) == ("model-dofns", library_version())
    assert manifest.python_version == platform.python_version()
    assert manifest.model == {
        "class": EVERY_STAGE,
        "configuration": {},
        "display_name": "Plain",
        "qualified_name": "plain",
        "description": "Adds up what it is given.",
        "version": "1.2.3",
        "deterministic": True,
        "thread_safe": True,
    }
    assert [(file.path, file.bytes, file.records, file.error) for file in manifest.inputs] == [
        (str(given / name), (given / name).stat().st_size, count, None)
        for name, count in (("a.jsonl", 5), ("b.jsonl", 3), ("c.jsonl", 0))
    ]
    assert [file.rows for file in manifest.outputs] == [{"scored": 7}]
    assert [file.rows for file in manifest.rejects] == [{"predict": 1}]
    assert manifest.records == {"read": 8, "scored": 7, "rejected": {"predict": 1}}
    assert manifest.status == "done"
    assert manifest.options.keys() == set(Options.__dataclass_fields__)
    assert manifest.options["max_errors"] == "12.5%"
    assert manifest.options["input"] == [str(given)]


def test_the_manifest_shows_no_value_of_the_environment(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, models_file = tmp_path / "out", tmp_path / "models.yaml"
    monkeypatch.setenv("OFFSET", "1234.5")
    models_file.write_text(
        "models:\n"
        "  shifted:\n"
        "    class: models:PlainModel\n"
        "    configuration:\n"
        "      offset: ${OFFSET}\n"
    )

    score("--models", models_file, "--model", "shifted", "--input", given, "--output", out)

    assert read_manifest(out).model["configuration"] == {"offset": "${OFFSET}"}
    assert b"1234.5" not in (out / "_job.json").read_bytes()
    assert b"1234.5" not in (out / "_manifest.json").read_bytes()
    scores = [json.loads(line)["prediction"]["score"] for line in read_result(out).predictions]
    assert min(scores) == 1234.5  # of the first record, which has only zeros


def test_the_summary_accounts_for_every_record(given: Path, tmp_path: Path, score: Score) -> None:
    out = tmp_path / "out"
    ended = score("--model", EVERY_STAGE, "--input", given, "--output", out, "--max_errors", 1)
    assert [line.split() for line in ended.out.splitlines()] == [
        ["records", "read", "8", "3", "files"],
        ["scored", "7", "1", "part", "file"],
        ["rejected", "at", "predict", "1"],
        ["ValueError", "1", "b.jsonl,", "byte", "0"],
        ["poison"],
        ["time", *ended.out.split("time")[1].split()[:1]],
        ["predictions", str(out)],
        ["rejects", f"{out}/_rejects"],
    ]


def test_arrow_reads_the_folder_as_it_stands(tmp_path: Path, score: Score) -> None:
    write_rows(tmp_path / "in" / "a.parquet", [*records(4), record(4, **POISON)])
    out = tmp_path / "out"
    score("--model", EVERY_STAGE, "--input", tmp_path / "in", "--output", out)
    table = pa.dataset.dataset(out).to_table()
    assert sorted(table.column("id").to_pylist()) == [0, 1, 2, 3]
    assert table.schema.field("prediction_score").type == pa.float64()


def test_flags_reach_the_workers(tmp_path: Path, score: Score) -> None:
    source = write_lines(tmp_path / "a.txt", [record(0), record(1, name="far too long a name")])
    out = tmp_path / "out"
    score(
        *("--model", PLAIN, "--input", source, "--output", out, "--max_errors", 1),
        *("--input_format", "jsonl", "--prediction_field", "second", "--max_record_bytes", 70),
    )
    assert_whole(out)
    result = read_result(out)
    (scored,), (reject,) = map(list, (result.predictions, result.rejects))
    assert json.loads(scored).keys() == {*record(0), "second"}
    assert json.loads(reject)["error"] == "RecordTooLong"


# --- inputs with nothing to score ---


@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_of_input_that_is_rejected_throughout_no_part_file_comes(
    format_name: str, tmp_path: Path, score: Score
) -> None:
    bad = [record(number, **POISON) for number in range(3)]
    write = {"jsonl": write_lines, "csv": write_csv, "parquet": write_rows}[format_name]
    write(tmp_path / "in" / f"a.{format_name}", bad)
    out = tmp_path / "out"

    ended = score(
        *("--model", EVERY_STAGE, "--input", tmp_path / "in", "--output", out),
        *("--max_errors", "100%"),
    )

    assert ended.exit_code == 0
    manifest = assert_whole(out)
    assert manifest.outputs == ()
    assert manifest.records == {"read": 3, "scored": 0, "rejected": {"predict": 3}}


def test_of_empty_files_nothing_comes_but_a_manifest(tmp_path: Path, score: Score) -> None:
    write_lines(tmp_path / "a.jsonl", [])
    write_lines(tmp_path / "b.jsonl", [b"", b"  "])
    out = tmp_path / "out"

    ended = score(
        *("--model", PLAIN, "--input", tmp_path / "a.jsonl", "--input", tmp_path / "b.jsonl"),
        *("--output", out, "--max_errors", "0%"),
    )

    assert ended.exit_code == 0
    assert contents(out) == {"_job.json", "_manifest.json"}
    assert assert_whole(out).records == {"read": 0, "scored": 0, "rejected": {}}


@pytest.mark.parametrize("name", ["é {x} a+b 100% 'y'", "[ab]"])
def test_a_folder_may_have_any_name(name: str, tmp_path: Path, score: Score) -> None:
    write_lines(tmp_path / name / f"{name}.jsonl", records(2))
    out = tmp_path / ("out" if name == "[ab]" else f"{name} out")
    ended = score("--model", PLAIN, "--input", tmp_path / name, "--output", out)
    assert (ended.exit_code, ended.err) == (0, "")
    assert [file.path for file in assert_whole(out).inputs] == [
        str(tmp_path / name / f"{name}.jsonl")
    ]


# --- how many rejects are too many ---


@pytest.mark.parametrize(
    ("max_errors", "exit_code"),
    [
        *((None, 3), ("4", 3), ("5", 0), ("6", 0)),
        *(("49.9%", 3), ("50%", 0), ("50.1%", 0)),
    ],
)
def test_max_errors_at_its_border(
    max_errors: str | None, exit_code: int, tmp_path: Path, score: Score
) -> None:
    bad = [*[record(number, **POISON) for number in range(3)], b"not JSON", record(4, n="four")]
    source = write_lines(tmp_path / "in.jsonl", [*bad, *records(5)])
    out = tmp_path / "out"

    ended = score(
        *("--model", EVERY_STAGE, "--input", source, "--output", out),
        *(() if max_errors is None else ("--max_errors", max_errors)),
    )

    assert ended.exit_code == exit_code
    manifest = assert_whole(out)
    assert manifest.status == ("done" if exit_code == 0 else "too_many_errors")
    assert manifest.records["scored"] == 5
    if exit_code:
        assert f"--max_errors {max_errors or 0}" in ended.err
        assert f"{out}/_rejects" in ended.err


@pytest.mark.parametrize("text", ["0", "20", "0.5%", "100%", "0.001%", "1234567", "12345678901"])
def test_max_errors_is_shown_as_it_was_written(text: str) -> None:
    assert str(MaxErrors(text)) == text


@pytest.mark.parametrize(
    ("text", "rejected", "read"),
    [("0.57%", 57, 10_000), ("99.96%", 9_996, 10_000), ("0.07%", 7, 10_000), ("1.1%", 11, 1_000)],
)
def test_a_share_is_exact_at_its_border(text: str, rejected: int, read: int) -> None:
    assert MaxErrors(text).allows(rejected, read)
    assert not MaxErrors(text).allows(rejected + 1, read)


# --- written again ---


def test_overwrite_leaves_nothing_of_the_job_before(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    for i in range(20):  # so many that two workers both get some
        write_lines(given / f"more-{i}.jsonl", records(1, i % 4))
    before = score(
        *("--model", EVERY_STAGE, "--input", given, "--output", out, "--max_errors", 1, *THREADS)
    )
    assert before.exit_code == 0
    assert len(list(out.glob("part-*"))) == 2
    assert (out / "_rejects").exists()
    (out / "notes.txt").write_text("a person's")
    (out / "more" / "part-00000").mkdir(parents=True)

    ended = score("--model", PLAIN, "--input", given, "--output", out, "--overwrite")

    assert ended.exit_code == 0
    assert (out / "notes.txt").read_text() == "a person's"
    assert contents(out) == {
        *("part-00000-of-00001.jsonl", "_job.json", "_manifest.json"),
        *("notes.txt", "more", "more/part-00000"),
    }
    assert read_result(out) == scored_directly(given, "jsonl", PLAIN)


def test_overwrite_removes_the_manifest_first(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, deleted = tmp_path / "out", []
    words = ("--model", PLAIN, "--input", given, "--output", out)
    score(*words)
    delete = FileSystems.delete

    def noted(paths: list[str]) -> None:
        deleted.extend(Path(path).name for path in paths)
        delete(paths)

    monkeypatch.setattr(FileSystems, "delete", staticmethod(noted))
    assert score(*words, "--overwrite").exit_code == 0
    assert deleted[:2] == ["_manifest.json", "part-00000-of-00001.jsonl"]


def test_overwrite_of_another_format_leaves_no_part_of_the_first(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out, rows = tmp_path / "out", write_rows(tmp_path / "rows.parquet", records(3))
    score("--model", PLAIN, "--input", given, "--output", out)
    assert score("--model", PLAIN, "--input", rows, "--output", out, "--overwrite").exit_code == 0
    assert_whole(out)
    assert [path.suffix for path in out.glob("part-*")] == [".parquet"]


@pytest.mark.parametrize("there", [None, "a folder", "empty folders"])
def test_overwrite_needs_nothing_to_overwrite(
    there: str | None, given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    if there is not None:
        (out / ("one/two" if there == "empty folders" else "")).mkdir(parents=True)
    words = ("--model", PLAIN, "--input", given, "--output", f"{out}/", "--overwrite")
    assert score(*words).exit_code == 0
    assert read_manifest(out).status == "done"


OTHERS = {
    "no marker": {"data.jsonl": "{}"},
    "parts alone": {"part-00000-of-00001.jsonl": "{}"},
    "another tool's job": {"_job.json": '{"library": "another"}', "part-0": "x"},
    "a job that is no JSON": {"_job.json": "job", "part-0": "x"},
    "a manifest that is a list": {"_manifest.json": "[]", "part-0": "x"},
    "a manifest that is no UTF-8": {"_manifest.json": b"\xff", "part-0": "x"},
    "a marker further below": {"more/_job.json": '{"library": "model-dofns"}', "part-0": "x"},
}


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_folder_that_is_not_ours_is_refused_and_left_untouched(
    files: dict[str, str | bytes],
    overwrite: tuple[str, ...],
    given: Path,
    tmp_path: Path,
    score: Score,
) -> None:
    out = tmp_path / "out"
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = snapshot(out)

    ended = score("--model", PLAIN, "--input", given, "--output", out, *overwrite)

    assert ended.exit_code == 4
    assert f"the output folder {out} is not empty" in ended.err
    assert snapshot(out) == before


def test_our_own_folder_is_refused_without_overwrite(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    words = ("--model", PLAIN, "--input", given, "--output", out)
    score(*words)
    before = snapshot(out)
    ended = score(*words)
    assert ended.exit_code == 4
    assert "--overwrite" in ended.err
    assert snapshot(out) == before


def test_overwrite_never_removes_the_input(given: Path, tmp_path: Path, score: Score) -> None:
    """Which is in the output folder, though by another name."""
    out = tmp_path / "out"
    score("--model", PLAIN, "--input", given, "--output", out)
    (tmp_path / "link").symlink_to(out)
    before = snapshot(out)

    ended = score(
        *("--model", PLAIN, "--input", tmp_path / "link", "--output", out, "--overwrite"),
        *("--prediction_field", "second"),
    )

    assert ended.exit_code == 4
    assert snapshot(out) == before


# --- jobs beside one another ---


def planned(given: Path, out: Path | str) -> Job:
    return plan(parse_args(["--model", PLAIN, "--input", str(given), "--output", str(out)]))


def test_a_job_that_comes_back_writes_nothing_into_the_folder_of_the_next(
    given: Path, tmp_path: Path, score: Score
) -> None:
    """Its launcher had lost it, and was told to run the job again with --overwrite."""
    out = tmp_path / "out"
    lost = planned(given, out)
    lost.folder.prepare(overwrite=False)
    assert score("--model", PLAIN, "--input", given, "--output", out, "--overwrite").exit_code == 0
    before = snapshot(out)
    with pytest.raises(Exception, match="has been launched into"), beam.Pipeline() as pipeline:
        build(pipeline, lost)
    lost.folder.mark("failed", "it was taken")
    lost.folder.remove_temporary()
    assert snapshot(out) == before


def test_a_failed_job_of_ones_own_pipeline_can_be_overwritten(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    planned(given, out).folder.prepare(overwrite=False)
    (out / "part-00000-of-00001.jsonl").touch()
    assert score("--model", PLAIN, "--input", given, "--output", out, "--overwrite").exit_code == 0


def test_the_folder_is_settled_where_the_job_is_launched(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = planned(given, "out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # as a worker
    assert pickle.loads(pickle.dumps(job)).folder.path == str(tmp_path / "out")


def test_a_full_disk_at_launch_leaves_a_folder_that_can_be_used(
    given: Path, tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ("--model", PLAIN, "--input", given, "--output", out)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystems, "rename", staticmethod(full))
        assert score(*words).exit_code == 4
    assert score(*words).exit_code == 0


def test_overwrite_keeps_files_that_only_look_like_parts(
    given: Path, tmp_path: Path, score: Score
) -> None:
    out = tmp_path / "out"
    words = ("--model", PLAIN, "--input", given, "--output", out)
    score(*words)
    (out / "part-notes.md").write_text("a person's")
    assert score(*words, "--overwrite").exit_code == 0
    assert (out / "part-notes.md").read_text() == "a person's"


def test_a_manifest_shows_no_values_of_beams_flags() -> None:
    words = ["--s3_secret_access_key", "TOPSECRET", "--s3_session_token=HIDDEN"]
    options = parse_args(["--model", "m", "--input", "in", "--output", "out", *words])
    assert options.shown()["pipeline_args"] == ["--s3_secret_access_key", "--s3_session_token"]
    assert not {"TOPSECRET", "HIDDEN"} & set(json.dumps(options.shown()).split('"'))

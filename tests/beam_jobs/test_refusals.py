"""What is found before a job starts: exit codes 2 and 4, a way out, and nothing written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from apache_beam.io.aws import s3io
from apache_beam.io.filesystem import FileSystem
from job_runs import PLAIN, Score, contents, record, records, snapshot, write_lines, write_rows

from beam_jobs.score import Options, parse_args
from model_dofns.exceptions import UsageError
from model_dofns.manifest import MaxErrors


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: input good and bad, and nothing in ``out``."""
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "good.jsonl", records(2))
    write_rows(tmp_path / "good.parquet", records(2))
    write_rows(tmp_path / "clash.parquet", [record(0, prediction_label="old")])
    write_lines(tmp_path / "table.csv", [b"x,n"])
    write_lines(tmp_path / "table.txt", [b"x,n"])
    write_lines(tmp_path / "packed.jsonl.xz", [b""])
    write_lines(tmp_path / "_hidden" / "_all.jsonl", records(2))
    (tmp_path / "nothing in it").mkdir()
    (tmp_path / "models.yaml").write_text("models: {plain: {class: 'models:PlainModel'}}")
    (tmp_path / "unset.yaml").write_text(
        "models: {a: {class: 'models:A', configuration: {b: ${NONE}}}}"
    )
    (tmp_path / "quote.txt").write_text("--model it's\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\n")
    return tmp_path


def words(
    model: str | None = PLAIN,
    input: str | None = "good.jsonl",  # noqa: A002  # the flag's name
    output: str | None = "out",
    *more: str,
) -> list[str]:
    """A command line; None leaves the flag out."""
    given = (("--model", model), ("--input", input), ("--output", output))
    return [*(word for flag in given if flag[1] is not None for word in flag), *more]


def refused(score: Score, here: Path, exit_code: int, arguments: Sequence[str], hint: str) -> None:
    before = snapshot(here)
    ended = score(*arguments)
    assert ended.exit_code == exit_code, ended.err
    assert ended.err.startswith("error: ")
    assert hint in ended.err
    assert ended.out == ""
    assert snapshot(here) == before


USAGE = {
    "no words at all": ([], "--model, --input, --output"),
    "no model": (words(model=None), "--model"),
    "no input": (words(input=None), "--input"),
    "no output": (words(output=None), "--output"),
    "an unknown flag": (words(PLAIN, "good.jsonl", "out", "--max_error", "5"), "--max_errors?"),
    "the same with =": (words(PLAIN, "good.jsonl", "out", "--max_error=5"), "--max_errors?"),
    "a misspelt flag of Beam": (words(PLAIN, "good.jsonl", "out", "--runer", "X"), "--runner?"),
    "a flag like no other": (words(PLAIN, "good.jsonl", "out", "--xyzzy"), "'--xyzzy'"),
    "a word too many": (words(PLAIN, "good.jsonl", "out", "more"), "'more'"),
    "an abbreviation": (words(PLAIN, "good.jsonl", "out", "--overw"), "--overwrite?"),
    "an abbreviation of Beam's": (
        words(PLAIN, "good.jsonl", "out", "--direct_num", "2"),
        "--direct",
    ),
    "a flag of Beam's without sense": (
        words(PLAIN, "good.jsonl", "out", "--direct_num_workers", "two"),
        "--direct_num_workers",
    ),
    "a runner there is not": (words(PLAIN, "good.jsonl", "out", "--runner", "Foo"), "Foo"),
    "flags of Beam's that exclude one another": (
        [
            *(*words(), "--environment_type", "DOCKER", "--environment_config", "image"),
            *("--environment_options", "docker_container_image=image"),
        ],
        "environment_config is incompatible",
    ),
    "a format there is not": (words(PLAIN, "good.jsonl", "out", "--input_format", "xml"), "jsonl"),
    "several formats": (words(PLAIN, "good.*"), "files of several formats"),
    "flags in a file there is not": (["@none.txt"], "none.txt"),
    "flags in a file with a stray quote": (["@quote.txt"], "No closing quotation"),
    "flags in a file that is no text": (["@binary.txt"], ""),
    "an empty input": (words(PLAIN, ""), "--input"),
    "an empty output": (words(PLAIN, "good.jsonl", ""), "--output"),
    **{
        f"--max_errors {text}": (words(PLAIN, "good.jsonl", "out", f"--max_errors={text}"), "0.5%")
        for text in ("few", "-1", "1.5", "101%", "-1%", "%", "nan%", "inf%", "", "1 000")
    },
    **{
        f"--prediction_field {text}": (
            words(PLAIN, "good.jsonl", "out", f"--prediction_field={text}"),
            "--prediction_field",
        )
        for text in ("", "a b", "1st", 'a"b', "é", "a.b")
    },
    **{
        f"--max_record_bytes {text}": (
            words(PLAIN, "good.jsonl", "out", f"--max_record_bytes={text}"),
            "--max_record_bytes",
        )
        for text in ("0", "-5", "16MB", "")
    },
}

DOES_NOT_FIT = {
    "no such module": (words("nowhere:Model"), "no module 'nowhere'"),
    "no such class": (words("models:PlaneModel"), "PlainModel"),
    "a class that is no model": (words("models:PlainInput"), "it has no predict"),
    "no path of a class": (words("models:Plain-Model"), "package.module:Class"),
    "no such entry point": (words("nowhere"), "ml_models"),
    "no such entry": (words("rain", "good.jsonl", "out", "--models", "models.yaml"), "plain"),
    "no such models file": (words("a", "good.jsonl", "out", "--models", "none.yaml"), "none.yaml"),
    "an unset variable": (words("a", "good.jsonl", "out", "--models", "unset.yaml"), "NONE"),
    "a model that does not load": (words("worker_models:BrokenModel"), "the parameters are gone"),
    "another version": (
        words(PLAIN, "good.jsonl", "out", "--expect_version", ">=2"),
        "has version 1.2.3, and '>=2' was expected",
    ),
    "a version that is none": (
        words(PLAIN, "good.jsonl", "out", "--expect_version", "new"),
        "'new'",
    ),
    "no such file": (words(PLAIN, "none.jsonl"), "none.jsonl"),
    "a glob of nothing": (words(PLAIN, "none*.jsonl"), "none*.jsonl"),
    "an empty folder": (words(PLAIN, "nothing in it"), "nothing in it"),
    "a folder with only hidden files": (words(PLAIN, "_hidden"), "_hidden"),
    "one input of two": (words(PLAIN, "good.jsonl", "out", "--input", "none.jsonl"), "none.jsonl"),
    "a file of no known format": (words(PLAIN, "table.txt"), "--input_format"),
    "a packed file of an unknown kind": (words(PLAIN, "packed.jsonl.xz"), "packed.jsonl.xz"),
    "input on a store that nothing reads": (
        words(PLAIN, "nostore://b/in.jsonl"),
        "nostore://b/in.jsonl",
    ),
    "output on a store that nothing reads": (
        words(PLAIN, "good.jsonl", "nostore://b/out"),
        "nostore://b/out",
    ),
    "output that holds the input": (words(PLAIN, "good.jsonl", "."), "is in the output folder"),
    "output far above the input": (
        words(PLAIN, "_hidden/_all.jsonl", "_hidden/..", "--overwrite"),
        "is in the output folder",
    ),
    "output that is a file": (words(PLAIN, "good.jsonl", "table.csv"), "table.csv"),
    "output below a file": (words(PLAIN, "good.jsonl", "table.csv/out"), "table.csv/out"),
    "output with a glob in it": (words(PLAIN, "good.jsonl", "out*"), "out*"),
    "columns of the prediction's name": (words(PLAIN, "clash.parquet"), "prediction_label"),
}


@pytest.mark.parametrize(("arguments", "hint"), USAGE.values(), ids=USAGE)
def test_usage(arguments: list[str], hint: str, here: Path, score: Score) -> None:
    refused(score, here, 2, arguments, hint)


@pytest.mark.parametrize(("arguments", "hint"), DOES_NOT_FIT.values(), ids=DOES_NOT_FIT)
def test_what_does_not_fit(arguments: list[str], hint: str, here: Path, score: Score) -> None:
    refused(score, here, 4, arguments, hint)


@pytest.mark.parametrize("extra", ["gcp", "aws"])
@pytest.mark.parametrize("flag", ["input", "output"])
def test_a_store_whose_extra_is_not_installed(
    flag: str, extra: str, here: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [system for system in FileSystem.get_all_subclasses() if system.scheme() != "gs"]
    monkeypatch.setattr(FileSystem, "get_all_subclasses", lambda: known)
    monkeypatch.setattr(s3io, "BOTO3_INSTALLED", False)
    path = {"gcp": "gs://bucket/x.jsonl", "aws": "s3://bucket/x.jsonl"}[extra]
    refused(score, here, 4, words(**{flag: path}), f"pip install 'model-dofns[{extra}]'")


@pytest.mark.parametrize(
    "arguments",
    [
        words(PLAIN, "none.jsonl"),
        words("nowhere"),
        [*words(), "--runner", "Foo"],
        [*words(), "--runner", "DataflowRunner"],  # without a project, or not installed
    ],
    ids=["input", "model", "runner", "flags of the runner"],
)
def test_what_is_refused_overwrites_nothing(arguments: list[str], here: Path, score: Score) -> None:
    """What an earlier job wrote stays whole until everything that can be settled is."""
    assert score(*words()).exit_code == 0
    before = snapshot(here)
    assert score(*arguments, "--overwrite").exit_code in (2, 4)
    assert snapshot(here) == before


def test_a_clash_of_names_is_solved_as_the_message_says(here: Path, score: Score) -> None:
    ended = score(*words(PLAIN, "clash.parquet"), "--prediction_field", "second")
    assert ended.exit_code == 0
    assert "out/_manifest.json" in contents(here)


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_args(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in dataclasses.fields(Options):
        flag = {"preflight": "no_preflight", "pipeline_args": "runner"}.get(
            option.name, option.name
        )
        assert f"--{flag}" in text
    assert "%%" not in text


# --- what is taken ---


def test_flags_mean_the_options_of_their_names() -> None:
    options = parse_args(
        [
            *("--model", "iris", "--models", "m.yaml", "--expect_version", ">=1", "--no_preflight"),
            *("--input", "a", "--input", "b", "--input_format", "parquet", "--output", "out"),
            *("--max_record_bytes", "5", "--max_errors", "0.5%", "--prediction_field", "p"),
            *("--skip_bad_files", "--overwrite", "--runner", "DirectRunner"),
        ]
    )
    assert options == Options(
        model="iris",
        models="m.yaml",
        expect_version=">=1",
        preflight=False,
        input=("a", "b"),
        input_format="parquet",
        output="out",
        max_record_bytes=5,
        max_errors=MaxErrors("0.5%"),
        prediction_field="p",
        skip_bad_files=True,
        overwrite=True,
        pipeline_args=("--runner", "DirectRunner"),
    )


def test_without_flags_the_options_are_their_defaults() -> None:
    assert parse_args(words()) == Options(model=PLAIN, input=("good.jsonl",), output="out")


def test_what_only_a_job_server_knows_follows_two_dashes() -> None:
    server = ("--flink_conf", "x", "--model", "y")
    options = parse_args([*words(), "--runner", "FlinkRunner", "--", *server])
    assert options.model == PLAIN
    assert options.pipeline_args == ("--runner", "FlinkRunner", *server)
    with pytest.raises(UsageError, match="flink_conf"):
        parse_args([*words(), *server])


def test_flags_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "flags.txt").write_text(
        "# every night\n"
        f"--model {PLAIN}   # the model\n"
        "\n"
        "--input 'with blanks/*.jsonl' --overwrite\n"
        "--runner DirectRunner\n"
    )
    options = parse_args([f"@{tmp_path}/flags.txt", "--output", "out"])
    assert options == Options(
        model=PLAIN,
        input=("with blanks/*.jsonl",),
        output="out",
        overwrite=True,
        pipeline_args=("--runner", "DirectRunner"),
    )

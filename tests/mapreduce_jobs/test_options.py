"""The command line: what is taken, what is refused, and what is said of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from count_colours import CountColours
from job_runs import PLAIN, Score, assert_whole, records, snapshot, write_lines

from mapreduce_jobs import launching
from mapreduce_jobs.options import Options
from mapreduce_jobs.score import ScoreJob, main
from model_dofns.exceptions import UsageError
from model_dofns.manifest import MaxErrors


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: input, files of flags, and nothing in ``out``."""
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "good.jsonl", records(2))
    write_lines(tmp_path / "table.txt", [b"x,n"])
    (tmp_path / "quote.txt").write_text("--model it's\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\n")
    (tmp_path / "itself.txt").write_text("@itself.txt\n")
    return tmp_path


GOOD = ("--model", PLAIN, "--output-dir", "out", "good.jsonl")


def options(*words: str) -> Options:
    return ScoreJob.of(words).job_options()


def refused(score: Score, here: Path, exit_code: int, words: Sequence[str], hint: str) -> None:
    before = snapshot(here)
    ended = score(*words)
    assert ended.exit_code == exit_code, ended.err
    assert ended.err.startswith("error: ")
    assert hint in ended.err
    assert ended.out == ""
    assert snapshot(here) == before


USAGE = {
    "no words at all": ((), "--model"),
    "no model": (GOOD[2:], "--model is required"),
    "no output": ((*GOOD[:2], "good.jsonl"), "--output-dir is required"),
    "an empty output": ((*GOOD[:3], "", "good.jsonl"), "--output-dir is required"),
    "no input": (GOOD[:4], "name the input"),
    "stdin": ((*GOOD[:4], "-"), "not from stdin"),
    "stdin among files": ((*GOOD, "-"), "not from stdin"),
    "an unknown flag": ((*GOOD, "--max-error", "5"), "did you mean --max-errors?"),
    "the same with =": ((*GOOD, "--max-error=5"), "did you mean --max-errors?"),
    "one of mrjob's misspelt": ((*GOOD, "--num-core", "2"), "did you mean --num-cores?"),
    "a flag like no other": ((*GOOD, "--xyzzy"), "'--xyzzy'"),
    "a letter no one knows": ((*GOOD, "-x"), "'-x'"),
    "an abbreviation": ((*GOOD, "--overw"), "did you mean --overwrite?"),
    "an abbreviation of mrjob's": ((*GOOD, "--local-tmp", "x"), "did you mean --local-tmp-dir?"),
    "a runner there is not": ((*GOOD, "-r", "flink"), "flink"),
    "a flag of mrjob's without sense": ((*GOOD, "--num-cores", "two"), "two"),
    "a format there is not": ((*GOOD, "--input-format", "xml"), "jsonl"),
    "what no one would read": ((*GOOD, "--cat-output"), "--cat-output"),
    "flags in a file there is not": (("@none.txt",), "none.txt"),
    "flags in a file with a stray quote": (("@quote.txt",), "No closing quotation"),
    "flags in a file that is no text": (("@binary.txt",), "binary.txt"),
    "a file of flags that names itself": (("@itself.txt",), "names itself"),
    "several formats": ((*GOOD, "--input-format", "jsonl", "--csv-columns", "a,a"), "a,a"),
    "no number of errors": ((*GOOD, "--max-errors", "few"), "0.5%"),
    "no number of shards": ((*GOOD, "--num_shards", "0"), "'0'"),
    "no compression of this format": ((*GOOD, "--compression", "snappy"), "gzip"),
}

DOES_NOT_FIT = {
    "no such module": (("--model", "nowhere:Model", *GOOD[2:]), "no module 'nowhere'"),
    "no such class": (("--model", "models:PlaneModel", *GOOD[2:]), "PlainModel"),
    "a model that does not load": (
        ("--model", "worker_models:BrokenModel", *GOOD[2:]),
        "the parameters are gone",
    ),
    "another version": ((*GOOD, "--expect-version", ">=2"), "has version 1.2.3"),
    "no such file": ((*GOOD[:4], "none.jsonl"), "none.jsonl"),
    "a file of no known format": ((*GOOD[:4], "table.txt"), "--input"),
    "input on a store that nothing reads": ((*GOOD, "ftp://host/a.jsonl"), "ftp://"),
    "output on a store that nothing reads": (
        ("--model", PLAIN, "--output-dir", "gs://bucket/out", "good.jsonl"),
        "there is no gs:// here, but local paths, hdfs:// and s3://",
    ),
    "output that holds the input": (
        ("--model", PLAIN, "--output-dir", ".", "good.jsonl"),
        "is in the output folder",
    ),
    "output that is a file": (
        ("--model", PLAIN, "--output-dir", "table.txt", "good.jsonl"),
        "table.txt",
    ),
}


@pytest.mark.parametrize(("words", "hint"), USAGE.values(), ids=USAGE)
def test_usage(words: tuple[str, ...], hint: str, here: Path, score: Score) -> None:
    refused(score, here, 2, words, hint)


@pytest.mark.parametrize(("words", "hint"), DOES_NOT_FIT.values(), ids=DOES_NOT_FIT)
def test_what_does_not_fit(words: tuple[str, ...], hint: str, here: Path, score: Score) -> None:
    refused(score, here, 4, words, hint)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_no_error(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([flag])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    names = {"preflight": "no-preflight", "output": "output-dir", "input": "PATH"}
    for option in dataclasses.fields(Options):
        assert names.get(option.name, option.name.replace("_", "-")) in text, option.name
    assert "%%" not in text
    assert "--task" not in text


def test_help_of_a_runner_has_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help", "-r", "hadoop"])
    assert ended.value.code == 0
    assert "--hadoop-streaming-jar" in capsys.readouterr().out


# --- what is taken ---

ALL_FLAGS = (
    *("--model", "iris", "--models", "m.yaml", "--expect-version", ">=1", "--no-preflight"),
    *("--input-format", "parquet", "--output-dir", "out", "--max-record-bytes", "5"),
    *("--max-errors", "0.5%", "--prediction-field", "p", "--skip-bad-files", "--overwrite"),
    *("--keep-fields", "a,b", "--num-shards", "4", "--keep-predictions", "-r", "local"),
)
EXPECTED = Options(
    model=("iris",),
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
    keep_fields=("a", "b"),
    num_shards=4,
    keep_predictions=True,
    runner="local",
)


def test_flags_mean_the_options_of_their_names() -> None:
    assert options(*ALL_FLAGS, "a", "b") == EXPECTED


def test_flags_may_be_spelled_as_on_beam() -> None:
    other = [word.replace("-", "_").replace("__", "--", 1) for word in ALL_FLAGS[:-2]]
    assert "--max_errors" in other
    assert options(*other, *ALL_FLAGS[-2:], "a", "b") == EXPECTED
    assert options(*GOOD, "--max_errors=5").max_errors == MaxErrors("5")


def test_without_flags_the_options_are_their_defaults() -> None:
    assert options(*GOOD) == Options(model=(PLAIN,), input=("good.jsonl",), output="out")


def test_input_may_stand_among_flags_and_with_stars() -> None:
    parsed = options("a_b.jsonl", "--model", PLAIN, "in_*", "--output-dir", "o_u_t", "c_")
    assert (parsed.input, parsed.output) == (("a_b.jsonl", "in_*", "c_"), "o_u_t")


def test_flags_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text(
        "# every night\n"
        f"--model {PLAIN}   # the model\n"
        "\n"
        f"--overwrite '@{tmp_path}/more.txt'\n"
        "'with blanks/*.jsonl'"
    )
    (tmp_path / "more.txt").write_text("--output-dir 'an out' --max_errors 5%")
    assert options(f"@{tmp_path}/all.txt") == Options(
        model=(PLAIN,),
        input=("with blanks/*.jsonl",),
        output="an out",
        overwrite=True,
        max_errors=MaxErrors("5%"),
    )


def test_flags_of_mrjob_reach_its_runner() -> None:
    words = ("-D", "mapreduce.job.maps=7", "--num-cores", "3", "--cmdenv", "A=b", "--no-conf")
    job = ScoreJob.of([*GOOD, *words])
    assert launching.settings_of(job).tasks == 1  # inline
    with job.make_runner() as runner:
        assert runner._opts["num_cores"] == 3
        assert runner._opts["jobconf"]["mapreduce.job.maps"] == "7"
        assert runner._opts["cmdenv"] == {"A": "b"}


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("-r", "local", "--num-cores", "5"), 5),
        (("-r", "hadoop"), None),
        (("-r", "hadoop", "-D", "mapreduce.job.maps=7"), 7),
        (("-r", "hadoop", "-D", "mapred.map.tasks=8"), 8),
    ],
)
def test_how_many_tasks(words: tuple[str, ...], count: int | None) -> None:
    with ScoreJob.of([*GOOD, "--no-conf", *words]).make_runner() as runner:
        assert launching._tasks(runner.alias, runner._opts) == count


def test_a_configuration_file_says_how_many_tasks(tmp_path: Path) -> None:
    conf = tmp_path / "mrjob.conf"
    conf.write_text("runners: {hadoop: {jobconf: {mapreduce.job.maps: 9}}}")
    with ScoreJob.of([*GOOD, "-r", "hadoop", "-c", str(conf)]).make_runner() as runner:
        assert launching._tasks(runner.alias, runner._opts) == 9


@pytest.mark.parametrize("count", ["0", "many", "-1"])
def test_a_number_of_tasks_that_is_none(count: str) -> None:
    with pytest.raises(UsageError, match=f"maps={count}: write a number above 0"):
        launching._tasks("hadoop", {"jobconf": {"mapreduce.job.maps": count}})


def test_a_flag_of_ones_own_reaches_the_tasks(here: Path) -> None:
    words = ["--at_least", "1e9", *GOOD]  # spelled as ours may be
    assert CountColours.main(words) == 0
    text = "".join(path.read_text() for path in (here / "out").glob("part-*"))
    assert sorted(text.splitlines()) == ['"pairs"\t0', '"tasks"\t1']
    with pytest.raises(UsageError, match="--at-least"):
        CountColours.of([*GOOD, "--at-leas", "1"])


def test_a_job_runs_twice_in_one_process(here: Path, score: Score) -> None:
    for _ in range(2):
        assert score(*GOOD, "--overwrite").exit_code == 0
        assert_whole(here / "out")

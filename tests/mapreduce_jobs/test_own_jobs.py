"""Jobs of one's own on top of ours, and of mrjob's with our mapper in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from count_colours import CountColours
from job_runs import (
    EVERY_STAGE,
    PLAIN,
    Score,
    assert_not_whole,
    assert_whole,
    contents,
    in_this_process,
    read_manifest,
    read_result,
    record,
    records,
    scored_directly,
    write_csv,
    write_lines,
    write_rows,
)
from mrjob.job import MRJob
from mrjob.parse import parse_mr_job_stderr
from mrjob.protocol import JSONValueProtocol
from mrjob.step import MRStep

from mapreduce_jobs.score import ScoreJob, ScoreMapperMixin
from model_dofns import ModelSpec
from model_dofns.exceptions import ScoringError
from model_dofns.rejects import Reject

# --- subclasses of the job ---


class MostFrequent(CountColours):
    """Has a second step."""

    def steps(self) -> list[MRStep]:
        first = MRStep(
            mapper_init=self.mapper_init,
            mapper=self.mapper,
            mapper_final=self.mapper_final,
            combiner=self.combiner,
            reducer=self.reducer,
        )
        return [first, MRStep(mapper=self.swapped, reducer=self.greatest)]

    def swapped(self, colour: str, count: int) -> Iterator[tuple[None, tuple[int, str]]]:
        if colour not in ("pairs", "tasks"):
            yield None, (count, colour)

    def greatest(self, _: None, pairs: Iterable[tuple[int, str]]) -> Iterator[tuple[str, int]]:
        count, colour = max(pairs)
        yield colour, count


class ListIds(ScoreJob):
    """Has no reducer."""

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterable[tuple[Any, Any]]:
        yield record["id"], [prediction["label"], sorted(record)]


class FailingJob(ScoreJob):
    """Fails in its own code."""

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterable[tuple[Any, Any]]:
        yield record["no such field"], 1


def run_job(
    job: type[ScoreJob], capsys: pytest.CaptureFixture[str], *words: object
) -> dict[Any, Any]:
    """Run it, which must go well.

    Returns:
        The pairs that it has printed.
    """
    ended = in_this_process(job.main, capsys)(*words)
    assert ended.exit_code == 0, ended.err
    out = Path(str(words[words.index("--output-dir") + 1]))
    lines = [line for path in out.glob("part-*") for line in path.read_text().splitlines()]
    pairs = [tuple(map(json.loads, line.split("\t"))) for line in lines]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Three files of three records of each colour, and one that is rejected."""
    for name in "abc":
        write_lines(tmp_path / "in" / f"{name}.jsonl", records(9))
    write_lines(tmp_path / "in" / "c.jsonl", [*records(9), record(9, x=13.0)])
    return tmp_path / "in"


WORDS = ("--model", EVERY_STAGE, "--max-errors", "1", "--output-dir")


def test_pairs_are_combined_and_reduced(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    pairs = run_job(CountColours, capsys, *WORDS, out, *three_tasks, given)
    assert pairs == {"red": 9, "green": 9, "blue": 9, "pairs": 27, "tasks": 3}
    manifest = read_manifest(out)
    assert manifest.records == {"read": 28, "scored": 27, "rejected": {"predict": 1}}
    parts = sorted(path.name for path in out.glob("part-*"))
    assert [Path(file.path).name for file in manifest.outputs] == parts
    assert contents(out) == {
        *("_job.json", "_manifest.json", "_rejects", "_rejects/part-00000-of-00001.jsonl"),
        *parts,
    }


def test_predictions_may_be_kept_beside_the_results(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], three_tasks: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    words = (*WORDS, out, *three_tasks, "--keep-predictions", "--keep-fields", "id")
    assert run_job(CountColours, capsys, *words, given)["red"] == 9
    kept = read_result(out / "_predictions").predictions
    assert sorted(json.loads(line)["id"] for line in kept.elements()) == sorted([*range(9)] * 3)
    assert all(json.loads(line).keys() == {"id", "prediction"} for line in kept)
    rows = [sum(file.rows.values()) for file in read_manifest(out).outputs if "/_p" in file.path]
    assert rows == [9, 9, 9]


def test_a_second_step(given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(given / "d.jsonl", records(2))  # red and green
    write_lines(given / "e.jsonl", records(1))
    assert run_job(MostFrequent, capsys, *WORDS, tmp_path / "out", given) == {"red": 11}
    assert not (tmp_path / "out" / "_temporary").exists()


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "parquet"])
def test_pairs_are_of_whole_records_of_any_format(
    format_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [record(0), record(1, n="two" if format_name != "parquet" else None), record(2)]
    write = {"jsonl": write_lines, "csv": write_csv, "parquet": write_rows}[format_name]
    path = write(tmp_path / f"a.{format_name}", rows)
    pairs = run_job(ListIds, capsys, *WORDS, tmp_path / "out", "--keep-fields", "none", path)
    keys = [0, 2] if format_name != "csv" else ["0", "2"]
    names = ["né 0 is red", "né 2 is blue"]
    assert pairs == {key: [name, sorted(record(0))] for key, name in zip(keys, names, strict=True)}


def test_without_pairs_of_its_own_a_job_writes_predictions(given: Path, tmp_path: Path) -> None:
    class Renamed(ScoreJob):
        pass

    out = tmp_path / "out"
    assert Renamed.main([*WORDS, str(out), "--keep-predictions", str(given)]) == 0
    assert_whole(out)
    assert read_result(out) == scored_directly(given, "jsonl")


def test_an_error_in_ones_own_code_fails_the_job(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    ended = in_this_process(FailingJob.main, capsys)(*WORDS, out, given)
    assert ended.exit_code == 1
    assert "KeyError: 'no such field'" in ended.err
    assert_not_whole(out, "failed")


def test_a_combiner_that_fails_fails_the_job(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def failing(*_: object) -> Iterator[Any]:
        raise RuntimeError("no sums today")

    monkeypatch.setattr(CountColours, "reducer", failing)
    ended = in_this_process(CountColours.main, capsys)(*WORDS, out, given)
    assert (ended.exit_code, "no sums today" in ended.err) == (1, True)
    assert_not_whole(out, "failed")
    assert list(out.glob("part-*")) == []


# --- the mapper in a job of mrjob's ---


class CountLabels(ScoreMapperMixin, MRJob):  # type: ignore[misc]  # mrjob ships no types
    """Reads lines of JSON."""

    MODEL = ModelSpec("models:PoisonModel")
    BATCH_SIZE = 4

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterable[tuple[Any, Any]]:
        yield record["colour"], prediction["label"].split()[1]

    def reducer(self, colour: str, numbers: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        yield colour, sorted(numbers)


class Forgiving(CountLabels):
    def rejected(self, reject: Reject) -> Iterable[tuple[Any, Any]]:
        yield f"rejected at {reject.stage}", str(reject.source.get("offset"))


class OfDicts(Forgiving):
    INPUT_PROTOCOL = JSONValueProtocol


class Loud(OfDicts):
    MODEL = ModelSpec("worker_models:LoudModel")


class AsItComes(ScoreMapperMixin, MRJob):  # type: ignore[misc]  # as above
    MODEL = ModelSpec(PLAIN)


def printed(job: type[MRJob], path: Path, *words: str) -> list[tuple[Any, Any]]:
    with job([*words, "--no-conf", str(path)]).make_runner() as runner:
        runner.run()
        text = b"".join(runner.cat_output()).decode()
    return [tuple(map(json.loads, line.split("\t"))) for line in sorted(text.splitlines())]


COLOURS = [("blue", ["2", "5"]), ("green", ["1", "4"]), ("red", ["0", "3", "6"])]


@pytest.mark.parametrize("job", [CountLabels, OfDicts, Loud])
def test_the_mapper_in_a_job_of_mrjobs(job: type[MRJob], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", records(7))
    assert printed(job, path, "--num-cores", "2") == COLOURS


def test_records_come_with_their_predictions(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", records(2))
    pairs = printed(AsItComes, path)
    assert [key for key, _ in pairs] == [None, None]
    directly = scored_directly(tmp_path, "jsonl", PLAIN).predictions
    assert Counter(json.dumps(value) for _, value in pairs) == Counter(
        json.dumps(json.loads(line)) for line in directly.elements()
    )


HOSTILE: Sequence[Mapping[str, Any] | bytes] = [
    *records(2),
    record(2, x=13.0),
    record(3, n="three"),
    *records(3, 4),
]


def test_a_record_that_is_rejected_ends_the_job_unless_it_is_told_otherwise(
    tmp_path: Path,
) -> None:
    path = write_lines(tmp_path / "a.jsonl", HOSTILE)
    with pytest.raises(ScoringError, match=r"rejected at predict: ValueError: poison.*override"):
        printed(CountLabels, path)


def test_rejects_are_pairs_if_they_are_asked_for(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [*HOSTILE, b"{broken"])
    pairs = dict(printed(Forgiving, path))
    assert pairs.keys() == {
        *("red", "green", "blue"),
        *("rejected at decode", "rejected at validate", "rejected at predict"),
    }
    assert sum(len(pairs[colour]) for colour in ("red", "green", "blue")) == 5


def test_the_model_is_loaded_in_mapper_init_and_counted(tmp_path: Path) -> None:
    job = Forgiving(["--mapper"])
    lines = BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in HOSTILE))
    job.sandbox(stdin=lines)
    job.run_mapper()
    counters = parse_mr_job_stderr(job.stderr.getvalue().splitlines())["counters"]["model_dofns"]
    assert (counters["records_scored"], counters["records_rejected_predict"]) == (5, 1)
    assert counters["records_rejected_validate"] == 1
    assert len(job.stdout.getvalue().splitlines()) == 7


def test_the_score_job_has_the_same_results_as_the_mapper(tmp_path: Path, score: Score) -> None:
    path = write_lines(tmp_path / "in" / "a.jsonl", records(5))
    assert score("--model", PLAIN, "--output-dir", tmp_path / "out", path).exit_code == 0
    values = Counter(json.dumps(value) for _, value in printed(AsItComes, path))
    assert values == Counter(
        json.dumps(json.loads(line)) for line in read_result(tmp_path / "out").predictions
    )

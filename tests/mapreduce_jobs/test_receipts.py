"""What tasks and launcher tell each other: nothing is lost on the way, and nothing counts twice."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_runs import DATA_FORMATS, PLAIN

from mapreduce_jobs.launching import orders_of
from mapreduce_jobs.receipts import Order, Receipt, one_each
from mapreduce_jobs.score import ScoreJob
from model_dofns.exceptions import ScoringError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Range
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import FileRange, cut_into_ranges
from model_dofns.jobs.shares import Share
from model_dofns.manifest import InputFile, OutputFile
from model_dofns.model_spec import ModelMetadata
from model_dofns.reasons import Reason

PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(
    [
        "/a\tb",
        "/a\nb\r",
        "/né/日本",
        "/ a  b ",
        "s3://b/a b#c",
        "hdfs://h:1/x%20y",
        '/"\\',
        "\x85\u2028",
    ]
)
NUMBERS = st.integers(0, sys.maxsize)
FILES = st.builds(InputFile, PATHS, NUMBERS, st.sampled_from(DATA_FORMATS))
RANGES = st.builds(
    lambda file, start, stop: FileRange(Range(file.path, start, stop), file),
    FILES,
    NUMBERS,
    NUMBERS,
)
ORDERS = st.builds(Order, NUMBERS, st.lists(RANGES, min_size=1).map(tuple))
REASONS = st.builds(
    Reason,
    st.sampled_from(["decode", "predict"]),
    st.text(max_size=5),
    NUMBERS,
    st.dictionaries(st.text(max_size=5), st.text(max_size=5) | NUMBERS, max_size=3),
)
OUTPUTS = st.lists(
    st.builds(
        OutputFile,
        PATHS,
        st.dictionaries(st.text(max_size=5), NUMBERS, max_size=2),
        NUMBERS,
        st.lists(REASONS, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
SHARES = st.builds(
    Share,
    st.dictionaries(PATHS, NUMBERS, max_size=3),
    NUMBERS,
    OUTPUTS,
    OUTPUTS,
    st.lists(
        st.builds(ModelMetadata, *[st.text(max_size=5)] * 4, st.booleans(), st.booleans()),
        max_size=2,
    ).map(tuple),
    st.dictionaries(
        PATHS, st.tuples(st.text(max_size=5), st.sampled_from(DATA_FORMATS)), max_size=2
    ),
)
RECEIPTS = st.builds(
    Receipt,
    st.lists(NUMBERS, max_size=3).map(tuple),
    st.lists(SHARES, max_size=3).map(tuple),
    SHARES,
)


@given(ORDERS)
def test_an_order_is_a_line_that_all_input_formats_take_for_one(order: Order) -> None:
    line = order.to_line()
    assert line.isascii()
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1  # not at \r, \x85 or the like either
    assert b"\t" not in line
    assert Order.from_line(line.decode()) == order
    assert Order.from_line(f"1234\t{line.decode()}") == order  # as NLineInputFormat hands it on


@given(RECEIPTS)
def test_a_receipt_says_what_it_was_told(receipt: Receipt) -> None:
    assert Receipt.from_json(receipt.to_json()) == receipt


# --- one each ---


def orders(count: int) -> list[Order]:
    file = InputFile("/in/a.jsonl", 9, "jsonl")
    return [Order(number, (FileRange(Range(file.path, 0, 9), file),)) for number in range(count)]


def test_of_several_receipts_of_a_task_the_first_counts() -> None:
    first, second = (Receipt((0, 1), (Share(scored=scored),)) for scored in (1, 2))
    other = Receipt((2,))
    assert one_each([first, second, other], orders(3)) == [first, other]
    assert one_each([other, second, first], orders(3)) == [other, second]


def test_a_task_without_orders_counts_for_nothing() -> None:
    assert one_each([Receipt(()), Receipt((0,))], orders(1)) == [Receipt((0,))]


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ([(0, 1), (1, 2)], "overlapped: \\[1\\]"),
        ([(0, 1, 1), (2,)], "overlapped"),
        ([(0,), (2,)], "1 of 3 orders were not done.*/in/a.jsonl"),
        ([], "3 of 3 orders"),
    ],
)
def test_overlaps_and_gaps_are_refused(done: Sequence[tuple[int, ...]], words: str) -> None:
    with pytest.raises(ScoringError, match=words):
        one_each(map(Receipt, done), orders(3))


# --- orders of a job ---


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Job:
    """A job of files small and large, of text."""
    rng = random.Random(1)
    for number in range(9):
        lines = (b'{"x":1}\n' * rng.randrange(300) for _ in range(1))
        (tmp_path / f"{number}.jsonl").write_bytes(b"".join(lines))
    words = ["--model", PLAIN, "--output-dir", str(tmp_path / "out"), str(tmp_path)]
    return ScoreJob.of(words)._planned()


@pytest.mark.parametrize("tasks", [None, 1, 2, 3, 7, 1000])
def test_orders_read_all_of_the_input_once_and_about_as_much_each(
    tasks: int | None, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FORMATS["jsonl"]).ranges, "__defaults__", (200,))
    maximum = job.options.max_record_bytes
    expected = [
        each
        for file in job.files
        for each in cut_into_ranges(file, job.store, job.formats, maximum)
    ]
    assert len(expected) > 30
    made = orders_of(job, tasks)
    assert [order.id for order in made] == list(range(len(made)))
    assert len(made) == min(tasks or 1, len(expected))
    found = [each for order in made for each in order.ranges]
    assert len(found) == len(expected)
    assert set(found) == set(expected)
    loads = [sum(min(r.part.stop, r.file.bytes) - r.part.start for r in o.ranges) for o in made]
    assert max(loads) - min(loads) <= 200


def test_there_is_a_task_for_so_many_bytes(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapreduce_jobs.launching._OPENING_BYTES", 0)
    total = sum(file.bytes for file in job.files)
    monkeypatch.setattr("mapreduce_jobs.launching.TASK_BYTES", total // 3 + 1)
    assert len(orders_of(job, None)) == 3
    shards = dataclasses.replace(job, options=dataclasses.replace(job.options, num_shards=2))
    assert len(orders_of(shards, None)) == 2


def test_for_the_first_records_one_task_reads_files_in_their_order(job: Job) -> None:
    limited = dataclasses.replace(job, options=dataclasses.replace(job.options, limit=5))
    (order,) = orders_of(limited, 7)
    assert [each.file for each in order.ranges] == list(job.files)
    assert all(each.part.start == 0 and each.part.stop == sys.maxsize for each in order.ranges)

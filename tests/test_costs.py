"""What scoring costs, in what no machine's mood changes: calls, and allocations of Arrow's.

A block is scored and written. Where columns decide, no Python is called for a record; where the
judge or ``predict`` does, so many calls a record. No figure may grow by more than a quarter over
``COSTS``, which this renews, once it has become less, or more for a good reason:

    .venv/bin/python tests/test_costs.py
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from job_runs import records

from model_dofns import ModelSpec, Scorer
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block
from model_dofns.formats.csv.format import CsvFormat


class Cost(NamedTuple):
    """Of scoring and writing a block.

    Attributes:
        calls: of Python and C functions, whatever the number of records.
        calls_a_record: of those, as well, for each record.
        allocations: of Arrow's, for a block of 4,000 records.
        bytes_a_record: that these have.
    """

    calls: int
    calls_a_record: float
    allocations: int
    bytes_a_record: int


# Of a model with predict_batch, one with predict alone, and one whose input the judge must see.
COSTS = {
    ("PlainModel", "jsonl"): Cost(889, 0.0, 323, 663),
    ("PlainModel", "csv"): Cost(936, 0.0, 185, 514),
    ("PlainModel", "parquet"): Cost(402, 0.0, 453, 668),
    ("RecordModel", "jsonl"): Cost(926, 24.0, 323, 671),
    ("RecordModel", "csv"): Cost(973, 24.0, 185, 522),
    ("RecordModel", "parquet"): Cost(444, 24.0, 462, 676),
    ("JudgedModel", "jsonl"): Cost(641, 33.0, 170, 520),
    ("JudgedModel", "csv"): Cost(674, 22.0, 191, 374),
    ("JudgedModel", "parquet"): Cost(422, 11.0, 489, 752),
}
MAY_GROW = 1.25
FEW, MANY = 1_000, 4_000


def block(format_name: str, count: int) -> Block:
    rows = [
        {**row, "n": row["id"] % 100 + 1, "name": f"né {row['id'] % 7}", "weight": 1.5}
        for row in records(count)
    ]
    data: Any
    if format_name == "parquet":
        data = pa.RecordBatch.from_pylist(rows)
    elif format_name == "jsonl":
        data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    else:
        data = b"".join(",".join(map(str, row.values())).encode() + b"\n" for row in rows)
    return Block(format_name, "file", data, 0)


def score_and_write(scorer: Scorer, given: Block) -> None:
    scored = scorer.score(given)
    assert scored.records_scored == scored.records_read
    assert scored.predictions is not None
    writer = FORMATS[given.format].writer(io.BytesIO())
    writer.write(scored.predictions)
    writer.close()


def calls(work: Callable[..., None], *arguments: Any) -> int:
    """How many functions are called, of Python and of C."""
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        work(*arguments)
    finally:
        sys.setprofile(None)
    return count


def measured(model: str, format_name: str) -> Cost:
    names = (*records(1)[0], "weight")
    formats = {**FORMATS, "csv": CsvFormat(columns=names)}
    scorer = Scorer(ModelSpec(f"models:{model}"), formats=formats)
    few, many = block(format_name, FEW), block(format_name, MANY)
    score_and_write(scorer, few)  # what is made once, is made
    of_few, of_many = (calls(score_and_write, scorer, each) for each in (few, many))
    pool = pa.default_memory_pool()
    before = pool.num_allocations(), pool.total_bytes_allocated()
    score_and_write(scorer, many)
    allocations = pool.num_allocations() - before[0]
    total = pool.total_bytes_allocated() - before[1]
    a_record = round((of_many - of_few) / (MANY - FEW), 2)
    return Cost(round(of_few - a_record * FEW), a_record, allocations, total // MANY)


@pytest.mark.parametrize(("model", "format_name"), COSTS)
def test_scoring_costs_no_more_than_it_did(model: str, format_name: str) -> None:
    cost, committed = measured(model, format_name), COSTS[model, format_name]
    assert committed.calls_a_record or not cost.calls_a_record, "columns need no Python a record"
    for name, now, then in zip(Cost._fields, cost, committed, strict=True):
        assert now <= MAY_GROW * then, f"{name}: {now}, and it was {then}"


if __name__ == "__main__":
    for model in ("PlainModel", "RecordModel", "JudgedModel"):
        for format_name in FORMATS:
            figures = ", ".join(map(str, measured(model, format_name)))
            print(f'    ("{model}", "{format_name}"): Cost({figures}),')

"""ScoreDoFn, driven by hand as a runner drives it, and what passes between DoFns."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.internal import pickler
from apache_beam.pvalue import TaggedOutput
from apache_beam.testing.test_pipeline import TestPipeline as CheckedPipeline
from apache_beam.testing.util import assert_that, equal_to

from model_dofns import ModelSpec, Reject
from model_dofns.dofns import (
    MODELS,
    PREDICTIONS,
    RECORDS_READ,
    REJECTS,
    ScoreDoFn,
    ScoredRecords,
)
from model_dofns.exceptions import ModelError
from model_dofns.formats.base import Block, Layout
from model_dofns.model_spec import ModelMetadata

SPEC = ModelSpec("models:PoisonModel")
GOOD = b'{"x":1.5,"n":2,"colour":"red","name":"a"}\n'
POISON = GOOD.replace(b"1.5", b"13.0")
SCORED = GOOD[:-2] + b',"prediction":{"label":"a is red","score":5.0,"ratio":0.75}}\n'


def block(*lines: bytes) -> Block:
    return Block("jsonl", "file", b"".join(lines), 0)


def outputs(dofn: ScoreDoFn, element: Block) -> dict[str, list[Any]]:
    """What comes of a block, by tag."""
    by_tag: dict[str, list[Any]] = {}
    for output in dofn.process(element):
        tagged = isinstance(output, TaggedOutput)
        tag, value = (output.tag, output.value) if tagged else (PREDICTIONS, output)
        by_tag.setdefault(tag, []).append(value)
    return by_tag


# --- its life ---


@pytest.fixture
def unseen_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model in a module that no one has imported, and that notes when it is loaded."""
    name = f"unseen_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(
        "import time\n"
        "import models\n"
        "loaded = []\n"
        "class Noted(models.PlainModel):\n"
        "    def __init__(self, fails: int = 0):\n"
        "        super().__init__()\n"
        "        time.sleep(0.01)\n"
        "        loaded.append(self)\n"
        "        if len(loaded) <= fails:\n"
        "            raise ValueError('not yet')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return ModelSpec(f"{name}:Noted")


def loads_of(spec: ModelSpec) -> int:
    module = sys.modules.get(spec.class_path.partition(":")[0])
    return len(module.loaded) if module else 0


@pytest.mark.parametrize("pickles", [pickle, pickler], ids=["pickle", "Beam's pickler"])
def test_constructing_and_pickling_load_nothing(unseen_model: ModelSpec, pickles: Any) -> None:
    dofn = pickles.loads(pickles.dumps(ScoreDoFn(unseen_model)))
    assert unseen_model.class_path.partition(":")[0] not in sys.modules
    dofn.setup()
    assert loads_of(unseen_model) == 1


def test_pickling_after_setup_takes_no_model_along(unseen_model: ModelSpec) -> None:
    fresh = ScoreDoFn(unseen_model)
    size = len(pickler.dumps(fresh))
    fresh.setup()
    fresh.teardown()
    assert len(pickler.dumps(fresh)) <= size + 10


def test_setup_loads_once_for_all_instances_of_a_process(unseen_model: ModelSpec) -> None:
    dofns = [pickle.loads(pickle.dumps(ScoreDoFn(unseen_model))) for _ in range(8)]
    threads = [threading.Thread(target=dofn.setup) for dofn in dofns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads_of(unseen_model) == 1
    for dofn in dofns:
        assert outputs(dofn, block(GOOD))[PREDICTIONS] == [ScoredRecords(SCORED, 1)]


def test_teardown_and_setup_again_works(unseen_model: ModelSpec) -> None:
    dofn = ScoreDoFn(unseen_model)
    for _ in range(3):
        dofn.setup()
        result = outputs(dofn, block(GOOD))
        assert result[PREDICTIONS] == [ScoredRecords(SCORED, 1)]
        assert len(result[MODELS]) == 1
        dofn.teardown()
    assert loads_of(unseen_model) == 1


def test_setup_that_failed_can_be_tried_again(unseen_model: ModelSpec) -> None:
    dofn = ScoreDoFn(ModelSpec(unseen_model.class_path, {"fails": 1}))
    with pytest.raises(ModelError, match="not yet"):
        dofn.setup()
    dofn.teardown()
    dofn.setup()
    assert outputs(dofn, block(GOOD))[PREDICTIONS] == [ScoredRecords(SCORED, 1)]


# --- its outputs ---


@pytest.fixture
def dofn() -> ScoreDoFn:
    made = ScoreDoFn(SPEC)
    made.setup()
    return made


def test_a_block_gives_predictions_rejects_and_counts(dofn: ScoreDoFn) -> None:
    result = outputs(dofn, block(GOOD, POISON, b"[]\n", GOOD))

    assert result.keys() == {PREDICTIONS, REJECTS, RECORDS_READ, MODELS}
    assert result[PREDICTIONS] == [ScoredRecords(SCORED * 2, 2)]
    assert [
        (type(reject), reject.stage, reject.source["offset"]) for reject in result[REJECTS]
    ] == [
        (Reject, "predict", len(GOOD)),
        (Reject, "decode", len(GOOD + POISON)),
    ]
    assert result[RECORDS_READ] == [("file", 4)]
    assert result[MODELS] == [ModelMetadata.of(SPEC.load())]


def test_a_block_without_a_good_record_gives_no_predictions(dofn: ScoreDoFn) -> None:
    result = outputs(dofn, block(POISON))
    assert PREDICTIONS not in result
    assert result[RECORDS_READ] == [("file", 1)]


def test_the_model_is_named_once(dofn: ScoreDoFn) -> None:
    assert [len(outputs(dofn, block(GOOD)).get(MODELS, [])) for _ in range(3)] == [1, 0, 0]


def test_its_arguments_reach_the_scorer() -> None:
    dofn = ScoreDoFn(SPEC, Layout(prediction_field="p", max_record_bytes=len(GOOD)))
    dofn.setup()
    result = outputs(dofn, block(GOOD, GOOD.replace(b'"a"', b'"much longer"')))
    assert result[PREDICTIONS] == [ScoredRecords(SCORED.replace(b"prediction", b"p"), 1)]
    assert [reject.error for reject in result[REJECTS]] == ["RecordTooLong"]


def test_in_a_pipeline_of_ones_own() -> None:
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = (
            pipeline
            | beam.Create([block(GOOD, POISON), block(GOOD)])
            | beam.ParDo(ScoreDoFn(SPEC)).with_outputs(
                REJECTS, RECORDS_READ, MODELS, main=PREDICTIONS
            )
        )
        payloads = scored[PREDICTIONS] | beam.Map(lambda records: bytes(records.payload))
        stages = scored[REJECTS] | beam.Map(lambda reject: reject.stage)
        read = scored[RECORDS_READ] | beam.CombinePerKey(sum)
        assert_that(payloads, equal_to([SCORED, SCORED]), label="predictions")
        assert_that(stages, equal_to(["predict"]), label="rejects")
        assert_that(read, equal_to([("file", 3)]), label="read")


# --- what passes between DoFns ---

BATCH = pa.RecordBatch.from_pydict({"id": [1, 2, 3], "name": ["é", None, "c"]})
ELEMENTS: dict[str, Callable[[], tuple[Any, int]]] = {
    "bytes": lambda: (ScoredRecords(SCORED, 1), len(SCORED)),
    "buffer": lambda: (ScoredRecords(pa.py_buffer(SCORED * 2).slice(5), 1), 2 * len(SCORED) - 5),
    "record batch": lambda: (ScoredRecords(BATCH, 3), BATCH.nbytes),
    "part of a record batch": lambda: (
        ScoredRecords(BATCH.slice(1, 1), 1),
        BATCH.slice(1, 1).nbytes,
    ),
    "block of lines": lambda: (block(GOOD, POISON), len(GOOD + POISON)),
    "block of rows": lambda: (Block("parquet", "file", BATCH, 7), BATCH.nbytes),
    "head of a long line": lambda: (Block("jsonl", "file", b"{", 5, whole_length=1 << 30), 1),
}


@pytest.mark.parametrize("make", ELEMENTS.values(), ids=ELEMENTS)
def test_the_coder_weighs_and_keeps_an_element(make: Callable[[], tuple[Any, int]]) -> None:
    element, size = make()
    coder = beam.coders.registry.get_coder(type(element))
    assert coder.estimate_size(element) == element.nbytes == size
    assert coder.decode(coder.encode(element)) == element
    assert not coder.is_deterministic()


def test_weighing_does_not_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beam's own coder would, and it weighs a sample of all elements."""
    monkeypatch.delattr("model_dofns.dofns.pickle.dumps")
    coder = beam.coders.registry.get_coder(ScoredRecords)
    assert coder.estimate_size(ScoredRecords(SCORED, 1)) == len(SCORED)

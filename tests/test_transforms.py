"""ScoreDicts, ScoreRows and ScoreTables in pipelines such as a user writes."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline as CheckedPipeline
from apache_beam.testing.test_stream import TestStream as Stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import trigger, window
from apache_beam.typehints.decorators import TypeCheckError
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.windowed_value import PaneInfoTiming
from pydantic import BaseModel

from model_dofns import MLModel, ModelSpec, Reject
from model_dofns.dofns import REJECTS
from model_dofns.exceptions import ModelError, UsageError
from model_dofns.transforms import ScoreDicts, ScoreRows, ScoreTables, _ScoreDictsDoFn

SPEC = ModelSpec("models:PoisonModel")
GOOD = {"x": 1.5, "n": 2, "colour": "red", "name": "a"}
POISON = GOOD | {"x": 13.0}
PREDICTION = {"label": "a is red", "score": 5.0, "ratio": 0.75}
RUNNERS = ["FnApiRunner", "DirectRunner"]


def verdict(reject: Reject) -> tuple[Any, ...]:
    return reject.stage, reject.error, reject.format, reject.file, dict(reject.source)


# --- dicts ---


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_users_own_unit_test(runner: str) -> None:
    records = [GOOD, POISON, GOOD | {"id": 7, 8: [None]}]
    with CheckedPipeline(runner=runner) as pipeline:
        scored = pipeline | beam.Create(records) | ScoreDicts(SPEC)
        expected = [record | {"prediction": PREDICTION} for record in (records[0], records[2])]
        assert_that(scored.predictions, equal_to(expected), label="predictions")
        rejected = scored["rejects"] | beam.Map(verdict)
        source = {"input": json.dumps(POISON)}
        expected_reject = ("predict", "ValueError", "dict", None, source)
        assert_that(rejected, equal_to([expected_reject]), label="rejects")
    assert scored["predictions"] is scored.predictions


def test_in_two_processes_over_many_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent  # for the workers, where the models are
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here.parent))))
    records = [GOOD | {"id": i, "x": 13.0 if i % 10 == 0 else 1.5} for i in range(1_000)]
    arguments = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    with CheckedPipeline(runner="FnApiRunner", options=PipelineOptions(arguments)) as pipeline:
        scored = pipeline | beam.Create(records) | beam.Reshuffle() | ScoreDicts(SPEC)
        ids = scored.predictions | beam.Map(lambda record: record["id"])
        bad = scored.rejects | beam.Map(lambda reject: json.loads(reject.source["input"])["id"])
        assert_that(ids, equal_to([i for i in range(1_000) if i % 10]), label="predictions")
        assert_that(bad, equal_to(list(range(0, 1_000, 10))), label="rejects")


def test_what_is_no_record_is_a_reject() -> None:
    clash = GOOD | {"prediction": 1}
    elements = [5, None, [GOOD], clash]
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        created = pipeline | beam.Create(elements).with_output_types(beam.typehints.Any)
        scored = created | ScoreDicts(SPEC)
        rejected = scored.rejects | beam.Map(lambda reject: (reject.error, reject.source["input"]))
        assert_that(
            rejected,
            equal_to(
                [
                    ("NotAnObject", "5"),
                    ("NotAnObject", "null"),
                    ("NotAnObject", json.dumps([GOOD])),
                    ("NameClash", json.dumps(clash)),
                ]
            ),
        )


def test_another_name_for_the_prediction() -> None:
    record = GOOD | {"prediction": 1}
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = pipeline | beam.Create([record]) | ScoreDicts(SPEC, prediction_field="p")
        assert_that(scored.predictions, equal_to([record | {"p": PREDICTION}]))
    with pytest.raises(UsageError, match="cannot be named"):
        ScoreDicts(SPEC, prediction_field="the prediction")


def test_sizes_bound_a_batch() -> None:
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = (
            pipeline
            | beam.Create([GOOD | {"weight": i} for i in range(1, 9)], reshuffle=False)
            | ScoreDicts(
                SPEC,
                min_batch_size=9,
                max_batch_size=9,
                element_size_fn=lambda record: record["weight"] * 2,  # the first alone fits twice
            )
        )
        assert_that(scored.predictions | beam.combiners.Count.Globally(), equal_to([8]))
    [batches] = pipeline.result.metrics().query(
        beam.metrics.MetricsFilter().with_name("batches_scored")
    )["counters"]
    assert batches.result == 7  # 1 and 2 together, and each other one by itself
    with pytest.raises(ValueError, match="Minimum"):
        ScoreDicts(SPEC, min_batch_size=5, max_batch_size=4)


def test_it_counts() -> None:
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = pipeline | beam.Create([GOOD, POISON, GOOD | {"x": None}]) | ScoreDicts(SPEC)
        assert_that(scored.rejects | beam.combiners.Count.Globally(), equal_to([2]))
    found = {
        counter.key.metric.name: counter.result
        for counter in pipeline.result.metrics().query()["counters"]
        if counter.key.metric.namespace == "model_dofns"
    }
    assert found.pop("model_load_milliseconds") >= 0
    assert found.pop("predict_milliseconds") >= 0
    assert found.pop("batches_scored") >= 1
    assert found == {
        "records_read": 3,
        "records_scored": 1,
        "records_rejected_predict": 1,
        "records_rejected_validate": 1,
    }


# --- windows, timestamps and panes ---


class Where(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """What an element is and where it stands."""

    def process(
        self,
        element: Any,
        timestamp: Any = beam.DoFn.TimestampParam,
        in_window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterable[Any]:
        if isinstance(element, Reject):
            element = json.loads(element.source["input"])
        yield element["id"], timestamp, in_window, pane


def merged(pcoll: Any) -> Any:
    """Sessions that have been merged: a window is what its elements made of it."""
    grouped = pcoll | beam.WithKeys(0) | beam.GroupByKey()
    return grouped | beam.FlatMap(lambda group: group[1])


def in_panes(pcoll: Any) -> Any:
    """An element in a pane of its own."""
    fires = beam.WindowInto(
        window.FixedWindows(10),
        trigger=trigger.Repeatedly(trigger.AfterCount(1)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
    )
    grouped = pcoll | fires | beam.Map(lambda r: (r["id"], r)) | beam.GroupByKey()
    return grouped | beam.FlatMap(lambda group: group[1])


WINDOWS: dict[str, Callable[[Any], Any]] = {
    "global": lambda pcoll: pcoll,
    "fixed": lambda pcoll: pcoll | beam.WindowInto(window.FixedWindows(10)),
    "sliding": lambda pcoll: pcoll | beam.WindowInto(window.SlidingWindows(10, 5)),
    "sessions": lambda pcoll: pcoll | beam.WindowInto(window.Sessions(3)),
    "merged sessions": lambda pcoll: merged(pcoll | beam.WindowInto(window.Sessions(3))),
    "panes": in_panes,
    "timestamp of the window's end": lambda pcoll: merged(
        pcoll
        | beam.WindowInto(
            window.FixedWindows(7), timestamp_combiner=window.TimestampCombiner.OUTPUT_AT_EOW
        )
    ),
}


@pytest.mark.parametrize(
    ("runner", "into"),
    [
        *(pytest.param("FnApiRunner", into, id=name) for name, into in WINDOWS.items()),
        *(
            pytest.param("DirectRunner", WINDOWS[name], id=f"{name}, Direct")
            for name in ("sliding", "panes")
        ),
    ],
)
def test_all_that_comes_of_an_element_stands_where_it_stood(
    runner: str, into: Callable[[Any], Any]
) -> None:
    records = [GOOD | {"id": i, "x": 13.0 if i % 3 == 0 else 1.5} for i in range(30)]
    with CheckedPipeline(runner=runner) as pipeline:
        placed = into(
            pipeline
            | beam.Create(records)
            | beam.Map(lambda record: window.TimestampedValue(record, record["id"] * 2))
        )
        scored = placed | ScoreDicts(SPEC)
        expected = placed | "where they stood" >> beam.ParDo(Where())
        outputs = (scored.predictions, scored.rejects) | beam.Flatten()
        found = outputs | "where they stand" >> beam.ParDo(Where())
        differences = (
            (
                expected | "once" >> beam.Map(lambda where: (str(where), 1)),
                found | "less once" >> beam.Map(lambda where: (str(where), -1)),
            )
            | "both" >> beam.Flatten()
            | "into one" >> beam.WindowInto(window.GlobalWindows())
            | beam.CombinePerKey(sum)
            | beam.Filter(lambda difference: difference[1] != 0)
        )
        assert_that(differences, equal_to([]), label="the same")
        ids = found | "global" >> beam.WindowInto(window.GlobalWindows())
        ids = ids | beam.Map(lambda where: where[0]) | beam.Distinct()
        assert_that(ids, equal_to(list(range(30))), label="all of them")
        # And downstream they group as the input would.
        assert scored.predictions.windowing == scored.rejects.windowing == placed.windowing


def test_a_stream_loses_nothing_to_lateness() -> None:
    """Each window closes, on time, with all its elements, and the stream goes on."""
    stream = Stream()
    for minute in range(5):
        stream.advance_watermark_to(minute * 60)
        stream.add_elements(
            [
                window.TimestampedValue(GOOD | {"id": minute}, minute * 60 + second)
                for second in (50, 1, 30)
            ]
        )
    stream.advance_watermark_to_infinity()
    options = PipelineOptions(["--streaming"])
    with CheckedPipeline(runner="DirectRunner", options=options) as pipeline:
        scored = pipeline | stream | beam.WindowInto(window.FixedWindows(60)) | ScoreDicts(SPEC)
        counts = (
            scored.predictions
            | beam.Map(lambda record: (record["id"], record["prediction"]["score"]))
            | beam.combiners.Count.PerElement()
        )
        on_time = counts | beam.Map(
            lambda count, pane=beam.DoFn.PaneInfoParam: (count, pane.timing)
        )
        expected = [(((minute, 5.0), 3), PaneInfoTiming.ON_TIME) for minute in range(5)]
        assert_that(on_time, equal_to(expected))


# --- types, and what a launcher does ---


@pytest.mark.parametrize(
    ("elements", "transform"),
    [
        ([1, 2], ScoreDicts(SPEC)),
        (["text"], ScoreDicts(SPEC)),
        ([GOOD], ScoreTables(SPEC)),
        ([GOOD], ScoreRows(SPEC)),
        ([pa.table({"x": [1.5]})], ScoreDicts(SPEC)),
        ([1], ScoreRows(SPEC)),
    ],
)
def test_a_pipeline_of_another_type_is_refused_where_it_is_made(
    elements: list[Any], transform: beam.PTransform
) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    with pytest.raises(TypeCheckError):
        _ = pipeline | beam.Create(elements) | transform


def test_outputs_say_their_types() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    scored = pipeline | beam.Create([GOOD]) | ScoreDicts(SPEC)
    assert scored.predictions.element_type == beam.typehints.Dict[Any, Any]
    assert scored.rejects.element_type is Reject
    with pytest.raises(TypeCheckError, match="Dict"):
        _ = scored.predictions | beam.Map(lambda x: x).with_input_types(int)
    for kind in (pa.Table, pa.RecordBatch):
        tables = pipeline | kind.__name__ >> beam.Create([]).with_output_types(kind)
        scored = tables | f"Score {kind.__name__}" >> ScoreTables(SPEC)
        assert scored.predictions.element_type is kind


@pytest.fixture
def unseen_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model in a module that no one has imported, and that must not be made here."""
    name = f"unseen_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(
        "import models\n"
        "class Unseen(models.PlainModel):\n"
        "    def __init__(self):\n"
        "        raise RuntimeError('made')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return ModelSpec(f"{name}:Unseen")


def test_the_launcher_makes_no_model(unseen_model: ModelSpec) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    _ = pipeline | beam.Create([GOOD]) | ScoreDicts(unseen_model)
    _ = pipeline | "tables" >> beam.Create([pa.table({"x": [1.5]})]) | ScoreTables(unseen_model)
    assert unseen_model.class_path.partition(":")[0] not in sys.modules
    scored = pipeline | "rows" >> beam.Create([beam.Row(**GOOD)]) | ScoreRows(unseen_model)
    assert isinstance(scored.predictions.element_type, RowTypeConstraint)


def test_no_model_is_pickled_along() -> None:
    fresh = _ScoreDictsDoFn(SPEC, "prediction")
    size = len(pickler.dumps(fresh))
    fresh.setup()
    fresh.teardown()
    assert len(pickler.dumps(fresh)) <= size + 10


# --- rows ---


class Flower(NamedTuple):
    x: float
    n: int
    colour: str
    name: str
    weight: float | None = None


@dataclasses.dataclass(frozen=True)
class FlowerClass:
    x: float
    n: int
    colour: str
    name: str


for _kind in (Flower, FlowerClass):
    beam.coders.registry.register_coder(_kind, beam.coders.RowCoder)

ROW_KINDS: dict[str, Callable[..., Any]] = {
    "Row": beam.Row,
    "named tuple": Flower,
    "dataclass": FlowerClass,
}


@pytest.mark.parametrize("kind", ROW_KINDS.values(), ids=ROW_KINDS)
def test_rows_come_out_with_the_predictions_fields(kind: Callable[..., Any]) -> None:
    rows = [kind(**GOOD), kind(**POISON), kind(**(GOOD | {"n": 0}))]
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = pipeline | beam.Create(rows) | ScoreRows(SPEC)
        fields = dict(scored.predictions.element_type._fields)
        assert list(fields)[:4] == list(GOOD)
        assert list(fields)[-3:] == ["prediction_label", "prediction_score", "prediction_ratio"]
        assert fields["prediction_ratio"] == beam.typehints.Optional[float]
        values = scored.predictions | beam.Reshuffle() | beam.Map(lambda row: row._asdict())
        kept = {"weight": None} if kind is Flower else {}
        expected = [
            GOOD | kept | {f"prediction_{name}": value for name, value in prediction.items()}
            for prediction in (PREDICTION,)
        ]
        second = PREDICTION | {"score": 3.0, "ratio": None}
        expected.append(
            GOOD | {"n": 0} | kept | {f"prediction_{name}": v for name, v in second.items()}
        )
        assert_that(values, equal_to(expected), label="predictions")
        rejected = scored.rejects | beam.Map(verdict)
        expected_reject = ("predict", "ValueError", "row", None)
        source = {"input": json.dumps(POISON | kept)}
        assert_that(rejected, equal_to([(*expected_reject, source)]), label="rejects")


def test_rows_keep_their_schema_on_their_way_into_parquet(tmp_path: Path) -> None:
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = pipeline | beam.Create([beam.Row(**GOOD)]) | ScoreRows(SPEC, "p")
        _ = scored.predictions | beam.io.WriteToParquet(str(tmp_path / "out"))
        labels = scored.predictions | beam.Select("p_label", twice=lambda row: row.p_score * 2)
        assert_that(labels, equal_to([beam.Row(p_label="a is red", twice=10.0)]))
    [file] = tmp_path.iterdir()
    prediction = {f"p_{name}": value for name, value in PREDICTION.items()}
    assert pq.read_table(file).to_pylist() == [GOOD | prediction]


def test_rows_that_have_a_field_of_that_name_are_refused() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    rows = pipeline | beam.Create([beam.Row(**GOOD, prediction_label="x")])
    with pytest.raises(UsageError, match="prediction_label"):
        _ = rows | ScoreRows(SPEC)


def test_a_model_that_is_not_installed_here_is_said_and_leaves_no_schema(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    rows = pipeline | beam.Create([beam.Row(**GOOD)])
    with caplog.at_level(logging.WARNING, "model_dofns"):
        scored = rows | ScoreRows(ModelSpec("elsewhere:Model"))
    assert scored.predictions.element_type == beam.typehints.Any
    assert "no module 'elsewhere'" in caplog.text


def test_an_output_without_columns_is_refused() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    rows = pipeline | beam.Create([beam.Row(**GOOD)])
    with pytest.raises(ModelError, match="no column type"):
        _ = rows | ScoreRows(ModelSpec(f"{__name__}:ListModel"))


class ListOutput(BaseModel):
    labels: list[int | str]


class ListModel(MLModel):
    output_schema = ListOutput

    def predict(self, record: Any) -> Any:
        raise AssertionError("never made")


# --- tables ---

TABLE = pa.table(
    {
        "x": pa.chunked_array([[1.5, 13.0], [], [1.5]]),
        "n": pa.chunked_array([[2], [2, 2]], pa.int8()),
        "colour": pa.chunked_array([["red", "red", "red"]]).dictionary_encode(),
        "name": ["a", "b", "a"],
        "zz": [[1], None, []],
    }
).replace_schema_metadata({"made": "by hand"})


@pytest.mark.parametrize("kind", [pa.Table, pa.RecordBatch])
def test_tables_come_out_as_they_came_with_the_predictions_columns(kind: type) -> None:
    table = TABLE if kind is pa.Table else TABLE.combine_chunks().to_batches()[0]
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        scored = pipeline | beam.Create([table]) | ScoreTables(SPEC)

        def check(found: list[Any]) -> None:
            [out] = found
            assert type(out) is kind
            assert out.schema.names[5:] == [f"prediction_{name}" for name in PREDICTION]
            kept = out.select(TABLE.column_names)
            assert kept.schema.equals(TABLE.schema, check_metadata=True)
            assert kept.to_pylist() == TABLE.take([0, 2]).to_pylist()
            assert out.column("prediction_score").to_pylist() == [5.0, 5.0]

        assert_that(scored.predictions, check, label="predictions")
        rejected = scored.rejects | beam.Map(verdict)
        values = {"x": 13.0, "n": 2, "colour": "red", "name": "b", "zz": None}
        source = {"input": json.dumps(values), "row": 1}
        expected = [("predict", "ValueError", "table", None, source)]
        assert_that(rejected, equal_to(expected), label="rejects")


def test_tables_without_good_rows_give_rejects_alone() -> None:
    clash = TABLE.append_column("prediction_label", [["a", "b", "c"]])
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        created = pipeline | beam.Create([TABLE.slice(1, 1), TABLE.slice(0, 0), clash])
        scored = created | ScoreTables(SPEC)
        assert_that(scored.predictions, equal_to([]), label="predictions")
        rejected = scored.rejects | beam.Map(
            lambda reject: (reject.error, reject.source["row"], "the table has" in reject.message)
        )
        expected = [("ValueError", 0, False), *(("NameClash", row, True) for row in range(3))]
        assert_that(rejected, equal_to(expected), label="rejects")


def test_tables_stand_where_they_stood() -> None:
    with CheckedPipeline(runner="FnApiRunner") as pipeline:
        placed = (
            pipeline
            | beam.Create([TABLE])
            | beam.Map(lambda table: window.TimestampedValue(table, 25))
            | beam.WindowInto(window.FixedWindows(10))
        )
        scored = placed | ScoreTables(SPEC)
        for name in ("predictions", REJECTS):
            at = scored[name] | name >> beam.Map(
                lambda _, t=beam.DoFn.TimestampParam, w=beam.DoFn.WindowParam: (float(t), str(w))
            )
            assert_that(at, equal_to([(25.0, "[20.0, 30.0)")]), label=name)

"""What a Scorer makes of a block is what comes of each record alone, whatever the model does."""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import models
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_dofns import ModelSpec, ScoredBlock, Scorer
from model_dofns.bisecting import bisect
from model_dofns.exceptions import EveryPredictionFailsError, InputError, UsageError
from model_dofns.formats.base import Block, Layout
from model_dofns.prediction import MAX_FAILURES_FROM_START

PLAIN = ModelSpec("models:PlainModel")


def line(x: object = 1.5, *, n: object = 2, name: str = "a", **more: object) -> bytes:
    record = {"x": x, "n": n, "colour": "red", "name": name, **more}
    return json.dumps(record, ensure_ascii=False).encode()


def block(*lines: bytes) -> Block:
    return Block("jsonl", "file", b"".join(line + b"\n" for line in lines), 0)


def rows(**columns: object) -> Block:
    batch = pa.RecordBatch.from_pydict(
        {"x": [1.5, 2.5, 3.5], "n": [1, 2, 3], "colour": ["red"] * 3, "name": ["a"] * 3, **columns}
    )
    return Block("parquet", "file", batch, 0)


def verdicts(scored: ScoredBlock) -> list[tuple[str, str]]:
    return [(reject.stage, reject.error) for reject in scored.rejects]


def text(scored: ScoredBlock) -> bytes:
    assert not isinstance(scored.predictions, pa.RecordBatch)
    return bytes(scored.predictions or b"")


GOOD_LINE = line()

# --- names of the prediction ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a b", "a.b", "9", 'say "hi"', "één", "预"])
def test_the_prediction_has_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError, match="letters, digits and _"):
        Scorer(PLAIN, Layout(prediction_field=name))


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("prediction", ["prediction", r"\u0070rediction", r"\u0070\u0072ediction"]),
        ("_x9", ["_x9", r"\u005fx9", r"_x\u0039", r"\u005Fx9"]),
    ],
)
def test_a_record_that_has_the_predictions_name_is_refused_however_it_is_spelled(
    name: str, spellings: list[str]
) -> None:
    scorer = Scorer(PLAIN, Layout(prediction_field=name))
    clashes = [GOOD_LINE[:-1] + f',"{spelling}":1}}'.encode() for spelling in spellings]
    scored = scorer.score(block(GOOD_LINE, *clashes))
    assert verdicts(scored) == [("decode", "NameClash")] * len(clashes)
    assert json.loads(text(scored))[name]["score"] == 5.0


def test_the_predictions_name_further_down_or_as_a_value_is_no_clash() -> None:
    nested = [line(zz={"prediction": 1}), line(name="prediction"), line(zz=["prediction"])]
    assert Scorer(PLAIN).score(block(*nested)).records_scored == 3


# --- bisecting -----------------------------------------------------------------------------------


def bisected(size: int, guilty: frozenset[int]) -> tuple[int, list[tuple[int, int, bool]]]:
    """How many calls it took, and the spans with whether each was guilty."""
    calls = 0

    def call(start: int, stop: int) -> None:
        nonlocal calls
        calls += 1
        if not guilty.isdisjoint(range(start, stop)):
            raise ValueError

    spans = [(start, stop, result is not None) for start, stop, result in bisect(call, size)]
    return calls, spans


def assert_bisected(size: int, guilty: frozenset[int]) -> None:
    calls, spans = bisected(size, guilty)
    assert [row for start, stop, _ in spans for row in range(start, stop)] == list(range(size))
    assert [span[:2] for span in spans if span[2]] == [(row, row + 1) for row in sorted(guilty)]
    assert calls <= 2 * size
    most = len(guilty) or 1
    assert calls <= 2 * most * (math.log2(size / most) + 2) + 1 if size else calls == 0


@pytest.mark.parametrize("size", range(11))
def test_bisecting_leaves_the_guilty_alone_within_its_bound(size: int) -> None:
    for pattern in itertools.product([False, True], repeat=size):
        assert_bisected(size, frozenset(itertools.compress(range(size), pattern)))


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(1, 5_000), share=st.sampled_from([0, 1e-3, 0.01, 0.1, 1]), seed=st.integers()
)
def test_bisecting_leaves_the_guilty_of_many_alone_within_its_bound(
    size: int, share: float, seed: int
) -> None:
    rng = random.Random(seed)
    assert_bisected(size, frozenset(row for row in range(size) if rng.random() < share))


@pytest.mark.parametrize("size", [100, 1_000, 4_096, 5_000])
def test_bisecting_keeps_its_bound_where_the_guilty_lie_farthest_apart(size: int) -> None:
    for count in [*range(1, 20), size // 100, size // 10, size // 3, size // 2, size - 1]:
        assert_bisected(size, frozenset(i * size // count for i in range(count)))


@pytest.mark.parametrize("largest", [1, 7, 100, 1_000, 9_999])
def test_what_fails_for_its_size_is_called_with_less(largest: int) -> None:
    size, calls, handed = 10_000, 0, 0

    def call(start: int, stop: int) -> None:
        nonlocal calls, handed
        calls, handed = calls + 1, handed + stop - start
        if stop - start > largest:
            raise MemoryError

    spans = [span[:2] for span in bisect(call, size)]
    assert [row for start, stop in spans for row in range(start, stop)] == list(range(size))
    assert calls <= 2 * math.log2(size) + 2 * size / largest
    assert handed <= 4 * size


def test_one_guilty_record_costs_few_calls() -> None:
    calls, _ = bisected(4_096, frozenset([1_000]))
    assert calls <= 2 * math.log2(4_096)


def test_one_guilty_record_in_a_hundred_costs_a_tenth_of_a_call_a_record() -> None:
    rng = random.Random(1)
    calls, _ = bisected(40_000, frozenset(rng.sample(range(40_000), 400)))
    assert calls < 4_400


def test_calls_of_the_model_are_counted_with_those_that_raise() -> None:
    scored = Scorer(ModelSpec("models:PoisonModel")).score(block(line(), line(models.POISON)))
    assert scored.counts["batches_scored"] == 3


# --- models that misbehave -----------------------------------------------------------------------

POISONED = [line(1.0), line(models.POISON), line(2.0), line(3.0), line(models.POISON)]


@pytest.mark.parametrize(
    ("model", "verdict"),
    [
        ("PoisonModel", ("predict", "ValueError")),
        ("PoisonRecordModel", ("predict", "ValueError")),
        ("ExitModel", ("predict", "SystemExit")),
        ("MutatingModel", ("predict", "ValueError")),
        ("NanModel", ("output", "NotFinite")),
        ("NanRecordModel", ("output", "NotFinite")),
    ],
)
def test_only_the_records_a_model_cannot_take_are_rejected(
    model: str, verdict: tuple[str, str]
) -> None:
    assert_only_poison_is_rejected(ModelSpec(f"models:{model}"), verdict)


@pytest.mark.parametrize("way", models.UnfitModel.WAYS)
def test_only_the_records_with_an_unfit_output_are_rejected(way: str) -> None:
    spec = ModelSpec("models:UnfitModel", {"way": way})
    assert_only_poison_is_rejected(spec, ("output", "UnfitOutput"))


def test_a_record_model_must_return_its_output_class() -> None:
    spec = ModelSpec("models:UnfitRecordModel", {"way": "nothing"})
    assert_only_poison_is_rejected(spec, ("output", "UnfitOutput"))


def assert_only_poison_is_rejected(spec: ModelSpec, verdict: tuple[str, str]) -> None:
    good = text(Scorer(PLAIN).score(block(*POISONED)))
    for batch_size in (None, 1, 2):
        scored = Scorer(spec, batch_size=batch_size).score(block(*POISONED))
        assert verdicts(scored) == [verdict] * 2
        assert [reject.source["offset"] for reject in scored.rejects] == [
            sum(len(line) + 1 for line in POISONED[:row]) for row in (1, 4)
        ]
        lines = good.splitlines(keepends=True)
        assert text(scored) == lines[0] + lines[2] + lines[3]


@pytest.mark.parametrize("model", ["BoundModel", "BoundRecordModel"])
def test_an_output_that_its_own_class_refuses_is_an_output_reject(model: str) -> None:
    scored = Scorer(ModelSpec(f"models:{model}")).score(block(line(1.0), line(99.0), line(49.0)))
    assert verdicts(scored) == [("output", "ValidationError")]
    assert scored.rejects[0].message == "score: Input should be less than or equal to 100"
    assert scored.records_scored == 2


def test_output_text_that_is_no_utf8_is_an_output_reject() -> None:
    scored = Scorer(ModelSpec("models:BadTextModel")).score(block(GOOD_LINE, GOOD_LINE))
    assert [reject.stage for reject in scored.rejects] == ["output"] * 2


def test_a_prediction_that_is_not_finite_is_null_where_the_field_may_be_none() -> None:
    scored = Scorer(PLAIN).score(block(line(1.0, n=0), line(1e300, n=1)))
    assert [json.loads(one)["prediction"]["ratio"] for one in text(scored).splitlines()] == [
        None,
        1e300,
    ]
    table = Scorer(PLAIN).score(rows(n=[0, 1, 0])).predictions
    assert table.column("prediction_ratio").to_pylist() == [None, 2.5, None]


@pytest.mark.filterwarnings("ignore")
def test_a_noisy_model_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    scored = Scorer(ModelSpec("models:NoisyModel")).score(block(GOOD_LINE, GOOD_LINE))
    assert all(capsys.readouterr())
    assert text(scored) == text(Scorer(PLAIN).score(block(GOOD_LINE, GOOD_LINE)))


@pytest.mark.filterwarnings("error")
def test_a_model_whose_warnings_are_errors_rejects_and_no_more() -> None:
    scored = Scorer(ModelSpec("models:NoisyModel")).score(block(GOOD_LINE))
    assert verdicts(scored) == [("predict", "UserWarning")]


def test_a_panic_rejects_its_record_and_no_more() -> None:
    scored = Scorer(ModelSpec("models:PanickingModel")).score(
        block(line(1.0), line(models.POISON), line(2.0))
    )
    assert verdicts(scored) == [("predict", "Panic")]
    assert scored.records_scored == 2


def test_a_model_that_overwrites_its_input_changes_no_record() -> None:
    some = rows(x=[1.5, models.POISON, 3.5], weight=[0.25, None, 0.75])
    before = some.data.to_pylist()
    scored = Scorer(ModelSpec("models:MutatingModel")).score(some)
    columns = scored.predictions.to_pylist()
    assert verdicts(scored) == [("predict", "ValueError")]
    assert [row["prediction_score"] for row in columns] == [4.25, 10.75]
    assert [{name: row[name] for name in before[0]} for row in columns] == [before[0], before[2]]


def test_a_model_that_overwrites_its_input_spoils_no_second_try() -> None:
    scored = Scorer(ModelSpec("models:MutatingModel")).score(
        block(line(1.0), line(13.0), line(2.0))
    )
    assert verdicts(scored) == [("predict", "ValueError")]
    assert [json.loads(one)["prediction"]["score"] for one in text(scored).splitlines()] == [4, 6]


def test_a_class_that_is_judged_alone_keeps_to_its_validator() -> None:
    scored = Scorer(ModelSpec("models:JudgedModel")).score(block(line(n=1), line(n=666), line(n=2)))
    assert [(reject.stage, reject.message) for reject in scored.rejects] == [
        ("validate", "n: Value error, no devils")
    ]


def test_a_validator_that_exits_rejects_its_record_and_no_more() -> None:
    scored = Scorer(ModelSpec("models:JudgedModel")).score(block(line(n=1), line(n=999), line(n=2)))
    assert verdicts(scored) == [("validate", "SystemExit")]


@pytest.mark.parametrize("number", ["number", "count"])
def test_a_model_finds_the_keys_it_names_otherwise_in_every_format(number: str) -> None:
    record = {"X": 1.5, number: 2, "colours": ["red"], "name": "a", "n": 7, "x": 8.5}
    scorer = Scorer(ModelSpec("models:AliasedModel"))
    lines = scorer.score(block(json.dumps(record).encode()))
    table = scorer.score(Block("parquet", "file", pa.RecordBatch.from_pylist([record]), 0))
    assert [*lines.rejects, *table.rejects] == []
    assert json.loads(text(lines))["prediction"]["score"] == 5.0
    assert table.predictions.to_pylist()[0]["prediction_score"] == 5.0


@pytest.mark.parametrize("record", [b"{}", b"{ }", b"{\t \r }", b" {} "])
def test_an_empty_object_gets_its_prediction_without_a_comma(record: bytes) -> None:
    scored = Scorer(ModelSpec("models:DefaultsModel")).score(block(line(), record))
    spliced = text(scored).split(b"\n")[1]
    assert spliced.startswith(record.strip(b" ")[:-1] + b'"prediction":{')
    assert json.loads(spliced)["prediction"]["label"] == "nobody is red"


def test_a_table_without_any_field_of_the_model_is_scored_with_defaults() -> None:
    some = Block("parquet", "file", pa.RecordBatch.from_pydict({"zz": ["a", "b"]}), 0)
    assert Scorer(ModelSpec("models:DefaultsModel")).score(some).records_scored == 2
    assert verdicts(Scorer(PLAIN).score(some)) == [("validate", "ValidationError")] * 2


# --- a model that works on nothing ---------------------------------------------------------------


@pytest.mark.parametrize("model", ["FailingModel", "FailingRecordModel"])
@pytest.mark.parametrize("block_size", [1, 300, 5_000])
def test_a_task_stops_when_its_first_thousand_records_fail(model: str, block_size: int) -> None:
    scorer = Scorer(ModelSpec(f"models:{model}"))
    failing = block(*[GOOD_LINE] * block_size)
    scorer.score(block(*[b"{}"] * 2_000))
    for _ in range((MAX_FAILURES_FROM_START - 1) // block_size):
        assert len(scorer.score(failing).rejects) == block_size
    with pytest.raises(EveryPredictionFailsError, match="RuntimeError: always"):
        scorer.score(failing)


@pytest.mark.parametrize("model", ["PoisonModel", "PoisonRecordModel"])
def test_one_success_among_the_first_thousand_keeps_a_task_going(model: str) -> None:
    scorer = Scorer(ModelSpec(f"models:{model}"))
    poison = [line(models.POISON)] * (MAX_FAILURES_FROM_START - 1)
    scorer.score(block(*poison, GOOD_LINE))
    assert len(scorer.score(block(*poison, *poison)).rejects) == 2 * len(poison)


# --- side by side --------------------------------------------------------------------------------


def mixed_block(seed: int) -> Block:
    rng = random.Random(seed)
    values = [rng.choice([models.POISON, 1.0, "two", 2.5]) for _ in range(60)]
    return block(*(line(x, n=i) for i, x in enumerate(values)))


def result(scored: ScoredBlock) -> tuple[bytes, bytes]:
    return text(scored), b"".join(reject.to_json() for reject in scored.rejects)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 60, 1_000])
@pytest.mark.parametrize("model", ["PlainModel", "PoisonModel", "JudgedModel"])
def test_the_batch_size_changes_nothing(model: str, batch_size: int) -> None:
    spec = ModelSpec(f"models:{model}")
    for some in (mixed_block(1), block(), block(b"", b" ")):
        scored = Scorer(spec, batch_size=batch_size).score(some)
        assert result(scored) == result(Scorer(spec).score(some))


@pytest.mark.parametrize("some", [mixed_block(1), block(line(n=0)), block(), block(b"5")])
@pytest.mark.parametrize("kind", ["", "Poison", "Nan", "Bound"])
def test_predict_alone_scores_as_predict_batch_does(kind: str, some: Block) -> None:
    batched = Scorer(ModelSpec(f"models:{kind or 'Plain'}Model"))
    single = Scorer(ModelSpec(f"models:{kind}RecordModel"))
    assert result(single.score(some)) == result(batched.score(some))


def test_two_specifications_live_side_by_side() -> None:
    ones = Scorer(ModelSpec("models:PlainModel", {"offset": 1}))
    thousands = Scorer(
        ModelSpec("models:PlainModel", {"offset": 1_000}), Layout(prediction_field="more")
    )
    for x in range(3):
        assert json.loads(text(ones.score(block(line(x)))))["prediction"]["score"] == 2 * x + 3
        assert json.loads(text(thousands.score(block(line(x)))))["more"]["score"] == 2 * x + 1_002


def in_ten_threads(score: Callable[[int, Block], ScoredBlock]) -> list[tuple[bytes, bytes]]:
    """The results of a hundred blocks, scored by ten threads that begin together."""
    together = threading.Barrier(10)

    def work(thread: int) -> list[tuple[bytes, bytes]]:
        together.wait()
        return [result(score(thread, mixed_block(10 * thread + i))) for i in range(10)]

    with ThreadPoolExecutor(10) as pool:
        return [one for results in pool.map(work, range(10)) for one in results]


ONE_BY_ONE = functools.cache(
    lambda spec: [result(Scorer(spec).score(mixed_block(seed))) for seed in range(100)]
)


@pytest.mark.parametrize("model", ["PlainModel", "PoisonModel", "PoisonRecordModel"])
def test_ten_threads_may_share_a_model(model: str) -> None:
    spec = ModelSpec(f"models:{model}")
    scorers = [Scorer(spec) for _ in range(10)]
    assert in_ten_threads(lambda thread, some: scorers[thread].score(some)) == ONE_BY_ONE(spec)


@pytest.mark.parametrize("model", ["PlainModel", "PoisonModel", "PoisonRecordModel"])
def test_ten_threads_may_share_a_scorer(model: str) -> None:
    spec = ModelSpec(f"models:{model}")
    scorer = Scorer(spec)
    assert in_ten_threads(lambda _, some: scorer.score(some)) == ONE_BY_ONE(spec)


def test_a_model_that_is_not_thread_safe_is_never_entered_twice_at_once() -> None:
    spec = ModelSpec("models:OneAtATimeModel")
    scorers = [Scorer(spec) for _ in range(5)]
    assert in_ten_threads(lambda thread, some: scorers[thread // 2].score(some)) == ONE_BY_ONE(
        PLAIN
    )
    assert spec.load().collisions == 0


def test_a_model_that_only_says_it_is_thread_safe_is_entered_twice_at_once() -> None:
    spec = ModelSpec("models:CarelessModel")
    scorer = Scorer(spec)
    in_ten_threads(lambda _, some: scorer.score(some))
    assert spec.load().collisions > 0


# --- counts --------------------------------------------------------------------------------------


def test_counts_say_what_became_of_every_record() -> None:
    lines = [line(), b"5", line("one"), line(models.POISON), line(1e308, n=1), line(), b"", b"{"]
    scored = Scorer(ModelSpec("models:PoisonModel")).score(block(*lines))
    assert Counter(reject.stage for reject in scored.rejects) == Counter(
        decode=2, validate=1, predict=1, output=1
    )
    assert scored.counts.pop("predict_milliseconds") >= 0
    assert scored.counts == {
        "records_read": 7,
        "records_scored": 2,
        "batches_scored": 6,
        "records_rejected_decode": 2,
        "records_rejected_validate": 1,
        "records_rejected_predict": 1,
        "records_rejected_output": 1,
    }


def test_a_name_that_the_prediction_takes_is_found_where_the_model_is_loaded() -> None:
    """As when it was not loaded at launch."""
    names = frozenset({"x", "prediction_label"})
    for output_format in ("csv", "parquet"):
        with pytest.raises(InputError, match="prediction_label"):
            Scorer(PLAIN, Layout(output_format=output_format, known_names=names))
    Scorer(PLAIN, Layout(output_format="csv", known_names=names, keep_fields=("x",)))
    Scorer(PLAIN, Layout(output_format="jsonl", known_names=names))


def test_csv_without_the_names_of_its_columns_is_refused() -> None:
    with pytest.raises(UsageError, match="columns"):
        Scorer(PLAIN).score(Block("csv", "file", b"1,2\n", 0))

"""Each check is seen to fail on a model that is written to fail it, and on no other."""

from __future__ import annotations

import copy
import functools
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import broken_models
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import model_dofns.check
from model_dofns import ModelSpec
from model_dofns.check import check_model, main
from model_dofns.checks import costs, strategies
from model_dofns.checks.catalogue import CHECKS
from model_dofns.checks.context import Context
from model_dofns.checks.predicting import check_batching
from model_dofns.checks.results import CheckReport, CheckResult, Verdict
from model_dofns.exceptions import InputError, ModelCheckError

# A model, the one check that does not end well, what it says, and what its hint says.
BROKEN = [
    ("NowhereModel", "import", "has nothing of that name", "package.module:Class"),
    ("TwoPartVersionModel", "version", "'1.0' is no semantic one", "MAJOR.MINOR.PATCH"),
    ("NamelessModel", "contract", "display_name must be a text", "what a model must have"),
    ("ShapelessModel", "contract", "which has no column type", "what a model must have"),
    ("SecretModel", "records", "takes 0 of", "records of your own"),
    ("RaisingModel", "answers", "RuntimeError: no price list", "input class"),
    ("DearModel", "output", "less than or equal to 10000", "its bounds"),
    ("DictModel", "output", "must return a Price, and returned a dict", "its type"),
    ("RegisteredModel", "fresh process", "nothing is registered", "handed the path of the class"),
    ("RegisteredLaterModel", "fresh process", "IndexError", "handed the path of the class"),
    ("CrashingModel", "fresh process", "the process ended with exit code 3", "the configuration"),
    ("RandomModel", "deterministic", "when it is asked again: price = ", "seed"),
    ("ProcessModel", "deterministic", "another process answers otherwise: price = ", "hash()"),
    ("CountedModel", "loads twice", "a second instance answers otherwise: price", "parameters"),
    ("RoughModel", "predict_batch", "differ: price = ", "1e-9"),
    ("LabelModel", "predict_batch", "differ: label = 'PARCEL", "all else exactly"),
    ("RaisingBatchModel", "predict_batch", "NotImplementedError: later", "the same function"),
    ("SqueezingModel", "batching", "all at once and by 1 at once differ: price", "from that row"),
    ("OrderedModel", "batching", "in this order and in another they differ: price", "that row"),
    ("EmptyBatchModel", "batching", "without rows: IndexError: no first row", "without rows"),
    ("SmallBatchModel", "batching", "MemoryError: too many rows", "raise for no one"),
    ("SharedModel", "threads", "do not get the answers of one: price", "thread_safe = False"),
    ("BusyModel", "threads", "do not get the answers of one", "thread_safe"),
    ("ChangingModel", "input unchanged", "predict changes its record", "on a copy"),
    ("ChangingMappingsModel", "input unchanged", "predict changes its record", "on a copy"),
    ("OverwritingModel", "input unchanged", "writes into its batch", "on a copy"),
    ("FetchingModel", "network", "does not load (look-up of 'localhost')", "in its package"),
    ("AskingModel", "network", "answers otherwise (connection to ('127.0.0.1', 9))", "package"),
    ("FallingBackModel", "network", "otherwise (look-up of 'localhost'): price", "package"),
    ("PrintingModel", "stdout", "while it predicts: 'weighed\\nweighed", "print to stderr"),
    ("WritingModel", "stdout", "6 bytes are printed while it is loaded: 'loaded'", "stderr"),
    ("PartingModel", "stdout", "8 bytes are printed when Python ends: 'goodbye\\n'", "stderr"),
    ("PicklingModel", "pickling", "pickling of a PicklingModel", "do not pickle or deepcopy"),
]
WARNED = [
    ("LightRaisingModel", "answers", "ValueError: too light", "rejects such records at predict"),
    ("TryingModel", "network", "look-up of 'localhost'), and goes on without", "its package"),
    ("KeepingModel", "memory", "predict loses", "fill a cache"),
    ("KeepingBatchesModel", "memory", "predict_batch loses", "fill a cache"),
]


@pytest.fixture(autouse=True)
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks at how long something takes; records of a schema are made once for all."""
    monkeypatch.setattr(strategies, "made_values", made_once)
    monkeypatch.setattr(costs, "_MEASURED_SECONDS", 0.001)
    monkeypatch.setattr(costs, "_WINDOW_SECONDS", 0.01)
    monkeypatch.setattr(broken_models, "REGISTERED", ["here"])


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch, check: str) -> int:
    """Those that need a new process each are left out, but for the one that is looked at."""
    apart = {"network", "pickling"} - {check}
    checks = [each for each in CHECKS if each.name not in apart]
    monkeypatch.setattr(model_dofns.check, "CHECKS", checks)
    return len(checks)


def made_once(json_schema: Any, count: int) -> list[Any]:
    return copy.deepcopy(made(json.dumps(json_schema), count))


@functools.cache
def made(json_schema: str, count: int, make: Any = strategies.made_values) -> list[Any]:
    return make(json.loads(json_schema), count)  # type: ignore[no-any-return]  # as it gives them


def checked(name: str, **configuration: Any) -> CheckReport:
    return check_model(ModelSpec(f"broken_models:{name}", configuration))


def by_verdict(report: CheckReport) -> dict[Verdict, list[str]]:
    found: dict[Verdict, list[str]] = {}
    for result in report:
        found.setdefault(result.verdict, []).append(result.check)
    return found


@pytest.mark.parametrize(("name", "check", "message", "hint"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_model_fails_its_check_alone(
    name: str, check: str, message: str, hint: str, quick_checks: int
) -> None:
    report = checked(name)
    assert [result.check for result in report.failures] == [check]
    assert Verdict.WARNING not in by_verdict(report)
    (failure,) = report.failures
    assert message in failure.message
    assert hint in failure.hint
    with pytest.raises(ModelCheckError, match=rf"1 of {quick_checks} checks .* failed: {check}\n"):
        report.raise_for_failures()


@pytest.mark.parametrize(("name", "check", "message", "hint"), WARNED, ids=[w[0] for w in WARNED])
@pytest.mark.usefixtures("quick_checks")
def test_what_may_be_meant_is_a_warning(name: str, check: str, message: str, hint: str) -> None:
    report = checked(name)
    assert by_verdict(report).get(Verdict.FAILED) is None
    assert by_verdict(report)[Verdict.WARNING] == [check]
    (warning,) = (result for result in report if result.verdict is Verdict.WARNING)
    assert message in warning.message
    assert hint in warning.hint


def test_each_check_that_may_fail_is_seen_to() -> None:
    assert {check for _, check, _, _ in BROKEN} == {check.name for check in CHECKS} - {
        "time",
        "memory",
    }


@pytest.mark.parametrize(
    "path",
    [
        "broken_models:GoodModel",
        "iris_model.iris_predict:IrisModel",
        "models:PlainModel",
    ],
)
def test_a_sound_model_passes_all(path: str) -> None:
    report = check_model(path)
    assert by_verdict(report) == {
        Verdict.OK: [check.name for check in CHECKS[:-2]],
        Verdict.INFO: ["time", "memory"],
    }
    report.raise_for_failures()
    assert not any(result.hint for result in report if result.check != "time")


def test_records_that_are_dicts_are_as_good() -> None:
    report = checked("MappingsModel")
    assert {each.check for each in report if each.verdict is not Verdict.OK} == {
        "predict_batch",
        "batching",
        "time",
        "memory",
    }
    assert not report.failures


def test_a_model_of_another_contract_is_checked_as_its_adapter_has_it() -> None:
    report = checked("StrangeModel")
    assert result(report, "version").message.startswith("for the adapter to say")
    assert result(report, "contract").message == "strange 1.0.0: Strange"
    assert not report.failures
    assert result(report, "threads").verdict is Verdict.NOT_TRIED
    assert result(report, "answers").verdict is Verdict.OK


def result(report: CheckReport, check: str) -> CheckResult:
    (found,) = (each for each in report if each.check == check)
    return found


def test_what_it_says_of_itself_is_not_held_against_it() -> None:
    chance = checked("ChanceModel")
    assert by_verdict(chance)[Verdict.NOT_TRIED] == [
        "deterministic",
        "loads twice",
        "predict_batch",
        "batching",
        "threads",
    ]
    assert result(chance, "threads").message == "as it does not claim to be deterministic"
    in_turn = result(checked("OneAtATimeModel"), "threads")
    assert (in_turn.verdict, in_turn.message) == (
        Verdict.OK,
        "it does not claim to be thread safe, and its callers take turns",
    )


def test_what_needs_a_check_that_failed_is_not_tried() -> None:
    report = checked("TwoPartVersionModel")
    assert [each.verdict for each in report] == [
        Verdict.OK,
        Verdict.FAILED,
        *[Verdict.NOT_TRIED] * (len(CHECKS) - 2),
    ]
    assert {each.message for each in list(report)[2:]} == {"as version failed"}


def test_a_print_at_import_is_seen() -> None:
    report = check_model("printing_model:PrintedModel")
    assert [each.check for each in report.failures] == ["stdout"]
    assert "6 bytes are printed while it is imported: 'hello\\n'" in report.failures[0].message


def test_without_predict_batch_there_is_a_hint() -> None:
    report = checked("RecordModel")
    assert by_verdict(report)[Verdict.NOT_TRIED] == ["predict_batch", "batching"]
    assert result(report, "batching").message == "as it has no predict_batch"
    assert result(report, "time").hint.startswith("add predict_batch")


@pytest.mark.parametrize(("seconds", "hint"), [(1.0, ""), (600.0, "gains next to nothing")])
def test_a_batch_that_gains_nothing_has_a_hint(
    seconds: float, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_seconds", lambda calls: 1.0 if calls.rows == 1 else seconds)
    figures = costs.measure_time(Context(ModelSpec("broken_models:GoodModel")))
    assert figures.verdict is Verdict.INFO
    assert hint in figures.hint
    assert bool(hint) is bool(figures.hint)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"price": [], "label": []}, "returns no RecordBatch"),
        (pa.RecordBatch.from_pydict({"price": []}), "returns no RecordBatch"),
        (pa.RecordBatch.from_pydict({"price": [1.0], "label": ["x"]}), "returns 1 rows"),
    ],
)
def test_an_answer_to_no_rows_has_the_columns_and_no_rows(
    answer: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = broken_models.GoodModel.predict_batch
    monkeypatch.setattr(
        broken_models.GoodModel,
        "predict_batch",
        lambda self, batch: sound(self, batch) if batch.num_rows else answer,
    )
    finding = check_batching(Context(ModelSpec("broken_models:GoodModel")))
    assert finding.verdict is Verdict.FAILED
    assert f"{message} " in finding.message


def test_a_class_may_be_checked_as_it_is() -> None:
    assert check_model(broken_models.GoodModel).model == "broken_models:GoodModel"


# --- records ---------------------------------------------------------------------------------


def test_the_author_s_own_records_are_used_beside_made_ones(tmp_path: Path) -> None:
    good = {"weight": 2.5, "name": "é"}
    lines = tmp_path / "some.jsonl"
    lines.write_text(f"{json.dumps(good)}\n{json.dumps(good | {'weight': -1})}\n{{\n")
    with gzip.open(tmp_path / "more.csv.gz", "wt") as cells:
        cells.write("weight,kind,name,other\n2.5,letter,é,1\n2.5,,7,\n")
    pq.write_table(pa.table({k: [v] for k, v in good.items()}), tmp_path / "one.parquet")
    files = [tmp_path / name for name in ("some.jsonl", "more.csv.gz", "one.parquet")]
    report = check_model("broken_models:GoodModel", [good, *files])
    assert not report.failures
    records = result(report, "records")
    assert records.verdict is Verdict.WARNING
    assert ", 5 from samples (" in records.message
    assert "2 samples are no records: weight: Input should be greater than 0" in records.message


def test_samples_are_all_there_is_where_none_can_be_made() -> None:
    record = {"weight": 2.5, "name": "Rumpelstiltskin"}
    report = check_model("broken_models:SecretModel", [record])
    assert not report.failures
    assert "0 made from the input class, 1 from samples" in result(report, "records").message


def test_a_sample_finds_what_no_made_record_does() -> None:
    assert not check_model("broken_models:UnluckyModel").failures
    report = check_model("broken_models:UnluckyModel", [{"weight": 13.0, "name": "Friday"}])
    assert [each.check for each in report.failures] == ["predict_batch"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jsonl", None, "is no file"),
        ("notes.txt", b"{}", "format"),
        ("broken.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_a_file_that_has_no_records_is_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_model("broken_models:GoodModel", [tmp_path / name])


# --- the command line ------------------------------------------------------------------------


def test_the_table_has_a_verdict_and_a_hint_for_each(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("models: {chatty: {class: 'broken_models:PrintingModel'}}")
    assert main(["chatty", "--models", str(models)]) == 4
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert sum(line.startswith(tuple(Verdict)) for line in lines) == len(CHECKS)
    assert "ok         import           broken_models:PrintingModel" in lines
    (row,) = (i for i, line in enumerate(lines) if line.startswith("FAILED     stdout "))
    assert lines[row + 1].split()[:2] == ["->", "stdout"]
    assert "error: 1 of 18 checks of broken_models:PrintingModel failed: stdout\n" in err


def test_a_sound_model_ends_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "model_dofns.check", "broken_models:GoodModel"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == len(CHECKS)
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [[], ["--sample", "x"], ["a:B", "--model", "x"]])
def test_words_that_make_no_sense_are_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_a_model_that_nobody_knows_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["nobody"]) == 4
    assert "looked for the model 'nobody'" in capfd.readouterr().err


def test_without_hypothesis_it_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert main(["broken_models:GoodModel"]) == 4
    assert "pip install 'model-dofns[check]'" in capfd.readouterr().err

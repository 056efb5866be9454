"""Models that no one wrote for this library, unchanged, on both engines and in every format."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from job_runs import DATA_FORMATS
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

import beam_jobs.score
import mapreduce_jobs.score
from model_dofns import MLModel, ModelSpec, Scorer, adapters
from model_dofns.adapters.foreign import ForeignModel
from model_dofns.exceptions import ModelError
from model_dofns.formats.base import Block
from model_dofns.manifest import Manifest
from model_dofns.models_file import resolve_model

FOREIGN = Path(__file__).parent / "foreign"

GOOD = [
    {"id": 0, "age": 20, "bmi": 25.0, "region": "southwest", "smoker": True, "other": 1},
    {"id": 1, "age": 65, "bmi": 30, "region": "northeast", "smoker": False, "other": 2},
    {"id": 2, "age": 40, "bmi": 18.5, "region": "northeast", "smoker": True, "other": 3},
]
CHARGES = {0: 11000.0, 1: 25375.0, 2: 19500.0}
REFUSED = [
    {"id": 3, "age": 17, "bmi": 25.0, "region": "southwest", "smoker": True, "other": 1},
    {"id": 4, "age": 20, "bmi": 25.5, "region": "nowhere", "smoker": False, "other": 1},
    {"id": 5, "age": 20, "bmi": 99.5, "region": "southwest", "smoker": False, "other": 1},
]
JSON_SCHEMAS = {
    "input_schema": {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 18, "maximum": 65},
            "bmi": {"type": "number", "minimum": 15, "maximum": 60},
            "region": {"enum": ["southwest", "northeast"]},
            "smoker": {"type": "boolean"},
        },
        "required": ["age", "bmi", "region"],
    },
    "output_schema": {
        "type": "object",
        "properties": {"charges": {"type": "number"}},
        "required": ["charges"],
    },
}
ENTRIES: dict[str, dict[str, Any]] = {
    "ml_base": {"class": "insurance:ChargesModel", "configuration": {"base": 1000.0}},
    "decorated": {
        "class": "insurance:ChargesModel",
        "decorators": [
            {"class": "insurance:Rounded", "configuration": {"places": 3}},
            {"class": "insurance:Rounded", "configuration": {"places": 2}},
        ],
    },
    "older": {"class": "old_charges:ChargesModel"},
    "oldest": {"class": "old_charges:FirstModel"},
    "bare": {"class": "old_charges:BareModel", "metadata": JSON_SCHEMAS},
}


@pytest.fixture(autouse=True)
def foreign_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOREIGN)
    monkeypatch.setenv("PYTHONPATH", str(FOREIGN))


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"models": ENTRIES}))
    return path


def write(folder: Path, format_name: str, records: list[dict[str, Any]]) -> Path:
    path = folder / f"in.{format_name}"
    frame = pd.DataFrame(records)
    if format_name == "jsonl":
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    elif format_name == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def score(engine: str, source: Path, out: Path, *flags: object) -> Manifest:
    """A job of either engine; two of its records may be rejected, and more."""
    common = ["--max_errors", "50%", "--output_format", "jsonl", *map(str, flags)]
    if engine == "beam":
        words = ["--input", str(source), "--output", str(out), *common]
        assert beam_jobs.score.main(words) == 0
    else:
        words = ["-r", "inline", "--output-dir", str(out), *common, str(source)]
        assert mapreduce_jobs.score.main(words) == 0
    return Manifest.from_json((out / "_manifest.json").read_bytes())


def predictions(out: Path) -> dict[int, Any]:
    lines = [line for part in out.glob("part-*") for line in part.read_text().splitlines()]
    return {int(record["id"]): record["prediction"] for record in map(json.loads, lines)}


def rejects(out: Path) -> list[tuple[int, str, str, str]]:
    lines = [line for part in out.glob("_rejects/*") for line in part.read_text().splitlines()]
    return sorted(
        (place_of(reject), reject["stage"], reject["error"], reject["message"])
        for reject in map(json.loads, lines)
    )


def place_of(reject: Mapping[str, Any]) -> int:
    return int(reject.get("offset", reject.get("row", -1)))


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("name", ENTRIES)
def test_a_foreign_model_scores_unchanged_on_both_engines(
    name: str, format_name: str, models_file: Path, tmp_path: Path
) -> None:
    source = write(tmp_path, format_name, [*GOOD, *REFUSED])
    flags = ("--models", models_file, "--model", name)
    outs = {engine: tmp_path / engine for engine in ("beam", "mrjob")}
    for engine, out in outs.items():
        score(engine, source, out, *flags)

    assert predictions(outs["beam"]) == {i: {"charges": each} for i, each in CHARGES.items()}
    assert predictions(outs["beam"]) == predictions(outs["mrjob"])
    assert rejects(outs["beam"]) == rejects(outs["mrjob"])
    assert [stage for _, stage, *_ in rejects(outs["beam"])] == ["validate"] * 3


@pytest.mark.parametrize("file", sorted(FOREIGN.glob("*.py")), ids=lambda file: file.stem)
def test_these_models_know_nothing_of_this_library(file: Path) -> None:
    assert "model_dofns" not in file.read_text()


def test_a_field_that_is_none_by_default_fails_where_the_model_does() -> None:
    scorer = Scorer(ModelSpec("insurance:ChargesModel"))
    scored = scored_lines(scorer, {"age": 20, "bmi": 25.0}, {"bmi": 1.0}, GOOD[0])
    assert scored == [("predict", "KeyError"), ("validate", "ValidationError")]


def scored_lines(scorer: Scorer, *records: Mapping[str, Any]) -> list[tuple[str, str]]:
    text = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    return [(each.stage, each.error) for each in scorer.score(Block("jsonl", "a", text, 0)).rejects]


# --- what they say of themselves ---


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ml_base", ("Insurance charges", "insurance_charges_model", "0.2.0")),
        ("decorated", ("Insurance charges", "insurance_charges_model", "0.2.0")),
        ("older", ("Insurance charges", "old_charges", "3.1.0")),
        ("oldest", ("FirstModel", "old_charges", "0.0.0+unknown")),
        ("bare", ("BareModel", "old_charges", "0.0.0+unknown")),
    ],
)
def test_metadata_is_read_from_the_instance_or_made(
    name: str, said: tuple[str, str, str], models_file: Path
) -> None:
    model = resolve_model(name, str(models_file)).load()
    assert (model.display_name, model.qualified_name, model.version) == said
    assert model.description
    assert (model.deterministic, model.thread_safe) == (False, False)  # neither was claimed


def test_the_models_file_says_what_a_model_does_not() -> None:
    said = {"version": "2.0.0", "display_name": "Fees", "thread_safe": True, "deterministic": True}
    model = ModelSpec("insurance:ChargesModel", metadata=said).load()
    assert {name: getattr(model, name) for name in said} == said


def test_a_version_of_the_package_is_taken_where_the_model_says_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "importlib.metadata.packages_distributions", lambda: {"old_charges": ["pytest"]}
    )
    assert ModelSpec("old_charges:FirstModel").load(fresh=True).version == pytest.__version__


def test_the_manifest_names_the_decorators(models_file: Path, tmp_path: Path) -> None:
    source = write(tmp_path, "jsonl", GOOD)
    manifest = score(
        "beam", source, tmp_path / "out", "--models", models_file, "--model", "decorated"
    )
    assert manifest.model["decorators"] == ENTRIES["decorated"]["decorators"]


WITH_FOUR = "0.0.0+1.2.3.4"


@pytest.mark.parametrize(
    ("installed", "version"),
    [
        ("1.2", "1.2.0"),
        ("1.2.3", "1.2.3"),
        ("1.0rc1", "0.0.0+1.0rc1"),
        ("1.2.3.4", WITH_FOUR),
    ],
)
def test_a_package_s_version_becomes_a_semantic_one(
    installed: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {"old_charges": ["old-charges"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    monkeypatch.setattr("importlib.metadata.version", lambda name: installed)
    assert ModelSpec("old_charges:FirstModel").load(fresh=True).version == version


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ModelSpec("old_charges:FailingModel"), "FailingModel.output_schema raised KeyError"),
        (ModelSpec("old_charges:BareModel"), "no input_schema and no output_schema"),
        (ModelSpec("old_charges:BareModel", metadata={"name": "x"}), "unknown keys: name"),
        (ModelSpec("old_charges:OwnContract"), "it has no predict"),
        (
            ModelSpec("old_charges:BareModel", metadata=JSON_SCHEMAS | {"version": "new"}),
            "semantic",
        ),
        (
            ModelSpec(
                "old_charges:BareModel",
                metadata={"input_schema": {"type": "x"}}
                | {"output_schema": JSON_SCHEMAS["output_schema"]},
            ),
            "makes no sense",
        ),
        (ModelSpec("models:PlainModel", metadata={"version": "1.0.0"}), "says itself"),
        (ModelSpec("sklearn.linear_model:LogisticRegression"), "SklearnModel"),
    ],
)
def test_what_is_no_model_is_refused(spec: ModelSpec, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        spec.load()


# --- an adapter of one's own ---


def own_adapter(instance: Any, metadata: Mapping[str, Any]) -> MLModel | None:
    if not hasattr(instance, "answer"):
        return None

    class Adapted:
        input_schema = JSON_SCHEMAS["input_schema"]
        output_schema = JSON_SCHEMAS["output_schema"]

        def predict(self, record: dict[str, Any]) -> dict[str, Any]:
            return {"charges": instance.answer(**record)}

    said = dict.fromkeys(("display_name", "qualified_name", "description"), "own")
    return ForeignModel(
        Adapted(),
        {
            **said,
            "version": "1.0.0",
            "deterministic": True,
            "thread_safe": True,
            "input_schema": Adapted.input_schema,
            "output_schema": Adapted.output_schema,
            **metadata,
        },
    )


def failing_adapter(instance: Any, metadata: Mapping[str, Any]) -> MLModel | None:
    raise ValueError("no such thing")


def lying_adapter(instance: Any, metadata: Mapping[str, Any]) -> Any:
    return instance


def install(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    point = EntryPoint(function, f"{__name__}:{function}", adapters.ADAPTER_GROUP)
    monkeypatch.setattr(adapters, "entry_points", lambda group: [point])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def test_a_contract_of_ones_own_is_known_by_an_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "own_adapter")
    scorer = Scorer(ModelSpec("old_charges:OwnContract"))
    assert scorer.metadata.qualified_name == "own"
    record = {name: value for name, value in GOOD[0].items() if name not in ("id", "other")}
    assert scored_lines(scorer, record, {"age": 1}) == [("validate", "ValidationError")]
    assert isinstance(ModelSpec("insurance:ChargesModel").load(fresh=True), ForeignModel)


def test_an_adapter_that_cannot_be_imported_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    point = EntryPoint("house", "no_such_package:adapt", adapters.ADAPTER_GROUP)
    monkeypatch.setattr(adapters, "entry_points", lambda group: [point])
    assert ModelSpec("insurance:ChargesModel").load(fresh=True).version == "0.2.0"
    assert "The adapter 'house'" in caplog.text


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("failing_adapter", "raised ValueError for .*: no such thing"),
        ("lying_adapter", "must give an MLModel or None"),
    ],
)
def test_an_adapter_that_fails_is_named(
    function: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, function)
    with pytest.raises(ModelError, match=f"{function}.*{said}"):
        ModelSpec("old_charges:OwnContract").load(fresh=True)


# --- scikit-learn ---


X = pd.DataFrame(
    {
        "age": [20, 65, 40, 33, 18, 50],
        "bmi": [25.0, 30.0, 18.5, np.nan, 40.0, 22.0],
        "region": ["southwest", "northeast", "northeast", "southwest", "southwest", "northeast"],
    }
)
LABELS = np.array(["low", "high", "high", "low", "low", "high"])
FEATURES: list[dict[str, Any]] = [
    {"age": "int"},
    {"bmi": "float?"},
    {"region": ["southwest", "northeast"]},
]


def pipeline(estimator: Any) -> Any:
    encoder = make_column_transformer(
        (OneHotEncoder(), ["region"]), (FunctionTransformer(np.nan_to_num), ["age", "bmi"])
    )
    return make_pipeline(encoder, estimator)


def saved(path: Path, estimator: Any) -> Path:
    if path.suffix == ".skops":
        skops.io.dump(estimator, path)
    else:
        joblib.dump(estimator, path)
    return path


def sklearn_spec(path_of_file: Path, **configuration: Any) -> ModelSpec:
    path = "model_dofns.adapters.sklearn:SklearnModel"
    return ModelSpec(path, {"file": str(path_of_file), "features": FEATURES} | configuration)


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("suffix", ["joblib", "skops"])
def test_a_fitted_pipeline_scores_on_both_engines(
    suffix: str, format_name: str, tmp_path: Path
) -> None:
    fitted = pipeline(LogisticRegression()).fit(X, LABELS)
    file = saved(tmp_path / f"m.{suffix}", fitted)
    entry = {
        "class": "model_dofns.adapters.sklearn:SklearnModel",
        "configuration": {
            "file": str(file),
            "features": FEATURES,
            "probabilities": True,
            "trusted": skops.io.get_untrusted_types(file=file) if suffix == "skops" else [],
        },
    }
    models_file = tmp_path / "models.json"
    models_file.write_text(json.dumps({"models": {"m": entry}}))
    records = [
        {"id": i, **{k: None if v != v else v for k, v in row.items()}}
        for i, row in enumerate(X.to_dict("records"))
    ]
    records.append({"id": 9, "age": 20, "bmi": 20.0, "region": "nowhere"})
    source = write(tmp_path, format_name, records)
    expected = fitted.predict_proba(X)
    for engine in ("beam", "mrjob"):
        out = tmp_path / engine
        score(engine, source, out, "--models", models_file, "--model", "m")
        found = predictions(out)
        assert [stage for _, stage, *_ in rejects(out)] == ["validate"]
        assert [found[i]["label"] for i in range(6)] == list(LABELS)
        told = [[found[i]["probability_high"], found[i]["probability_low"]] for i in range(6)]
        np.testing.assert_allclose(told, expected, rtol=1e-9)
        assert [found[i]["probability"] for i in range(6)] == [max(each) for each in told]


@pytest.mark.parametrize(
    ("estimator", "y", "outputs"),
    [
        (LogisticRegression(), LABELS, {"label": pa.string()}),
        (RandomForestClassifier(3, random_state=0), LABELS == "low", {"label": pa.bool_()}),
        (LogisticRegression(), [1, 2, 2, 1, 1, 2], {"label": pa.int64()}),
        (LinearRegression(), [1.0, 2, 3, 4, 5, 6], {"value": pa.float64()}),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_what_an_estimator_predicts_one_by_one_and_by_the_batch(
    estimator: Any, y: Any, outputs: dict[str, pa.DataType], named: bool, tmp_path: Path
) -> None:
    numbers = X[["age", "bmi"]].fillna(0)
    estimator.fit(numbers if named else numbers.to_numpy(), y)
    spec = sklearn_spec(
        saved(tmp_path / "m.joblib", estimator), features=[{"age": "int"}, {"bmi": "float"}]
    )
    scorer = Scorer(spec)
    model = spec.load()
    assert scorer.input_schema.fast_accept_off is None
    assert scorer.output_schema.fast_accept_off is None
    assert scorer.output_schema.arrow_schema == pa.schema(outputs)
    batch = pa.RecordBatch.from_pandas(numbers, preserve_index=False)
    (name,) = outputs
    together = model.predict_batch(batch).column(name).to_pylist()
    alone = [getattr(model.predict(model.input_schema(**row)), name) for row in batch.to_pylist()]
    expected = estimator.predict(numbers if named else numbers.to_numpy()).tolist()
    if name == "value":
        expected = pytest.approx(expected, rel=1e-9)
    assert together == expected
    assert alone == expected
    assert model.predict_batch(batch.slice(0, 0)).num_rows == 0


def test_a_label_is_what_the_estimator_predicts_whatever_is_most_probable(tmp_path: Path) -> None:
    numbers = X[["age", "bmi"]].fillna(0)
    tuned = FixedThresholdClassifier(LogisticRegression(), threshold=0.999).fit(numbers, LABELS)
    file = saved(tmp_path / "m.joblib", tuned)
    features = [{"age": "int"}, {"bmi": "float"}]
    model = sklearn_spec(file, features=features, probabilities=True).load()
    batch = pa.RecordBatch.from_pandas(numbers, preserve_index=False)
    found = model.predict_batch(batch).to_pydict()
    assert found["label"] == tuned.predict(numbers).tolist()
    assert min(found["probability"]) < 0.5
    told = [found[f"probability_{label}"][i] for i, label in enumerate(found["label"])]
    assert found["probability"] == told


def test_a_null_is_the_same_one_by_one_and_by_the_batch(tmp_path: Path) -> None:
    texts = pd.DataFrame({"region": ["a", "b", None, "a"]})
    fill = SimpleImputer(strategy="constant", fill_value="b")
    fitted = make_pipeline(fill, OneHotEncoder(), LogisticRegression()).fit(texts, [0, 1, 1, 0])
    file = saved(tmp_path / "m.joblib", fitted)
    spec = sklearn_spec(file, features=[{"region": "str?"}], probabilities=True)
    model = spec.load()
    batch = pa.RecordBatch.from_pydict({"region": pa.array(["a", None], pa.string())})
    alone = model.predict(model.input_schema(region=None)).model_dump()
    assert model.predict_batch(batch).to_pylist()[1] == pytest.approx(alone)
    np.testing.assert_allclose(alone["probability_1"], fitted.predict_proba(texts)[2][1])


def test_a_file_is_its_version_and_its_name(tmp_path: Path) -> None:
    fitted = pipeline(LogisticRegression()).fit(X, LABELS)
    model = sklearn_spec(saved(tmp_path / "delays.joblib", fitted)).load()
    assert model.qualified_name == "delays"
    assert model.version.startswith("0.0.0+sha256.")
    assert "Pipeline" in model.description


class Marker:
    """Says that it was unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path(self.path),))

    def __init__(self, path: Path) -> None:
        self.path = str(path)


def test_another_file_than_was_pinned_runs_no_code(tmp_path: Path) -> None:
    file = saved(tmp_path / "m.joblib", Marker(tmp_path / "ran"))
    with pytest.raises(ModelError, match="it is another file, and was not loaded"):
        sklearn_spec(file, sha256="0" * 64).load()
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ModelError):
        sklearn_spec(file).load()
    assert (tmp_path / "ran").exists()  # which is why one pins it


def test_a_pinned_file_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = saved(tmp_path / "m.joblib", pipeline(LogisticRegression()).fit(X, LABELS))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    sklearn_spec(file, sha256=f"sha256:{digest}").load()
    assert "pin it" not in caplog.text
    sklearn_spec(file).load()
    assert "pin it with sha256" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file": "/no/such/file.joblib"}, "cannot be read on this machine"),
        ({"file": "no_such_package:m.joblib"}, "cannot be read on this machine"),
        ({"features": FEATURES[:2]}, "was fitted on the features"),
        ({"features": [FEATURES[1], FEATURES[0], FEATURES[2]]}, "was fitted on the features"),
        ({"features": [{"age": "integer"}]}, "must be one of float, int"),
        ({"features": [{"age": []}]}, "must be one of float, int"),
        ({"features": ["age"]}, "must be one name and its type"),
        ({"features": [{"age": [True, False]}]}, "in YAML, yes and no are text in quotes alone"),
        ({"features": [{"age": "int"}, {"age": "float"}]}, "is named twice"),
        ({"sha256": None}, "must be a digest in quotes, and is None"),
        ({"probabilities": "no"}, "must be true or false"),
    ],
)
def test_what_does_not_fit_an_estimator_is_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = saved(tmp_path / "m.joblib", pipeline(LogisticRegression()).fit(X, LABELS))
    with pytest.raises(ModelError, match=said):
        sklearn_spec(file, **changes).load()


def test_what_is_no_estimator_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.joblib").write_bytes(b"no pickle")
    (tmp_path / "m.skops").write_bytes(b"no archive")
    for name in ("m.joblib", "m.skops"):
        with pytest.raises(ModelError, match="cannot be loaded, which raised"):
            sklearn_spec(tmp_path / name).load()
    saved(tmp_path / "m.joblib", {"not": "one"})
    with pytest.raises(ModelError, match="holds a dict, and no fitted estimator"):
        sklearn_spec(tmp_path / "m.joblib").load()
    saved(tmp_path / "m.joblib", LinearRegression())
    with pytest.raises(ModelError, match="is not fitted"):
        sklearn_spec(tmp_path / "m.joblib").load()
    saved(tmp_path / "m.joblib", LinearRegression().fit([[1.0]], [1.0]))
    with pytest.raises(ModelError, match="has no probabilities"):
        sklearn_spec(tmp_path / "m.joblib", features=[{"x": "float"}], probabilities=True).load()


def test_skops_names_the_types_that_are_not_trusted(tmp_path: Path) -> None:
    file = saved(tmp_path / "m.skops", pipeline(LogisticRegression()).fit(X, LABELS))
    unknown = skops.io.get_untrusted_types(file=file)
    assert unknown
    with pytest.raises(ModelError, match=f"not known to be harmless: {sorted(unknown)[0]}"):
        sklearn_spec(file).load()


def test_a_file_may_be_in_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "delays_package"
    (package / "parameters").mkdir(parents=True)
    (package / "__init__.py").touch()
    saved(package / "parameters/m.joblib", pipeline(LogisticRegression()).fit(X, LABELS))
    monkeypatch.syspath_prepend(tmp_path)
    spec = ModelSpec(
        "model_dofns.adapters.sklearn:SklearnModel",
        {"file": "delays_package:parameters/m.joblib", "features": FEATURES},
    )
    assert spec.load().qualified_name == "m"

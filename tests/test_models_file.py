"""From what ``--model`` says to a specification: a path, an entry of a file, an entry point."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_dofns.exceptions import DoesNotFitError, ModelError, ModelsFileError
from model_dofns.model_spec import ModelSpec
from model_dofns.models_file import read_models_file, resolve_model

WriteFile = Callable[..., str]


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    """Writes a models file, and gives its path."""

    def write(text: str | bytes, name: str = "models.yaml") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def with_value(value: str) -> str:
    """A models file with one entry, whose one argument is this YAML."""
    return f"models:\n  iris:\n    class: m:Iris\n    configuration:\n      value: {value}\n"


# --- the file ------------------------------------------------------------------------------------

MANY = """
# What runs at night.
models:
  iris:
    class: iris_model.iris_predict:IrisModel
  strict_iris:
    class: iris_model.iris_predict:IrisModel
    configuration: {threshold: 0.9, labels: [a, b], path: /srv/iris.json, deep: {x: null}}
  fares:
    class: fares:FareModel
    configuration:
"""
SPECS = {
    "iris": ModelSpec("iris_model.iris_predict:IrisModel"),
    "strict_iris": ModelSpec(
        "iris_model.iris_predict:IrisModel",
        {"threshold": 0.9, "labels": ["a", "b"], "path": "/srv/iris.json", "deep": {"x": None}},
    ),
    "fares": ModelSpec("fares:FareModel"),
}
AS_JSON = {
    "models": {
        name: {"class": spec.class_path, "configuration": dict(spec.configuration)}
        for name, spec in SPECS.items()
    }
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MANY, "models.yaml"),
        ("\ufeff" + MANY, "models.yml"),
        (MANY.replace("\n", "\r\n"), "models.txt"),
        (json.dumps(AS_JSON), "models.json"),
        (json.dumps(AS_JSON, indent=2), "models.json"),
        (json.dumps(AS_JSON, separators=(",", ":")), "models.json"),
        pytest.param(
            *(json.dumps(AS_JSON, indent="\t"), "models.json"),
        ),
    ],
)
def test_a_file_holds_many_models(write_file: WriteFile, text: str, name: str) -> None:
    path = write_file(text, name)
    assert read_models_file(path) == SPECS
    for entry, spec in SPECS.items():
        assert resolve_model(entry, path) == spec


def test_the_expected_version_goes_into_the_specification(write_file: WriteFile) -> None:
    path = write_file(MANY)
    assert resolve_model("iris", path, ">=1").expect_version == ">=1"
    assert {spec.expect_version for spec in read_models_file(path, {}, ">=1").values()} == {">=1"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("1.0e-5", 1e-5),
        ("true", True),
        ("null", None),
        ("", None),
        ("text", "text"),
        ("'1'", "1"),
        ('"🦀 \\u00e9"', "🦀 é"),
        ("\n        a: b", {"a": "b"}),
        ("[1, [2, {x: y}]]", [1, [2, {"x": "y"}]]),
        ("|\n        two\n        lines", "two\nlines\n"),
    ],
)
def test_values_are_those_of_yaml(write_file: WriteFile, value: str, expected: Any) -> None:
    assert read_models_file(write_file(with_value(value)))["iris"].configuration == {
        "value": expected
    }


@pytest.mark.parametrize("value", ["1e-5", "1e22", "1E3"])
def test_an_exponent_without_a_point_is_a_number(write_file: WriteFile, value: str) -> None:
    spec = read_models_file(write_file(with_value(value)))["iris"]
    assert spec.configuration == {"value": float(value)}


def test_json_escapes_of_characters_outside_the_basic_plane(write_file: WriteFile) -> None:
    models = {"iris": {"class": "m:Iris", "configuration": {"value": "🦀"}}}
    spec = read_models_file(write_file(json.dumps({"models": models}), "models.json"))["iris"]
    assert spec.configuration == {"value": "🦀"}
    assert spec.shown_configuration == {"value": "🦀"}


def test_entries_may_share_through_anchors(write_file: WriteFile) -> None:
    text = """
        models:
          iris: {class: "m:Iris", configuration: &shared {a: 1, b: "${B}"}}
          copy: {class: "m:Iris", configuration: *shared}
          more: {class: "m:Iris", configuration: {<<: *shared, a: 2}}
    """
    specs = read_models_file(write_file(text), {"B": "x"})
    assert [dict(specs[name].configuration) for name in ("iris", "copy", "more")] == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "x"},
        {"a": 2, "b": "x"},
    ]


ENTRY = "models:\n  iris:\n    class: m:Iris\n    "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have one key, 'models'"),
        ("# nothing\n", "must have one key, 'models'"),
        ("[]", "must have one key, 'models'"),
        ("iris", "must have one key, 'models'"),
        ("models:", "must have one key, 'models'"),
        ("models: {}", "must have one key, 'models'"),
        ("models: [iris]", "must have one key, 'models'"),
        ("iris: {class: 'm:Iris'}", "must have one key, 'models'"),
        ("models: {iris: {class: 'm:Iris'}}\nmodel: x", "must have one key, 'models'"),
        ("models: {iris: }", "the entry 'iris' needs 'class: package.module:Class'"),
        ("models: {iris: 'm:Iris'}", "the entry 'iris' needs 'class: package.module:Class'"),
        ("models: {iris: [1]}", "the entry 'iris' needs 'class: package.module:Class'"),
        ("models: {iris: {configuration: {}}}", "the entry 'iris' needs 'class: "),
        ("models: {iris: {class: 5}}", "the entry 'iris' needs 'class: "),
        (f"{ENTRY}clas: m:Iris", "unknown keys: clas; known are: class, configuration"),
        (f"{ENTRY}b: 1\n    a: 2", "unknown keys: a, b; known are: class, configuration"),
        (f"{ENTRY}1: 2", "unknown keys: 1; "),
        (f"{ENTRY}configuration: [1]", "the configuration of 'iris' must map the names"),
        (f"{ENTRY}configuration: text", "the configuration of 'iris' must map the names"),
        (f"{ENTRY}configuration: {{1: 2}}", "the configuration of 'iris' must map the names"),
        (f"{ENTRY}configuration: ${{HOME}}", "the configuration of 'iris' must map the names"),
        (b"models: {iris: {class: '\xff'}}", "cannot be read: .*utf-8"),
        ("models: [", "cannot be read: .*expected the node content"),
        ("models:\n\t- x", r"cannot be read: .*cannot start any token"),
        ("models: {}\n---\nmodels: {}", "cannot be read: .*expected a single document"),
        (f"{ENTRY}configuration: {{a: !!python/name:os.system }}", "cannot be read: .*constructor"),
        (f"{ENTRY}configuration: {{a: *unknown}}", "cannot be read: .*undefined alias"),
        (f"{ENTRY}? [a]\n    : 1", "cannot be read: .*unhashable key"),
        pytest.param(f"{ENTRY}configuration: []", "must map the names"),
        pytest.param(f"{ENTRY}configuration: 0", "must map the names"),
        pytest.param(f"{ENTRY}configuration: ''", "must map the names"),
        pytest.param(*(f"{ENTRY}configuration: {{day: 2024-13-45}}", "cannot be read")),
        pytest.param(f"{ENTRY}configuration: {{a: !!int x}}", "cannot be read"),
        pytest.param(f"{ENTRY}configuration: &c {{a: *c}}", "cannot be read"),
        pytest.param(
            *(f"{ENTRY}class: m:Other", "class"),
        ),
        pytest.param(
            *("models:\n  iris: {class: 'm:A'}\n  iris: {class: 'm:B'}", "iris"),
        ),
    ],
)
def test_a_file_of_another_form_is_refused(
    write_file: WriteFile, text: str | bytes, said: str
) -> None:
    path = write_file(text)
    for read in (lambda: read_models_file(path), lambda: resolve_model("iris", path)):
        with pytest.raises(ModelsFileError, match=f"(?s){said}") as caught:
            read()
        assert path in str(caught.value)
        assert caught.value.exit_code == 4


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ModelsFileError, match="cannot be read") as caught:
            resolve_model("iris", str(path))
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("class: m.Iris", r"'m\.Iris' is no path of a model"),
        ("class: ''", "'' is no path of a model"),
        ("class: m:Iris\n    configuration: {day: 2024-02-29}", "must be JSON values.*date"),
        ("class: m:Iris\n    configuration: {x: .nan}", "must be JSON values"),
        ("class: m:Iris\n    configuration: {x: !!binary aGk=}", "must be JSON values.*bytes"),
    ],
)
def test_an_entry_must_make_a_specification(write_file: WriteFile, entry: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        resolve_model("iris", write_file(f"models:\n  iris:\n    {entry}\n"))


# --- the environment -----------------------------------------------------------------------------

ENVIRONMENT = {
    "PORT": "8080",
    "WORD": "text",
    "EMPTY": "",
    "NO": "no",
    "NULL": "null",
    "HALF": "0.5",
    "DOLLAR": "${WORD}",
    "SPACED": " 5 ",
    "LIST": "[1, 2]",
    "MAPPING": "{a: 1}",
    "LINES": "x\n      evil: 1\n  other:\n    class: m:Evil",
    "COLON": "a: b",
    "ANCHOR": "&a *a",
    "TAG": "!!python/object/apply:os.system [ls]",
    "COMMENT": "a # b",
    "QUOTE": "'\"",
    "CRAB": "🦀",
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${WORD}", "text"),
        ("a${WORD}-${PORT}z", "atext-8080z"),
        ("${CRAB}", "🦀"),
        # Read as YAML would read it where it is plain, and text where it is quoted.
        ("${PORT}", 8080),
        ("'${PORT}'", "8080"),
        ('"${PORT}"', "8080"),
        ("${PORT}${PORT}", 80808080),
        ("${HALF}", 0.5),
        ("${NO}", False),
        ("'${NO}'", "no"),
        ("${NULL}", None),
        ("${EMPTY}", None),
        ("'${EMPTY}'", ""),
        ("|\n        ${PORT}", "8080\n"),
        ("8080", 8080),
        # Defaults.
        ("${UNSET:-other}", "other"),
        ("${UNSET:-5}", 5),
        ("'${UNSET:-5}'", "5"),
        ("${UNSET:-}", None),
        ("'${UNSET:-}'", ""),
        ("${EMPTY:-other}", "other"),
        ("${WORD:-other}", "text"),
        ("${UNSET:-/srv/a:b}/x", "/srv/a:b/x"),
        ("'${UNSET:-:-}'", ":-"),
        # Escaped, or not of this form.
        ("$${WORD}", "${WORD}"),
        ("'$${WORD}${WORD}'", "${WORD}text"),
        ("$WORD", "$WORD"),
        ("$5", "$5"),
        ("'{WORD}'", "{WORD}"),
        # Deeper down; keys are left alone.
        ("['${PORT}', '${WORD}']", ["8080", "text"]),
        ("{x: {y: '${WORD}'}}", {"x": {"y": "text"}}),
        ("{'${WORD}': 1}", {"${WORD}": 1}),
        # What is in a variable stays a value: it adds no keys, entries, tags or variables.
        *((f"${{{name}}}", ENVIRONMENT[name]) for name in ("DOLLAR", "LIST", "MAPPING", "LINES")),
        *((f"${{{name}}}", ENVIRONMENT[name]) for name in ("COLON", "ANCHOR", "TAG", "COMMENT")),
        *((f"${{{name}}}", ENVIRONMENT[name]) for name in ("QUOTE", "SPACED")),
        *((f"'${{{name}}}'", ENVIRONMENT[name]) for name in ("LINES", "QUOTE", "TAG", "DOLLAR")),
    ],
)
def test_variables_are_expanded(write_file: WriteFile, value: str, expected: Any) -> None:
    specs = read_models_file(write_file(with_value(value)), ENVIRONMENT)
    assert specs.keys() == {"iris"}
    configuration = specs["iris"].configuration
    assert configuration == {"value": expected}
    assert type(configuration["value"]) is type(expected)


@pytest.mark.parametrize("text", ["2024-02-29", "2024-13-45", "=", "<<"])
def test_a_variable_that_yaml_takes_for_a_date_or_a_sign_is_text(
    write_file: WriteFile, text: str
) -> None:
    specs = read_models_file(write_file(with_value("${X}")), {"X": text})
    assert specs["iris"].configuration == {"value": text}


def test_in_json_all_text_is_quoted(write_file: WriteFile) -> None:
    text = '{"models": {"iris": {"class": "m:Iris", "configuration": {"value": "${PORT}"}}}}'
    assert read_models_file(write_file(text, "m.json"), ENVIRONMENT)["iris"].configuration == {
        "value": "8080"
    }


def test_the_class_is_expanded_too(write_file: WriteFile) -> None:
    path = write_file("models: {iris: {class: '${PACKAGE}.predict:${NAME:-Iris}'}}")
    assert read_models_file(path, {"PACKAGE": "iris"})["iris"].class_path == "iris.predict:Iris"


@pytest.mark.parametrize("value", ["5", ""])
def test_a_class_that_expands_to_no_text_is_refused(write_file: WriteFile, value: str) -> None:
    path = write_file("models:\n  iris:\n    class: ${CLASS}\n")
    with pytest.raises(DoesNotFitError):
        read_models_file(path, {"CLASS": value})


def test_what_is_shown_is_the_text_before_it_was_expanded(write_file: WriteFile) -> None:
    path = write_file(with_value("[8080, '${TOKEN}', {deep: '${TOKEN:-x}'}, '$${TOKEN}']"))
    spec = read_models_file(path, {"TOKEN": "hunter2"})["iris"]
    assert spec.configuration == {"value": [8080, "hunter2", {"deep": "hunter2"}, "${TOKEN}"]}
    assert spec.shown_configuration == {
        "value": [8080, "${TOKEN}", {"deep": "${TOKEN:-x}"}, "$${TOKEN}"]
    }
    assert "hunter2" not in repr(spec)


def test_an_unset_variable_is_named_with_the_file(write_file: WriteFile) -> None:
    path = write_file(with_value("a ${SET} ${UNSET} b"))
    with pytest.raises(ModelsFileError, match=r"set UNSET, or write a default as \$\{UNSET:-value"):
        read_models_file(path, {"SET": "x"})
    with pytest.raises(ModelsFileError) as caught:
        read_models_file(path, {"SET": "hunter2"})
    assert path in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_unset_variable_of_another_entry_does_not_matter(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_file("models: {iris: {class: 'm:${IRIS}'}, other: {class: 'm:${UNSET_HERE}'}}")
    monkeypatch.setenv("IRIS", "Iris")
    monkeypatch.delenv("UNSET_HERE", raising=False)
    assert resolve_model("iris", path).class_path == "m:Iris"
    with pytest.raises(ModelsFileError, match="UNSET_HERE"):
        resolve_model("other", path)
    with pytest.raises(ModelsFileError, match="UNSET_HERE"):
        read_models_file(path)


# --- what --model means --------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed with two models, whose import would fail."""
    info = tmp_path / "fares-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fares\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text(
        "[ml_models]\nfares = fares.predict:FareModel\nbroken = fares\n"
        "[console_scripts]\nfares-train = fares.train:main\n"
    )
    (tmp_path / "fares.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


def test_a_name_with_a_colon_is_a_path_whatever_else_there_is(tmp_path: Path) -> None:
    spec = resolve_model("m:Iris", str(tmp_path / "missing.yaml"), ">=1")
    assert spec == ModelSpec("m:Iris", expect_version=">=1")


@pytest.mark.usefixtures("installed")
def test_a_name_without_a_file_is_an_installed_entry_point() -> None:
    assert resolve_model("fares", None, ">=1") == ModelSpec("fares.predict:FareModel", {}, ">=1")
    assert "fares" not in sys.modules


@pytest.mark.usefixtures("installed")
def test_a_file_comes_before_entry_points(write_file: WriteFile) -> None:
    path = write_file("models: {fares: {class: 'm:Other'}}")
    assert resolve_model("fares", path).class_path == "m:Other"
    with pytest.raises(ModelError, match="which has: fares"):
        resolve_model("broken", path)


@pytest.mark.usefixtures("installed")
def test_an_entry_point_must_name_a_class() -> None:
    with pytest.raises(ModelError, match="'fares' is no path of a model"):
        resolve_model("broken")


@pytest.mark.usefixtures("installed")
def test_an_unknown_entry_point_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ModelError, match="entry points of the group 'ml_models'") as caught:
        resolve_model("fare")
    assert "broken, fares" in str(caught.value)
    assert "fares-train" not in str(caught.value)
    assert "package.module:Class, or a models file with --models" in str(caught.value)
    assert caught.value.exit_code == 4


def test_an_unknown_entry_is_told_with_those_that_are_there(write_file: WriteFile) -> None:
    path = write_file(MANY)
    with pytest.raises(ModelError, match=r"which has: fares, iris, strict_iris$") as caught:
        resolve_model("iriss", path)
    assert f"'iriss' in {path}" in str(caught.value)

"""A specification travels and imports nothing; the instance is made once, where it is used."""

from __future__ import annotations

import dataclasses
import importlib
import pickle
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_dofns.exceptions import DoesNotFitError, ModelError, ModelVersionError
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelMetadata, ModelSpec, find_class

FARE_MODEL = """
from __future__ import annotations

import os
import sys
import time

from pydantic import BaseModel

from model_dofns import MLModel


class Passenger(BaseModel):
    age: float


class Fare(BaseModel):
    fare: float


class FareModel(MLModel):
    display_name = "Fare"
    qualified_name = "fare_model"
    description = "The fare of a passenger, from the age."
    version = "1.2.3"
    input_schema = Passenger
    output_schema = Fare

    def __init__(self, full_fare: float = 10.0) -> None:
        self.full_fare = full_fare

    def predict(self, record: Passenger) -> Fare:
        return Fare(fare=self.full_fare / 2 if record.age < 14 else self.full_fare)
"""

WriteModule = Callable[..., str]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Writes a module of a model author's package, and gives its name; of one test alone."""
    package = f"author_of_{tmp_path.name}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str = "", *, name: str = "fares", base: str = FARE_MODEL) -> str:
        (folder / f"{name}.py").write_text(base + textwrap.dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        return f"{package}.{name}"

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


# --- a specification -----------------------------------------------------------------------------


def test_making_pickling_and_comparing_one_imports_nothing(write_module: WriteModule) -> None:
    module = write_module("raise RuntimeError('imported')", base="")
    spec = ModelSpec(f"{module}:FareModel", {"full_fare": 5.0}, expect_version=">=1")
    travelled = pickle.loads(pickle.dumps(spec))
    assert travelled == spec
    assert hash(travelled) == hash(spec)
    assert repr(travelled) == repr(spec)
    assert not [name for name in sys.modules if name.startswith(module.partition(".")[0])]


def test_it_is_frozen() -> None:
    spec = ModelSpec("m:Model")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.class_path = "m:Other"  # type: ignore[misc]


def test_it_keeps_a_copy_of_its_configuration() -> None:
    configuration = {"layers": [1, 2]}
    spec = ModelSpec("m:Model", configuration)
    configuration["layers"].append(3)
    assert spec.configuration == {"layers": [1, 2]}


PLAIN = ModelSpec("m:Model", {"a": 1, "b": [None, "x"]}, ">=1")


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        (ModelSpec("m:Model", {"b": [None, "x"], "a": 1}, ">=1"), True),
        (ModelSpec("m:Model", {"b": (None, "x"), "a": 1}, ">=1"), True),
        (ModelSpec("m:Model", PLAIN.configuration, ">=1", {"a": "${A}"}), True),
        (ModelSpec("m:Other", PLAIN.configuration, ">=1"), False),
        (ModelSpec("m:Model", {"a": 2, "b": [None, "x"]}, ">=1"), False),
        (ModelSpec("m:Model", PLAIN.configuration), False),
    ],
)
def test_equal_specifications_have_equal_hashes(other: ModelSpec, equal: bool) -> None:
    assert (other == PLAIN) is equal
    assert len({other, PLAIN}) == (1 if equal else 2)


@pytest.mark.parametrize("value", [1.0, True])
def test_specifications_that_load_two_instances_are_not_equal(value: Any) -> None:
    assert ModelSpec("m:Model", {"a": 1}) != ModelSpec("m:Model", {"a": value})


@pytest.mark.parametrize(
    "class_path",
    [
        *("", ":", "model", "m:", ":Model", "m..n:Model", "m n:Model", "m:A:B", "m:A.", "m:1"),
        *("m-n:Model", ".m:Model", "/m.py:Model", "m:Model "),
    ],
)
def test_a_path_of_another_form_is_refused(class_path: str) -> None:
    with pytest.raises(ModelError, match=r"write it as package\.module:Class") as caught:
        ModelSpec(class_path)
    assert repr(class_path) in str(caught.value)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", float("nan"), float("inf"), Path("x"), 1j]
)
def test_a_configuration_that_is_not_json_is_refused(value: Any) -> None:
    for configuration in ({"a": value}, {"a": {"deep": [value]}}):
        with pytest.raises(ModelError, match="configuration of m:Model must be JSON values"):
            ModelSpec("m:Model", configuration)


def test_keys_that_are_not_text_are_refused() -> None:
    with pytest.raises(ModelError, match="must be JSON"):
        ModelSpec("m:Model", {"weights": {1: 0.5}})


@pytest.mark.parametrize("specifiers", ["1.2.3", "latest", "=>1", "^1.2", ">=x"])
def test_specifiers_of_another_form_are_refused(specifiers: str) -> None:
    with pytest.raises(ModelError, match="no PEP 440 specifier: write it as") as caught:
        ModelSpec("m:Model", expect_version=specifiers)
    assert repr(specifiers) in str(caught.value)


# --- loading -------------------------------------------------------------------------------------


def test_a_model_is_loaded_once_for_ten_threads(write_module: WriteModule) -> None:
    module = write_module("""
        made = []

        class SlowModel(FareModel):
            def __init__(self, full_fare: float) -> None:
                time.sleep(0.05)
                super().__init__(full_fare)
                made.append(self)
        """)
    barrier = threading.Barrier(10)
    loaded: list[MLModel] = []

    def load() -> None:
        spec = ModelSpec(f"{module}:SlowModel", {"full_fare": 7.0})
        barrier.wait()
        loaded.append(spec.load())

    threads = [threading.Thread(target=load) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 10
    assert sys.modules[module].made == loaded[:1]
    assert len(set(map(id, loaded))) == 1


def test_two_configurations_are_two_models_side_by_side(write_module: WriteModule) -> None:
    path = f"{write_module()}:FareModel"
    cheap, dear = ModelSpec(path, {"full_fare": 1.0}), ModelSpec(path, {"full_fare": 9.0})
    record = cheap.load().input_schema(age=30)
    fares = [spec.load().predict(record).fare for spec in (cheap, dear, cheap)]
    assert fares == [1.0, 9.0, 1.0]
    assert ModelSpec(path).load().predict(record).fare == 10.0


def test_a_fresh_one_is_another_and_is_not_kept(write_module: WriteModule) -> None:
    spec = ModelSpec(f"{write_module()}:FareModel")
    kept = spec.load()
    assert spec.load(fresh=True) is not kept
    assert spec.load() is kept


def test_what_travels_has_no_instance_in_it(write_module: WriteModule) -> None:
    module = write_module("""
        class UnpicklableModel(FareModel):
            def __reduce__(self):
                raise TypeError("pickled")
        """)
    spec = ModelSpec(f"{module}:UnpicklableModel")
    before = pickle.dumps(spec)
    model = spec.load()
    assert pickle.dumps(spec) == before
    assert pickle.loads(before).load() is model


def test_a_failure_is_not_remembered(
    write_module: WriteModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write_module("""
        class FileModel(FareModel):
            def __init__(self, path: str) -> None:
                super().__init__(float(open(path).read()))
        """)
    spec = ModelSpec(f"{module}:FileModel", {"path": str(tmp_path / "fare.txt")})
    with pytest.raises(ModelError, match="FileNotFoundError"):
        spec.load()
    (tmp_path / "fare.txt").write_text("3")
    assert spec.load().full_fare == 3.0  # type: ignore[attr-defined]


def test_a_model_may_load_the_one_it_is_built_from(write_module: WriteModule) -> None:
    module = write_module("""
        from model_dofns import ModelSpec

        class EnsembleModel(FareModel):
            def __init__(self) -> None:
                self.member = ModelSpec(f"{__name__}:FareModel").load()
        """)
    ensemble = ModelSpec(f"{module}:EnsembleModel").load()
    member = ModelSpec(f"{module}:FareModel").load()
    assert ensemble.member is member  # type: ignore[attr-defined]


def test_a_model_that_changes_its_arguments_changes_no_specification(
    write_module: WriteModule,
) -> None:
    module = write_module("""
        class LayersModel(FareModel):
            def __init__(self, layers: list) -> None:
                self.last = layers.pop()
        """)
    spec = ModelSpec(f"{module}:LayersModel", {"layers": [1, 2, 3]})
    model = spec.load()
    assert spec.configuration == {"layers": [1, 2, 3]}
    assert spec.load() is model


def test_there_is_one_lock_for_equal_specifications_and_another_for_others() -> None:
    lock = ModelSpec("m:Model", {"a": 1}).lock()
    assert ModelSpec("m:Model", {"a": 1}, expect_version=">=1").lock() is lock
    assert pickle.loads(pickle.dumps(ModelSpec("m:Model", {"a": 1}))).lock() is lock
    assert ModelSpec("m:Model", {"a": 2}).lock() is not lock


def test_the_metadata_is_what_the_model_says(write_module: WriteModule) -> None:
    module = write_module("""
        class OddModel(FareModel):
            deterministic = False
            thread_safe = False
        """)
    metadata = ModelMetadata.of(ModelSpec(f"{module}:OddModel").load())
    assert metadata == ModelMetadata(
        "Fare", "fare_model", "The fare of a passenger, from the age.", "1.2.3", False, False
    )


def test_a_nested_class_is_found(write_module: WriteModule) -> None:
    module = write_module("""
        class Family:
            class NestedModel(FareModel):
                pass
        """)
    assert type(ModelSpec(f"{module}:Family.NestedModel").load()).__name__ == "NestedModel"


# --- a model that does not load ------------------------------------------------------------------


def test_a_missing_package_or_module_is_named(write_module: WriteModule) -> None:
    module = write_module()
    for path, missing in [
        ("no_such_package.fares:FareModel", "no_such_package"),
        (f"{module}s:FareModel", f"{module}s"),
        (f"{module}.deeper:FareModel", f"{module}.deeper"),
    ]:
        with pytest.raises(ModelError, match="check the spelling, and that its package") as caught:
            ModelSpec(path).load()
        assert path in str(caught.value)
        assert f"there is no module {missing!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import a_library_not_installed", "a_library_not_installed"),
        ("from os import no_such_thing", "ImportError: .*no_such_thing"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("from . import gone", "ImportError: .*gone"),
    ],
)
def test_a_module_whose_import_fails_says_how(
    write_module: WriteModule, source: str, what: str
) -> None:
    module = write_module(source)
    with pytest.raises(ModelError, match=rf"importing {module} raised .*{what}") as caught:
        ModelSpec(f"{module}:FareModel").load()
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("FareModle", "nothing of that name"),
        ("FareModel.Inner", "nothing of that name"),
        ("Missing.Inner", "nothing of that name"),
        ("os", "a module, no class"),
        ("FareModel.predict", "a function, no class"),
    ],
)
def test_what_is_no_class_is_told_with_the_models_that_are_there(
    write_module: WriteModule, name: str, found: str
) -> None:
    module = write_module("class OtherModel(FareModel): pass")
    with pytest.raises(ModelError, match=r"models in it are: FareModel, OtherModel$") as caught:
        ModelSpec(f"{module}:{name}").load()
    assert f"fares.py has {found}" in str(caught.value)


def test_a_module_without_models_says_so(write_module: WriteModule) -> None:
    module = write_module("from model_dofns import MLModel", base="")
    with pytest.raises(ModelError, match="the models in it are: none"):
        ModelSpec(f"{module}:FareModel").load()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Model: pass", "no model that is known: it has no predict"),
        ("class Model(dict): pass", "no model that is known: it has no predict"),
        ("class Model(Fare): pass", "no model that is known: it has no predict"),
        ("class Model: predict = 1", "no model that is known: it has no predict"),
        ("class Model:\n    def predict(self, r): pass", "no input_schema and no output_schema"),
    ],
)
def test_a_class_that_is_no_model_is_told(
    write_module: WriteModule, source: str, expected: str
) -> None:
    with pytest.raises(ModelError, match=expected):
        ModelSpec(f"{write_module(source)}:Model").load()


def test_what_is_built_into_python_is_no_model() -> None:
    with pytest.raises(ModelError, match="builtins:int is a class, but no model"):
        ModelSpec("builtins:int").load()
    with pytest.raises(ModelError, match="builtins has nothing of that name"):
        ModelSpec("builtins:Fares").load()


@pytest.mark.parametrize(
    ("source", "configuration", "expected"),
    [
        ("def __init__(self): raise OSError('no such file')", {}, "OSError: no such file"),
        ("def __init__(self): sys.exit('no licence')", {}, "SystemExit: no licence"),
        ("predict = MLModel.predict", {}, "TypeError: .*abstract.* '?predict"),
        ("pass", {"fare": 1.0}, r"TypeError: .*unexpected keyword argument 'fare'"),
        ("def __init__(self, path): pass", {}, "TypeError: .*missing .* argument: 'path'"),
    ],
)
def test_a_class_that_cannot_be_constructed_says_why_and_from_what(
    write_module: WriteModule, source: str, configuration: dict[str, Any], expected: str
) -> None:
    module = write_module(f"class Model(FareModel):\n    {source}")
    spec = ModelSpec(f"{module}:Model", configuration)
    with pytest.raises(ModelError, match=f"raised {expected}") as caught:
        spec.load()
    assert "fares.py" in str(caught.value)
    assert isinstance(caught.value, DoesNotFitError)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "source",
    [
        "raise KeyboardInterrupt",
        "class FareModel(FareModel):\n    def __init__(self): raise KeyboardInterrupt",
    ],
)
def test_ctrl_c_while_loading_is_no_model_error(write_module: WriteModule, source: str) -> None:
    module = write_module(source)
    with pytest.raises(KeyboardInterrupt):
        ModelSpec(f"{module}:FareModel").load()


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("display_name", "''", "display_name must be a text, and is ''"),
        ("qualified_name", "None", "qualified_name must be a text, and is None"),
        ("description", "b'x'", "description must be a text"),
        ("version", "1.0", "version must be a text, and is 1.0"),
        ("deterministic", "1", "deterministic must be True or False, and is 1"),
        ("thread_safe", "None", "thread_safe must be True or False, and is None"),
        ("input_schema", "None", "input_schema: None is no schema: it must be a pydantic class"),
        ("input_schema", "dict", r"input_schema: <class 'dict'> is no schema"),
        ("output_schema", "Fare(fare=1)", "is no schema: it must be a pydantic class"),
        ("output_schema", "list[Fare]", "is no schema: it must be a pydantic class"),
        ("version", "'1.0'", "version must be a semantic one such as '1.0.0', and is '1.0'"),
    ],
)
def test_a_breach_of_the_contract_is_named(
    write_module: WriteModule, attribute: str, value: str, expected: str
) -> None:
    module = write_module(f"class Model(FareModel):\n    {attribute} = {value}")
    with pytest.raises(ModelError, match="breaks the contract of MLModel") as caught:
        ModelSpec(f"{module}:Model").load()
    assert expected in str(caught.value)
    assert ";" not in str(caught.value)


def test_all_that_is_missing_is_named_at_once(write_module: WriteModule) -> None:
    module = write_module("""
        class Model(MLModel):
            def __init__(self): pass
            def predict(self, record): pass
        """)
    with pytest.raises(ModelError) as caught:
        ModelSpec(f"{module}:Model").load()
    for name in ("display_name", "qualified_name", "description", "version"):
        assert f"{name} must be a text, and is None" in str(caught.value)
    for name in ("input_schema", "output_schema"):
        assert f"{name}: None is no schema" in str(caught.value)


def test_finding_a_class_constructs_nothing(write_module: WriteModule) -> None:
    module = write_module("class Model(FareModel):\n    def __init__(self): raise OSError")
    assert find_class(f"{module}:Model").__name__ == "Model"


# --- versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "semantic"),
    [
        *((version, True) for version in ("0.0.0", "1.20.300", "1.0.0-alpha.1", "1.0.0-0.3.7")),
        *((version, True) for version in ("1.0.0+build.5", "1.0.0-rc.1+001", "1.0.0-x-y-z.-")),
        *((version, False) for version in ("1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-")),
        *((version, False) for version in ("1.0.0-01", "1.0.0+", "1.0.0 ", "1.0.0\n", "1.0.x")),
        *((version, False) for version in ("1.0.0rc1", "latest")),
        ("1\u0661.0.0", False),
    ],
)
def test_versions_are_semantic(write_module: WriteModule, version: str, semantic: bool) -> None:
    module = write_module(f"class Model(FareModel):\n    version = {version!r}")
    spec = ModelSpec(f"{module}:Model")
    if semantic:
        assert spec.load().version == version
        return
    with pytest.raises(ModelError, match="version must be a semantic one"):
        spec.load()


@pytest.mark.parametrize(
    ("version", "specifiers", "fits"),
    [
        ("1.2.3", "", True),
        ("1.2.3", "==1.2.3", True),
        ("1.2.3", ">=1.2,<2", True),
        ("1.2.3", "~=1.2", True),
        ("1.2.3", "==1.*", True),
        ("1.2.3", ">=2", False),
        ("1.2.3", ">=1,!=1.2.3", False),
        ("2.0.0-rc.1", ">=1.5", True),
        ("2.0.0-rc.1", ">=2", False),
        ("2.0.0-rc.1", "==2.0.0rc1", True),
        ("1.2.3+build.5", "==1.2.3", True),
        ("1.2.3-x.7.z.92", "", True),
        ("1.2.3-x.7.z.92", ">=1", False),  # semantic, but PEP 440 cannot compare it
    ],
)
def test_the_version_must_fit(
    write_module: WriteModule, version: str, specifiers: str, fits: bool
) -> None:
    module = write_module(f"class Model(FareModel):\n    version = {version!r}")
    spec = ModelSpec(f"{module}:Model", expect_version=specifiers)
    if fits:
        assert spec.load().version == version
        return
    with pytest.raises(ModelVersionError, match="was expected") as caught:
        spec.load()
    assert version in str(caught.value)
    assert repr(specifiers) in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_loaded_model_still_has_to_fit_who_expects_another(write_module: WriteModule) -> None:
    path = f"{write_module()}:FareModel"
    model = ModelSpec(path).load()
    with pytest.raises(ModelVersionError):
        ModelSpec(path, expect_version=">=2").load()
    assert ModelSpec(path, expect_version=">=1").load() is model


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "def __init__(self, token): raise OSError('no such table')",
        "def __init__(self, token): pass\n    version = 'x'",
        "def __init__(self, token): pass\n    version = '0.0.1'",
    ],
)
def test_expanded_values_stand_in_no_text_of_ours(write_module: WriteModule, body: str) -> None:
    module = write_module(f"class Model(FareModel):\n    {body}")
    spec = ModelSpec(f"{module}:Model", {"token": "hunter2"}, ">=1", {"token": "${TOKEN}"})
    with pytest.raises(ModelError) as caught:
        spec.load()
    for text in (str(caught.value), repr(caught.value), repr(spec), str(spec)):
        assert "hunter2" not in text
    assert "${TOKEN}" in repr(spec)


def test_a_value_that_is_not_json_stands_in_no_text_of_ours() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "hunter2"

    with pytest.raises(ModelError) as caught:
        ModelSpec("m:Model", {"token": Secret()})
    assert "hunter2" not in str(caught.value)

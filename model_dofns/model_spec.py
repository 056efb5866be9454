"""Which model, with which configuration: a specification that travels, and the instance it loads.

The two are kept apart on purpose. A :class:`ModelSpec` is a few strings: it is made at launch,
pickled into a pipeline's graph and sent to every worker. The model itself is built where it is
used, once a process, by :meth:`ModelSpec.load`; it is never pickled.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from model_dofns.adapters import adapted, refuse_other_class
from model_dofns.exceptions import ModelError, ModelVersionError
from model_dofns.ml_model import MLModel
from model_dofns.schemas import record_schema

# The expression that semver.org (2.0.0) suggests, without its groups.
_SEMANTIC_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)

_Key: TypeAlias = tuple[Any, ...]

_instances: dict[_Key, MLModel] = {}
_turns: dict[_Key, threading.Lock] = {}
# Reentrant, as a model may load another one that it is built from.
_instances_lock = threading.RLock()


@dataclass(frozen=True)
class ModelMetadata:
    """What a model says of itself, read from the instance; it stands in rejects and manifests."""

    display_name: str
    qualified_name: str
    description: str
    version: str
    deterministic: bool
    thread_safe: bool

    @classmethod
    def of(cls, model: MLModel) -> ModelMetadata:
        return cls(**{name: getattr(model, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """A model by the path of its class, with its configuration: frozen, picklable, hashable.

    Making one imports nothing of the model.

    Args:
        class_path: ``"package.module:Class"``; the class may be nested, ``"m:Outer.Inner"``.
        configuration: the keyword arguments of the class's ``__init__``, JSON values only.
        expect_version: PEP 440 specifiers that the model's version must satisfy, or ``""``.
        shown_configuration: the configuration as it may be shown, in manifests and logs: with
            ``${NAME}`` where a value came from the environment. The configuration itself, if None.
        metadata: what a model of another contract does not say of itself; JSON values only.
        decorators: classes that are constructed with the model as their first argument and stand
            in its place, each round the one before it.

    Raises:
        ModelError: the path has another form, a value is not JSON, or the specifiers make no sense.

    >>> spec = ModelSpec("iris_model.iris_predict:IrisModel", expect_version=">=1,<2")
    >>> spec.class_path
    'iris_model.iris_predict:IrisModel'
    """

    class_path: str
    # Not in the repr, which ends up in logs: expanded values may be secrets.
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expect_version: str = ""
    shown_configuration: Mapping[str, Any] | None = field(default=None, compare=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    decorators: tuple[ModelSpec, ...] = ()

    def __post_init__(self) -> None:
        module, _, qualname = self.class_path.partition(":")
        if not all(part.isidentifier() for part in [*module.split("."), *qualname.split(".")]):
            raise ModelError(
                f"{self.class_path!r} is no path of a model: write it as package.module:Class"
            )
        copied = self._json_copy("configuration", self.configuration)
        object.__setattr__(self, "metadata", self._json_copy("metadata", self.metadata))
        shown = copied if self.shown_configuration is None else dict(self.shown_configuration)
        object.__setattr__(self, "configuration", copied)
        object.__setattr__(self, "shown_configuration", shown)
        try:
            SpecifierSet(self.expect_version)
        except InvalidSpecifier as error:
            raise ModelError(
                f"the expected version {self.expect_version!r} is no PEP 440 specifier:"
                " write it as '>=1.2,<2'"
            ) from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelSpec):
            return NotImplemented
        return (self._key(), self.expect_version) == (other._key(), other.expect_version)

    def __hash__(self) -> int:
        return hash(self._key())

    def _json_copy(self, what: str, values: Mapping[str, Any]) -> Any:
        try:
            if not _has_text_keys(values):
                raise TypeError("keys must be text")
            return json.loads(_json(values))
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"the {what} of {self.class_path} must be JSON values, so that it can travel to"
                f" workers: {error}"
            ) from error

    def _key(self) -> _Key:
        inner = tuple(decorator._key() for decorator in self.decorators)
        return self.class_path, _json(self.configuration), _json(self.metadata), inner

    def load(self, *, fresh: bool = False) -> MLModel:
        """The one instance that this process has for this specification, made on the first call.

        Threads share it. A failure is not remembered: the next call tries again. With ``fresh``
        another instance is made, and not kept.

        Raises:
            ModelError: the class cannot be found, imported or constructed, or is no ``MLModel``.
            ModelVersionError: it is not of the expected version.
        """
        if fresh:
            model = self._construct()
        else:
            with _instances_lock:
                key = self._key()
                if key not in _instances:
                    _instances[key] = self._construct()
                model = _instances[key]
        self._check_version(model.version)
        return model

    def lock(self) -> threading.Lock:
        """The lock that callers hold round a model that is not thread safe; one a process."""
        with _instances_lock:
            return _turns.setdefault(self._key(), threading.Lock())

    def _construct(self) -> MLModel:
        refuse_other_class(find_class(self.class_path), self.class_path)
        instance = self._instance()
        for decorator in self.decorators:
            instance = decorator._instance(instance)
        try:
            model = adapted(instance, self.metadata, self.class_path)
            check_contract(model, self.class_path)
        except ModelError:
            raise
        except Exception as error:  # a property of the author's
            raise ModelError(
                f"asking {self.class_path} what it is raised {type(error).__name__}: {error}"
            ) from error
        return model

    def _instance(self, *arguments: Any) -> Any:
        """An instance of the class, of whatever kind it is."""
        model_class = find_class(self.class_path)
        try:
            return model_class(*arguments, **json.loads(_json(self.configuration)))
        # SystemExit too: a model that calls sys.exit() must not end a worker without a word.
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"{self.class_path} was found in {_where(model_class)}, but constructing it with"
                f" the configuration {json.dumps(self.shown_configuration)} raised"
                f" {type(error).__name__}: {error}"
            ) from error

    def _check_version(self, version: str) -> None:
        if not self.expect_version:
            return
        try:
            fits = SpecifierSet(self.expect_version).contains(Version(version), prereleases=True)
        except InvalidVersion:
            fits = False
        if not fits:
            raise ModelVersionError(
                f"{self.class_path} has version {version}, and {self.expect_version!r} was"
                " expected: install the version that was asked for, or ask for this one"
            )


def _json(values: Mapping[str, Any]) -> str:
    """In the order of the arguments' names; below them an order may mean something."""
    return json.dumps({name: values[name] for name in sorted(values)}, allow_nan=False)


def _has_text_keys(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _has_text_keys(v) for key, v in value.items())
    return not isinstance(value, (list, tuple)) or all(map(_has_text_keys, value))


def find_class(class_path: str) -> type:
    """Import the class at ``"package.module:Class"``.

    Raises:
        ModelError: it is not there; says what was looked for, where, and what was found instead.
    """
    module_name, _, qualname = class_path.partition(":")
    try:
        module = importlib.import_module(module_name)
    # Importing runs the author's code, which may raise anything.
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise ModelError(
                f"looked for the model {class_path}, and there is no module {missing!r}:"
                " check the spelling, and that its package is installed in this Python environment"
            ) from error
        raise ModelError(
            f"looked for the model {class_path}, and importing {module_name} raised"
            f" {type(error).__name__}: {error}"
        ) from error
    found: Any = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    if not inspect.isclass(found):
        models = sorted(
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and callable(getattr(value, "predict", None))
            if value.__module__ == module.__name__
        )
        what = "nothing of that name" if found is None else f"a {type(found).__name__}, no class"
        raise ModelError(
            f"looked for the model {class_path}: {_where(module)} has {what};"
            f" the models in it are: {', '.join(models) or 'none'}"
        )
    return found


def is_semantic(version: str) -> bool:
    """Whether a version is a semantic one, as semver.org (2.0.0) has it."""
    return _SEMANTIC_VERSION.fullmatch(version) is not None


def check_contract(model: MLModel, name: str) -> None:
    """Hold a model's class attributes against what :class:`MLModel` asks for.

    Raises:
        ModelError: one is missing or of another type; the message names all that are wrong.
    """
    wrong = []
    for attribute in ("display_name", "qualified_name", "description", "version"):
        value = getattr(model, attribute, None)
        if not isinstance(value, str) or not value:
            wrong.append(f"{attribute} must be a text, and is {value!r}")
    for attribute in ("deterministic", "thread_safe"):
        value = getattr(model, attribute, None)
        if not isinstance(value, bool):
            wrong.append(f"{attribute} must be True or False, and is {value!r}")
    for attribute in ("input_schema", "output_schema"):
        value = getattr(model, attribute, None)
        try:
            record_schema(value)
        except ModelError as error:
            wrong.append(f"{attribute}: {error}")
    version = getattr(model, "version", None)
    if isinstance(version, str) and version and not is_semantic(version):
        wrong.append(f"version must be a semantic one such as '1.0.0', and is {version!r}")
    if wrong:
        raise ModelError(f"{name} breaks the contract of MLModel: {'; '.join(wrong)}")


def _where(thing: Any) -> str:
    """The file of a class or a module, for a message."""
    try:
        return inspect.getfile(thing)
    except (TypeError, OSError):  # built in, or made at run time
        return getattr(thing, "__name__", repr(thing))

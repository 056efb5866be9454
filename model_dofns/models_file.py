"""Models files, and the way from what ``--model`` says to a :class:`ModelSpec`.

A models file is YAML (JSON is YAML too) and holds many models with their configuration::

    models:
      iris:
        class: iris_model.iris_predict:IrisModel
      iris_strict:
        class: iris_model.iris_predict:IrisModel
        configuration:
          parameters: ${PARAMETERS_FOLDER:-/srv/models}/iris.json

``${NAME}`` is replaced by that environment variable where the job is launched, ``${NAME:-text}``
by the text where it is unset or empty; ``$${`` stands for ``${``. A value is expanded *after* the
file is parsed, so what is in the environment can never add keys or entries. A plain value is then
read as YAML would read it (``${PORT}`` becomes a number), a quoted one stays text.

An entry may have two keys more: ``metadata``, what a model of another contract does not say of
itself (:mod:`model_dofns.adapters`), and ``decorators``, a list of classes with configuration, each
constructed with the model as its first argument and standing in its place.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml

from model_dofns.exceptions import ModelError, ModelsFileError
from model_dofns.model_spec import ModelSpec

ENTRY_POINT_GROUP = "ml_models"

_VARIABLE = re.compile(r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_]\w*)(?P<default>:-[^}]*)?\}")


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but for numbers such as ``1e-5``, which are numbers in JSON and in YAML 1.2."""


_FLOAT = "tag:yaml.org,2002:float"
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_JSON_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}
_PLAIN_TAGS: Any = _Loader("")  # what YAML takes a plain text for
_DECORATOR_KEYS = {"class", "configuration"}
_ENTRY_KEYS = {*_DECORATOR_KEYS, "metadata", "decorators"}


def resolve_model(name: str, models_file: str | None = None, expect_version: str = "") -> ModelSpec:
    """The specification that ``--model NAME`` means.

    With a colon it is the path of a class; else an entry of the models file, if there is one; else
    an installed entry point of the group ``ml_models``. Nothing of the model is imported.

    Raises:
        ModelError: there is no such model; says where it was looked for and what is there.
        ModelsFileError: the models file cannot be read or understood.
    """
    if ":" in name:
        return ModelSpec(name, expect_version=expect_version)
    if models_file is not None:
        entries = _read_entries(models_file)
        if name not in entries:
            raise ModelError(
                f"looked for the model {name!r} in {models_file}, which has: {_listed(entries)}"
            )
        # This entry alone: what the others take from the environment need not be set.
        return _model_spec(models_file, name, entries[name], os.environ, expect_version)
    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in installed:
        raise ModelError(
            f"looked for the model {name!r} among the installed entry points of the group"
            f" {ENTRY_POINT_GROUP!r}, which are: {_listed(installed)}; name a class as"
            " package.module:Class, or a models file with --models"
        )
    return ModelSpec(installed[name], expect_version=expect_version)


def read_models_file(
    path: str,
    environment: Mapping[str, str] | None = None,
    expect_version: str = "",
) -> dict[str, ModelSpec]:
    """All models of a models file, by name; ``environment`` is that of the process, if None.

    Raises:
        ModelsFileError: it cannot be read, is of another form, or names a variable that is unset.
    """
    variables = os.environ if environment is None else environment
    return {
        name: _model_spec(path, name, node, variables, expect_version)
        for name, node in _read_entries(path).items()
    }


def _read_entries(path: str) -> dict[str, yaml.Node]:
    """The nodes of the entries under ``models``, by name."""
    try:
        document = _composed(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ModelsFileError(f"the models file {path} cannot be read: {error}") from error
    top = _children(document)
    entries = _children(top.get("models"))
    if not entries or set(top) != {"models"}:
        raise ModelsFileError(
            f"the models file {path} must have one key, 'models', with an entry for each model"
        )
    return entries


def _composed(text: str) -> yaml.Node | None:
    """The nodes of a document. JSON has tabs and escapes that PyYAML cannot read."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except ValueError:
        document = yaml.compose(text, Loader=_Loader)
        _refuse_loops_and_doubles(document, ())
        return document
    return yaml.representer.SafeRepresenter(default_style='"').represent_data(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise yaml.YAMLError("a key stands twice in one object")
    return dict(pairs)


def _refuse_loops_and_doubles(node: yaml.Node | None, above: tuple[int, ...]) -> None:
    if not isinstance(node, yaml.CollectionNode):
        return
    if id(node) in above:
        raise yaml.YAMLError("an anchor holds itself")
    below = node.value
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise yaml.YAMLError(f"a key stands twice{node.start_mark}")
        below = [value for _, value in node.value]
    for child in below:
        _refuse_loops_and_doubles(child, (*above, id(node)))


def _children(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The values of a mapping by their keys; none for any other node."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value for key, value in node.value}


def _model_spec(
    path: str, name: str, node: yaml.Node, variables: Mapping[str, str], expect_version: str
) -> ModelSpec:
    shown = _construct(node, lambda text: text, path)
    expanded = _construct(node, lambda text: _expand(text, variables, path), path)
    arguments = _arguments(path, repr(name), shown, expanded, _ENTRY_KEYS)
    decorators = shown.get("decorators") or []
    if not isinstance(decorators, list):
        raise ModelsFileError(f"{path}: the decorators of {name!r} must be a list of classes")
    inner = tuple(
        ModelSpec(**_arguments(path, f"{name!r}, in a decorator,", each, said, _DECORATOR_KEYS))
        for each, said in zip(decorators, expanded.get("decorators") or [], strict=True)
    )
    metadata = _mapping(path, f"the metadata of {name!r}", expanded.get("metadata"))
    return ModelSpec(
        **arguments, expect_version=expect_version, metadata=metadata, decorators=inner
    )


def _arguments(path: str, what: str, shown: Any, expanded: Any, known: set[str]) -> dict[str, Any]:
    """The class of an entry or a decorator, and its configuration, as a specification has them."""
    if not isinstance(shown, dict) or not isinstance(shown.get("class"), str):
        raise ModelsFileError(f"{path}: the entry {what} needs 'class: package.module:Class'")
    if unknown := set(map(str, shown)) - known:
        raise ModelsFileError(
            f"{path}: the entry {what} has unknown keys: {_listed(unknown)}; known are:"
            f" {_listed(known)}"
        )
    configuration = _mapping(path, f"the configuration of {what}", shown.get("configuration"))
    if not isinstance(expanded["class"], str):
        raise ModelsFileError(f"{path}: the class of {what}, {shown['class']!r}, is no text")
    return {
        "class_path": expanded["class"],
        "configuration": expanded.get("configuration") or {},
        "shown_configuration": configuration,
    }


def _mapping(path: str, what: str, value: Any) -> dict[str, Any]:
    value = {} if value is None else value
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ModelsFileError(f"{path}: {what} must map the names of arguments to values")
    return value


def _construct(node: yaml.Node, expand: Callable[[str], str], path: str) -> Any:
    """The Python values of a node, with every text value expanded."""
    loader = _Loader("")
    try:
        return loader.construct_document(_expanded(node, expand))
    except yaml.YAMLError as error:
        raise ModelsFileError(f"the models file {path} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Not with the error's text, which has the value.
        raise ModelsFileError(
            f"the models file {path} cannot be read: a value is not of the type it looks like;"
            f" quote it if it is text{node.start_mark}"
        ) from error
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, expand: Callable[[str], str]) -> yaml.Node:
    """A copy of the node; of a mapping, the values are expanded and the keys left alone."""
    if isinstance(node, yaml.MappingNode):
        pairs = [(key, _expanded(value, expand)) for key, value in node.value]
        return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
    if isinstance(node, yaml.SequenceNode):
        items = [_expanded(item, expand) for item in node.value]
        return yaml.SequenceNode(node.tag, items, node.start_mark, node.end_mark)
    text = expand(node.value)
    tag = node.tag
    if text != node.value and isinstance(node, yaml.ScalarNode) and node.style is None:
        tag = _PLAIN_TAGS.resolve(yaml.ScalarNode, text, (True, False))
        tag = tag if tag in _JSON_TAGS else "tag:yaml.org,2002:str"  # YAML has dates, too
    return yaml.ScalarNode(tag, text, node.start_mark, node.end_mark)


def _expand(text: str, variables: Mapping[str, str], path: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match["escaped"]
        name, default = match["name"], match["default"]
        if default is not None:
            return variables.get(name) or default.removeprefix(":-")
        if name not in variables:
            raise ModelsFileError(
                f"{path}: {match[0]} names an environment variable that is not set: set {name},"
                f" or write a default as ${{{name}:-value}}"
            )
        return variables[name]

    return _VARIABLE.sub(value, text)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"

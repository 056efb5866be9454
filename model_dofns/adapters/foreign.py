"""Models of other contracts that are much like ours.

- ``ml_base.MLModel`` (https://pypi.org/project/ml-base/): ours in all but its base class, with
  properties instead of class attributes.
- The base classes before it, in the same author's packages: ``major_version`` and
  ``minor_version``, schemas of the library ``schema``, records and predictions that are dicts; and
  the first of them, without names and versions.

They are known by what an instance has: ``predict``, and what it says of itself. What it does not
say is made of its class and its package, or said in the models file.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

from packaging.version import Version

from model_dofns.exceptions import ModelError
from model_dofns.ml_model import MLModel

SAID: Final = (
    *("display_name", "qualified_name", "description", "version"),
    *("deterministic", "thread_safe", "input_schema", "output_schema"),
)
# Of a model that says no version, and is of no package that has one.
NO_VERSION: Final = "0.0.0+unknown"

_SHORT_VERSION = re.compile(r"\d+(\.\d+)?")


class ForeignModel(MLModel):
    """A model of another contract.

    Args:
        model: an instance of its class.
        said: all of :data:`SAID`.
    """

    def __init__(self, model: Any, said: Mapping[str, Any]) -> None:
        self._model = model
        self.display_name = said["display_name"]
        self.qualified_name = said["qualified_name"]
        self.description = said["description"]
        self.version = said["version"]
        self.deterministic = said["deterministic"]
        self.thread_safe = said["thread_safe"]
        self.input_schema = said["input_schema"]
        self.output_schema = said["output_schema"]
        if callable(getattr(model, "predict_batch", None)):
            self.predict_batch = model.predict_batch

    def predict(self, record: Any) -> Any:
        """What the model itself predicts."""
        return self._model.predict(record)


def foreign_model(instance: Any, metadata: Mapping[str, Any], name: str) -> ForeignModel | None:
    """The model behind our contract; None where it has no ``predict``.

    Args:
        instance: of a model's class.
        metadata: what is said of it elsewhere, in place of its own: any of :data:`SAID`.
        name: of the class, for messages.

    Raises:
        ModelError: it has no schemas, or something is said that is not known.
    """
    if not callable(getattr(instance, "predict", None)):
        return None
    if unknown := set(metadata) - set(SAID):
        raise ModelError(
            f"'metadata' of {name} has unknown keys: {', '.join(sorted(unknown))}; known are:"
            f" {', '.join(SAID)}"
        )
    said = {key: metadata[key] if key in metadata else _own(instance, key) for key in SAID}
    has_schemas = said["input_schema"] is not None and said["output_schema"] is not None
    if callable(getattr(instance, "get_params", None)) and not has_schemas:
        raise ModelError(
            f"{name} is a class of scikit-learn's estimators, of which a new instance is not"
            " fitted: fit one, save it, and name model_dofns.adapters.sklearn:SklearnModel with"
            " the file in its configuration"
        )
    package = type(instance).__module__.partition(".")[0]
    said["display_name"] = said["display_name"] or _own(instance, "name") or name.rpartition(":")[2]
    said["qualified_name"] = said["qualified_name"] or package
    said["description"] = said["description"] or _first_line(instance) or said["display_name"]
    said["version"] = _whole(said["version"] or _version(instance, package))
    for claim in ("deterministic", "thread_safe"):
        if said[claim] is None:
            said[claim] = False  # what a model does not claim is not taken for granted
    missing = [key for key in ("input_schema", "output_schema") if said[key] is None]
    if missing:
        raise ModelError(
            f"{name} has a predict, but no {' and no '.join(missing)}: say in the models file,"
            " under 'metadata' of its entry, what records and predictions are, as JSON Schemas"
        )
    return ForeignModel(instance, said)


def _own(instance: Any, name: str) -> Any:
    """What an instance says of itself; None where it does not.

    Raises:
        ModelError: a property of it fails.
    """
    try:
        return getattr(instance, name, None)
    except NotImplementedError:  # an abstract one
        return None
    except Exception as error:
        raise ModelError(
            f"{type(instance).__name__}.{name} raised {type(error).__name__}: {error}"
        ) from error


def _first_line(instance: Any) -> str:
    return (inspect.getdoc(type(instance)) or "").strip().partition("\n")[0]


def _version(instance: Any, package: str) -> str:
    major, minor = _own(instance, "major_version"), _own(instance, "minor_version")
    if major is not None:
        return f"{major}.{0 if minor is None else minor}.0"
    for distribution in importlib.metadata.packages_distributions().get(package, []):
        installed = Version(importlib.metadata.version(distribution))
        if len(installed.release) <= 3 and str(installed) == installed.base_version:
            return ".".join(map(str, (*installed.release, 0, 0)[:3]))
        # One that is no semantic version, as 1.0rc1 or 2024.8.1.2.
        return f"0.0.0+{re.sub('[^0-9A-Za-z]+', '.', str(installed))}"
    return NO_VERSION


def _whole(version: Any) -> Any:
    """A version with three numbers, where it has fewer."""
    if not isinstance(version, str) or not _SHORT_VERSION.fullmatch(version):
        return version
    return f"{version}.0" if "." in version else f"{version}.0.0"

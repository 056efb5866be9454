"""Models that no one wrote for this library, behind its contract.

An adapter is a function that takes an instance of a model's class, and what the models file says
of it under ``metadata``. It gives an :class:`~model_dofns.MLModel`, or None where the instance is
of no kind that it knows. Installed ones are entry points of the group ``ml_model_adapters``; they
are asked in the order of their names, and before those of this library.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeAlias

from model_dofns.adapters.foreign import foreign_model
from model_dofns.exceptions import ModelError
from model_dofns.ml_model import MLModel

logger = logging.getLogger(__name__)

ADAPTER_GROUP: Final = "ml_model_adapters"

Adapter: TypeAlias = Callable[[Any, Mapping[str, Any]], MLModel | None]


def adapted(instance: Any, metadata: Mapping[str, Any], name: str) -> MLModel:
    """An instance of any class as an :class:`~model_dofns.MLModel`.

    Args:
        instance: of the class that was named.
        metadata: what the models file says of it.
        name: of the class, for messages.

    Raises:
        ModelError: it is of no kind that is known, or an adapter failed.
    """
    if isinstance(instance, MLModel):
        if metadata:
            raise ModelError(
                f"{name} is an MLModel, which says itself what the models file says under"
                f" 'metadata': {', '.join(sorted(metadata))}"
            )
        return instance
    for point in _installed():
        try:
            adapter = point.load()
        except ImportError as error:  # of a package that no model here may need
            logger.warning("The adapter %r (%s) is passed over: %s", point.name, point.value, error)
            continue
        try:
            model = adapter(instance, metadata)
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"the adapter {point.name!r} ({point.value}) raised {type(error).__name__} for"
                f" {name}: {error}"
            ) from error
        if model is not None:
            return _checked(model, point.value)
    model = foreign_model(instance, metadata, name)
    if model is None:
        raise _no_model(name)
    return model


def refuse_other_class(model_class: type, name: str) -> None:
    """Refuse a class of which no instance is a model, before one is made.

    Raises:
        ModelError: it has no ``predict``, and no installed adapter could say that it is a model.
    """
    if not callable(getattr(model_class, "predict", None)) and not _installed():
        raise _no_model(name)


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=ADAPTER_GROUP), key=lambda point: point.name)


def _no_model(name: str) -> ModelError:
    return ModelError(
        f"{name} is a class, but no model that is known: it has no predict; subclass"
        " model_dofns.MLModel, or say what it is with an adapter, an entry point of the group"
        f" {ADAPTER_GROUP!r}"
    )


def _checked(model: Any, adapter: str) -> MLModel:
    if isinstance(model, MLModel):
        return model
    raise ModelError(f"the adapter {adapter} must give an MLModel or None, and gave {model!r}")

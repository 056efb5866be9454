"""A fitted estimator or pipeline of scikit-learn, from a file, as a model.

It is named in a models file, with what the file does not say::

    models:
      delays:
        class: model_dofns.adapters.sklearn:SklearnModel
        configuration:
          file: /srv/models/delays.skops
          sha256: 3f0a…
          features:
            - distance: float
            - carrier: [AA, B6, UA]
            - engines: int?

Files of joblib and pickle run code while they are loaded: whoever can write such a file, or its
folder, can run anything on every worker. A pinned digest is held against the file's bytes before
any of them is unpickled. A file of ``skops`` (https://skops.readthedocs.io) runs nothing that is
not of a type known to be harmless, or named under ``trusted``.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import io
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, PydanticUserError, create_model

from model_dofns.exceptions import ModelError
from model_dofns.ml_model import MLModel
from model_dofns.schemas import record_schema

logger = logging.getLogger(__name__)

Feature: TypeAlias = Mapping[str, str | Sequence[str | int]]

_TYPES: Final[dict[str, type]] = {"float": float, "int": int, "str": str, "bool": bool}


class SklearnModel(MLModel):
    """An estimator that was fitted elsewhere.

    A classifier predicts ``label``, and with ``probabilities`` the ``probability`` of that label
    and ``probability_<class>`` of each class. A regressor predicts ``value``, whatever else has a
    ``predict`` a ``label``.

    Args:
        file: a path on every worker, or ``package:path`` of a file in an installed package. Of
            skops by its suffix ``.skops``, else of joblib or pickle.
        features: in the order of the columns it was fitted on, one name each, with its type:
            ``float``, ``int``, ``str`` or ``bool``, with a ``?`` behind it where it may be None
            (NaN to the estimator, if a number); or a list, of the categories it may be.
        probabilities: of a classifier, whether they are predicted too.
        sha256: the digest of the file's bytes, in hexadecimal.
        trusted: types in a file of skops that are not known to be harmless, and are.
        display_name, qualified_name, description, version: of the model; else they are made of the
            estimator's class and the file's digest.

    Raises:
        ModelError: the file is not there, is another one than was pinned, has types that are not
            trusted, holds no fitted estimator, or was fitted on other features.
    """

    def __init__(
        self,
        file: str,
        features: Sequence[Feature],
        probabilities: bool = False,
        sha256: str = "",
        trusted: Sequence[str] = (),
        display_name: str | None = None,
        qualified_name: str | None = None,
        description: str | None = None,
        version: str | None = None,
    ) -> None:
        content = _read(file)
        digest = _checked_digest(file, content, sha256)
        self._estimator = _loaded(file, content, trusted, pinned=sha256 != "")
        _refuse_unfitted(file, self._estimator)
        named = [_feature(each) for each in features]
        kinds = dict(named)
        if len(kinds) < len(named):
            raise ModelError(f"a feature is named twice: {[name for name, _ in named]}")
        self._names = tuple(kinds)
        self._refuse_other_features(file)
        self._texts = any(not _is_number(kind) for kind in kinds.values())
        kind = type(self._estimator).__name__
        self.display_name = display_name or f"{kind} of {Path(file).name}"
        self.qualified_name = qualified_name or Path(file).name.partition(".")[0]
        self.description = description or f"A fitted {kind} of scikit-learn, from {file}."
        self.version = version or f"0.0.0+sha256.{digest[:12]}"
        fields: dict[str, Any] = {
            name: (annotation, None if optional else ...)
            for name, (annotation, optional) in kinds.items()
        }
        try:
            self.input_schema = create_model("Features", **fields)
        except (NameError, PydanticUserError) as error:
            raise ModelError(
                f"the features {list(kinds)} have no names of fields: {error}"
            ) from error
        if list(self.input_schema.model_fields) != list(kinds):  # what begins with _ is none
            raise ModelError(f"the features {list(kinds)} have other names than fields may have")
        self._columns = record_schema(self.input_schema).arrow_schema
        if not isinstance(probabilities, bool):
            raise ModelError(f"probabilities must be true or false, and is {probabilities!r}")
        self._probabilities = probabilities
        self._transformers, self._final = _steps(self._estimator)
        self._margin = _margin(self._final)
        self.output_schema = self._output_schema(file)

    def _refuse_other_features(self, file: str) -> None:
        fitted_on = getattr(self._estimator, "feature_names_in_", None)
        if fitted_on is not None and list(fitted_on) != list(self._names):
            raise ModelError(
                f"the estimator in {file} was fitted on the features {list(fitted_on)}, and these"
                f" are given: {list(self._names)}"
            )
        count = getattr(self._estimator, "n_features_in_", len(self._names))
        if count != len(self._names):
            raise ModelError(
                f"the estimator in {file} was fitted on {count} features, and {len(self._names)}"
                f" are given: {list(self._names)}"
            )
        self._wants_names = fitted_on is not None

    def _output_schema(self, file: str) -> type[BaseModel]:
        classes = getattr(self._estimator, "classes_", None)
        if self._probabilities and not hasattr(self._estimator, "predict_proba"):
            raise ModelError(
                f"the estimator in {file}, a {type(self._estimator).__name__}, has no probabilities"
            )
        if classes is None and _is_regressor(self._estimator):
            return create_model("Value", value=(float, ...))
        labels = [] if classes is None else np.asarray(classes).tolist()
        label = type(labels[0]) if labels else int
        if label not in (str, int, bool, float):
            raise ModelError(
                f"the estimator in {file} has classes that are no plain values: {labels}"
            )
        fields: dict[str, Any] = {"label": (label, ...)}
        if self._probabilities:
            fields |= dict.fromkeys(self._probability_names(labels), (float, ...))
        return create_model("Label", **fields)

    def _probability_names(self, labels: Sequence[Any]) -> list[str]:
        return ["probability", *(f"probability_{label}" for label in labels)]

    def predict(self, record: Any) -> Any:
        """The prediction of one record, by the estimator's own methods alone.

        It is what :meth:`predict_batch`, which saves itself some of their work, is checked against.
        """
        names = self.output_schema.model_fields
        values = {name: [getattr(record, name)] for name in self._names}
        batch = pa.RecordBatch.from_pydict(values, self._columns)
        columns = [_predictions(self._estimator, self._rows(batch))]
        if self._probabilities:
            probabilities = self._estimator.predict_proba(self._rows(batch))
            columns = self._with_probabilities(columns[0], probabilities)
        (row,) = _columns(names, columns).to_pylist()
        return self.output_schema(**row)

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The predictions of a batch that has the features."""
        names = self.output_schema.model_fields
        if not batch.num_rows:  # which estimators refuse
            return pa.RecordBatch.from_pydict({name: [] for name in names})
        rows = self._rows(batch)
        for transformer in self._transformers:  # once, for labels and probabilities
            rows = transformer.transform(rows)
        if not self._probabilities:
            return _columns(names, [_predictions(self._final, rows)])
        probabilities = np.asarray(self._final.predict_proba(rows), np.float64)
        if self._margin is not None and _are_apart(probabilities, self._margin):
            labels = np.asarray(self._final.classes_).take(probabilities.argmax(axis=1))
        else:
            labels = _predictions(self._final, rows)
        return _columns(names, self._with_probabilities(labels, probabilities))

    def _with_probabilities(self, labels: Any, probabilities: Any) -> list[Any]:
        # Not always the most probable ones: thresholds may be tuned.
        is_label = labels[:, None] == np.asarray(self._estimator.classes_)[None, :]
        return [labels, probabilities[is_label], *probabilities.T]

    def _rows(self, batch: pa.RecordBatch) -> Any:
        """The features as the estimator was fitted on them: with their names, or without."""
        if self._wants_names:
            return batch.to_pandas()
        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in self._names]
        if not self._texts:
            return np.column_stack(columns)
        return np.column_stack([column.astype(object) for column in columns])


def _predictions(estimator: Any, rows: Any) -> Any:
    found = np.asarray(estimator.predict(rows))
    if found.ndim == 2 and found.shape[1] == 1:  # fitted on a column of targets
        return found[:, 0]
    if found.ndim != 1:
        raise ValueError(f"the estimator has {found.shape[1]} predictions a row, and not one")
    return found


def _steps(estimator: Any) -> tuple[list[Any], Any]:
    """What a pipeline does with its rows first, and what predicts then; of others, themselves."""
    from sklearn.pipeline import Pipeline

    transformers: list[Any] = []
    while type(estimator) is Pipeline:  # a subclass may go about it in another way
        *first, (_, last) = estimator.steps
        transformers += [step for _, step in first if not (step is None or isinstance(step, str))]
        estimator = last
    return transformers, estimator


def _margin(estimator: Any) -> float | None:
    """By how much a class must be the most probable to be known to be what is predicted.

    None where it is not known to be at all. It is for ensembles of trees, whose ``predict`` and
    ``predict_proba`` each cost the way through all trees.
    """
    ensemble = sys.modules.get("sklearn.ensemble")
    if ensemble is None:  # or unpickling would have imported it
        return None
    margins = {
        ensemble.RandomForestClassifier: 0.0,  # all forests: the first of the most probable
        # By sums from which probabilities are made, and with rounding those may tie.
        ensemble.HistGradientBoostingClassifier: 1e-9,
        ensemble.GradientBoostingClassifier: 1e-9,
    }
    for known, margin in margins.items():
        # Of a subclass too, if it has these methods of it.
        if all(
            getattr(getattr(estimator, method, None), "__func__", None) is getattr(known, method)
            for method in ("predict", "predict_proba")
        ):
            return margin
    return None


def _are_apart(probabilities: Any, margin: float) -> bool:
    """Whether the most probable class is more probable than each other, by a margin, in all rows.

    Always, if the margin is 0.
    """
    if not margin:
        return True
    if probabilities.shape[1] < 2:
        return False
    ordered = np.partition(probabilities, -2, axis=1)
    return bool((ordered[:, -1] - ordered[:, -2] > margin).all())


def _read(file: str) -> bytes:
    package, _, inside = file.partition(":")
    try:
        if inside and package.isidentifier():
            return importlib.resources.files(package).joinpath(inside).read_bytes()
        return Path(file).read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise ModelError(
            f"the estimator's file {file} cannot be read on this machine: {error}; it must be on"
            " every worker, as a file of an installed package ('package:path') is"
        ) from error


def _checked_digest(file: str, content: bytes, pinned: Any) -> str:
    digest = hashlib.sha256(content).hexdigest()
    if not isinstance(pinned, str):  # a key left empty; digits without quotes
        raise ModelError(f"sha256 of {file} must be a digest in quotes, and is {pinned!r}")
    if pinned and pinned.lower().removeprefix("sha256:") != digest:
        raise ModelError(
            f"the estimator's file {file} has the SHA-256 digest {digest}, and {pinned} is pinned:"
            " it is another file, and was not loaded"
        )
    return digest


def _loaded(file: str, content: bytes, trusted: Sequence[str], *, pinned: bool) -> Any:
    """The estimator in the bytes of a file, which may run code: see the module."""
    if file.endswith(".skops"):
        return _from_skops(file, content, trusted)
    if not pinned:
        logger.warning(
            "%s is loaded as a pickle, which may run any code: pin it with sha256, or save it with"
            " skops",
            file,
        )
    try:
        import joblib
    except ImportError as error:
        raise ModelError(_missing("joblib")) from error
    try:
        return joblib.load(io.BytesIO(content))
    except Exception as error:  # unpickling runs whatever the file says
        raise ModelError(
            f"the estimator in {file} cannot be loaded, which raised {type(error).__name__}:"
            f" {error}; is what it was made with installed here?"
        ) from error


def _refuse_unfitted(file: str, estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    kind = type(estimator).__name__
    if not callable(getattr(estimator, "predict", None)) or not hasattr(estimator, "get_params"):
        raise ModelError(f"the file {file} holds a {kind}, and no fitted estimator with a predict")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise ModelError(f"the estimator in {file}, a {kind}, is not fitted") from error


def _from_skops(file: str, content: bytes, trusted: Sequence[str]) -> Any:
    try:
        from skops import io as skops_io
    except ImportError as error:
        raise ModelError(_missing("skops")) from error
    try:
        unknown = sorted(set(skops_io.get_untrusted_types(data=content)) - set(trusted))
        if not unknown:
            return skops_io.loads(content, trusted=list(trusted))
    except Exception as error:  # a damaged file may raise anything
        raise ModelError(
            f"the estimator in {file} cannot be loaded, which raised {type(error).__name__}:"
            f" {error}"
        ) from error
    raise ModelError(
        f"the file {file} holds types that are not known to be harmless: {', '.join(unknown)}; if"
        " they are, name them in its configuration under 'trusted'"
    )


def _missing(package: str) -> str:
    return f"an estimator's file needs {package}: pip install 'model-dofns[sklearn]'"


def _feature(said: Feature) -> tuple[str, tuple[Any, bool]]:
    """The name of a feature, its annotation, and whether it may be None."""
    if not isinstance(said, Mapping) or len(said) != 1:
        raise ModelError(f"the feature {said!r} must be one name and its type: 'distance: float'")
    ((name, kind),) = said.items()
    if isinstance(kind, str):
        plain = _TYPES.get(kind.removesuffix("?"))
        if plain is not None:
            optional = kind.endswith("?")
            return name, (plain | None if optional else plain, optional)
    elif kind and {type(value) for value in kind} in ({str}, {int}):
        return name, (Literal[tuple(kind)], False)
    raise ModelError(
        f"the feature {name!r} is of type {kind!r}, which must be one of {', '.join(_TYPES)}, with"
        " a '?' where it may be None, or a list of categories that are all text or all integers"
        " (in YAML, yes and no are text in quotes alone)"
    )


def _is_number(kind: tuple[Any, bool]) -> bool:
    annotation, _ = kind
    return annotation in (float, int, bool, float | None, int | None, bool | None)


def _is_regressor(estimator: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(estimator))


def _columns(names: Any, columns: Sequence[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], names=list(names))

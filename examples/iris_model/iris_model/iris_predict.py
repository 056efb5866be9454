"""The species of an iris, from four measurements of its flower."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from iris_model import __version__
from model_dofns.ml_model import MLModel

SHIPPED_PARAMETERS = Path(__file__).parent / "parameters" / "iris_logistic_regression.json"


class Species(StrEnum):
    """The three species, in the order of the model's classes."""

    SETOSA = "setosa"
    VERSICOLOR = "versicolor"
    VIRGINICA = "virginica"


class IrisInput(BaseModel):
    """The measurements of one flower, in centimetres."""

    sepal_length: float = Field(gt=0, le=100, description="Length of the sepal, in cm")
    sepal_width: float = Field(gt=0, le=100, description="Width of the sepal, in cm")
    petal_length: float = Field(gt=0, le=100, description="Length of the petal, in cm")
    petal_width: float = Field(gt=0, le=100, description="Width of the petal, in cm")


class IrisOutput(BaseModel):
    """The most probable species, and how probable it is."""

    species: Species = Field(description="The most probable species")
    probability: float = Field(ge=0, le=1, description="Probability of that species, 0 to 1")


FEATURES = tuple(IrisInput.model_fields)
SPECIES = tuple(Species)
SPECIES_TEXT = pa.array([species.value for species in SPECIES], pa.string())

Row: TypeAlias = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class Parameters(BaseModel):
    """A parameters file: one row of ``coef`` and one ``intercept`` a class.

    The types fix the names, the order and the shapes, so that a file made for another model is
    refused and not scored with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: tuple[
        Literal["sepal_length"],
        Literal["sepal_width"],
        Literal["petal_length"],
        Literal["petal_width"],
    ]
    classes: tuple[Literal["setosa"], Literal["versicolor"], Literal["virginica"]]
    coef: tuple[Row, Row, Row]
    intercept: tuple[FiniteFloat, FiniteFloat, FiniteFloat]


def read_parameters(path: Path) -> Parameters:
    """Return the parameters in a file.

    JSON and not a pickle: loading it runs no code, a person can read the difference between two
    versions, and it outlives the scikit-learn release that made it.

    Raises ``OSError`` (``FileNotFoundError``, …) where the file cannot be read and ``ValueError``
    where it holds something else; both name it.
    """
    try:
        return Parameters.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OSError(
            error.errno,
            f"Cannot read the parameters of the iris model: {error.strerror}",
            str(path),
        ) from error
    except ValidationError as error:
        raise ValueError(f"{path} does not hold parameters of the iris model: {error}") from error


class IrisModel(MLModel):
    """A logistic regression over the four measurements.

    >>> flower = IrisInput(sepal_length=5.1, sepal_width=3.5, petal_length=1.4, petal_width=0.2)
    >>> IrisModel().predict(flower).species.value
    'setosa'
    """

    display_name = "Iris species"
    qualified_name = "iris_model"
    description = "The species of an iris, from the length and width of its sepals and petals."
    version = __version__
    input_schema = IrisInput
    output_schema = IrisOutput

    def __init__(self, parameters: str | None = None) -> None:
        """Load the parameters from the file at the path ``parameters``; None: the shipped ones.

        Raises ``OSError`` or ``ValueError``, as :func:`read_parameters` does.
        """
        fitted = read_parameters(SHIPPED_PARAMETERS if parameters is None else Path(parameters))

        # Imported here because it takes seconds, which whoever only asks the class for its name,
        # version or schemas should not wait for.
        from sklearn.linear_model import (  # type: ignore[import-untyped]  # it ships no types
            LogisticRegression,
        )

        self._regression = LogisticRegression()
        self._regression.coef_ = np.array(fitted.coef)
        self._regression.intercept_ = np.array(fitted.intercept)
        self._regression.classes_ = np.array(fitted.classes)
        self._regression.n_features_in_ = len(fitted.features)

    def predict(self, record: IrisInput) -> IrisOutput:
        """Return the species of one flower."""
        measurements = np.array([[getattr(record, name) for name in FEATURES]])
        best, probability = self._classify(measurements)
        return IrisOutput(species=SPECIES[best[0]], probability=float(probability[0]))

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``species`` (string) and ``probability`` (float64) of every row of ``batch``.

        ``batch`` has the fields of :class:`IrisInput`, float64 and without nulls.
        """
        measurements = np.column_stack([batch.column(name).to_numpy() for name in FEATURES])
        best, probability = self._classify(measurements)
        return pa.RecordBatch.from_arrays(
            [SPECIES_TEXT.take(pa.array(best)), pa.array(probability)],
            names=["species", "probability"],
        )

    def _classify(
        self, measurements: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the index into ``SPECIES`` and the probability, (n,) each, of (n, 4) flowers."""
        if not len(measurements):  # scikit-learn refuses an empty array
            return np.empty(0, np.intp), np.empty(0)
        probabilities = self._regression.predict_proba(measurements)
        return probabilities.argmax(axis=1), probabilities.max(axis=1)

"""The parameters of the flight delay model: a weight for each thing a flight can be."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

SHIPPED_PARAMETERS = Path(__file__).parent / "parameters" / "flight_delay_weights.json"


class Bins(BaseModel):
    """Weights of a number, by the bin it is in.

    Bin ``n`` begins at ``edges[n - 1]``, which is in it, and ends before ``edges[n]``; the first
    and the last have no end. A number that is not known has the weight 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    edges: tuple[FiniteFloat, ...]
    weights: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if any(left >= right for left, right in pairwise(self.edges)):
            raise ValueError(f"edges must rise, but are {self.edges}")
        if len(self.weights) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) + 1} weights")
        return self

    def weight(self, value: float | None) -> float:
        """Return the weight of one value."""
        return 0.0 if value is None else self.weights[bisect_right(self.edges, value)]


class Parameters(BaseModel):
    """A parameters file: what adds up to the log odds of being late.

    The types fix the names and the shapes, so that a file made for another model is refused and not
    scored with. A text without a weight adds 0, as does an average flight of the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    intercept: FiniteFloat
    carrier: dict[str, FiniteFloat]
    origin: dict[str, FiniteFloat]
    dest: dict[str, FiniteFloat]
    weekday: Bins
    hour: Bins
    humid: Bins
    wind_speed: Bins
    precip: Bins
    pressure: Bins
    visib: Bins


# The order in which weights are added, and so the last bits of their sum.
TEXTS = ("carrier", "origin", "dest")
NUMBERS = ("weekday", "hour", "humid", "wind_speed", "precip", "pressure", "visib")


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
            f"Cannot read the parameters of the flight delay model: {error.strerror}",
            str(path),
        ) from error
    except ValidationError as error:
        raise ValueError(
            f"{path} does not hold parameters of the flight delay model: {error}"
        ) from error

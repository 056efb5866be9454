"""The flights of examples/flight_delay_model: the same from all formats on both engines."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.dataset as ds
import pytest
from flight_delay_model.flight_delay_predict import FlightDelayModel, FlightInput
from flight_delay_model.flights import SCHEMA, read_flights
from job_runs import DATA_FORMATS, Score, assert_whole, in_this_process, read_result

import beam_jobs.score
import mapreduce_jobs.score

ROOT = Path(__file__).parent.parent
MODEL = "flight_delay_model.flight_delay_predict:FlightDelayModel"
LIMIT = 5000
# The hostile records: where each is rejected, and how the message begins. The last is cut short.
IN_ALL_FORMATS = {
    10_001: ("validate", "carrier: "),
    10_002: ("validate", "origin: Input should be 'EWR', 'JFK' or 'LGA'"),
    10_003: ("predict", "2013-02 has no day 30"),
}
IN_TEXT = IN_ALL_FORMATS | {10_004: ("validate", "hour: "), 10_005: ("decode", "")}


@pytest.fixture(scope="module")
def make_flight_data() -> ModuleType:
    """The script, as a module."""
    file = ROOT / "examples" / "make_flight_data.py"
    spec = importlib.util.spec_from_file_location("make_flight_data", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def flights(make_flight_data: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flights")
    make_flight_data.main([str(folder), "--limit", str(LIMIT)])
    return folder


@pytest.fixture(scope="module")
def expected() -> Counter[str]:
    """The first flights and what the model says of them, without any job."""
    table = read_flights().slice(0, LIMIT).combine_chunks()
    (inputs,) = table.select(list(FlightInput.model_fields)).to_batches()
    outputs = FlightDelayModel().predict_batch(inputs).to_pylist()
    pairs = zip(table.to_pylist(), outputs, strict=True)
    return Counter(json.dumps({**flight, **output}) for flight, output in pairs)


def predictions(folder: Path, format_name: str) -> Iterator[str]:
    """What a job wrote, each record as one dict of JSON with the prediction at its end."""
    if format_name == "parquet":
        for row in ds.dataset(folder).to_table().to_pylist():
            yield json.dumps({key.removeprefix("prediction_"): row[key] for key in row})
        return
    for part in folder.glob("part-*"):
        with part.open(encoding="utf-8") as lines:
            if format_name == "jsonl":
                for line in map(json.loads, lines):
                    prediction = line.pop("prediction")
                    yield json.dumps(line | prediction)
            else:
                yield from map(json.dumps, map(typed, csv.DictReader(lines)))


def typed(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of CSV in the types of the data; of an empty cell null."""
    kinds = {
        field.name: {"int64": int, "double": float}.get(str(field.type), str) for field in SCHEMA
    }
    kinds |= {"prediction_late_probability": float, "prediction_risk": str}
    return {
        name.removeprefix("prediction_"): kinds[name](cell) if cell else None
        for name, cell in row.items()
    }


def flight_number(reject: Mapping[str, Any]) -> int:
    """The field ``flight`` of a record of any format; it alone has such a number."""
    (number,) = re.findall(r"\b100\d\d\b", reject["input"])
    return int(number)


@pytest.mark.parametrize("format_name", DATA_FORMATS)
def test_both_engines_say_what_the_model_says(
    format_name: str,
    flights: Path,
    expected: Counter[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mrjob.conf").write_text("runners: {}\n")
    monkeypatch.setenv("MRJOB_CONF", str(tmp_path / "mrjob.conf"))
    beam: Score = in_this_process(beam_jobs.score.main, capsys)
    mapreduce: Score = in_this_process(mapreduce_jobs.score.main, capsys)
    data, flags = flights / format_name, ("--model", MODEL, "--max_errors", 5)
    by_beam, by_mapreduce = tmp_path / "beam", tmp_path / "mapreduce"
    assert beam(*flags, "--input", data, "--output", by_beam).exit_code == 0
    assert mapreduce(*flags, "--output-dir", by_mapreduce, data).exit_code == 0

    hostile = IN_ALL_FORMATS if format_name == "parquet" else IN_TEXT
    for out in (by_beam, by_mapreduce):
        manifest = assert_whole(out)
        assert manifest.records["read"] == LIMIT + len(hostile)
        assert manifest.records["rejected"] == Counter(stage for stage, _ in hostile.values())
        assert Counter(predictions(out, format_name)) == expected
    assert read_result(by_beam) == read_result(by_mapreduce)

    rejects = {
        flight_number(reject): reject
        for reject in map(json.loads, read_result(by_beam).rejects.elements())
    }
    assert rejects.keys() == hostile.keys()
    for number, (stage, message) in hostile.items():
        assert rejects[number]["stage"] == stage
        assert rejects[number]["message"].startswith(message)


def test_the_flights_have_unknown_values_to_be_scored(expected: Counter[str]) -> None:
    nulls: Counter[str] = Counter()
    for flight in map(json.loads, expected):
        nulls.update(name for name, value in flight.items() if value is None)
    assert {"pressure", "tailnum", "arr_delay"} < nulls.keys()


def test_a_limit_below_one_is_refused(
    make_flight_data: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        make_flight_data.main([str(tmp_path / "new"), "--limit", "0"])
    assert exit_info.value.code == 2
    assert "--limit is the number of flights, at least 1, not 0" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_one_flight_is_written_beside_the_hostile_ones(
    make_flight_data: ModuleType, tmp_path: Path
) -> None:
    said = make_flight_data.write(tmp_path, 1)
    assert "1 flights" in said
    lines = [
        line for file in (tmp_path / "jsonl").iterdir() for line in file.read_text().splitlines()
    ]
    assert len(lines) == 1 + len(IN_TEXT)
    assert ds.dataset(tmp_path / "parquet").count_rows() == 1 + len(IN_ALL_FORMATS)

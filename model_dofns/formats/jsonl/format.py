"""JSON lines: one JSON object (RFC 8259) a line, in UTF-8.

What is a record here, byte for byte: a line, without its end and without the white space round it.
Lines of nothing but white space are no records. A BOM at the start of a file is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from model_dofns.formats.base import (
    BLOCK_BYTES,
    MAX_RECORD_BYTES,
    Block,
    Format,
    Layout,
    Range,
)
from model_dofns.formats.compression import SUFFIXES
from model_dofns.formats.extra import without_extra
from model_dofns.formats.jsonl.records import JsonLines
from model_dofns.formats.jsonl.text import TEXT, joined, member_pieces, objects
from model_dofns.formats.lines import LinesWriter, read_line_blocks


class JsonLinesFormat(Format):
    """``.jsonl`` and ``.ndjson``."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    may_be_compressed = True
    compressions = ("none", *SUFFIXES)

    def read_blocks(
        self,
        file: BinaryIO,
        part: Range,
        *,
        block_bytes: int = BLOCK_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> Iterator[Block]:
        return read_line_blocks(self.name, file, part, block_bytes, max_record_bytes)

    def records(self, block: Block, layout: Layout) -> JsonLines:
        return JsonLines(block, layout)

    def encode(
        self, fields: pa.RecordBatch, predictions: pa.RecordBatch, layout: Layout
    ) -> pa.Buffer:
        columns, extra = without_extra(fields)
        pieces = ["{", *member_pieces(columns, nulls_are_absent=extra is not None)]
        if extra is not None and extra.null_count < len(extra):
            inner = pc.utf8_slice_codeunits(extra, 1, -1).cast(TEXT)
            pieces.append(pc.fill_null(joined(inner, ","), b""))
        return objects(pieces, predictions, layout.prediction_field)

    def writer(self, file: BinaryIO, compression: str | None = None) -> LinesWriter:
        return LinesWriter(file, compression)

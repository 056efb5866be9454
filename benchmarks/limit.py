"""The limit: what scoring costs without an engine, without checks and without rejects.

A bare loop of pyarrow and the model in one process, one thread, that reads, predicts and writes
what a job reads and writes. It trusts its input entirely: that each line is one flat record, each
value fits, and each prediction is sound, with no text that had to be escaped. Nothing that does the
same work can be much faster.

    python -m benchmarks.limit MODEL INPUT_FOLDER OUTPUT_FOLDER --files FOLDER [--validate]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from benchmarks.models import Predict, bare

BLOCK_BYTES = 4 << 20
ROW_GROUP_BYTES = 64 << 20
TEXT = pa.large_binary()


def text(literal: bytes) -> pa.Scalar:
    return pa.scalar(literal, TEXT)


def blocks(lines: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, about 4 MB each."""
    held = b""
    while piece := lines.read(BLOCK_BYTES):
        end = piece.rfind(b"\n") + 1
        block, held = held + piece[:end], piece[end:]
        yield block


def bodies(block: bytes, cut: int) -> pa.Array:
    """Each line of a block without its last ``cut`` bytes, over the block's own memory."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    spans = np.stack([np.append(0, ends[:-1] + 1), ends + 1 - cut], axis=1).ravel()
    pieces = pa.LargeBinaryArray.from_buffers(
        TEXT, len(spans) - 1, [None, pa.py_buffer(spans), pa.py_buffer(block)]
    )
    return pieces.take(pa.array(np.arange(0, len(spans), 2)))


def joined(pieces: list[pa.Array | pa.Scalar]) -> pa.Buffer:
    """The text of all rows, one after the other."""
    return pc.binary_join_element_wise(*pieces, text(b"")).buffers()[2]


def score_jsonl(schema: pa.Schema, predict: Predict, lines: BinaryIO, out: BinaryIO) -> None:
    parsing = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    for block in blocks(lines):
        reading = pyarrow.json.ReadOptions(use_threads=False, block_size=len(block))
        table = pyarrow.json.read_json(pa.BufferReader(block), reading, parsing)
        outputs = predict(table.to_batches()[0])
        pieces = [bodies(block, cut=2)]
        before = ',"prediction":{'
        for name, column in zip(outputs.schema.names, outputs.columns, strict=True):
            quote = '"' if pa.types.is_string(column.type) else ""
            pieces += [
                text(f'{before}"{name}":{quote}'.encode()),
                column.cast(pa.string()).cast(TEXT),
            ]
            before = f"{quote},"
        out.write(joined([*pieces, text(f"{before[:-1]}}}}}\n".encode())]))


def score_csv(schema: pa.Schema, predict: Predict, lines: BinaryIO, out: BinaryIO) -> None:
    header = lines.readline()
    names = header.decode().strip().replace('"', "").split(",")
    converting = pyarrow.csv.ConvertOptions(column_types=schema, include_columns=schema.names)
    for block in blocks(lines):
        reading = pyarrow.csv.ReadOptions(
            use_threads=False, block_size=len(block), column_names=names
        )
        table = pyarrow.csv.read_csv(pa.BufferReader(block), reading, convert_options=converting)
        outputs = predict(table.combine_chunks().to_batches()[0])
        if header:
            added = "".join(f",prediction_{name}" for name in outputs.schema.names)
            out.write(header[:-1] + added.encode() + b"\n")
            header = b""
        pieces = [bodies(block, cut=1)]
        for column in outputs.columns:
            pieces += [text(b","), column.cast(pa.string()).cast(TEXT)]
        out.write(joined([*pieces, text(b"\n")]))


def score_parquet(schema: pa.Schema, predict: Predict, source: BinaryIO, out: BinaryIO) -> None:
    writer = None
    gathered: list[pa.RecordBatch] = []
    for batch in pq.ParquetFile(source, pre_buffer=False).iter_batches(use_threads=False):
        outputs = predict(batch.select(schema.names))
        for name, column in zip(outputs.schema.names, outputs.columns, strict=True):
            batch = batch.append_column(f"prediction_{name}", column)
        writer = writer or pq.ParquetWriter(out, batch.schema)
        gathered.append(batch)
        if sum(part.nbytes for part in gathered) >= ROW_GROUP_BYTES:
            writer.write_table(pa.Table.from_batches(gathered))
            gathered = []
    if writer is not None:
        if gathered:
            writer.write_table(pa.Table.from_batches(gathered))
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Score the files of a folder, trusting them.")
    parser.add_argument("model")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--files", type=Path, required=True, help="the folder of fitted models")
    parser.add_argument("--validate", action="store_true", help="each record by the input class")
    arguments = parser.parse_args()
    schema, predict = bare(arguments.model, arguments.files, validate=arguments.validate)
    for path in sorted(arguments.input.iterdir()):
        with open(path, "rb") as file:
            source = pa.CompressedInputStream(file, "gzip") if path.suffix == ".gz" else file
            name = path.name.removesuffix(".gz")
            score = {".jsonl": score_jsonl, ".csv": score_csv, ".parquet": score_parquet}[
                Path(name).suffix
            ]
            with open(arguments.output / f"part-{name}", "wb") as out:
                score(schema, predict, source, out)


if __name__ == "__main__":
    main()

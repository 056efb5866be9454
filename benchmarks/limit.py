"""The limit: what scoring costs without an engine, without checks and without rejects.

A bare loop of pyarrow and the model in one process, that reads, predicts and writes what the job
writes. It trusts its input entirely; nothing that does the same work can be much faster.

    python benchmarks/limit.py INPUT OUTPUT
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from iris_model.iris_predict import IrisInput, IrisModel

BLOCK_BYTES = 4 << 20
ROW_GROUP_BYTES = 64 << 20
SCHEMA = pa.schema([(name, pa.float64()) for name in IrisInput.model_fields])


def score_jsonl(model: IrisModel, source: str, target: str) -> None:
    text = pa.large_binary()
    with open(source, "rb") as lines, open(target, "wb") as out:
        held = b""
        while piece := lines.read(BLOCK_BYTES):
            end = piece.rfind(b"\n") + 1
            block, held = held + piece[:end], piece[end:]
            table = pyarrow.json.read_json(
                pa.BufferReader(block),
                read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block)),
                parse_options=pyarrow.json.ParseOptions(
                    explicit_schema=SCHEMA, unexpected_field_behavior="ignore"
                ),
            )
            outputs = model.predict_batch(table.to_batches()[0])
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            spans = np.stack([np.append(0, ends[:-1] + 1), ends - 1], axis=1).ravel()
            bodies = pa.LargeBinaryArray.from_buffers(
                text, len(spans) - 1, [None, pa.py_buffer(spans), pa.py_buffer(block)]
            ).take(pa.array(np.arange(0, len(spans), 2)))
            species = outputs.column("species").dictionary_encode()
            quoted = [json.dumps(name).encode() for name in species.dictionary.to_pylist()]
            joined = pc.binary_join_element_wise(
                bodies,
                pa.scalar(b',"prediction":{"species":', text),
                pa.array(quoted, text).take(species.indices),
                pa.scalar(b',"probability":', text),
                outputs.column("probability").cast(pa.string()).cast(text),
                pa.scalar(b"}}\n", text),
                pa.scalar(b"", text),
            )
            out.write(joined.buffers()[2])


def score_csv(model: IrisModel, source: str, target: str) -> None:
    text = pa.large_binary()
    with open(source, "rb") as lines, open(target, "wb") as out:
        header = lines.readline()
        names = header.decode().strip().split(",")
        out.write(header[:-1] + b",prediction_species,prediction_probability\n")
        held = b""
        while piece := lines.read(BLOCK_BYTES):
            end = piece.rfind(b"\n") + 1
            block, held = held + piece[:end], piece[end:]
            table = pyarrow.csv.read_csv(
                pa.BufferReader(block),
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=len(block), column_names=names
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=SCHEMA, include_columns=SCHEMA.names
                ),
            )
            outputs = model.predict_batch(table.to_batches()[0])
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            spans = np.stack([np.append(0, ends[:-1] + 1), ends], axis=1).ravel()
            rows = pa.LargeBinaryArray.from_buffers(
                text, len(spans) - 1, [None, pa.py_buffer(spans), pa.py_buffer(block)]
            ).take(pa.array(np.arange(0, len(spans), 2)))
            comma, nothing = pa.scalar(b",", text), pa.scalar(b"", text)
            joined = pc.binary_join_element_wise(
                rows,
                comma,
                outputs.column("species").cast(text),
                comma,
                outputs.column("probability").cast(pa.string()).cast(text),
                pa.scalar(b"\n", text),
                nothing,
            )
            out.write(joined.buffers()[2])


def score_parquet(model: IrisModel, source: str, target: str) -> None:
    file = pq.ParquetFile(source, pre_buffer=False)
    writer = None
    gathered: list[pa.RecordBatch] = []
    for batch in file.iter_batches(use_threads=False):
        outputs = model.predict_batch(batch.select(SCHEMA.names))
        for name, column in zip(outputs.schema.names, outputs.columns, strict=True):
            batch = batch.append_column(f"prediction_{name}", column)
        writer = writer or pq.ParquetWriter(target, batch.schema)
        gathered.append(batch)
        if sum(part.nbytes for part in gathered) >= ROW_GROUP_BYTES:
            writer.write_table(pa.Table.from_batches(gathered))
            gathered = []
    if writer is not None:
        if gathered:
            writer.write_table(pa.Table.from_batches(gathered))
        writer.close()


if __name__ == "__main__":
    input_path, output_path = sys.argv[1:]
    by_suffix = {".jsonl": score_jsonl, ".csv": score_csv, ".parquet": score_parquet}
    score = by_suffix[Path(input_path).suffix]
    score(IrisModel(), input_path, output_path)

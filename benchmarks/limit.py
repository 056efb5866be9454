"""The limit: what scoring costs without an engine, without checks and without rejects.

A bare loop of pyarrow and the model in one process, that reads, predicts and writes what the job
writes. It trusts its input entirely; nothing that does the same work can be much faster.

    python benchmarks/limit.py INPUT OUTPUT
"""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
    score = score_parquet if input_path.endswith(".parquet") else score_jsonl
    score(IrisModel(), input_path, output_path)

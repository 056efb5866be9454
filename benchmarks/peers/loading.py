"""The same model for all: loaded once a process, asked for a batch at a time."""

from __future__ import annotations

import functools
from pkgutil import resolve_name

import pyarrow as pa

from model_dofns.ml_model import MLModel

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@functools.cache
def loaded(path: str) -> MLModel:
    model: MLModel = resolve_name(path)()
    return model


def scored(model: MLModel, batch: pa.RecordBatch, *, nested: bool) -> pa.RecordBatch:
    """The batch with its predictions: in one column, or in one for each field."""
    outputs = model.predict_batch(batch.select(FEATURES))  # type: ignore[attr-defined]
    if nested:
        prediction = pa.StructArray.from_arrays(outputs.columns, outputs.schema.names)
        return batch.append_column("prediction", prediction)
    for name, column in zip(outputs.schema.names, outputs.columns, strict=True):
        batch = batch.append_column(f"prediction_{name}", column)
    return batch

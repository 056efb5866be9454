"""All that can be said of a model before it is used: for people, and for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from model_dofns.example import example_of
from model_dofns.exceptions import RecordError
from model_dofns.fields import (
    FieldDescription,
    NoJsonSchemaError,
    fields_of,
    json_schema_of,
    schemas_of,
)
from model_dofns.formats.base import Block
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.schemas import RecordSchema
from model_dofns.scorer import Scorer

_LABEL_WIDTH: Final = 16
_FIELD_WIDTH: Final = 40  # of one column of the fields' table


@dataclass(frozen=True)
class Example:
    """A record, and what a job would make of it.

    Attributes:
        record: one that the input class takes; None where none could be made.
        prediction: the model's; None where it has none.
        problem: why there is no record, or no prediction.
    """

    record: Any
    prediction: Any
    problem: str | None


@dataclass(frozen=True)
class Description:
    """A model.

    Attributes:
        class_path: where its class is.
        configuration: as it may be shown.
        metadata: what it says of itself.
        input_fields, output_fields: of its schemas.
        example: a record and its prediction.
        reads: the fields of a record that it reads, by all of their names.
        reads_whole_record: whether it may look at others too.
        prediction_columns: what a job writes, where the output has columns.
        fast_accept_off: why each record is judged alone; None where whole columns are.
        has_predict_batch: whether it is handed batches.
    """

    class_path: str
    configuration: Mapping[str, Any]
    metadata: ModelMetadata
    input_fields: tuple[FieldDescription, ...]
    output_fields: tuple[FieldDescription, ...]
    example: Example
    reads: tuple[str, ...]
    reads_whole_record: bool
    prediction_columns: tuple[str, ...]
    fast_accept_off: str | None
    has_predict_batch: bool

    def to_json(self) -> str:
        """All of it, for machines; an infinite bound is text."""
        return json.dumps(
            _finite(asdict(self)), indent=2, ensure_ascii=False, default=str, allow_nan=False
        )

    def to_text(self) -> str:
        """All of it, for people."""
        model = self.metadata
        sections = {
            "model": [f"{model.qualified_name} {model.version}: {model.display_name}"],
            "class": [self.class_path],
            "description": [model.description],
            "configuration": [_json(self.configuration)],
            "deterministic": [_yes(model.deterministic)],
            "thread safe": [_yes(model.thread_safe, "no: callers take turns")],
            "predict_batch": [_yes(self.has_predict_batch, "no: a Python call a record")],
            "fast accept": [
                "on: records are validated by the column"
                if self.fast_accept_off is None
                else f"off, each record is judged alone: {self.fast_accept_off}"
            ],
            "input": _table(self.input_fields),
            "output": _table(self.output_fields),
            "a job reads": [
                ", ".join(self.reads) or "no field",
                *(["and may look at all others"] if self.reads_whole_record else []),
            ],
            "a job writes": [
                "JSON lines: the record, and in it prediction",
                f"CSV, Parquet: {', '.join(self.prediction_columns)}",
            ],
            "example": [
                *([] if self.example.record is None else [_json(self.example.record)]),
                *([] if self.example.prediction is None else [_json(self.example.prediction)]),
                *([] if self.example.problem is None else [self.example.problem]),
            ],
        }
        return "\n".join(
            f"{label if i == 0 else '':<{_LABEL_WIDTH}}{text}".rstrip()
            for label, texts in sections.items()
            for i, text in enumerate(texts)
        )


def describe(spec: ModelSpec) -> Description:
    """Load a model and describe it.

    Raises:
        ModelError: it does not load, or a job could not use it.
    """
    scorer = Scorer(spec)
    model = spec.load()
    input_schema, output_schema = schemas_of(model)
    shown = spec.shown_configuration
    return Description(
        class_path=spec.class_path,
        configuration={} if shown is None else shown,
        metadata=scorer.metadata,
        input_fields=fields_of(input_schema),
        output_fields=fields_of(output_schema),
        example=_example(scorer, input_schema),
        reads=tuple(sorted(scorer.layout.input_names)),
        reads_whole_record=scorer.layout.whole_record,
        prediction_columns=tuple(scorer.layout.prediction_columns()),
        fast_accept_off=input_schema.fast_accept_off,
        has_predict_batch=callable(getattr(model, "predict_batch", None)),
    )


def _example(scorer: Scorer, schema: RecordSchema) -> Example:
    """A record that the judge takes, and its prediction as a job would write it."""
    try:
        document = json_schema_of(schema)
        record = example_of(document, document)
        schema.judge(record)
        line = json.dumps(record).encode()
    except (NoJsonSchemaError, RecordError, TypeError) as error:
        reason = error.message if isinstance(error, RecordError) else str(error)
        return Example(
            None, None, f"none could be made ({reason}): give the fields examples in their class"
        )
    scored = scorer.score(Block("jsonl", "example", line, 0))
    for reject in scored.rejects:
        return Example(record, None, f"rejected at {reject.stage}: {reject.error} {reject.message}")
    written = json.loads(bytes(scored.predictions))  # type: ignore[arg-type]  # lines of JSON
    return Example(record, written[scorer.layout.prediction_field], None)


def _table(fields: Sequence[FieldDescription]) -> list[str]:
    rows = []
    for field in fields:
        aliases = [key for key in field.keys if key != field.name]
        name = f"{field.name} ({', '.join(aliases)})" if aliases else field.name
        if field.required:
            required = "required"
        else:
            required = f"default {_json(field.default)}" if field.has_default else "may be absent"
        nullable = "or null" if field.nullable else ""
        rows.append(
            (name, field.type, nullable, field.arrow or "no column", required, field.bounds_text())
        )
    if not rows:
        return ["no fields"]
    shown = [[_cut(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = []
    for row in shown:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True) if width]
        lines.append("  ".join(cells).rstrip())
    return lines


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _FIELD_WIDTH else f"{text[: _FIELD_WIDTH - 1]}…"


def _yes(value: bool, no: str = "no") -> str:
    return "yes" if value else no


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value

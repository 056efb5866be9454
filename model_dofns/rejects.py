"""A record that could not be scored: what it was, where it stands, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# In the order a record passes them.
STAGES: Final = ("decode", "route", "validate", "predict", "output")
# Where records name their models: see --model_field.
ROUTE_STAGE: Final = "route"
# A file, not a record: see --skip_bad_files. It stands outside the sum of records.
READ_STAGE: Final = "read"

_MAX_MESSAGE = 1_000
_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make one each time


@dataclass(frozen=True)
class Reject:
    """One rejected record; :meth:`to_json` is a line of ``_rejects/part-….jsonl``.

    Attributes:
        stage: where it failed: ``decode``, ``validate``, ``predict`` or ``output``; ``route`` where
            it names no model; ``read`` for a file that could not be read.
        error: the name of the error's class.
        message: what was wrong, cut to 1,000 characters.
        source: ``input``, the record as text, or ``input_base64`` where it is no UTF-8; and
            ``offset`` in bytes or ``row``, from 0, where it begins in its file or its table.
        format: the format of its file; ``dict``, ``row`` or ``table`` of a record in memory.
        file: the file it is in; None of a record in memory.
        model: the qualified name of the model; None of a record that names none, and of a file
            that could not be read.
        version: the version of the model, likewise.
    """

    stage: str
    error: str
    message: str
    source: Mapping[str, Any]
    format: str
    file: str | None
    model: str | None
    version: str | None

    def to_json(self) -> bytes:
        """One line of JSON, with its end."""
        message = self.message
        if len(message) > _MAX_MESSAGE:
            message = f"{message[: _MAX_MESSAGE - 1]}…"
        fields = {
            "stage": self.stage,
            "error": self.error,
            "message": message,
            **self.source,
            "format": self.format,
            "file": self.file,
            "model": self.model,
            "version": self.version,
        }
        try:
            return _encode(fields).encode() + b"\n"
        except UnicodeEncodeError:  # a lone surrogate, in a message that quotes the record
            return json.dumps(fields).encode() + b"\n"

"""What text means, and what JSON says for values of other types."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

# The words that pydantic takes for them.
_BOOLEANS: Final = dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True) | dict.fromkeys(
    ("0", "off", "f", "false", "n", "no"), False
)
# Digits, a point, an exponent: no hexadecimal digits, underscores, infinities or spaces.
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def boolean_in(text: str) -> Any:
    """The boolean that a text is; of any other one, the text."""
    return _BOOLEANS.get(text.lower(), text)


def number_in(text: str) -> Any:
    """The number that a text is; of any other one, the text."""
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:
        return float(text)


def json_in(text: Any) -> Any:
    """The value that a text is as JSON; of what is none, the text itself."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return text


def of_json(value: Any) -> Any:
    """A value of another type as a judge that knows JSON's types alone takes it.

    A decimal is a number, as one is due where a column has decimals; for readers it is text, see
    :mod:`model_dofns.formats.jsonl.text`.
    """
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [of_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: of_json(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value

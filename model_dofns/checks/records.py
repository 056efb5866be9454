"""The records that a model is tried with: made ones, and the author's own."""

from __future__ import annotations

import copy
import importlib
import itertools
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final

import pyarrow as pa

from model_dofns.exceptions import (
    DoesNotFitError,
    InputError,
    RecordError,
    UnreadableFileError,
)
from model_dofns.fields import NoJsonSchemaError, json_schema_of
from model_dofns.formats.base import Format, Layout, Range
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.manifest import InputFile
from model_dofns.schemas import RecordSchema
from model_dofns.settling import settle

MADE_RECORDS: Final = 100
MAX_SAMPLES: Final = 500  # of the author's own; each check asks the model for them some times
_ENOUGH: Final = 10  # of the made ones that a judge must take


@dataclass(frozen=True)
class Trial:
    """A record that the model's input class takes.

    Attributes:
        values: the record; a check gets a copy, as a model may change what is in it.
        is_text: its values are text, whatever they mean, as in CSV.
    """

    values: Mapping[str, Any]
    is_text: bool = False

    def copied(self) -> dict[str, Any]:
        """The record, for a model to do with as it likes."""
        return copy.deepcopy(dict(self.values))


@dataclass(frozen=True)
class Trials:
    """What a model is tried with, and where it comes from.

    Attributes:
        trials: the records.
        made: how many of them were made; the others are the author's.
        refused: why some of the author's are none, one text a record.
        none_made: why none were made, or too few; None where they were.
    """

    trials: tuple[Trial, ...]
    made: int
    refused: tuple[str, ...]
    none_made: str | None = None


def trials_of(schema: RecordSchema, samples: Sequence[Trial | RecordError]) -> Trials:
    """The records that a model is tried with: those of the samples that its class takes, and more.

    Raises:
        DoesNotFitError: hypothesis is not installed, which makes them.
    """
    own, refused = _taken(schema, samples)
    none_made = None
    made: list[Trial] = []
    try:
        values = _made_values(schema)
    except NoJsonSchemaError as error:
        none_made = str(error)
    else:
        made, reasons = _taken(schema, [Trial(one) for one in values if isinstance(one, dict)])
        # Where a class has few values few are made, and of those nearly all are taken.
        if len(made) < min(_ENOUGH, len(values)) or not made:
            reason = reasons[0] if reasons else "they are no objects"
            none_made = f"it takes {len(made)} of {len(values)} that were made: {reason}"
            made = []
    return Trials((*own, *made), len(made), tuple(refused), none_made)


def instance_of(schema: RecordSchema, trial: Trial) -> Any:
    """A record as the model's ``predict`` takes it, a new one each time.

    Raises:
        RecordError: it is none.
    """
    return schema.judge(trial.copied(), as_text=trial.is_text)


def read_samples(paths: Sequence[str], layout: Layout) -> list[Trial | RecordError]:
    """The first records of files that the library can read, ``MAX_SAMPLES`` in all.

    Args:
        paths: local files, of any formats.
        layout: what the model says of records.

    Raises:
        InputError: a path is no file, or a file cannot be read.
    """
    for path in paths:
        if not os.path.isfile(path):
            raise InputError(f"the sample {path!r} is no file: name files that are on this machine")
    files = [InputFile(os.path.abspath(path), os.path.getsize(path)) for path in paths]
    if not files:
        return []
    # Nothing is written: an output format lets files be of several, and no name may clash.
    layout = replace(layout, output_format="jsonl", prediction_field="prediction_of_no_one")
    (settled,) = settle(files, [layout], CsvFormat(), _opened)
    found: list[Trial | RecordError] = []
    for file in settled.files:
        records = _records(file, settled.formats[file.format], settled.layout)
        try:
            found += itertools.islice(records, math.ceil(MAX_SAMPLES / len(files)))
        except (UnreadableFileError, OSError, pa.ArrowException) as error:
            raise InputError(f"the sample {file.path} cannot be read: {error}") from error
    return found


def _opened(path: str) -> BinaryIO:
    return open(path, "rb")


def _records(file: InputFile, format_: Format, layout: Layout) -> Iterator[Trial | RecordError]:
    with _opened(file.path) as opened:
        part = Range(file.path, 0, sys.maxsize)
        for block in format_.read_blocks(format_.opened(opened, file.path), part):
            records = format_.records(block, layout)
            for values in records.parse(range(len(records))):
                if isinstance(values, RecordError):
                    yield values
                else:
                    yield Trial(values, records.are_texts)


def _taken(
    schema: RecordSchema, trials: Sequence[Trial | RecordError]
) -> tuple[list[Trial], list[str]]:
    """The records that a class takes, and why it does not take the others."""
    taken, refused = [], []
    for trial in trials:
        try:
            if isinstance(trial, RecordError):
                raise trial
            instance = instance_of(schema, trial)
            if schema.arrow_schema is not None:
                schema.values(instance)  # or it has no place in its column
            taken.append(trial)
        except RecordError as error:
            refused.append(error.message)
    return taken, refused


def _made_values(schema: RecordSchema) -> list[Any]:
    """What hypothesis makes of the schema: the same values each time, each once.

    Raises:
        DoesNotFitError: hypothesis is not installed.
        NoJsonSchemaError: there is nothing to make them from.
    """
    try:
        importlib.import_module("hypothesis")
    except ModuleNotFoundError as error:
        raise DoesNotFitError(
            "a model is checked with records that hypothesis makes, which is not installed:"
            " pip install 'model-dofns[check]'"
        ) from error
    from model_dofns.checks.strategies import made_values

    values = made_values(json_schema_of(schema), MADE_RECORDS)
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())

"""The flags that all jobs have, whichever engine runs them."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeAlias

from model_dofns.exceptions import UsageError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import MAX_RECORD_BYTES, Layout, plain_name
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.manifest import MaxErrors

LOG_LEVELS: Final = ("debug", "info", "warning", "error")

EXIT_CODES: Final = """\
exit codes:
  0 done   1 the job failed   2 usage   3 more rejects than --max_errors
  4 the model, the input or the output folder does not fit, found before the
  job started   130 interrupted
  Of several models: 130, 1, 2 and 4 are of the whole job; 3 if any model has
  too many rejects; 0 if all are done.
"""

# How an engine spells a flag: --max_errors -> its option strings.
Spelling: TypeAlias = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class JobOptions:
    """What the command line says on every engine; a field a flag, by the same name where it can."""

    model: tuple[str, ...]
    input: tuple[str, ...]
    output: str
    models: str | None = None
    model_field: str | None = None
    expect_version: str = ""
    preflight: bool = True
    input_format: str | None = None
    prediction_field: str = "prediction"
    max_record_bytes: int = MAX_RECORD_BYTES
    max_errors: MaxErrors = field(default_factory=MaxErrors)
    skip_bad_files: bool = False
    overwrite: bool = False
    compression: str | None = None
    csv_delimiter: str = ","
    csv_quote: str = '"'
    csv_columns: tuple[str, ...] | None = None
    output_format: str | None = None
    keep_fields: tuple[str, ...] | None = None
    with_version: bool = False
    num_shards: int | None = None
    limit: int | None = None
    batch_size: int | None = None
    log_level: str = "info"
    plan: bool = False

    def __post_init__(self) -> None:
        if not self.model and self.models is None:
            raise UsageError(
                "--model is required: name a model, or all that a file has with --models alone;"
                " see --help"
            )
        if self.model_field is not None and not self.is_several:
            raise UsageError(
                f"--model_field {self.model_field} has each record name its model, and there is"
                f" one alone, {self.model[0]}: name several, or leave the flag out"
            )
        _ = self.layout, self.csv  # or they raise

    @property
    def is_several(self) -> bool:
        """Whether each model has a folder of its own: all of a file may be one today."""
        return len(self.model) != 1

    @property
    def layout(self) -> Layout:
        """How records are read and written, as far as the command line says it."""
        return Layout(
            prediction_field=self.prediction_field,
            max_record_bytes=self.max_record_bytes,
            output_format=self.output_format,
            keep_fields=self.keep_fields,
            with_version=self.with_version,
        )

    @property
    def csv(self) -> CsvFormat:
        """How CSV is read and written."""
        return CsvFormat(
            self.csv_delimiter, self.csv_quote, self.csv_columns, header=self.csv_columns is None
        )

    def shown(self) -> dict[str, Any]:
        """As they stand in a manifest."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        model = self.model if self.is_several else self.model[0]
        return values | {"max_errors": str(self.max_errors), "model": model}


@dataclass(frozen=True)
class FlagGroups:
    """The groups of a command line's help, to which an engine adds what it alone has."""

    input: argparse._ArgumentGroup
    output: argparse._ArgumentGroup
    running: argparse._ArgumentGroup


def add_flags(
    parser: argparse.ArgumentParser, spelled: Spelling = lambda flag: [flag]
) -> FlagGroups:
    """Add all flags but those that name the input and the output folder."""
    model = parser.add_argument_group("the model")
    model.add_argument(
        *spelled("--model"),
        action="append",
        metavar="NAME",
        help="package.module:Class, an entry of --models, or an installed entry point of the"
        " group ml_models; of several, repeated, each has a folder of its name in the output",
    )
    model.add_argument(
        *spelled("--models"),
        metavar="FILE",
        help="a models file, YAML or JSON, with models by name; without --model, all of them",
    )
    model.add_argument(
        *spelled("--model_field"),
        type=not_empty,
        metavar="FIELD",
        help="score each record with one of several models, the one that this field of it names",
    )
    model.add_argument(
        *spelled("--expect_version"),
        default="",
        metavar="SPEC",
        help="fail unless the version of each model fits, as in '>=1.2,<2'",
    )
    model.add_argument(
        *spelled("--no_preflight"),
        dest="preflight",
        action="store_false",
        help="do not load the model here first: for one that does not fit on this machine",
    )
    model.add_argument(
        *spelled("--batch_size"),
        type=_positive_int,
        metavar="N",
        help="hand the model at most so many records at once (default: a block's, some 10,000)",
    )
    data = parser.add_argument_group("input")
    data.add_argument(
        *spelled("--input_format"),
        choices=sorted(FORMATS),
        help="of all files (default: what their suffixes say)",
    )
    data.add_argument(
        *spelled("--csv_delimiter"),
        type=_character,
        default=",",
        metavar="C",
        help=r"between the cells of CSV, as in ';' or \t (default: %(default)s)",
    )
    data.add_argument(
        *spelled("--csv_quote"),
        type=_character,
        default='"',
        metavar="C",
        help="round a cell of CSV that has special characters (default: %(default)s)",
    )
    data.add_argument(
        *spelled("--csv_columns"),
        type=_names,
        metavar="A,B,C",
        help="the columns of CSV files that have no header",
    )
    data.add_argument(
        *spelled("--limit"),
        type=_positive_int,
        metavar="N",
        help="score the first N records alone, in the order of the files' paths",
    )
    data.add_argument(
        *spelled("--max_record_bytes"),
        type=_positive_int,
        default=MAX_RECORD_BYTES,
        metavar="N",
        help="reject a line that is longer (default: %(default)s)",
    )
    data.add_argument(
        *spelled("--skip_bad_files"),
        action="store_true",
        help="go on without files that cannot be read; they are named in the manifest",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        *spelled("--overwrite"), action="store_true", help="replace what an earlier job wrote there"
    )
    output.add_argument(
        *spelled("--compression"),
        choices=sorted({name for known in FORMATS.values() for name in known.compressions}),
        help="of the predictions (default: none for text, snappy for Parquet)",
    )
    output.add_argument(
        *spelled("--output_format"),
        type=_output_format,
        metavar="FORMAT",
        help=f"same, as the input (the default), {', '.join(sorted(FORMATS))}",
    )
    output.add_argument(
        *spelled("--keep_fields"),
        type=_kept_fields,
        metavar="A,B,C",
        help="which fields of a record come out with its prediction: all (the default), none, or"
        " these",
    )
    output.add_argument(
        *spelled("--with_version"),
        action="store_true",
        help="put the model's name and version into each prediction",
    )
    output.add_argument(
        *spelled("--num_shards"),
        type=_positive_int,
        metavar="N",
        help="write at most N part files (default: as they come)",
    )
    output.add_argument(
        *spelled("--prediction_field"),
        type=_prediction_field,
        default="prediction",
        metavar="NAME",
        help="the name of the prediction in a record (default: %(default)s)",
    )
    output.add_argument(
        *spelled("--max_errors"),
        type=MaxErrors,
        default=MaxErrors(),
        metavar="N|P%",
        help="how many rejects are still a success (default: %(default)s)",
    )
    running = parser.add_argument_group("running")
    running.add_argument(
        *spelled("--plan"),
        action="store_true",
        help="say what would be read, scored and written, try a sample of the records, and write"
        " nothing",
    )
    running.add_argument(
        *spelled("--log_level"),
        choices=LOG_LEVELS,
        default="info",
        help="of what this job logs to stderr, here and on workers (default: %(default)s); the"
        " engine and models are heard from warning on, or info if debug",
    )
    return FlagGroups(data, output, running)


def flag_words(line: str) -> list[str]:
    """A line of an ``@flags.txt`` file: words as in a shell, ``#`` begins a comment."""
    return shlex.split(line, comments=True)


def unknown_flag(word: str, known: Iterable[str], engine: str, hint: str = "") -> UsageError:
    """What to say of a flag that no one knows: which known one is the nearest."""
    nearest = difflib.get_close_matches(word.partition("=")[0], list(known), n=1)
    meant = f"did you mean {nearest[0]}?" if nearest else "see --help."
    return UsageError(f"{word!r} is no flag of this job nor of {engine}: {meant}{hint}")


def not_empty(text: str) -> str:
    """Of an argument that must say something."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _prediction_field(text: str) -> str:
    try:
        return plain_name(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _character(text: str) -> str:
    return "\t" if text == r"\t" else text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) < len(names) or "" in names:
        raise argparse.ArgumentTypeError(f"{text!r} has a name twice, or an empty one")
    return names


def _kept_fields(text: str) -> tuple[str, ...] | None:
    return {"all": None, "none": ()}.get(text) if text in ("all", "none") else _names(text)


def _output_format(text: str) -> str | None:
    if text not in ("same", *FORMATS):
        raise argparse.ArgumentTypeError(f"{text!r} is none of same, {', '.join(sorted(FORMATS))}")
    return None if text == "same" else text


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)

"""The command line: flags of the job, flags of Beam, and nothing that neither knows."""

from __future__ import annotations

import argparse
import difflib
import functools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs.logs import LEVELS
from model_dofns.exceptions import UsageError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import MAX_RECORD_BYTES, Layout, plain_name
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.manifest import MaxErrors

_EPILOG = """\
runner flags:
  All flags of Apache Beam's pipeline options are taken as well, such as
    --runner DirectRunner
    --direct_num_workers 2 --direct_running_mode multi_processing
  Without --runner the job runs in this process (FnApiRunner). What only a
  runner's job server knows follows a bare "--".

examples:
  python -m beam_jobs.score --model iris --input data/ --output out --plan
  python -m beam_jobs.score --model iris_model.iris_predict:IrisModel \\
      --input 'data/*.jsonl' --output out
  python -m beam_jobs.score --models models.yaml --model iris \\
      --input data/ --output out --max_errors 0.5%
  python -m beam_jobs.score @nightly.txt --output out/2026-11-22

exit codes:
  0 done   1 the job failed   2 usage   3 more rejects than --max_errors
  4 the model, the input or the output folder does not fit, found before the
  job started   130 interrupted
"""


@dataclass(frozen=True)
class Options:
    """What the command line says; a field a flag, by the same name where it has one."""

    model: str
    input: tuple[str, ...]
    output: str
    models: str | None = None
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
    pipeline_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.layout, self.csv  # or they raise

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
        """As they stand in a manifest: of Beam's flags the names alone, as some are secrets."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        names = [word.partition("=")[0] for word in self.pipeline_args if word.startswith("-")]
        return values | {"max_errors": str(self.max_errors), "pipeline_args": names}


def parse_args(argv: Sequence[str]) -> Options:
    """The options that a command line says.

    Raises:
        UsageError: it makes no sense.
        SystemExit: it asks for help (0).
    """
    ours, after_dashes = list(argv), []
    if "--" in ours:
        dashes = ours.index("--")
        ours, after_dashes = ours[:dashes], ours[dashes + 1 :]
    parser = _parser()
    try:
        parsed, for_beam = parser.parse_known_args(ours)
    # Of a file of flags: a stray quote, or it is no text, or it names itself.
    except (ValueError, RecursionError) as error:
        raise UsageError(f"a file of flags cannot be read: {error}") from error
    _refuse_unknown(parser, for_beam)
    values = vars(parsed)
    values["input"] = tuple(values["input"])
    return Options(**values, pipeline_args=(*for_beam, *after_dashes))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see python -m beam_jobs.score --help")

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        """A line of an ``@flags.txt`` file: words as in a shell, ``#`` begins a comment."""
        return shlex.split(arg_line, comments=True)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m beam_jobs.score",
        description="Score the records of many files with a model, on Apache Beam.",
        epilog=_EPILOG,
        # 80 columns everywhere: the texts above are laid out for them.
        formatter_class=functools.partial(argparse.RawDescriptionHelpFormatter, width=80),
        allow_abbrev=False,
        fromfile_prefix_chars="@",
    )
    model = parser.add_argument_group("the model")
    model.add_argument(
        "--model",
        required=True,
        metavar="NAME",
        help="package.module:Class, an entry of --models, or an installed entry point of the"
        " group ml_models",
    )
    model.add_argument(
        "--models", metavar="FILE", help="a models file, YAML or JSON, with models by name"
    )
    model.add_argument(
        "--expect_version",
        default="",
        metavar="SPEC",
        help="fail unless the model's version fits, as in '>=1.2,<2'",
    )
    model.add_argument(
        "--no_preflight",
        dest="preflight",
        action="store_false",
        help="do not load the model here first: for one that does not fit on this machine",
    )
    model.add_argument(
        "--batch_size",
        type=_positive_int,
        metavar="N",
        help="hand the model at most so many records at once (default: a block's, some 10,000)",
    )
    data = parser.add_argument_group("input")
    data.add_argument(
        "--input",
        required=True,
        type=_not_empty,
        action="extend",
        nargs="+",
        metavar="PATH",
        help="files, globs and folders; may be repeated",
    )
    data.add_argument(
        "--input_format",
        choices=sorted(FORMATS),
        help="of all files (default: what their suffixes say)",
    )
    data.add_argument(
        "--csv_delimiter",
        type=_character,
        default=",",
        metavar="C",
        help=r"between the cells of CSV, as in ';' or \t (default: %(default)s)",
    )
    data.add_argument(
        "--csv_quote",
        type=_character,
        default='"',
        metavar="C",
        help="round a cell of CSV that has special characters (default: %(default)s)",
    )
    data.add_argument(
        "--csv_columns",
        type=_names,
        metavar="A,B,C",
        help="the columns of CSV files that have no header",
    )
    data.add_argument(
        "--limit",
        type=_positive_int,
        metavar="N",
        help="score the first N records alone, in the order of the files' paths",
    )
    data.add_argument(
        "--max_record_bytes",
        type=_positive_int,
        default=MAX_RECORD_BYTES,
        metavar="N",
        help="reject a line that is longer (default: %(default)s)",
    )
    data.add_argument(
        "--skip_bad_files",
        action="store_true",
        help="go on without files that cannot be read; they are named in the manifest",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        required=True,
        type=_not_empty,
        metavar="FOLDER",
        help="must be empty, or see --overwrite",
    )
    output.add_argument(
        "--overwrite", action="store_true", help="replace what an earlier job wrote there"
    )
    output.add_argument(
        "--compression",
        choices=sorted({name for known in FORMATS.values() for name in known.compressions}),
        help="of the predictions (default: none for text, snappy for Parquet)",
    )
    output.add_argument(
        "--output_format",
        type=_output_format,
        metavar="FORMAT",
        help=f"same, as the input (the default), {', '.join(sorted(FORMATS))}",
    )
    output.add_argument(
        "--keep_fields",
        type=_kept_fields,
        metavar="A,B,C",
        help="which fields of a record come out with its prediction: all (the default), none, or"
        " these",
    )
    output.add_argument(
        "--with_version",
        action="store_true",
        help="put the model's name and version into each prediction",
    )
    output.add_argument(
        "--num_shards",
        type=_positive_int,
        metavar="N",
        help="write at most N part files, at the price of a shuffle (default: as they come)",
    )
    output.add_argument(
        "--prediction_field",
        type=_prediction_field,
        default="prediction",
        metavar="NAME",
        help="the name of the prediction in a record (default: %(default)s)",
    )
    output.add_argument(
        "--max_errors",
        type=MaxErrors,
        default=MaxErrors(),
        metavar="N|P%",
        help="how many rejects are still a success (default: %(default)s)",
    )
    running = parser.add_argument_group("running")
    running.add_argument(
        "--plan",
        action="store_true",
        help="say what would be read, scored and written, try a sample of the records, and write"
        " nothing",
    )
    running.add_argument(
        "--log_level",
        choices=LEVELS,
        default="info",
        help="of what this job logs to stderr, here and on workers (default: %(default)s); Beam and"
        " models are heard from warning on, or info if debug",
    )
    return parser


def _not_empty(text: str) -> str:
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


def _refuse_unknown(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Refuse what neither this job nor Beam knows: Beam itself would only warn."""
    beam_parser = _Parser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(beam_parser)
    try:
        _, unknown = beam_parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    if not unknown:
        return
    flag = unknown[0].partition("=")[0]
    known = [*parser._option_string_actions, *beam_parser._option_string_actions]
    nearest = difflib.get_close_matches(flag, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "see --help."
    raise UsageError(
        f"{unknown[0]!r} is no flag of this job nor of Beam's pipeline options: {hint}"
        ' What only a job server knows follows a bare "--"'
    )

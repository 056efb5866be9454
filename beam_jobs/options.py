"""The command line: flags of the job, flags of Beam, and nothing that neither knows."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from beam_jobs.loading import load_beam
from model_dofns.exceptions import UsageError
from model_dofns.jobs.options import (
    EXIT_CODES,
    JobOptions,
    add_flags,
    flag_words,
    not_empty,
    unknown_flag,
)

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
  python -m beam_jobs.score --model iris --model short_petals \\
      --input data/ --output out_of_both
  python -m beam_jobs.score @nightly.txt --output out/2026-11-22

"""


@dataclass(frozen=True)
class Options(JobOptions):
    """What the command line says, of the job and of Beam."""

    pipeline_args: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """As they stand in a manifest: of Beam's flags the names alone, as some are secrets."""
        names = [word.partition("=")[0] for word in self.pipeline_args if word.startswith("-")]
        return super().shown() | {"pipeline_args": names}


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
    values |= {name: tuple(values[name] or ()) for name in ("model", "input")}
    return Options(**values, pipeline_args=(*for_beam, *after_dashes))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see python -m beam_jobs.score --help")

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        return flag_words(arg_line)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m beam_jobs.score",
        description="Score the records of many files with a model, on Apache Beam.",
        epilog=_EPILOG + EXIT_CODES,
        # 80 columns everywhere: the texts above are laid out for them.
        formatter_class=functools.partial(argparse.RawDescriptionHelpFormatter, width=80),
        allow_abbrev=False,
        fromfile_prefix_chars="@",
    )
    groups = add_flags(parser)
    groups.input.add_argument(
        "--input",
        required=True,
        type=not_empty,
        action="extend",
        nargs="+",
        metavar="PATH",
        help="files, globs and folders; may be repeated",
    )
    groups.output.add_argument(
        "--output",
        required=True,
        type=not_empty,
        metavar="FOLDER",
        help="must be empty, or see --overwrite",
    )
    return parser


def _refuse_unknown(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Refuse what neither this job nor Beam knows: Beam itself would only warn."""
    if not arguments:
        return
    load_beam()
    # Here, as a command line with none of Beam's flags, such as --help, needs no Beam yet.
    from apache_beam.options.pipeline_options import PipelineOptions

    beam_parser = _Parser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(beam_parser)
    try:
        _, unknown = beam_parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    if not unknown:
        return
    known = [*parser._option_string_actions, *beam_parser._option_string_actions]
    hint = ' What only a job server knows follows a bare "--"'
    raise unknown_flag(unknown[0], known, "Beam's pipeline options", hint)

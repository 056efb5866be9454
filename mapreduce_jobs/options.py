"""The command line: flags of the job, flags of mrjob, and nothing that neither knows."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from typing import Any, Final

from model_dofns.exceptions import UsageError
from model_dofns.jobs.options import EXIT_CODES, JobOptions, add_flags, flag_words

_EPILOG = """\
runners:
  -r inline (the default) runs the job in this process, -r local several tasks
  at once on this machine, -r hadoop and -r emr on a cluster. --help -r hadoop
  lists the flags of that runner; mrjob.conf may have them as well.

examples:
  python -m mapreduce_jobs.score -r local --output-dir out --max-errors 5 \\
      --model iris_model.iris_predict:IrisModel data/*.jsonl
  python -m mapreduce_jobs.score -r hadoop --output-dir hdfs:///out \\
      --model iris --archives env.tar.gz#env --python-bin env/bin/python \\
      hdfs:///data/

"""

ON_A_CLUSTER: Final = ("hadoop", "emr")
_RUNNERS: Final = ("inline", "local", *ON_A_CLUSTER)
# What mrjob calls otherwise than a job's options do.
_OTHER_NAMES = {"input": "args", "output": "output_dir"}
_MAX_FILES_DEEP = 100


@dataclass(frozen=True)
class Options(JobOptions):
    """What the command line says, of the job; what is mrjob's own stays with mrjob."""

    runner: str = "inline"
    keep_predictions: bool = False


def with_dashes(flag: str) -> list[str]:
    """How mrjob spells flags: ``--max-errors``."""
    return [flag.replace("_", "-")]


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Add the job's flags to mrjob's."""
    groups = add_flags(parser, with_dashes)
    groups.output.add_argument(
        "--keep-predictions",
        action="store_true",
        help="write the records with their predictions too, where a job has key_values of its own",
    )
    for action in parser._actions:
        action.required = False  # of a task, which is told otherwise; a launcher asks for it itself


def words_of(argv: Sequence[str], known: Iterable[str]) -> list[str]:
    """The words of a command line, as mrjob takes them.

    Flags that stand in files, ``@flags.txt``, are put in their place, and the job's flags may be
    spelled as those of the Beam job are: ``--max_errors``.

    Raises:
        UsageError: such a file cannot be read.
    """
    known = set(known)
    words = []
    for word in _unpacked(argv, 0):
        flag, sign, value = word.partition("=")
        (dashed,) = with_dashes(flag)
        is_other_spelling = flag.startswith("--") and flag not in known and dashed in known
        words.append(f"{dashed}{sign}{value}" if is_other_spelling else word)
    return words


def _unpacked(words: Sequence[str], deep: int) -> Iterator[str]:
    for word in words:
        if not word.startswith("@"):
            yield word
            continue
        if deep > _MAX_FILES_DEEP:
            raise UsageError(f"the file of flags {word[1:]} cannot be read: it names itself")
        try:
            with open(word[1:], encoding="utf-8") as file:
                yield from _unpacked([each for line in file for each in flag_words(line)], deep + 1)
        except (OSError, ValueError) as error:
            raise UsageError(f"the file of flags {word[1:]} cannot be read: {error}") from error


def options_of(parsed: argparse.Namespace) -> Options:
    """The job's options, among those that mrjob has parsed.

    Raises:
        UsageError: something is missing, or makes no sense.
    """
    values: dict[str, Any] = {
        each.name: getattr(parsed, _OTHER_NAMES.get(each.name, each.name))
        for each in fields(Options)
    }
    values |= {name: tuple(values[name] or ()) for name in ("model", "input")}
    values["runner"] = values["runner"] or "inline"
    if values["runner"] not in _RUNNERS:
        raise UsageError(f"-r {values['runner']} is none of {', '.join(_RUNNERS)}")
    options = Options(**values)
    if not options.output:
        raise UsageError("--output-dir is required; see --help")
    if not options.input or "-" in options.input:
        raise UsageError(
            "name the input files, globs or folders: records are read from files, not from stdin"
        )
    if parsed.cat_output:
        raise UsageError("--cat-output is not for this job: its output is a folder with a manifest")
    return options


def print_help(parser: argparse.ArgumentParser, flags_of_mrjob: AbstractSet[str]) -> None:
    """Print the job's flags, and those of mrjob that matter to every job."""
    shown = argparse.ArgumentParser(
        usage="%(prog)s [-r RUNNER] --model NAME --output-dir FOLDER [flags] PATH [PATH …]",
        description="Score the records of many files with a model, as MapReduce.",
        epilog=_EPILOG + EXIT_CODES,
        formatter_class=functools.partial(argparse.RawDescriptionHelpFormatter, width=80),
        add_help=False,
    )
    shown.add_argument("args", metavar="PATH", nargs="+", help="files, globs and folders")
    for flag in ("--runner", "--output-dir", "--conf-path", "--help"):
        shown._add_action(parser._option_string_actions[flag])
    for group in parser._action_groups:
        ours = [
            action
            for action in group._group_actions
            if action.option_strings and not flags_of_mrjob & set(action.option_strings)
        ]
        if ours:
            to = shown.add_argument_group(group.title)
            for action in ours:
                to._add_action(action)
    shown.print_help()

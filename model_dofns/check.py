"""Whether a model will work everywhere: ``python -m model_dofns.check MODEL [SAMPLE …]``.

For an author, before a release. The same from Python, as for a test of the model's package:

    from model_dofns.check import check_model

    def test_it_works_everywhere():
        check_model("my_package:MyModel").raise_for_failures()

What is asked of a model is listed in :mod:`model_dofns.checks.catalogue`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from model_dofns.checks.catalogue import CHECKS
from model_dofns.checks.context import Context
from model_dofns.checks.records import Trial
from model_dofns.checks.results import CheckReport, CheckResult
from model_dofns.exceptions import ModelCheckError
from model_dofns.jobs.command_line import exit_code_of, say, stdout_to_stderr
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelSpec
from model_dofns.models_file import resolve_model

_NOTES: Final = "HYPOTHESIS_STORAGE_DIRECTORY"

Sample: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str]"


def check_model(
    model: ModelSpec | type[MLModel] | str, samples: Iterable[Sample] = ()
) -> CheckReport:
    """Check a model.

    Args:
        model: its specification, its class, or what ``--model`` would be.
        samples: records of its own to try it with, beside made ones; or files with such.

    Returns:
        A result for each check; see :meth:`~model_dofns.checks.results.CheckReport.failures`.

    Raises:
        DoesNotFitError: a sample cannot be read, or hypothesis is not installed.
    """
    samples = list(samples)
    context = Context(
        _spec_of(model),
        tuple(os.fspath(sample) for sample in samples if not isinstance(sample, Mapping)),
        tuple(Trial(sample) for sample in samples if isinstance(sample, Mapping)),
    )
    results: list[CheckResult] = []
    with _no_notes():
        for check in CHECKS:
            results.append(check.result(context, results))
    return CheckReport(context.spec.class_path, tuple(results))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model_dofns.check",
        description="Check whether a model will work on every engine.",
        epilog="exit codes: 0 no check failed   2 usage   4 one failed",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="package.module:Class, an entry of --models, or an installed entry point of the group"
        " ml_models",
    )
    parser.add_argument(
        "samples",
        metavar="SAMPLE",
        nargs="*",
        help="a file with records of your own: JSON lines, CSV or Parquet",
    )
    parser.add_argument("--models", metavar="FILE", help="a models file, with models by name")
    options = parser.parse_args(argv)

    def command() -> None:
        with stdout_to_stderr():  # what the model prints
            spec = resolve_model(options.model, options.models)
            report = check_model(spec, options.samples)
        say(report.table(), sys.stdout)
        if report.failures:
            raise ModelCheckError(report.headline())

    return exit_code_of(command)


@contextmanager
def _no_notes() -> Iterator[None]:
    """Let hypothesis keep no notes in the working folder, where they would be no one's."""
    if _NOTES in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory() as notes:
        os.environ[_NOTES] = notes
        try:
            yield
        finally:
            del os.environ[_NOTES]


def _spec_of(model: ModelSpec | type[MLModel] | str) -> ModelSpec:
    if isinstance(model, ModelSpec):
        return model
    if isinstance(model, str):
        return resolve_model(model)
    return ModelSpec(f"{model.__module__}:{model.__qualname__}")


if __name__ == "__main__":
    sys.exit(main())

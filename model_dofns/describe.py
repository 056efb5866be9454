"""What a model is, reads and writes: ``python -m model_dofns.describe MODEL``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from model_dofns.description import describe
from model_dofns.jobs.command_line import exit_code_of, say, stdout_to_stderr
from model_dofns.models_file import resolve_model


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model_dofns.describe",
        description="Describe a model: what it says of itself, its schemas, and an example.",
        epilog="exit codes: 0 done   2 usage   4 the model does not load, or does not fit",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="package.module:Class, an entry of --models, or an installed entry point of the group"
        " ml_models",
    )
    parser.add_argument("--models", metavar="FILE", help="a models file, with models by name")
    parser.add_argument(
        "--expect_version",
        default="",
        metavar="SPEC",
        help="fail unless the model's version fits, as in '>=1.2,<2'",
    )
    parser.add_argument("--json", action="store_true", help="say it in JSON")
    options = parser.parse_args(argv)

    def command() -> None:
        with stdout_to_stderr():  # what the model prints
            description = describe(
                resolve_model(options.model, options.models, options.expect_version)
            )
        say(description.to_json() if options.json else description.to_text(), sys.stdout)

    return exit_code_of(command)


if __name__ == "__main__":
    sys.exit(main())

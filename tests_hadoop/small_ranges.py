"""The job's command line, with files cut into ranges of so many bytes as its first word says."""

from __future__ import annotations

import sys

from mapreduce_jobs.score import main
from model_dofns.formats import FORMATS

if __name__ == "__main__":
    for format_ in FORMATS.values():
        type(format_).ranges.__defaults__ = (int(sys.argv[1]),)
    sys.exit(main(sys.argv[2:]))

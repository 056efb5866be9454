"""The figures in README.md, which are those of the results that are committed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import LOST, headlines, marginal_table
from benchmarks.results import Results

BEGIN, END = "<!-- figures of benchmarks/results -->\n", "<!-- end of figures -->\n"


def section(results: Results) -> str:
    """What stands between both marks."""
    told = (each for each in headlines(results) if each.measured != LOST)
    reached = "".join(f"- {each.what}: **{each.measured}**\n" for each in told)
    trial = results.settings.get("trial")
    warning = f"\nFigures of a trial ({trial}), on a busy machine perhaps.\n" if trial else ""
    return f"{warning}\n{marginal_table(results)}\n{reached}\n"


def update(file: Path, results: Results) -> None:
    """Put the figures of results between the marks in a file.

    Raises:
        ValueError: there are no marks.
    """
    text = file.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{file} has no lines {BEGIN!r} and {END!r} to put the figures between")
    file.write_text(f"{before}{begin}{section(results)}{end}{after}")

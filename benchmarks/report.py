"""What was measured, in words, tables and a picture: ``RESULTS.md`` and ``ratios.svg``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.figures import headlines
from benchmarks.plot import draw
from benchmarks.results import Measured, Results, Spread, cpu, wall
from benchmarks.scenarios import IMPORTS, IMPORTS_MRJOB, MODELS

PLOT = "ratios.svg"
HOW = """\
Contenders run in turn within each repeat, each in processes of its own, and all on the same files.
Before a time counts, the result is held against the limit's: as many records, the same keys, the
same labels as often, and float sums within 1e-9. Figures are medians of the repeats, in brackets
the least and the largest; ratios are made within a repeat. **The limit** is a bare loop of pyarrow
and the model in one process, without engine, checks or rejects, that reads, predicts and writes the
same ([limit.py](../limit.py)). **Marginal** is what one row more costs, from the difference between
both sizes: start-up is not in it. CPU is that of all processes, user and system. Peak memory is the
largest sum of the resident sets of all processes at a time, sampled 20 times a second, so what they
share is counted in each ([measuring.py](../measuring.py)). Arrow, BLAS and OpenMP have one thread
a process, on all sides; who has two processes has two cores. `make bench` does it all again.
"""


def write(results: Results, folder: Path) -> None:
    """Write the report of what was measured into a folder."""
    (folder / "RESULTS.md").write_text(markdown(results))
    if results.scenarios:
        draw(results.scenarios, folder / PLOT)


def markdown(results: Results) -> str:
    """The report."""
    parts = ["# What scoring costs\n", _conditions(results), HOW]
    reached = headlines(results)
    if reached:
        parts.append("## Targets\n")
        parts.append(table(["what", "target", "measured"], map(tuple, reached)))
    if results.scenarios:
        parts.append(f"![What a row more costs, in multiples of the limit]({PLOT})\n")
    for measured in results.scenarios:
        parts.append(f"## {MODELS[measured.model].title}, {measured.format}\n")
        if measured.note:
            parts.append(f"{measured.note}\n")
        parts.append(_scenario_table(measured))
    if results.spoiled:
        parts.append("## What bad records cost\n")
        parts.append(
            "The same job (Beam, 1 process, JSON lines, a logistic regression), of whose records a"
            " share is rejected at a stage; all are checked to be rejected there, and no others."
            " What starting takes is that of the job without bad records.\n"
        )
        parts.append(_spoiled_table(results.spoiled))
    for measured in results.startup:
        parts.append("## Start-up\n")
        parts.append("One record of JSON lines, logistic regression.\n")
        parts.append(_startup_table(measured))
    return "\n".join(parts)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spread(values: Spread | None, digits: int = 2) -> str:
    """As text: ``1.05 (1.01-1.10)``; a dash where there is none."""
    if values is None:
        return "-"
    if values.low == values.high:
        return number(values.median, digits)
    low, high = number(values.low, digits), number(values.high, digits)
    return f"{number(values.median, digits)} ({low}-{high})"


def number(value: float, digits: int = 2) -> str:
    """As text, with no more digits than mean anything: of what is 100 or more, none."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def _conditions(results: Results) -> str:
    said = {**results.settings, **results.machine}
    return "; ".join(f"{name}: {value}" for name, value in said.items() if value) + ".\n"


def _scenario_table(measured: Measured) -> str:
    small, large = measured.rows
    header = [
        "",
        f"{small:,} rows, s",
        f"{large:,} rows, s",
        "x limit",
        "CPU, s",
        "x limit",
        "marginal, µs a row",
        "rows a second",
        "x limit",
        "CPU, µs a row",
        "x limit",
        "peak memory, MB",
    ]
    rows = []
    for who in measured.contenders:
        one = Spread.over(measured.marginal(who, wall))
        one_cpu = Spread.over(measured.marginal(who, cpu))
        rows.append(
            [
                who,
                spread(Spread.over(measured.whole(who, small, wall))),
                spread(Spread.over(measured.whole(who, large, wall))),
                spread(measured.whole_ratio(who, wall)),
                spread(Spread.over(measured.whole(who, large, cpu))),
                spread(measured.whole_ratio(who, cpu)),
                spread(_scaled(one, 1e6), 3),
                f"{1 / one.median:,.0f}" if one.median > 0 else "-",
                spread(measured.marginal_ratio(who, wall)),
                spread(_scaled(one_cpu, 1e6), 3),
                spread(measured.marginal_ratio(who, cpu)),
                " / ".join(f"{measured.peak(who, size) / 2**20:,.0f}" for size in measured.rows),
            ]
        )
    return table(header, rows)


def _scaled(values: Spread, factor: float) -> Spread:
    return Spread(values.median * factor, values.low * factor, values.high * factor)


def _spoiled_table(spoiled: Sequence[Measured]) -> str:
    shares = spoiled[0].contenders
    header = ["rejected at", "rows"]
    for share in shares:
        header += [f"{share}, s"] + (["x none", "without start-up"] if share != shares[0] else [])
    rows = []
    for measured in spoiled:
        row = [measured.stage, f"{measured.rows[1]:,}"]
        for share in shares:
            row.append(spread(Spread.over(measured.whole(share, measured.rows[1], wall))))
            if share != shares[0]:
                row.append(spread(measured.whole_ratio(share, wall)))
                row.append(spread(measured.beyond_startup_ratio(share, wall)))
        rows.append(row)
    return table(header, rows)


def _startup_table(measured: Measured) -> str:
    rows: list[list[str]] = []
    imports = IMPORTS  # those that stand last above a job are its own
    for who in measured.contenders:
        imports = who if who in (IMPORTS, IMPORTS_MRJOB) else imports
        seconds = measured.whole(who, 1, wall)
        more = [a - b for a, b in zip(seconds, measured.whole(imports, 1, wall), strict=True)]
        rows.append(
            [
                who,
                spread(Spread.over(seconds)),
                spread(Spread.over(measured.whole(who, 1, cpu))),
                "" if who == imports else spread(Spread.over(more)),
            ]
        )
    return table(["", "s", "CPU, s", "more than the imports, s"], rows)

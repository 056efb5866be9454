"""What was measured, in words, tables and a picture: ``RESULTS.md`` and ``ratios.svg``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.figures import FLAT, LOST, headlines
from benchmarks.plot import draw
from benchmarks.results import NOISE, Figure, Measured, Results, Spread, cpu, wall
from benchmarks.scenarios import (
    BEAM,
    BEAM_2,
    IMPORTS,
    IMPORTS_MRJOB,
    LIMIT,
    LINE_MAPPER,
    MRJOB,
    MRJOB_LOCAL,
    RAY,
    RUN_INFERENCE,
    SPARK,
    VALIDATED,
    title,
)

PLOT = "ratios.svg"
HOW = f"""\
Contenders run in turn within each round, each in processes of its own, on the same files, which are
read once before, so that all find them in memory. A time counts only if the result is that of the
limit: as many records, the same keys, the same labels as often, and float sums within 1e-9. Figures
are medians of the rounds; where there are several, the least and the largest follow in brackets.
Ratios are made within a round. Arrow, BLAS and OpenMP have one thread a process, on all sides; who
has two processes has two cores. `make bench` does it all again.

A **row more** (its marginal cost) is the difference between both sizes, a row; start-up is not in
it. Where the difference is no longer than {NOISE:.0%} of the time, in any round, it is *{LOST}*.
That is so of ours at the sizes that a {LINE_MAPPER} can do: beside it, ours is
taken from the scenario with most rows, and how many these are is said. **Rows a second** are one
second by the wall time of a row more. **CPU** is that of all processes, user and system. **Peak
memory** is the largest sum of the resident sets of all processes at a time, sampled 20 times a
second, so what they share is counted in each ([measuring.py](../measuring.py)); it is told of the
small and of the large size, and *flat* where the large one takes at most {FLAT} times as much.
"""
CONTENDERS = {
    LIMIT: "a bare loop of pyarrow and the model in one process, without engine, checks or rejects,"
    " that reads, predicts and writes the same ([limit.py](../limit.py))",
    VALIDATED: "the same, but pydantic is asked about each record",
    BEAM: "`beam_jobs.score` on Beam's DirectRunner",
    BEAM_2: "the same with two workers, each a process",
    MRJOB: "`mapreduce_jobs.score -r inline`, mrjob's runner in one process",
    MRJOB_LOCAL: "the same with `-r local`, which starts a process a task, like Hadoop",
    RUN_INFERENCE: "Beam's transform with its scikit-learn handler, a dictionary a record"
    " ([run_inference.py](../run_inference.py))",
    LINE_MAPPER: "mrjob, `json` and `predict` for each line ([line_mapper.py](../line_mapper.py))",
    SPARK: "its readers and writers, and our model in between, on two cores"
    " ([spark.py](../peers/spark.py))",
    RAY: "the same of Ray Data ([ray_data.py](../peers/ray_data.py))",
}
STAGES = """\
A record is decoded (read as JSON), validated (held against the model's input class), predicted, and
its output checked; [What comes out](../../README.md#what-comes-out) says more. The same job
({beam}, JSON lines, a logistic regression) scores records of which a share is rejected at one of
these stages; all are checked to be rejected there, and no others. What starting takes is that of
the job without bad records.
"""


def write(results: Results, folder: Path) -> None:
    """Write the report of what was measured into a folder."""
    (folder / "RESULTS.md").write_text(markdown(results))
    if results.scenarios:
        draw(results, folder / PLOT)


def markdown(results: Results) -> str:
    """The report."""
    parts = ["# What scoring costs\n", _conditions(results), HOW, _contenders(results)]
    reached = headlines(results)
    if reached:
        parts.append("## Targets\n")
        parts.append("Of the logistic regression, which costs next to nothing itself.\n")
        rows = [(each.what, each.target, each.measured, each.verdict) for each in reached]
        parts.append(table(["what", "target", "measured", ""], rows))
    if results.scenarios:
        parts.append(f"![What a row more costs, in multiples of the limit]({PLOT})\n")
    for measured in results.scenarios:
        name = title(measured.model, measured.format, measured.about, measured.rows[1])
        parts.append(f"## {name[0].upper()}{name[1:]}\n")
        if measured.note:
            parts.append(f"{measured.note}\n")
        parts.append(_scenario_table(measured))
    if results.spoiled:
        parts.append("## What bad records cost\n")
        parts.append(STAGES.format(beam=BEAM))
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
    """As text: ``1.05 (1.01-1.10)``; also where there is none."""
    if values is None:
        return LOST
    if values.low == values.high:
        return number(values.median, digits)
    low, high = number(values.low, digits), number(values.high, digits)
    return f"{number(values.median, digits)} ({low}-{high})"


def number(value: float, digits: int = 2) -> str:
    """As text, with no more digits than mean anything: of what is 100 or more, none."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def _conditions(results: Results) -> str:
    said = {**results.settings, **results.machine}
    return "".join(f"- {name}: {value}\n" for name, value in said.items() if value)


def _contenders(results: Results) -> str:
    there = {who for measured in results.scenarios for who in measured.contenders}
    lines = (f"- **{who}**: {what}.\n" for who, what in CONTENDERS.items() if who in there)
    readme = "What ours do is in the [README](../../README.md)."
    return f"{''.join(lines)}\n{readme}\n" if there else ""


def _scenario_table(measured: Measured) -> str:
    small, large = measured.rows
    header = [
        "",
        f"{small:,} rows: wall, s",
        f"{large:,} rows: wall, s",
        f"{large:,} rows: wall, x limit",
        f"{large:,} rows: CPU, s",
        f"{large:,} rows: CPU, x limit",
        "a row more: wall, µs",
        "a row more: rows a second",
        "a row more: wall, x limit",
        "a row more: CPU, µs",
        "a row more: CPU, x limit",
        "peak memory, small / large, MB",
    ]
    rows = []
    for who in measured.contenders:
        lost = measured.is_lost(who, wall)
        rows.append(
            [
                who,
                spread(Spread.over(measured.whole(who, small, wall))),
                spread(Spread.over(measured.whole(who, large, wall))),
                spread(measured.whole_ratio(who, wall)),
                spread(Spread.over(measured.whole(who, large, cpu))),
                spread(measured.whole_ratio(who, cpu)),
                spread(_microseconds(measured, who, wall), 3),
                LOST if lost else f"{1 / Spread.over(measured.marginal(who, wall)).median:,.0f}",
                spread(measured.marginal_ratio(who, wall)),
                spread(_microseconds(measured, who, cpu), 3),
                spread(measured.marginal_ratio(who, cpu)),
                " / ".join(f"{measured.peak(who, size) / 2**20:,.0f}" for size in measured.rows),
            ]
        )
    return table(header, rows)


def _microseconds(measured: Measured, who: str, of: Figure) -> Spread | None:
    if measured.is_lost(who, of):
        return None
    return Spread.over([one * 1e6 for one in measured.marginal(who, of)])


def _spoiled_table(spoiled: Sequence[Measured]) -> str:
    shares = spoiled[0].contenders
    header = ["rejected at", "rows"]
    for share in shares:
        header += [f"{share}: s"] + (
            [f"{share}: x none", f"{share}: x none, without start-up"] if share != shares[0] else []
        )
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

"""The figures that tell most: what this library promises, and what was measured of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass

from benchmarks.results import Measured, Results, Spread, cpu, ratio, wall
from benchmarks.scenarios import (
    BEAM,
    BEAM_2,
    IMPORTS,
    LIMIT,
    LINE_MAPPER,
    MODELS,
    MRJOB,
    RUN_INFERENCE,
)


@dataclass(frozen=True)
class Headline:
    """A promise, and what was measured of it."""

    what: str
    target: str
    measured: str

    def __iter__(self) -> Iterator[str]:
        return iter(astuple(self))


def headlines(results: Results) -> list[Headline]:
    """Those of which there are measurements."""
    parts = (_beside_the_limit, _beside_others, _memory, _bad_records, _startup)
    return [headline for part in parts for headline in part(results)]


def _beside_the_limit(results: Results) -> Iterator[Headline]:
    for kind, who, target in (
        ("parquet", BEAM, "≤ 1.15"),
        ("jsonl", BEAM, "≤ 1.2"),
        ("jsonl", MRJOB, "≤ 1.2"),
    ):
        measured = largest(results, "logistic", kind, LIMIT, who)
        if measured:
            took, worked = (brief(measured.marginal_ratio(who, of)) for of in (wall, cpu))
            what = f"{kind}, logistic regression, {who}: a row more, x the limit"
            yield Headline(what, target, f"{took} (CPU {worked})")


def _beside_others(results: Results) -> Iterator[Headline]:
    for kind, ours, other, whole_target, target in (
        ("parquet", BEAM, RUN_INFERENCE, "≥ 20", "≥ 40"),
        ("jsonl", MRJOB, LINE_MAPPER, "≥ 20", "≥ 100"),
    ):
        measured = largest(results, "logistic", kind, ours, other)
        if measured:
            whole = brief(measured.whole_ratio(other, wall, ours))
            what = f"{kind}, {measured.rows[1]:,} rows: {other}, x {ours}"
            yield Headline(what, whole_target, whole)
            one = brief(_against(results, kind, ours, other))
            yield Headline(f"{kind}, a row more: {other}, x {ours}", target, one)


def _memory(results: Results) -> Iterator[Headline]:
    measured = largest(results, "logistic", "parquet", BEAM)
    if measured:
        peaks = (f"{measured.peak(BEAM, rows) / 2**20:,.0f}" for rows in measured.rows)
        small, large = measured.rows
        what = f"peak memory, parquet, {BEAM}, at {small:,} and {large:,} rows, MB"
        yield Headline(what, "flat, under 600", " and ".join(peaks))


def _bad_records(results: Results) -> Iterator[Headline]:
    targets = {"decode": "< 2.5", "validate": "< 1.5"}
    for spoiled in results.spoiled:
        if spoiled.stage in targets and "1 %" in spoiled.contenders:
            whole = brief(spoiled.whole_ratio("1 %", wall))
            work = brief(spoiled.beyond_startup_ratio("1 %", wall))
            what = f"1 % rejected at {spoiled.stage}, x none: whole; without start-up"
            yield Headline(what, targets[spoiled.stage], f"{whole}; {work}")


def _startup(results: Results) -> Iterator[Headline]:
    for start in results.startup:
        pairs = zip(start.whole(BEAM, 1, wall), start.whole(IMPORTS, 1, wall), strict=True)
        more = Spread.over([job - imports for job, imports in pairs])
        what = "start-up beyond importing Beam and scikit-learn, s"
        yield Headline(what, "≤ 0.5", f"{more.median:.2f}")


def largest(results: Results, model: str, kind: str, *contenders: str) -> Measured | None:
    """Of the scenarios in which all of these took part, the one with most rows."""
    found = [
        each
        for each in results.scenarios
        if (each.model, each.format) == (model, kind) and set(contenders) <= set(each.contenders)
    ]
    return max(found, key=lambda each: each.rows[1], default=None)


def _against(results: Results, kind: str, ours: str, other: str) -> Spread | None:
    """What one row more costs a slow one, in multiples of ours.

    Each at the sizes that tell it best: ours takes no time at those of a slow one.
    """
    slow = largest(results, "logistic", kind, other)
    fast = largest(results, "logistic", kind, ours)
    if slow is None or fast is None:
        return None
    medians = (
        [Spread.over(measured.marginal(who, wall)).median]
        for measured, who in ((slow, other), (fast, ours))
    )
    return ratio(*medians)


def marginal_table(results: Results) -> str:
    """What a row more costs in each scenario that is measured at large sizes, as Markdown."""
    rows = []
    for measured in results.scenarios:
        limit = Spread.over(measured.marginal(LIMIT, wall)).median
        if measured is not largest(results, measured.model, measured.format, BEAM) or limit <= 0:
            continue
        cells = [f"{MODELS[measured.model].title}, {measured.format}", f"{limit * 1e6:.2f} µs"]
        for who in (BEAM, BEAM_2, MRJOB):
            there = who in measured.contenders
            cells.append(brief(measured.marginal_ratio(who, wall)) if there else "")
        rows.append(cells)
    header = ["a row more", "limit", f"{BEAM}, x limit", f"{BEAM_2}, x limit", f"{MRJOB}, x limit"]
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def brief(values: Spread | None) -> str:
    """The median as text; a dash where nothing could be measured."""
    if values is None:
        return "-"
    return f"{values.median:,.0f}" if values.median >= 20 else f"{values.median:.2f}"

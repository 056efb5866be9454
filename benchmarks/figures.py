"""The figures that tell most: what this library promises, and what was measured of it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass

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
    short,
)

LOST = "lost in noise"
# Memory is flat where ten times the rows take at most so many times of it; and its limit, in MB.
FLAT, MOST_MEMORY = 1.25, 600
COMPARISONS = {"≤": operator.le, "≥": operator.ge, "<": operator.lt}


@dataclass(frozen=True)
class Headline:
    """A promise, and what was measured of it.

    Attributes:
        what: was measured.
        target: a sign of ``COMPARISONS`` and a number; or other words; or nothing, if none is set.
        measured: as text; ``LOST`` where the difference is no longer than the noise.
        met: whether the target is; None where that is not known.
    """

    what: str
    target: str
    measured: str
    met: bool | None = None

    @classmethod
    def of(cls, what: str, target: str, value: float | None) -> Headline:
        """One whose target is a number."""
        sign, _, bound = target.partition(" ")
        met = COMPARISONS[sign](value, float(bound)) if target and value is not None else None
        return cls(what, target, brief(value), met)

    @property
    def verdict(self) -> str:
        """As text, empty where it is not known."""
        return {True: "met", False: "missed", None: ""}[self.met]


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
            what = f"{kind}, a row more: {who}, x the limit"
            yield Headline.of(f"{what}, wall", target, median(measured.marginal_ratio(who, wall)))
            yield Headline.of(f"{what}, CPU", "", median(measured.marginal_ratio(who, cpu)))


def _beside_others(results: Results) -> Iterator[Headline]:
    for kind, ours, other, whole_target, target in (
        ("parquet", BEAM, RUN_INFERENCE, "≥ 20", "≥ 40"),
        ("jsonl", MRJOB, LINE_MAPPER, "≥ 20", "≥ 100"),
    ):
        both = largest(results, "logistic", kind, ours, other)
        if both is None:
            continue
        what = f"{kind}, {short(both.rows[1])} rows: {other}, x {ours}"
        yield Headline.of(what, whole_target, median(both.whole_ratio(other, wall, ours)))
        what = f"{kind}, a row more: {other}, x {ours}"
        fast = largest(results, "logistic", kind, ours)
        if other == RUN_INFERENCE or fast is None or fast is both:
            yield Headline.of(what, target, median(both.marginal_ratio(other, wall, ours)))
        else:
            what += f" (ours at {short(fast.rows[1])} rows)"
            yield Headline.of(what, target, _across(both, other, fast, ours))


def _across(slow: Measured, other: str, fast: Measured, ours: str) -> float | None:
    """What one row more costs a slow one, x ours: each at the sizes that can tell it."""
    if slow.is_lost(other, wall) or fast.is_lost(ours, wall):
        return None
    medians = (
        [Spread.over(measured.marginal(who, wall)).median]
        for measured, who in ((slow, other), (fast, ours))
    )
    return median(ratio(*medians))


def _memory(results: Results) -> Iterator[Headline]:
    measured = largest(results, "logistic", "parquet", BEAM)
    if measured:
        small, large = (measured.peak(BEAM, rows) / 2**20 for rows in measured.rows)
        at = " and ".join(map(short, measured.rows))
        yield Headline(
            f"peak memory, parquet, {BEAM}, at {at} rows, MB",
            f"flat (≤ {FLAT} x), under {MOST_MEMORY}",
            f"{small:,.0f} and {large:,.0f}",
            large <= FLAT * small and large < MOST_MEMORY,
        )


def _bad_records(results: Results) -> Iterator[Headline]:
    targets = {"decode": "< 2.5", "validate": "< 1.5"}
    for spoiled in results.spoiled:
        if spoiled.stage in targets and "1 %" in spoiled.contenders:
            what = f"1 % rejected at {spoiled.stage}, x none"
            whole = spoiled.whole_ratio("1 %", wall)
            yield Headline.of(f"{what}, whole", targets[spoiled.stage], median(whole))
            work = spoiled.beyond_startup_ratio("1 %", wall)
            yield Headline.of(f"{what}, without start-up", "", median(work))


def _startup(results: Results) -> Iterator[Headline]:
    for start in results.startup:
        pairs = zip(start.whole(BEAM, 1, wall), start.whole(IMPORTS, 1, wall), strict=True)
        more = Spread.over([job - imports for job, imports in pairs])
        what = "start-up beyond importing Beam and scikit-learn, s"
        yield Headline.of(what, "≤ 0.5", more.median)


def largest(results: Results, model: str, kind: str, *contenders: str) -> Measured | None:
    """Of the scenarios in which all of these took part, the one with most rows."""
    found = [
        each
        for each in results.scenarios
        if (each.model, each.format) == (model, kind) and set(contenders) <= set(each.contenders)
    ]
    return max(found, key=lambda each: each.rows[1], default=None)


def marginal_table(results: Results) -> str:
    """What a row more costs in each scenario that is measured at large sizes, as Markdown."""
    rows = []
    for measured in results.scenarios:
        if measured is not largest(results, measured.model, measured.format, BEAM):
            continue
        if measured.is_lost(LIMIT, wall):
            continue
        limit = Spread.over(measured.marginal(LIMIT, wall)).median
        cells = [f"{MODELS[measured.model].title}, {measured.format}", f"{limit * 1e6:.2f} µs"]
        for who in (BEAM, BEAM_2, MRJOB):
            there = who in measured.contenders
            cells.append(brief(median(measured.marginal_ratio(who, wall))) if there else "")
        rows.append(cells)
    header = ["a row more", "limit", f"{BEAM}, x limit", f"{BEAM_2}, x limit", f"{MRJOB}, x limit"]
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def median(values: Spread | None) -> float | None:
    return None if values is None else values.median


def brief(value: float | None) -> str:
    """As text, also where nothing could be measured."""
    if value is None:
        return LOST
    return f"{value:,.0f}" if value >= 20 else f"{value:.2f}"

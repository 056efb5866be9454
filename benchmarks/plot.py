"""What a row more costs everyone, in multiples of the limit, as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.results import Measured, Results, wall
from benchmarks.scenarios import (
    BEAM,
    BEAM_2,
    LINE_MAPPER,
    MODELS,
    MRJOB,
    MRJOB_LOCAL,
    RAY,
    RUN_INFERENCE,
    SPARK,
    VALIDATED,
    short,
)

# Okabe and Ito's colours, which those who see red and green alike can tell apart; ours are filled.
STYLES = {
    BEAM: ("#0072B2", "o", True),
    BEAM_2: ("#0072B2", "s", True),
    MRJOB: ("#009E73", "o", True),
    MRJOB_LOCAL: ("#009E73", "s", True),
    VALIDATED: ("#555555", "|", True),
    RUN_INFERENCE: ("#D55E00", "o", False),
    LINE_MAPPER: ("#CC79A7", "o", False),
    SPARK: ("#E69F00", "s", False),
    RAY: ("#56B4E9", "s", False),
}


def draw(results: Results, file: Path) -> None:
    """Draw a line for each scenario that has a figure, and on it a mark for each contender."""
    scenarios = [each for each in results.scenarios if _has_figures(each)]
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text
    mpl.rcParams["svg.hashsalt"] = "ratios"  # the same picture of the same results
    figure = Figure(figsize=(9.5, 1.6 + 0.52 * len(scenarios)), layout="constrained")
    axes = figure.subplots()
    labels, named = [], set()
    for line, measured in enumerate(scenarios):
        present = [who for who in measured.contenders if who in STYLES]
        for place, who in enumerate(present):
            times = measured.marginal_ratio(who, wall)
            if times is None:
                continue
            colour, marker, filled = STYLES[who]
            height = line + (place - (len(present) - 1) / 2) * 0.13
            axes.errorbar(
                times.median,
                height,
                xerr=[[times.median - times.low], [times.high - times.median]],
                fmt=marker,
                color=colour,
                markerfacecolor=colour if filled else "white",
                markersize=6,
                elinewidth=1,
                label=who if who not in named else None,
            )
            named.add(who)
        name = MODELS[measured.model].title.replace("`", "")
        rows = f"{short(measured.rows[1])} rows"
        labels.append(
            f"{name}\n" + ", ".join(filter(None, [measured.format, measured.about, rows]))
        )
    axes.axvline(1, color="black", linewidth=1)
    axes.text(1, -0.72, "the limit", ha="center", va="bottom", fontsize=9)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda times, _: f"{times:g} x"))
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set_ylim(len(labels) - 0.4, -0.75)
    axes.set_xlabel("wall time of one row more, in multiples of the limit (logarithmic)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    trial = results.settings.get("trial")
    title = f"A trial: {trial}" if trial else None
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9, title=title)
    figure.savefig(file, metadata={"Date": None})


def _has_figures(measured: Measured) -> bool:
    others = (who for who in measured.contenders if who in STYLES)
    return any(measured.marginal_ratio(who, wall) for who in others)

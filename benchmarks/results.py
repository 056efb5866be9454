"""What was measured, as it is kept in ``results.json``, and the figures that are made of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measuring import Cost

Figure = Callable[[Cost], float]


def wall(cost: Cost) -> float:
    return cost.wall_seconds


def cpu(cost: Cost) -> float:
    return cost.cpu_seconds


@dataclass(frozen=True)
class Spread:
    """The median of some values, and the least and the largest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


# A difference of times is lost in noise where it is no longer than this share of the longer one.
NOISE = 0.05


def ratio(values: Sequence[float], others: Sequence[float]) -> Spread | None:
    """The ratios within each repeat, so that a slow minute is on both sides of each.

    None where there was nothing to measure: a size more took no time.
    """
    if min(values) <= 0 or min(others) <= 0:
        return None
    return Spread.over([value / other for value, other in zip(values, others, strict=True)])


@dataclass(frozen=True)
class Run:
    """One run of one contender, whose result was right.

    Attributes:
        contender: its name; of spoiled records, their share.
        rows: how many it scored.
        repeat: in which round.
    """

    contender: str
    rows: int
    repeat: int
    cost: Cost


@dataclass(frozen=True)
class Measured:
    """All runs of a scenario.

    Attributes:
        model, format: keys of ``MODELS`` and ``FORMATS``.
        rows: a small and a large number.
        contenders: in their order; what the others are compared with is the first.
        note: for people.
        stage: of spoiled records, at which they are rejected.
        about: who is beside ours, as in the scenario's name.
    """

    model: str
    format: str
    rows: tuple[int, int]
    contenders: tuple[str, ...]
    runs: tuple[Run, ...]
    note: str = ""
    stage: str = ""
    about: str = ""

    def whole(self, contender: str, rows: int, of: Figure) -> list[float]:
        """What a contender took for so many rows, a value a repeat."""
        runs = (run for run in self.runs if run.contender == contender and run.rows == rows)
        return [of(run.cost) for run in sorted(runs, key=lambda run: run.repeat)]

    def marginal(self, contender: str, of: Figure) -> list[float]:
        """What one row more takes, start-up taken out, a value a repeat."""
        small, large = self.rows
        pairs = zip(self.whole(contender, small, of), self.whole(contender, large, of), strict=True)
        return [(much - little) / (large - small) for little, much in pairs]

    def is_lost(self, contender: str, of: Figure) -> bool:
        """Whether the difference between both sizes is lost in noise, in any repeat."""
        small, large = self.rows
        pairs = zip(self.whole(contender, small, of), self.whole(contender, large, of), strict=True)
        return any(much - little <= NOISE * much for little, much in pairs)

    def whole_ratio(self, contender: str, of: Figure, to: str | None = None) -> Spread | None:
        """How many times what the first contender, or another one, took for the larger size."""
        large = self.rows[1]
        return ratio(
            self.whole(contender, large, of), self.whole(to or self.contenders[0], large, of)
        )

    def marginal_ratio(self, contender: str, of: Figure, to: str | None = None) -> Spread | None:
        """The same of one row more; None where that of either is lost in noise."""
        other = to or self.contenders[0]
        if self.is_lost(contender, of) or self.is_lost(other, of):
            return None
        return ratio(self.marginal(contender, of), self.marginal(other, of))

    def beyond_startup_ratio(self, contender: str, of: Figure) -> Spread | None:
        """The ratio of whole times to the first contender's, both without what it takes to start.

        For those that are one and the same job, of which only the first ran at both sizes.
        """
        first, (small, large) = self.contenders[0], self.rows
        if self.is_lost(first, of):
            return None
        pairs = zip(self.whole(first, small, of), self.marginal(first, of), strict=True)
        startup = [whole - small * one for whole, one in pairs]

        def work(of_whom: str) -> list[float]:
            wholes = self.whole(of_whom, large, of)
            return [whole - start for whole, start in zip(wholes, startup, strict=True)]

        return ratio(work(contender), work(first))

    def peak(self, contender: str, rows: int) -> float:
        """Bytes of memory, the most of all repeats."""
        return max(self.whole(contender, rows, lambda cost: cost.peak_bytes))


@dataclass(frozen=True)
class Results:
    """Everything that was measured in one go, where, when and how.

    Of start-up, both sizes are one record.
    """

    machine: Mapping[str, str]
    settings: Mapping[str, str]
    scenarios: tuple[Measured, ...] = ()
    spoiled: tuple[Measured, ...] = ()
    startup: tuple[Measured, ...] = ()

    def to_json(self) -> str:
        """As text, for :meth:`from_json`."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """From the text of :meth:`to_json`."""
        said = json.loads(text)
        return cls(
            said["machine"],
            said["settings"],
            tuple(map(_measured, said["scenarios"])),
            tuple(map(_measured, said["spoiled"])),
            tuple(map(_measured, said["startup"])),
        )


def _measured(said: dict[str, Any]) -> Measured:
    runs = tuple(Run(**{**run, "cost": Cost(**run["cost"])}) for run in said["runs"])
    lists = {name: tuple(said[name]) for name in ("rows", "contenders")}
    return Measured(**{**said, **lists, "runs": runs})

"""A job of one's own: how many records of each colour, of those with a score that is high enough.

Its tasks run this file as a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mapreduce_jobs.score import ScoreJob


class CountColours(ScoreJob):
    """Prints a pair a colour, and one more a task: how many pairs its mapper gave."""

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--at-least", type=float, default=0.0)

    def mapper_init(self) -> None:
        super().mapper_init()
        self.pairs = 0

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterable[tuple[str, int]]:
        if prediction["score"] >= self.options.at_least:
            self.pairs += 1
            yield record["colour"], 1

    def mapper_final(self) -> Iterator[tuple[str, int]]:
        yield "pairs", self.pairs
        yield "tasks", 1

    def combiner(self, colour: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        yield colour, sum(counts)

    def reducer(self, colour: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        yield colour, sum(counts)


if __name__ == "__main__":
    CountColours.run()

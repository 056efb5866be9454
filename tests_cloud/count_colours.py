"""A job with a reducer: how many records of each colour there are."""

from collections.abc import Iterator, Mapping
from typing import Any

from mapreduce_jobs.score import ScoreJob


class CountColours(ScoreJob):
    """Counts the records of each colour."""

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterator[tuple[str, int]]:
        yield record["colour"], 1

    def combiner(self, colour: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield colour, sum(counts)

    def reducer(self, colour: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield colour, sum(counts)


if __name__ == "__main__":
    CountColours.run()

"""A job of mrjob that counts words; a word `wait` waits, for those who want to kill it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mrjob.job import MRJob  # type: ignore[import-untyped]  # it ships no types


class CountWords(MRJob):  # type: ignore[misc]  # as above
    """Words and how often they are there; by a counter, how many lines were read."""

    def mapper(self, _: object, line: str) -> Iterator[tuple[str, int]]:
        self.increment_counter("words", "lines", 1)
        for word in line.split():
            if word == "wait":
                time.sleep(20)
            yield word, 1

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


if __name__ == "__main__":
    CountWords.run()

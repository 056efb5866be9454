"""What a job must give that reads from a store."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from job_runs import Result


def in_words_of(url: str, result: Result, folder: Path) -> Result:
    """A local result as if its input were at the URL."""
    rejects = Counter[str]()
    for reject, count in result.rejects.items():
        rejects[reject.replace(f'"file": "{folder}', f'"file": "{url}')] += count
    assert rejects != result.rejects
    return Result(result.predictions, rejects)

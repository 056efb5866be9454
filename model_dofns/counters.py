"""The counters a running job shows, by the same names on every engine.

They are for people who watch: a runner may count a bundle that it retries twice. Of several models
each counts the records that it is given. What must be exact, the manifest's sums, travels as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from model_dofns.rejects import STAGES, Reject

NAMESPACE: Final = "model_dofns"

RECORDS_READ: Final = "records_read"
RECORDS_SCORED: Final = "records_scored"
BATCHES_SCORED: Final = "batches_scored"
PREDICT_MILLISECONDS: Final = "predict_milliseconds"
MODEL_LOAD_MILLISECONDS: Final = "model_load_milliseconds"
# Of the input, as it is stored; those of a file add up to its size when it has been read.
BYTES_READ: Final = "bytes_read"
# A file counts when its last range has been read; other workers may still be at earlier ones.
FILES_READ: Final = "files_read"

_REJECTED = "records_rejected_"

# Told how much is to be added to which counters, where it happens and as it happens.
Report: TypeAlias = Callable[[Mapping[str, int]], None]


def records_rejected(stage: str) -> str:
    """The counter of the records that were rejected at a stage."""
    return f"{_REJECTED}{stage}"


def is_rejected(name: str) -> bool:
    """Whether a counter counts rejected records, of whichever stage."""
    return name.startswith(_REJECTED)


def rejected_by_stage(rejects: Iterable[Reject]) -> dict[str, int]:
    """How many of the rejects there are of each stage that has any."""
    counts = dict.fromkeys(STAGES, 0)
    for reject in rejects:
        counts[reject.stage] += 1
    return {stage: count for stage, count in counts.items() if count}

"""The counters a running job shows, by the same names on every engine.

They are for people who watch: a runner may count a bundle that it retries twice. What must be
exact, the manifest's sums, travels as data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from model_dofns.rejects import STAGES, Reject

NAMESPACE: Final = "model_dofns"

RECORDS_READ: Final = "records_read"
RECORDS_SCORED: Final = "records_scored"
BATCHES_SCORED: Final = "batches_scored"
PREDICT_MILLISECONDS: Final = "predict_milliseconds"
MODEL_LOAD_MILLISECONDS: Final = "model_load_milliseconds"


def records_rejected(stage: str) -> str:
    """The counter of the records that were rejected at a stage."""
    return f"records_rejected_{stage}"


def rejected_by_stage(rejects: Iterable[Reject]) -> dict[str, int]:
    """How many of the rejects there are of each stage that has any."""
    counts = dict.fromkeys(STAGES, 0)
    for reject in rejects:
        counts[reject.stage] += 1
    return {stage: count for stage, count in counts.items() if count}

"""How many threads each of several worker processes of one machine may start."""

from __future__ import annotations

import os
from typing import Final

# OpenMP's, which scikit-learn, BLAS (OpenBLAS, MKL) and Arrow's own pool go by.
VARIABLE: Final = "OMP_NUM_THREADS"


def environment_of_each(workers: int) -> dict[str, str]:
    """What to put into the environment of each worker process, where the user says nothing of it.

    Each would start a thread a core, and threads of OpenMP wait by spinning: two workers on two
    cores spent twice the CPU time, and took twice as long, on a gradient boosting. A worker that is
    alone has all cores.
    """
    if workers < 2 or VARIABLE in os.environ:
        return {}
    return {VARIABLE: str(max(1, _cores() // workers))}


def _cores() -> int:
    """How many this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

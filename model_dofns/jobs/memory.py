"""How much memory this process has, where the operating system says so."""

from __future__ import annotations

import os
from pathlib import Path

_STATM = Path("/proc/self/statm")  # in pages: all that is mapped, and what of it is in memory


def resident_bytes() -> int | None:
    """What is in memory of this process now; None where that is not known (elsewhere than Linux).

    The peak, which other systems tell, would not do: what was let go of hides what came after.
    """
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None

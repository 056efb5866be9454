"""Finding the records on which a call fails for a whole run of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

from model_dofns.schemas import is_interrupt

T = TypeVar("T")


def bisect(
    call: Callable[[int, int], T], size: int
) -> Iterator[tuple[int, int, T | BaseException]]:
    """Call with ``(start, stop)``, covering ``range(size)``, so that the guilty stand alone.

    What raises is halved until one record is left. Behind it comes a step that is, as far as the
    guilty ones so far tell, as likely to have one as not, and twice that where it has none: group
    testing by generalised binary splitting (F. K. Hwang, "A Method for Detecting All Defective
    Members in a Population by Group Testing", 1972). Of ``size`` records, ``k`` of them guilty,
    that is about ``k * log2(size / k)`` calls, and never more than ``2 * size``.

    Where all parts of what raised succeed, it was too large: no later step is larger than those.

    Yields:
        ``start, stop, result``, ascending; of a guilty record, its exception for a result.
    """
    start, guilty, step, largest = 0, 0, size, size
    bad_stop = 0  # before here something is guilty, or too large
    succeeded = 0  # the largest step that did, of what is halved
    while start < size:
        halves = start < bad_stop
        stop = start + max((bad_stop - start) // 2, 1) if halves else min(start + step, size)
        try:
            result: T | BaseException = call(start, stop)
        except BaseException as error:
            if is_interrupt(error):
                raise
            if stop - start > 1:
                if not halves:
                    succeeded = 0
                bad_stop = stop
                continue
            result = error
            guilty += 1
            bad_stop, step = stop, max(int(math.log(2) * stop / guilty), 1)
        else:
            succeeded = max(succeeded, stop - start)
            if halves and stop == bad_stop:
                step = largest = succeeded
            elif not halves:
                step *= 2
        step = min(step, largest)
        yield start, stop, result
        start = stop

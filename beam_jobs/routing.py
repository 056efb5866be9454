"""Handing each record to the model that it names, as a Beam DoFn: a thin shell round the router."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from model_dofns.counters import Report
from model_dofns.dofns import RECORDS_READ, REJECTS, count
from model_dofns.formats.base import Block
from model_dofns.routing import Router

NOTHING: Final = "nothing"  # the main output, which has no element


def tag_of(number: int) -> str:
    """The output that a model's blocks come out of."""
    return f"model {number}"


class RouteBlocks(beam.DoFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Blocks in; for each model blocks of the records that name it out.

    Outputs:
        :func:`tag_of` a model's number: :class:`~model_dofns.formats.base.Block`.
        ``rejects``: :class:`~model_dofns.Reject` of the records that name none.
        ``records_read``: ``(file, records)``, for each block, whichever models are named.

    Args:
        router: finds out which model a record names.
        report: told what is counted, on the worker; it travels with this DoFn.
    """

    def __init__(self, router: Router, report: Report | None = None) -> None:
        self._router = router
        self._report = report

    def process(self, element: Block) -> Iterator[TaggedOutput]:
        routed = self._router.route(element)
        count(routed.counts, self._report)
        yield TaggedOutput(RECORDS_READ, (element.path, routed.records_read))
        for number, block in routed.blocks.items():
            yield TaggedOutput(tag_of(number), block)
        for reject in routed.rejects:
            yield TaggedOutput(REJECTS, reject)

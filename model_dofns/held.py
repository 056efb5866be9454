"""Elements held apart from their windows, for batches that take from many windows at once.

Beam makes a batch within a window. Where each element stands in a window of its own, say in a
session, batches would be of one. So :func:`hold` puts each element, with its timestamp, windows and
pane, into the global window as one value, a :class:`Held`. What is made of it goes out as
``held.windowed.with_value(…)``, where the element stood; :func:`give_back` tells Beam so.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue


class Held:
    """An element with its timestamp, window and pane."""

    __slots__ = ("windowed",)

    def __init__(self, windowed: WindowedValue) -> None:
        self.windowed = windowed


class _HeldCoder(beam.coders.Coder):  # type: ignore[misc]  # Beam's classes are not typed
    """Pickles, where a runner must; weighs without doing so, or that would be most of the work."""

    def encode(self, value: Held) -> bytes:
        return pickle.dumps(value.windowed, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Held:
        return Held(pickle.loads(encoded))

    def estimate_size(self, value: Held) -> int:
        return sys.getsizeof(value.windowed.value)

    def is_deterministic(self) -> bool:
        return False


beam.coders.registry.register_coder(Held, _HeldCoder)


def hold(pcoll: PCollection) -> PCollection:
    """Each element as a :class:`Held` in the global window, whatever windows it stands in."""
    dofn = _HoldDoFn() if pcoll.windowing.is_default() else _HoldInEachWindowDoFn()
    held = pcoll | "Hold" >> beam.ParDo(dofn).with_output_types(Held)
    held._windowing = Windowing(GlobalWindows())  # as Beam's own Reshuffle does
    return held


def give_back(made: PCollection, pcoll: PCollection) -> None:
    """Tell Beam that what was made of the held elements of ``pcoll`` stands where they stood."""
    made._windowing = pcoll.windowing


_IN_GLOBAL_WINDOW = GlobalWindows.windowed_value(None)


class _HoldDoFn(beam.DoFn):  # type: ignore[misc]  # as above
    """Each element with its timestamp, window and pane, as one value in the global window."""

    def process(
        self, element: Any, windowed: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> list[WindowedValue]:
        return [_IN_GLOBAL_WINDOW.with_value(Held(windowed))]


class _HoldInEachWindowDoFn(_HoldDoFn):
    """The same where an element may stand in several windows.

    Asked for the window, Beam calls this once for each. Without, it would multiply the windows of
    what comes out by the number of those that came in; but asking costs a microsecond an element.
    """

    def process(
        self,
        element: Any,
        windowed: WindowedValue = beam.DoFn.WindowedValueParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> list[WindowedValue]:
        return super().process(element, windowed)

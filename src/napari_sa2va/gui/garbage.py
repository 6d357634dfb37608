"""Garbage is collected on the window's thread, as far as that can be helped.

Python collects on whatever thread happens to allocate. Among the garbage are objects of Qt, such as
the actions of menus that napari has built anew. One that is destroyed on another thread takes locks
that the window's thread holds, or goes while that thread uses it: napari crashes, or hangs for ever,
and so seldom that nobody finds out why. So from the first thread of ours on, Python collects late,
and the window's thread does it before, as often as Python would have.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import monotonic

from qtpy.QtCore import QCoreApplication, QObject, QTimer

LATE = 500_000
"""So many more objects than at the last collection, and Python makes one itself, on any thread. That
is for windows that hang, and programs that go on without one; they are some ten MB."""

_NAME = "napari_sa2va_collector"
_EVERY_MS = 20
# A full collection walks through all there is, half a second where torch is loaded. So Python makes one
# only when there is a quarter more than after the last. To count is quicker, and still takes a while:
# either is done in a hundredth of the time.
_GROWTH = 1.25
_PAUSE = 100.0


def collect_here() -> None:
    """Collect on this thread from now on, which has to be the window's.

    Changes nothing a second time, nor where there is no window, or where somebody has turned
    collecting off.
    """
    app = QCoreApplication.instance()
    young, middle, old = gc.get_threshold()
    if app is None or not gc.isenabled() or not 0 < young < LATE:
        return
    collector = app.findChild(Collector, _NAME)
    if collector is None:
        collector = Collector(app)
    collector.young = young
    gc.set_threshold(LATE, middle, old)


class Collector(QObject):
    """Makes the collections that are due while Python collects late.

    Parameters
    ----------
    parent : QObject
        Lives on the window's thread.
    clock : callable
        Seconds, always rising.

    Attributes
    ----------
    young : int
        So many more objects than at the last collection, and one is due.
    """

    def __init__(self, parent: QObject, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(parent)
        self.setObjectName(_NAME)
        self.young = gc.get_threshold()[0]
        self._clock = clock
        self._num_old = _count_old()
        self._look_at = clock()
        timer = QTimer(self)
        timer.setInterval(_EVERY_MS)
        timer.timeout.connect(self.collect)
        timer.start()

    def collect(self) -> None:
        """Collect the oldest generation whose turn it is by Python's own rules."""
        young, *older = gc.get_threshold()
        if not gc.isenabled() or young != LATE:  # somebody else has settings of their own
            return
        counts, limits = gc.get_count(), (self.young, *older)
        due = [
            generation
            for generation, (count, limit) in enumerate(zip(counts, limits, strict=True))
            if 0 < limit < count and (generation < 2 or self._has_grown())
        ]
        if not due:
            return
        # Python looks at a few at a time. Where many have come at once, as with a library that is
        # loaded, the middle generation would pile up, and a collection of it take long.
        if due == [0] and counts[0] > limits[0] * limits[1]:
            due = [1]
        begin = self._clock()
        gc.collect(due[-1])
        if due[-1] == 2:
            self._num_old = _count_old()
            self._wait_since(begin)

    def _has_grown(self) -> bool:
        """Whether a full collection is worth its time."""
        begin = self._clock()
        if begin < self._look_at:
            return False
        has_grown = _count_old() > _GROWTH * self._num_old
        self._wait_since(begin)
        return has_grown

    def _wait_since(self, begin: float) -> None:
        end = self._clock()
        self._look_at = end + _PAUSE * (end - begin)


def _count_old() -> int:
    return len(gc.get_objects(generation=2))

"""How long a window is frozen: a timer that should tick every few ms, and the gaps between its ticks.

A gap counts whatever the event loop did meanwhile, be it to wait for a lock that another thread
holds. What is taken off is the time in which the thread could have run and the machine gave its
processors to others; Linux tells it, and elsewhere nothing is taken off.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QCoreApplication, QEventLoop, Qt, QTimer

COLLECTION = "a full garbage collection"
"""Noted where Python walked through all that it holds, which stops every thread."""

_EVERY_MS = 5


@dataclass(frozen=True)
class Gap:
    """The time between two ticks.

    Attributes
    ----------
    at_s : float
        When it ended, in seconds from the beginning.
    wall_ms : float
    queued_ms : float
        Of it, how long the thread waited for a processor.
    noted : tuple of str
        What was noted meanwhile, see `Heartbeat.note`.
    """

    at_s: float
    wall_ms: float
    queued_ms: float
    noted: tuple[str, ...] = ()

    @property
    def frozen_ms(self) -> float:
        """How long the window was frozen, and not by other programs."""
        return self.wall_ms - self.queued_ms


class Heartbeat:
    """Ticks on the GUI's thread while it is entered.

    Attributes
    ----------
    gaps : list of Gap
        In the order in which they ended.

    Examples
    --------
    >>> with Heartbeat() as beat:
    ...     spin(lambda: is_done)
    >>> beat.longest.frozen_ms
    """

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self._noted: list[str] = []
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._tick)

    def note(self, what: str) -> None:
        """Note what goes on in the gap that has not ended yet."""
        self._noted.append(what)

    @property
    def longest(self) -> Gap:
        """The gap in which the window was frozen longest."""
        return max(self.gaps, key=lambda gap: gap.frozen_ms)

    def longest_with(self, what: str) -> Gap | None:
        """The longest gap of those in which something was noted; None if there is none."""
        found = [gap for gap in self.gaps if what in gap.noted]
        return max(found, key=lambda gap: gap.frozen_ms) if found else None

    def longest_without(self, what: Collection[str]) -> Gap:
        """The longest gap of those in which none of some things was noted."""
        others = [gap for gap in self.gaps if not set(what) & set(gap.noted)]
        return max(others, key=lambda gap: gap.frozen_ms)

    @property
    def seconds(self) -> float:
        """How long it ticked."""
        return self._last - self._begin

    def __enter__(self) -> Heartbeat:
        self._begin = self._last = time.perf_counter()
        self._queued = _queued_ms()
        gc.callbacks.append(self._collected)
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._tick()  # a gap that has not ended yet counts
        self._timer.stop()
        gc.callbacks.remove(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            self.note(COLLECTION)

    def _tick(self) -> None:
        now, queued = time.perf_counter(), _queued_ms()
        wall_ms, queued_ms = (now - self._last) * 1e3, max(queued - self._queued, 0.0)
        self.gaps.append(Gap(now - self._begin, wall_ms, queued_ms, tuple(self._noted)))
        self._noted.clear()
        self._last, self._queued = now, queued


def spin(until: Callable[[], bool], patience_s: float = 600.0) -> None:
    """Let the event loop live until something is so.

    Raises
    ------
    TimeoutError
        If it is not so after a time.
    """
    assert QCoreApplication.instance() is not None
    give_up_at = time.monotonic() + patience_s
    loop, timer = QEventLoop(), QTimer()
    timer.setInterval(2)
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > give_up_at else None)
    timer.start()
    try:
        if not until():
            loop.exec()
    finally:
        # Taken apart by hand: a cycle that is collected on another thread would take the timer along.
        timer.stop()
        timer.timeout.disconnect()
        timer.deleteLater()
        loop.deleteLater()
    if not until():
        raise TimeoutError("It took too long.")


def rest(seconds: float) -> None:
    """Let the event loop live for a while."""
    end = time.monotonic() + seconds
    spin(lambda: time.monotonic() >= end)


def _queued_ms() -> float:
    """How long this thread has waited for a processor since it began."""
    try:
        # Nanoseconds on a processor, nanoseconds waiting for one, and how often it was given one.
        return int(_SCHEDULE.read_text().split()[1]) / 1e6
    except OSError:
        return 0.0


_SCHEDULE = Path(f"/proc/self/task/{threading.main_thread().native_id}/schedstat")

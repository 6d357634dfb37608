"""Who may use a network right now: one step of one run or conversation at a time.

Both docks are handed the same network by `loaded`, and a step may cast it, move it or park a part
of it. So a step takes its turn, first come first served, and two runs go on side by side, step by
step. What a run finds changed when its turn comes is `footing`'s to put right.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

# How often someone who waits looks whether it is to stop.
_LOOK_EVERY_S = 0.1


class Stopped(Exception):
    """Who waited for its turn was told to stop. A run takes it as a cancel."""


class Turns:
    """The queue for one network.

    Attributes
    ----------
    last : object or None
        What the one who had the last turn calls itself.
    torn : bool
        Whether a change of the network failed half-way, so that its parts may not fit together.
    """

    def __init__(self) -> None:
        self.last: object | None = None
        self.torn = False
        self._queue: deque[object] = deque()
        self._moved_up = threading.Condition()

    @property
    def num_waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, len(self._queue) - 1)

    @contextmanager
    def take(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Wait for one's turn, and have it for as long as the context lasts.

        Parameters
        ----------
        should_stop : callable
            Asked while waiting only.

        Raises
        ------
        Stopped
            If it said yes.
        """
        ticket = object()
        # A plain lock goes to whoever asks first, which would be the one who just gave it back.
        with self._moved_up:
            self._queue.append(ticket)
        try:
            with self._moved_up:
                while self._queue[0] is not ticket:
                    if should_stop():
                        raise Stopped
                    self._moved_up.wait(_LOOK_EVERY_S)
            yield
        finally:
            with self._moved_up:
                self._queue.remove(ticket)
                self._moved_up.notify_all()


_known: WeakKeyDictionary[Any, Turns] = WeakKeyDictionary()
_lock = threading.Lock()


def turns_of(network: object) -> Turns:
    """The queue for a network."""
    with _lock:
        return _known.setdefault(network, Turns())

"""All that touches a batch folder while a panel is open, on one thread that is not the window's. No Qt.

The folder may lie on a network drive, where a file can take seconds, or never come. So the window
asks for work and goes on; answers lie ready until its thread takes them. One thread does all, one
after the other: what was asked for first is done first, and nothing in it is shared.

The thread is not one of napari's pool: those are few, are wanted for runs, and napari waits for them
when it closes.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar

from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.smooth import smooth

_log = logging.getLogger(__name__)

Said = TypeVar("Said")


class Desk:
    """Does work elsewhere; see the module. All methods are the window's thread's.

    Parameters
    ----------
    clock : callable
        Seconds, always rising.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._asked: SimpleQueue[Callable[[], Callable[[], None]] | None] = SimpleQueue()
        self._answers: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._open = 0
        self._since = clock()

    @property
    def busy(self) -> bool:
        """Whether an answer is still to be taken."""
        return self._open > 0

    @property
    def waiting_s(self) -> float:
        """For how long nothing has been answered; 0 if nothing was asked."""
        return self._clock() - self._since if self._open else 0.0

    def ask(self, work: Callable[[], Said], hear: Callable[[Said | Failed], None]) -> None:
        """Have something done.

        Parameters
        ----------
        work : callable
            Called on the other thread.
        hear : callable
            Is given what it returned, or how it failed, by `deliver`.
        """
        if not self._open:
            self._since = self._clock()
        self._open += 1
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._asked, self._answers), name="sa2va-batch", daemon=True
            )
            self._thread.start()

        def done() -> Callable[[], None]:
            return partial(hear, _said(work))

        self._asked.put(done)

    def deliver(self) -> None:
        """Hand over the answers that are there."""
        for _ in range(len(self._answers)):
            if not self._answers:  # who heard the last one has asked for the others
                return
            answer = self._answers.popleft()
            self._open -= 1
            self._since = self._clock()
            answer()

    def close(self) -> None:
        """Let the thread end with the work that was asked for; nothing more of it is heard."""
        if self._thread is not None:
            self._asked.put(None)
            self._thread = None
        self._asked, self._answers, self._open = SimpleQueue(), deque(), 0


def _serve(
    asked: SimpleQueue[Callable[[], Callable[[], None]] | None],
    answers: deque[Callable[[], None]],
) -> None:
    while (work := asked.get()) is not None:
        answers.append(work())
        del work  # or what listens would be kept until the next one


def _said(work: Callable[[], Said]) -> Said | Failed:
    try:
        with smooth():
            return work()
    except Exception as error:
        failed = Failed.of(error)
        if failed.details:
            _log.exception("The batch folder could not be looked at")
        return failed

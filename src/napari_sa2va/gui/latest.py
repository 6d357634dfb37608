"""Work for what is set up now: it waits until nothing changes any more, and old results are dropped.

One piece of work at a time, because the pool of threads is shared with runs: what is not wanted any
more is asked to stop, and the next begins when it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.controller import Handle
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.worker import start_work

WAIT_MS = 200
"""So long nothing may change before the work begins."""

Asked = TypeVar("Asked")
Said = TypeVar("Said")


class _Ended:
    """The last message of work that did not fail."""


class LatestOnly(Generic[Asked, Said]):
    """Does the work for the latest request only.

    Parameters
    ----------
    read : callable
        Reads the request off the GUI, on its thread; None if there is nothing to do. It may raise a
        `Sa2vaError`, which is handed to `take` as a `Failed`. A request that equals the one before
        is not done again.
    source : callable
        Does the work on the worker's thread: from a request and a token to messages.
    take : callable
        Is given the messages of the latest request, on the GUI's thread; None where there is nothing
        to do.
    parent : QObject
        With which the timer goes.
    """

    def __init__(
        self,
        read: Callable[[], Asked | None],
        source: Callable[[Asked, CancelToken], Iterator[Said]],
        take: Callable[[Said | Failed | None], None],
        parent: QObject,
    ) -> None:
        self._read = read
        self._source = source
        self._tell = take
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self._begin)
        self._asked: Asked | None = None
        self._next: Asked | None = None
        self._handle: Handle | None = None
        self._number = 0  # a message of any other request is dropped
        self._paused = self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether anything is still to come, unless it is paused."""
        return self._handle is not None or self._timer.isActive()

    def soon(self) -> None:
        """Look what is wanted, when nothing has changed for a moment."""
        if not self._stopped:
            self._timer.start()

    def again(self) -> None:
        """Do the work once more, although the request is the same."""
        self._asked = None
        self.soon()

    def pause(self, paused: bool) -> None:
        """Let nothing begin for a while, and stop what has begun."""
        if paused == self._paused:
            return
        self._paused = paused
        if paused and self._handle is not None:
            self._drop()
        if not paused:
            self.soon()

    def stop(self) -> None:
        """Stop, and hear nothing more until `start`. What it works for may be gone."""
        self._stopped = True
        if isalive(self._timer):
            self._timer.stop()
        self._drop()

    def start(self) -> None:
        """Go on after a `stop`."""
        self._stopped = False
        self.soon()

    def _drop(self) -> None:
        self._number += 1
        self._asked = self._next = None
        if self._handle is not None:
            self._handle.cancel()

    def _begin(self) -> None:
        if self._paused or self._stopped:
            return
        try:
            request = self._read()
        except Sa2vaError as error:
            self._drop()
            self._tell(Failed.of(error))
            return
        if request is None:
            self._drop()
            self._tell(None)
        elif request != self._asked:
            self._drop()
            self._asked = request
            if self._handle is None:
                self._work(request)
            else:
                self._next = request

    def _work(self, request: Asked) -> None:
        self._number += 1
        number = self._number

        def to_the_end(request: Asked, token: CancelToken) -> Iterator[Said | _Ended]:
            yield from self._source(request, token)
            yield _Ended()

        self._handle = start_work(request, lambda said: self._take(number, said), to_the_end)

    def _take(self, number: int, said: Said | Failed | _Ended) -> None:
        if not isalive(self._timer):  # the window is gone, and with it all that this works for
            self._drop()
            return
        if isinstance(said, Failed | _Ended):
            self._handle = None
            following, self._next = self._next, None
            if following is not None:
                self._work(following)
        if number == self._number and not isinstance(said, _Ended):
            self._tell(said)

"""One piece of work on another thread at a time, and what it says as long as it is wanted. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.request import Failed

Asked = TypeVar("Asked")
Said = TypeVar("Said")


class Handle(Protocol):
    """Work on its way."""

    def cancel(self) -> None:
        """Ask it to stop; does not wait."""


class Start(Protocol):
    """Starts work on another thread; see `napari_sa2va.gui.worker.start_work`."""

    def __call__(
        self,
        request: Asked,
        on_message: Callable[[Said | Failed], None],
        source: Callable[[Asked, CancelToken], Iterator[Said]],
    ) -> Handle: ...


class View(Protocol):
    """What whoever sends on errands needs of the window. Called on the GUI's thread."""

    def set_running(self, running: bool) -> None:
        """Show that work is on its way, or that none is."""

    def show_progress(self, done: int, total: int) -> None:
        """Show how much is done."""

    def show_outcome(self, text: str) -> None:
        """Say how it ended."""

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong and what to do."""

    def refresh(self) -> None:
        """Show what is known now."""


class Errand:
    """Whoever is asked last is listened to; what earlier ones still say is dropped.

    Parameters
    ----------
    start : callable
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._number = 0
        self._handle: Handle | None = None
        self._running = False

    @property
    def running(self) -> bool:
        """Whether work is on its way, also work that was asked to stop."""
        return self._running

    def begin(
        self,
        request: Asked,
        hear: Callable[[Said | Failed], None],
        source: Callable[[Asked, CancelToken], Iterator[Said]],
    ) -> None:
        """Start work; work that is still on its way is stopped and forgotten.

        Parameters
        ----------
        request : object
        hear : callable
            Takes every message on the GUI's thread. It has to call `end` with the last one; an
            error is a `Failed`, and is always the last one.
        source : callable
            Yields the messages on the other thread.
        """
        self.stop()
        number, self._running = self._number, True

        def deliver(message: Said | Failed) -> None:
            if number == self._number:
                hear(message)

        handle = self._start(request, deliver, source)
        if self._running and number == self._number:
            self._handle = handle

    def cancel(self) -> None:
        """Ask it to stop; what it says until then is still heard."""
        if self._handle is not None:
            self._handle.cancel()

    def end(self) -> None:
        """It has said its last."""
        self._running, self._handle = False, None

    def stop(self) -> None:
        """Stop it and hear nothing more of it."""
        self.cancel()
        self._number += 1
        self.end()

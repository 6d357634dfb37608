"""The one place where a run meets a thread.

superqt's generator worker, which napari subclasses, swallows `RuntimeError` without a word, and its
`quit()` leaves the generator suspended, to be cleaned up later on the wrong thread. So errors
travel as `Failed` messages here, and quitting asks the run itself to come to an end.

Qt hands over all that waits for the GUI at once. So messages are put in a row here, and taken from
it for a moment at a time, that the window may live between them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QTimer

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.garbage import collect_here
from napari_sa2va.gui.request import Failed, JobRequest, Message, messages_of
from napari_sa2va.gui.smooth import smooth

_log = logging.getLogger(__name__)

# Messages that may wait for the GUI. A fast model must not pile up masks in memory while the GUI
# draws, and a slow GUI must not be given more than it can show.
_MAX_WAITING = 4

# How long the GUI takes messages before it looks after the window again.
_AT_A_TIME_S = 0.01

# How long a worker leaves the machine to a GUI that has much to do; no run depends on it.
_COURTESY_S = 1.0

Asked = TypeVar("Asked")
Said = TypeVar("Said")
Source = Callable[[JobRequest, CancelToken], Iterator[Message]]


class _RunWorker(GeneratorWorker):
    """A worker that ends its run between two frames when napari, or the dock, wants it to stop."""

    token: CancelToken

    def quit(self) -> None:
        """Ask the run to finish the frame in work and to end."""
        self.token.cancel()


class RunHandle:
    """Stops a run. Knows the token only: a worker is let go by superqt when it has ended.

    No method is connected to the worker's signals, either. PySide6 disconnects the method of a dead
    object while the worker's thread may be emitting, and crashes.
    """

    def __init__(self, token: CancelToken) -> None:
        self._token = token

    def cancel(self) -> None:
        """Ask the run to stop after the frame in work; does not wait."""
        self._token.cancel()


def start_run(
    request: JobRequest, on_message: Callable[[Message], None], source: Source = messages_of
) -> RunHandle:
    """Run a request on a worker thread.

    Parameters
    ----------
    request : JobRequest
    on_message : callable
        Called on the GUI's thread with every message, in order. The last one is `Finished` or
        `Failed`.
    source : callable
        What yields the messages; by default the pipeline.

    Returns
    -------
    RunHandle
    """
    return start_work(request, on_message, source)


def start_work(
    request: Asked,
    on_message: Callable[[Said | Failed], None],
    source: Callable[[Asked, CancelToken], Iterator[Said]],
) -> RunHandle:
    """Do anything that yields messages on a worker thread; see `start_run`.

    An error becomes a `Failed`, which is then the last message.
    """
    collect_here()
    token = CancelToken()
    waiting = _Waiting(token)
    row = _Row(on_message, waiting)
    worker = create_worker(_guarded, source, request, token, waiting, _worker_class=_RunWorker)
    worker.token = token
    # napari would show each warning of torch or transformers as a notification.
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError, TypeError):
        warnings.simplefilter("ignore", RuntimeWarning)  # it is connected under PyQt only
        worker.warned.disconnect()
    worker.warned.connect(_log_warning)
    worker.yielded.connect(lambda message: row.add(message))
    worker.finished.connect(lambda: row.close())
    worker.start()
    return RunHandle(token)


class _Waiting:
    """Counts the messages that the GUI has not taken yet; the worker's thread waits on it."""

    def __init__(self, token: CancelToken) -> None:
        self._token = token
        self._count = 0
        self._changed = threading.Condition()

    def add(self) -> None:
        """One more is about to be handed over; wait until there is room for it."""
        with self._changed:
            # A GUI that is closing takes no messages any more, but it cancels.
            while self._count >= _MAX_WAITING and not self._token.cancelled:
                self._changed.wait(timeout=0.1)
            self._count += 1

    def take(self) -> None:
        """One was taken."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def until_none(self) -> None:
        """Wait until all are taken, for a while."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count, timeout=_COURTESY_S)


class _Row(Generic[Said]):
    """The messages in a row, on the GUI's thread."""

    def __init__(self, on_message: Callable[[Said | Failed], None], waiting: _Waiting) -> None:
        # napari keeps every worker for as long as its window is there; who listens must not be
        # kept so.
        self._listener: Callable[[Said | Failed], None] | None = on_message
        self._waiting = waiting
        self._messages: deque[Said | Failed] = deque()
        self._is_closed = False
        self._is_set = False

    def add(self, message: Said | Failed) -> None:
        """Take a message in its turn."""
        self._messages.append(message)
        self._later()

    def close(self) -> None:
        """No more are added; forget who listens when the last one is taken."""
        self._is_closed = True
        self._later()

    def _later(self) -> None:
        if not self._is_set:
            self._is_set = True
            QTimer.singleShot(0, self._go_on)

    def _go_on(self) -> None:
        self._is_set = False
        begin = perf_counter()
        try:
            while self._messages and perf_counter() - begin < _AT_A_TIME_S:
                message = self._messages.popleft()
                # Taken is what has been drawn, too.
                QTimer.singleShot(0, self._waiting.take)
                if self._listener is not None:
                    self._listener(message)
        finally:
            if self._messages:
                self._later()
            elif self._is_closed:
                self._listener = None


def _guarded(
    source: Callable[[Asked, CancelToken], Iterator[Said]],
    request: Asked,
    token: CancelToken,
    waiting: _Waiting,
) -> Iterator[Said | Failed]:
    """Yield every message, an error as the last one, and clean up on this thread."""
    with smooth():
        yield from _watched(source, request, token, waiting)


def _watched(
    source: Callable[[Asked, CancelToken], Iterator[Said]],
    request: Asked,
    token: CancelToken,
    waiting: _Waiting,
) -> Iterator[Said | Failed]:
    messages = source(request, token)
    known: set[type] = set()
    try:
        for message in messages:
            waiting.add()
            yield message
            # The first message of its kind makes the most work for the GUI (a layer, for one), and
            # that takes several times as long if the network works at the same time.
            if type(message) not in known:
                known.add(type(message))
                waiting.until_none()
    except Exception as error:
        failed = Failed.of(error)
        if failed.details:
            _log.exception("A run failed in a way that was not foreseen")
        yield failed
    finally:
        close = getattr(messages, "close", None)
        if close is not None:
            close()


def _log_warning(shown: tuple[Any, ...]) -> None:
    message, category, filename, lineno = shown[:4]
    _log.info("%s", warnings.formatwarning(message, category, filename, lineno))

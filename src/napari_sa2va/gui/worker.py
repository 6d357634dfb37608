"""The one place where a run meets a thread.

superqt's generator worker, which napari subclasses, swallows `RuntimeError` without a word, and its
`quit()` leaves the generator suspended, to be cleaned up later on the wrong thread. So errors
travel as `Failed` messages here, and quitting asks the run itself to come to an end.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.request import Failed, JobRequest, Message, messages_of

_log = logging.getLogger(__name__)

# Messages that may wait for the GUI. A fast model must not pile up masks in memory while the GUI
# draws, and a slow GUI must not be given more than it can show.
_MAX_WAITING = 4

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
    token = CancelToken()
    waiting = threading.Semaphore(_MAX_WAITING)
    # napari keeps every worker for as long as its window is there; who listens must not be kept so.
    listeners = [on_message]

    def deliver(message: Said | Failed) -> None:
        waiting.release()
        for listener in listeners:
            listener(message)

    worker = create_worker(_guarded, source, request, token, waiting, _worker_class=_RunWorker)
    worker.token = token
    # napari would show each warning of torch or transformers as a notification.
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError, TypeError):
        warnings.simplefilter("ignore", RuntimeWarning)  # it is connected under PyQt only
        worker.warned.disconnect()
    worker.warned.connect(_log_warning)
    worker.yielded.connect(deliver)
    worker.finished.connect(listeners.clear)
    worker.start()
    return RunHandle(token)


def _guarded(
    source: Callable[[Asked, CancelToken], Iterator[Said]],
    request: Asked,
    token: CancelToken,
    waiting: threading.Semaphore,
) -> Iterator[Said | Failed]:
    """Yield every message, an error as the last one, and clean up on this thread."""
    messages = source(request, token)
    try:
        for message in messages:
            # A GUI that is closing takes no messages any more, but it cancels.
            while not waiting.acquire(timeout=0.1) and not token.cancelled:
                pass
            yield message
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

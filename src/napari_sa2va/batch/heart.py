"""A heart: renews a claim from a thread of its own while the work is on."""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import Held, Superseded
from napari_sa2va.batch.presence import BEATS
from napari_sa2va.core.cancel import CancelToken

# How often it looks whether somebody asks for a stop, and tells of progress, in s.
_LOOK_S = 1.0


class Heart:
    """Renews a claim, and cancels the work where it is to stop.

    Parameters
    ----------
    held : Held
    folder : BatchFolder
    stop : CancelToken
        Asks the worker to stop; so do the marks of the folder.

    Attributes
    ----------
    cancel : CancelToken
        For the work: set by a stop, by a mark, and when another worker has taken the unit.
    """

    def __init__(self, held: Held, folder: BatchFolder, stop: CancelToken) -> None:
        self._held = held
        self._folder = folder
        self._stop = stop
        self._progress: dict[str, object] = {}
        self._ended = Event()
        self._thread = Thread(target=self._beat, name="heart of a claim", daemon=True)
        self.cancel = CancelToken()

    def tell(self, stage: str, frames_done: int, frames_planned: int) -> None:
        """Take down how far the work is; others see it about a second later."""
        self._progress = {
            "stage": stage,
            "frames_done": frames_done,
            "frames_planned": frames_planned,
        }

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        every_s = self._folder.runs.stale_s / BEATS
        last, told = monotonic(), self._progress
        while not self._ended.wait(min(every_s, _LOOK_S)):
            try:
                folder = self._folder
                if self._stop.cancelled or folder.is_cancelled or folder.is_paused:
                    self.cancel.cancel()
                progress = self._progress
                if progress is not told or monotonic() - last > every_s:
                    self._held.beat(**progress)
                    last, told = monotonic(), progress
            except Superseded:
                self.cancel.cancel()
                return
            except OSError:  # a network drive that is away for a moment
                continue

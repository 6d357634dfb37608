"""`FileKeeper`: keeps the last safe point of a run in a file, and spends little time on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from napari_sa2va.core.errors import OutputError, SafePointError
from napari_sa2va.pipeline.safe_point import SafePoint

_log = logging.getLogger(__name__)


class FileKeeper:
    """Keeps the last safe point of a run in a file.

    The first point that is offered is written, and then one whenever the time since the last is long
    enough for what writing it took. A point that cannot be written, or read, costs work and no
    masks, so it stops nothing and is logged.

    Parameters
    ----------
    path : Path
        The file; its folder is there. It is not deleted when the run is done.
    share : float
        Most of a run's time that is spent on writing, in (0, 1].

    Attributes
    ----------
    path : Path

    Examples
    --------
    >>> keeper = FileKeeper(folder / "point.safetensors")  # doctest: +SKIP
    >>> for event in run(clip, prompts, settings, keeper=keeper):  # doctest: +SKIP
    ...     store.take(event)
    """

    def __init__(self, path: Path, *, share: float = 0.05) -> None:
        self.path = path
        self._share = share
        self._due = float("-inf")  # on the clock `monotonic`
        self._is_asked = False

    def last(self) -> SafePoint | None:
        """The point in the file; None if there is none, or it cannot be read."""
        if not self.path.exists():
            return None
        begun = monotonic()
        try:
            point = SafePoint.load(self.path)
        except SafePointError as error:
            _log.warning("%s", error)
            return None
        self._spent(monotonic() - begun)  # what is in the file need not be written again
        return point

    def offer(self, frames_done: int, take: Callable[[], SafePoint]) -> None:
        """Write the point if it is time, or if it was asked for."""
        begun = monotonic()
        if begun < self._due and not self._is_asked:
            return
        self._is_asked = False
        try:
            take().save(self.path)
        except OutputError as error:
            _log.warning("%s", error)
        self._spent(monotonic() - begun)

    def keep_now(self) -> None:
        """Write the next point that is offered, whatever it takes; from any thread.

        A run offers its last point when it finds that it was cancelled. So who cancels it and wants
        nothing to be lost calls this first, and lets the run come to its end::

            keeper.keep_now()
            cancel.cancel()
        """
        self._is_asked = True

    def _spent(self, seconds: float) -> None:
        self._due = monotonic() + seconds / self._share

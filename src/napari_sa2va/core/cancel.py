"""The token by which a person stops a run between two frames."""

from __future__ import annotations

import threading


class CancelToken:
    """A flag that one thread sets and the pipeline looks at between frames.

    napari's `worker.quit()` leaves a generator suspended, so its clean-up would run later and on
    the wrong thread. Asking the generator itself to come to an end avoids that.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop after the frame in work."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until the run is asked to stop; says whether it was."""
        return self._event.wait(seconds)

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to stop."""
        return self._event.is_set()

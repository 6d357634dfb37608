"""The clock of the machine that has the files, by which their times are given.

Clocks of machines differ, and a clock may be put right while a batch is on. So the time of a file is
compared with that of another file, and in between with a clock that nobody sets.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from time import monotonic, time
from uuid import uuid4

# Clocks drift slowly.
_HOLDS_S = 300.0


class FolderClock:
    """Tells the time as the files of a folder have it.

    Parameters
    ----------
    folder : Path
        A file that is written there and deleted at once tells the time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead_s = time() - monotonic()
        self._asked_s = -_HOLDS_S

    def now(self) -> float:
        """Unix time in s. The local clock's, where nothing can be written."""
        if monotonic() - self._asked_s > _HOLDS_S:
            probe = self._folder / f".clock-{uuid4().hex}"
            with suppress(OSError):
                before = monotonic()
                probe.touch()
                self._ahead_s = probe.stat().st_mtime - before
                self._asked_s = before
            with suppress(OSError):
                probe.unlink()
        return monotonic() + self._ahead_s

    def age(self, path: Path) -> float:
        """Seconds since a file was changed.

        Raises
        ------
        OSError
        """
        return self.now() - path.stat().st_mtime

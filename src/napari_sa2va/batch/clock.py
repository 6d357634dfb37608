"""The clock of the machine that has the files, by which their times are given.

Clocks of machines differ, and a clock may be put right while a batch is on. So the time of a file is
compared with that of another file, and in between with a clock that nobody sets.
"""

from __future__ import annotations

import os
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
                probe.touch()
                # Taken afterwards, so that a drive that is slow lets nothing look older than it is.
                asked_s = monotonic()
                self._ahead_s = probe.stat().st_mtime - asked_s
                self._asked_s = asked_s
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


def stamp(path: Path) -> None:
    """Set the time of a file to that of the machine that has it.

    Asked to set it, SMB takes the clock of the machine that asks, so a byte is written over itself.

    Parameters
    ----------
    path : Path
        Not empty.

    Raises
    ------
    OSError
    """
    try:
        with path.open("r+b", buffering=0) as file:
            first = file.read(1)
            file.seek(0)
            file.write(first)
    except OSError:  # some full disks do not even take that
        os.utime(path)

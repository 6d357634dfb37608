"""Finds the batch that was looked at last and is being worked on, so that a new dock can offer it. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_sa2va.core.errors import BatchError
from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.batch.recent import recent_folders
from napari_sa2va.gui.request import Failed


class Scout:
    """Looks once.

    Parameters
    ----------
    desk : Desk
        Its own: one of the folders may lie on a drive that is away.
    found : callable
        Is given the folder, by `tick`; not called if there is none.
    """

    def __init__(self, desk: Desk, found: Callable[[Path], None]) -> None:
        self._found = found
        self._desk = desk

    def go(self) -> None:
        """Begin to look."""
        self._desk.ask(running_one, self._hear)

    def tick(self) -> None:
        """Tell what was found; called some times a second."""
        self._desk.deliver()

    def close(self) -> None:
        """Tell nothing any more."""
        self._desk.close()

    def _hear(self, answer: Path | Failed | None) -> None:
        self._desk.close()
        if isinstance(answer, Path):
            self._found(answer)


def running_one() -> Path | None:
    """The batch folder that was looked at last and that somebody works on; None if there is none."""
    from napari_sa2va.batch.folder import BatchFolder

    for path in recent_folders():
        try:
            standings = BatchFolder.open(path).standings().values()
        except (BatchError, OSError):  # it was deleted, or its drive is away
            continue
        if any(standing.state == "running" for standing in standings):
            return path
    return None

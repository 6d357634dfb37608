"""Who is there for a batch: programs that add units to it, and its clients.

While somebody adds units, workers wait for more. While a client is there, it starts workers and writes
the report at the end, and nobody else has to.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Literal
from uuid import uuid4

from pydantic import ValidationError

from napari_sa2va.batch.clock import FolderClock, stamp
from napari_sa2va.batch.host import Host, here

_log = logging.getLogger(__name__)

BEATS = 6
"""What is there tells so so often before it counts as gone."""


class Presence:
    """Marks in a batch folder, one per program of a kind, which go stale like the claims of workers.

    Parameters
    ----------
    folder : Path
    kind : {"watching", "client"}
        What they do there.
    stale_s : float
    """

    def __init__(
        self, folder: Path, kind: Literal["watching", "client"], *, stale_s: float
    ) -> None:
        self._folder = folder
        self._start = f"{kind}-"
        self._stale_s = stale_s
        self._clock = FolderClock(folder / "runs")

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be one of them. Where nothing can be written now, others do not know of it."""
        mark = self._folder / f"{self._start}{uuid4().hex[:8]}"
        try:
            mark.write_text(here().model_dump_json(), encoding="utf-8")
        except OSError as error:
            _log.warning("%s cannot be written: %s", mark, error)
        ended = Event()

        def beat() -> None:
            while not ended.wait(self._stale_s / BEATS):
                with suppress(OSError):  # a network drive that is away for a moment
                    stamp(mark)

        heart = Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()
            with suppress(OSError):
                mark.unlink(missing_ok=True)

    @property
    def any(self) -> bool:
        """Whether one of them is there.

        Raises
        ------
        OSError
            If the folder cannot be read.
        """
        names = [name for name in os.listdir(self._folder) if name.startswith(self._start)]
        return any(self._is_there(self._folder / name) for name in names)

    def _is_there(self, mark: Path) -> bool:
        try:
            host = Host.model_validate_json(mark.read_bytes())
            return not host.is_gone and self._clock.age(mark) < self._stale_s
        except (ValidationError, FileNotFoundError):
            return False

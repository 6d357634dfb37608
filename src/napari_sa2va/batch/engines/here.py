"""A worker in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from threading import Thread
from typing import Literal

from napari_sa2va.batch.engines.engine import Crew, Engine, missing, new_name
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.cancel import CancelToken


class Here(Engine):
    """In this process, one unit after the other: to find faults, and from Python."""

    kind: Literal["here"] = "here"

    @contextmanager
    def crew(self, folder: BatchFolder) -> Iterator[Crew]:
        crew = _HereCrew(folder, self.pull)
        try:
            yield crew
        finally:
            crew.stop()


class _HereCrew:
    """One worker on a thread, so that its client can look on and stop it."""

    def __init__(self, folder: BatchFolder, pull: str) -> None:
        self._folder = folder
        self._pull = resolve_name(pull)
        self._stop = CancelToken()
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    @property
    def size(self) -> int:
        return int(self._thread is not None and self._thread.is_alive())

    def tend(self) -> None:
        if self.size:
            return
        if self._error is not None:
            raise self._error
        if missing(self._folder):
            self._thread = Thread(target=self._work, name="batch worker", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop after the frame in work, and wait for that."""
        self._stop.cancel()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            self._pull(str(self._folder.path), new_name("here"), stop=self._stop)
        except BaseException as error:
            self._error = error

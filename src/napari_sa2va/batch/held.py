"""A unit that a worker has claimed: its heart, how far it is, and what came of it.

See `runs` for what the files of a claim mean to others.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from napari_sa2va.batch.clock import stamp
from napari_sa2va.batch.exclusive import create_exclusively
from napari_sa2va.batch.history import Claim, Progress
from napari_sa2va.batch.host import here
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.core.errors import BatchError


class Superseded(BatchError):
    """Another worker has taken up a unit, because this one was not heard of for too long."""


class Held:
    """A unit that this worker has claimed.

    Attributes
    ----------
    unit_id : str
    generation : int
    """

    def __init__(self, folder: Path, unit_id: str, generation: int) -> None:
        self._folder = folder
        self.unit_id = unit_id
        self.generation = generation
        self._told = Progress()

    def beat(self, **progress: object) -> None:
        """Say that the work goes on, and how far it is.

        Parameters
        ----------
        **progress
            Fields of `Progress` that have changed.

        Raises
        ------
        Superseded
            If another worker has taken the unit.
        OSError
            If the folder is away. A full disk keeps no heart from beating.
        """
        self.check()
        stamp(self._folder / f"{self.unit_id}.{self.generation}.claim")
        told = self._told.model_copy(update=progress)
        if told == self._told:
            return
        self._told = told
        path = progress_of(self._folder, self.unit_id, self.generation)
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(path, told.model_dump_json())

    def check(self) -> None:
        """Make sure that this worker still has the unit.

        Raises
        ------
        Superseded
            If another worker has taken it, or somebody has said that this one vanished.
        OSError
            If the folder is away.
        """
        later = f"{self.unit_id}.{self.generation + 1}.claim"
        if (self._folder / later).exists() or self._has_ended():
            raise Superseded(
                f"{self.unit_id} was taken over by another worker: this one was not heard of for "
                "too long.",
                "Its work is kept where it was. Is the disk of the batch folder very slow?",
            )

    def finish(self, outcome: Outcome) -> None:
        """Write down what came of it, and end the claim.

        Raises
        ------
        Superseded
            If another worker has taken the unit.
        OSError
            If it cannot be written.
        """
        self.check()
        text = outcome.stored_in(self._folder.parent).model_dump_json()
        if not create_exclusively(self._ended, text):
            self.check()
            _put(self._ended, text)  # whoever wrote what is there did not come to the end of it
        with suppress(OSError):
            progress_of(self._folder, self.unit_id, self.generation).unlink(missing_ok=True)

    @property
    def _ended(self) -> Path:
        return self._folder / f"{self.unit_id}.{self.generation}.json"

    def _has_ended(self) -> bool:
        """Whether somebody has said what came of it. A file that cannot be read says nothing."""
        try:
            Outcome.model_validate_json(self._ended.read_bytes())
        except (ValidationError, FileNotFoundError):
            return False
        return True


def claim_here(worker: str, *, device: str = "", key: str = "", need_bytes: int = 0) -> Claim:
    """A claim of a worker in this process; see `Claim`."""
    return Claim(worker=worker, host=here(), device=device, key=key, need_bytes=need_bytes)


def progress_of(folder: Path, unit_id: str, generation: int) -> Path:
    """Where a worker writes how far it is, and others read it.

    In the unit's own folder: what changes every second must not make others list `runs` anew.

    Parameters
    ----------
    folder : Path
        The folder ``runs`` of the batch.
    unit_id : str
    generation : int
    """
    return folder.with_name("work") / unit_id / f"progress-{generation}.json"


def _put(path: Path, text: str) -> None:
    """Write a file at once, in the place of one that may be there."""
    new = path.with_name(f".{path.name}-{uuid4().hex[:8]}")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)

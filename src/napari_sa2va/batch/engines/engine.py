"""What all ways to start workers have in common.

An engine never hands out units. It starts workers, which pull from the batch folder, and tends them:
it starts more where some are missing, and says at once when one has vanished.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from itertools import count
from os import getpid
from pathlib import Path
from typing import ClassVar, Protocol

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.host import here
from napari_sa2va.batch.roster import Card, Roster
from napari_sa2va.core.file_names import file_safe
from napari_sa2va.core.params import Params

# Pauses after failures in a row, in s, and how often the first one is doubled at most.
_PAUSE_S, _MOST_PAUSE_S, _DOUBLINGS = 0.5, 60.0, 10


class Crew(Protocol):
    """Workers that an engine has started, while a client is there."""

    @property
    def size(self) -> int:
        """Workers that are at work or on their way."""

    def tend(self) -> None:
        """Start workers that are missing, and note those that vanished; called about once a second.

        Raises
        ------
        BatchError
            If no worker can ever work here.
        """


class Engine(Params):
    """Base of the ways to start workers: a frozen choice that carries a `kind` tag.

    A way is a file here and a line in `batch/engines/__init__.py`. The first line of its docstring
    is shown to users.
    """

    kind: str

    pull: ClassVar[str] = "napari_sa2va.batch.worker:work_through"
    """The function that is a worker's whole life, by module and name: it is called where the worker
    is, with the batch folder's path and the worker's name, `device` and `stop`."""

    def check(self, folder: Path) -> None:
        """Find out, before there is a batch, whether workers can be started from here at all.

        Parameters
        ----------
        folder : Path
            Where the batch is to be; absolute.

        Raises
        ------
        BatchError
            If they cannot.
        MissingPackage
            If a package is not installed.
        """

    def crew(self, folder: BatchFolder) -> AbstractContextManager[Crew]:
        """Workers for a batch; leaving the context asks them to stop after the frame in work."""
        raise NotImplementedError


def missing(folder: BatchFolder, there: Collection[str] = ()) -> int:
    """How many more workers would find something to do.

    Parameters
    ----------
    folder : BatchFolder
    there : collection of str
        Workers that are there already: those without a unit are about to take one.
    """
    if folder.is_cancelled:
        return 0
    standings = folder.standings().values()
    busy = {standing.claim.worker for standing in standings if standing.claim is not None}
    waiting = sum(standing.state == "waiting" for standing in standings)
    return max(waiting - sum(name not in busy for name in there), 0)


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row, from 1: twice as long each time, up to 60 s."""
    return min(_PAUSE_S * 2.0 ** min(failures - 1, _DOUBLINGS), _MOST_PAUSE_S)


_numbers = count(1)


def new_name(kind: str) -> str:
    """A name for a worker that no other one of any batch has, and that a file may have."""
    machine = file_safe(here().machine)
    return f"{kind}-{machine}-{getpid()}-{next(_numbers)}"


def card_of(folder: BatchFolder, worker: str) -> Card | None:
    """What a worker last said of itself."""
    cards = (card for card, _ in Roster(folder.path / "workers").read() if card.name == worker)
    return next(cards, None)

"""Who works on which unit, and what came of it: small files that many machines can write at once.

Each time a unit is taken up is a *generation* of it, counted from 1. ``<unit>.<n>.claim`` is made
exclusively, so that of many workers one gets generation n; its holder touches it every few seconds,
and its time is a heartbeat. ``<unit>.<n>.json`` says what came of it. A claim whose heart has stopped
is *lost*: anybody may claim the next generation, and a holder that wakes up late learns of that
(`Superseded`) and leaves. Nothing is ever deleted, except by who made it and could not write it to its
end, so no two programs can delete each other's files.

All that is asked of the file system is that of two exclusive creations of a name one fails, and that
a rename is all or nothing, which network drives keep as well. A folder that cannot be read, or is not
there, is an OSError and never taken for an empty one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Literal, TypeVar

from pydantic import ValidationError

from napari_sa2va.batch.clock import FolderClock
from napari_sa2va.batch.exclusive import create_exclusively
from napari_sa2va.batch.held import Held, progress_of
from napari_sa2va.batch.history import Claim, History, Progress, lost
from napari_sa2va.batch.host import Host
from napari_sa2va.batch.outcome import Outcome

_File = TypeVar("_File", Claim, Outcome)

STALE_S = 60.0
"""A claim that was not renewed for so long is lost."""
# Of a claim that cannot be read.
_UNKNOWN = Claim(worker="?", host=Host(name="?", pid=0, started_s=0))


class Runs:
    """The folder ``runs`` of a batch.

    Parameters
    ----------
    folder : Path
    stale_s : float
        A claim that was not renewed for so long is lost.
    """

    def __init__(self, folder: Path, *, stale_s: float = STALE_S) -> None:
        self._folder = folder
        self.stale_s = stale_s
        self._clock = FolderClock(folder)
        # What files said that never change, and the units that they are of.
        self._seen: set[str] = set()
        self._histories: dict[str, History] = {}
        self._claims: dict[tuple[str, int], Claim] = {}

    def scan(self) -> dict[str, History]:
        """Histories of the units that were ever taken up, by id.

        They are the reader's own, and are brought up to date by the next scan.

        Raises
        ------
        OSError
            If the folder cannot be read.
        """
        names = set(os.listdir(self._folder))
        for name in names - self._seen:
            self._take_in(name)
        for unit_id, n in list(self._claims):
            history = self._histories[unit_id]
            if f"{unit_id}.{n}.claim" not in names:  # it could not be written to its end
                self._forget(unit_id, n, history)
            elif n in history.outcomes or n < history.generation:
                if history.claims.pop(n, None) is not None and n not in history.outcomes:
                    history.lost[n] = self._told(unit_id, n)
                self._claims.pop((unit_id, n))
            else:
                self._listen(unit_id, n, history)
        return {
            unit_id: history for unit_id, history in self._histories.items() if history.generation
        }

    def ends(self) -> list[Outcome]:
        """What came of every generation that is over, also of those whose worker vanished unseen.

        Raises
        ------
        OSError
            If the folder cannot be read.
        """
        ended: list[Outcome] = []
        for unit_id, history in self.scan().items():
            ended += history.outcomes.values()
            for n, claim in history.lost.items():
                heard_s = (self._folder / f"{unit_id}.{n}.claim").stat().st_mtime
                heard = datetime.fromtimestamp(heard_s, UTC).isoformat(timespec="seconds")
                ended.append(lost(unit_id, n, claim, ended=heard))
        return ended

    def take(self, unit_id: str, generation: int, claim: Claim) -> Held | None:
        """Claim a generation of a unit; None if another worker was faster.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        claim = claim.model_copy(update={"since": time()})
        path = self._folder / f"{unit_id}.{generation}.claim"
        if not create_exclusively(path, claim.model_dump_json()):
            return None
        return Held(self._folder, unit_id, generation)

    def forgive(self, unit_id: str, generation: int) -> None:
        """Let the failures of a unit up to a generation no longer count, and its masks neither.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        (self._folder / f"{unit_id}.{generation}.again").touch()

    def note_vanished(
        self, worker: str, cause: str, hint: str = "", *, state: Literal["lost", "stopped"] = "lost"
    ) -> bool:
        """Let others take the unit of a worker that has ended, before its heart is missed.

        Parameters
        ----------
        worker : str
            It is known to have ended.
        cause, hint : str
            What is known of its end, and what to do about it.
        state : {"lost", "stopped"}
            What to call it: only what was lost can count as a failure of the unit.

        Returns
        -------
        bool
            Whether it had a unit.
        """
        had_unit = False
        for unit_id, history in self.scan().items():
            # Who looks on the same machine has seen it already, and may even have taken the unit up.
            for n, claim in (history.claims | history.lost).items():
                if claim.worker != worker:
                    continue
                had_unit = True
                ended = datetime.now(UTC).isoformat(timespec="seconds")
                outcome = lost(unit_id, n, claim, state=state, cause=cause, hint=hint, ended=ended)
                create_exclusively(self._folder / f"{unit_id}.{n}.json", outcome.model_dump_json())
        return had_unit

    def _take_in(self, name: str) -> None:
        """Read a file that was not there at the last scan."""
        unit_id, n, kind = _parsed(name)
        if n == 0:
            self._seen.add(name)
            return
        history = self._histories.setdefault(unit_id, History())
        if kind == "again":
            history.asked.add(n)
        elif kind == "claim":
            claim = self._read(name, Claim)
            history.claims[n] = self._claims[unit_id, n] = claim or _UNKNOWN
        elif kind == "json":
            outcome = self._read(name, Outcome)
            if outcome is None:  # it is being written, or never was to its end
                return
            history.outcomes[n] = outcome.read_in(self._folder.parent)
            history.claims.pop(n, None)
            history.lost.pop(n, None)
        self._seen.add(name)

    def _forget(self, unit_id: str, n: int, history: History) -> None:
        """Take back a claim that is not there any more."""
        self._seen.discard(f"{unit_id}.{n}.claim")
        self._claims.pop((unit_id, n))
        history.claims.pop(n, None)
        history.lost.pop(n, None)

    def _read(self, name: str, kind: type[_File]) -> _File | None:
        with suppress(ValidationError, FileNotFoundError):
            return kind.model_validate_json((self._folder / name).read_bytes())
        return None

    def _listen(self, unit_id: str, n: int, history: History) -> None:
        """Find out whether the heart of the latest claim beats."""
        claim = self._told(unit_id, n)
        silent = self._clock.age(self._folder / f"{unit_id}.{n}.claim") > self.stale_s
        if silent or claim.host.is_gone:
            # It may have finished between the listing and this moment.
            self._take_in(f"{unit_id}.{n}.json")
            history.claims.pop(n, None)
            if n not in history.outcomes:
                history.lost[n] = claim
        else:  # maybe again: it was only slow
            history.lost.pop(n, None)
            history.claims[n] = claim

    def _told(self, unit_id: str, n: int) -> Claim:
        """A claim with the progress that its holder told last."""
        path = progress_of(self._folder, unit_id, n)
        claim = self._claims[unit_id, n]
        if claim is _UNKNOWN:  # it may have been seen half written
            claim = self._read(f"{unit_id}.{n}.claim", Claim) or _UNKNOWN
            self._claims[unit_id, n] = claim
        with suppress(ValidationError, OSError):
            said = Progress.model_validate_json(path.read_bytes())
            return claim.model_copy(update=said.model_dump())
        return claim


def _parsed(name: str) -> tuple[str, int, str]:
    """Unit, generation and kind of a file; generation 0 if it is none of ours."""
    parts = name.split(".")
    if len(parts) != 3 or not parts[1].isdecimal() or not parts[0]:
        return "", 0, ""
    return parts[0], int(parts[1]), parts[2]

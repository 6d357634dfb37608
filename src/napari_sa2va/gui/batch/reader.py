"""Looks into a batch folder and says what has changed since the last look. No Qt; see `desk`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from napari_sa2va.batch.clock import FolderClock
from napari_sa2va.batch.host import here
from napari_sa2va.batch.roster import Roster
from napari_sa2va.batch.wholes import progress, wholes
from napari_sa2va.batch.work_files import LAST
from napari_sa2va.gui.batch.rows import ENDED, MovieRow, RowState, row_of
from napari_sa2va.gui.batch.time_left import TimeLeft

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.host import Host
    from napari_sa2va.batch.roster import Card
    from napari_sa2va.batch.standing import Standing
    from napari_sa2va.batch.unit import Facts, Unit

    _Said = tuple[Unit, Standing, Facts | None, tuple[int, int]]

# Cards of workers change seldom, and there may be many.
_CARDS_S = 5.0
# A worker elsewhere that has no unit says nothing for long; after this, nobody knows of it any more.
_FORGOTTEN_S = 120.0


@dataclass(frozen=True)
class AtWork:
    """A worker.

    Attributes
    ----------
    worker, device : str
    host : str
        What people call its machine.
    state : {"working", "idle", "paused"}
    heard_s : float
        How long ago it was last heard of.
    """

    worker: str
    host: str
    device: str
    state: str
    heard_s: float


@dataclass(frozen=True)
class Seen:
    """What was found, and what of it is new.

    Attributes
    ----------
    path : Path
        The batch folder.
    rows : tuple of MovieRow
        Those that are new or have changed, in the order of the folder.
    gone : tuple of str
        Units of which there were rows, and that were taken out.
    counts : mapping of str to int
        How many units there are in each state; one of a movie that was split.
    workers : tuple of AtWork
        Those that have a unit, and those that wait.
    refused : tuple of str
        Why workers may not work on this batch, each reason once.
    left_s : float or None
        Until all is done, with the workers there are; None if nobody can say.
    is_paused, is_cancelled : bool
    """

    path: Path
    rows: tuple[MovieRow, ...]
    counts: Mapping[RowState, int]
    gone: tuple[str, ...] = ()
    workers: tuple[AtWork, ...] = ()
    refused: tuple[str, ...] = ()
    left_s: float | None = None
    is_paused: bool = False
    is_cancelled: bool = False

    @property
    def total(self) -> int:
        """How many units there are."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many of them are at an end."""
        return sum(self.counts.get(state, 0) for state in ENDED)


class FolderReader:
    """Remembers what it has told.

    Parameters
    ----------
    folder : BatchFolder
    """

    def __init__(self, folder: BatchFolder) -> None:
        self.folder = folder
        self._known: dict[str, tuple[_Said, MovieRow]] = {}
        self._clock = FolderClock(folder.path / "runs")
        self._roster = Roster(folder.path / "workers")
        self._cards: list[tuple[Card, float]] = []
        self._cards_at = float("-inf")
        self._working: set[str] = set()
        self._hearts: dict[Path, tuple[float, float]] = {}  # time of the file, and when it was new
        self._time_left = TimeLeft()

    def look(self) -> Seen:
        """Look at everything; fast where little has changed."""
        folder = self.folder
        units, standings, facts = folder.units(), folder.standings(), folder.facts()
        working = list(self._at_work(standings))
        others, refused = self._others({one.worker for one in working})
        workers = (*working, *others)
        busy = sum(one.state == "working" for one in workers)
        each_s, all_s = self._time_left.look(units, facts, standings, busy)
        changed: list[MovieRow] = []
        movies = wholes(units, standings)
        for unit_id, standing in movies.items():
            unit = units[unit_id]
            said = unit, standing, facts.get(unit_id), progress(unit, units, standings)
            known = self._known.get(unit_id)
            if known is not None and known[0] == said and standing.claim is None:
                continue
            before = None if known is None else known[1]
            row = row_of(*said, left_s=each_s.get(unit_id), before=before)
            if row != before:
                changed.append(row)
            self._known[unit_id] = said, row
        gone = [unit_id for unit_id in self._known if unit_id not in movies]
        for unit_id in gone:
            del self._known[unit_id]
        return Seen(
            path=folder.path,
            rows=tuple(changed),
            counts=Counter(standing.state for standing in movies.values()),
            gone=tuple(gone),
            workers=workers,
            refused=refused,
            left_s=all_s,
            is_paused=folder.is_paused,
            is_cancelled=folder.is_cancelled,
        )

    def picture(self, unit_id: str) -> bytes:
        """The last mask of a unit as a PNG file; empty if there is none."""
        try:
            return (self.folder.work_of(unit_id) / LAST).read_bytes()
        except OSError:
            return b""

    def _at_work(self, standings: Mapping[str, Standing]) -> Iterable[AtWork]:
        hearts: dict[Path, tuple[float, float]] = {}
        for standing in standings.values():
            claim = standing.claim
            if claim is None:
                continue
            name = f"{standing.unit_id}.{standing.generation}.claim"
            path = self.folder.path / "runs" / name
            hearts[path] = self._heart(path)
            heard_s = monotonic() - hearts[path][1]
            yield AtWork(claim.worker, _machine(claim.host), claim.device, "working", heard_s)
        self._hearts = hearts

    def _others(self, working: set[str]) -> tuple[list[AtWork], tuple[str, ...]]:
        """Workers that have no unit now, and why others were refused, by their cards."""
        if working != self._working or monotonic() - self._cards_at > _CARDS_S:
            self._cards, self._cards_at = self._roster.read(), monotonic()
            self._working = working
        others, refused = [], dict[str, None]()
        now = self._clock.now() if self._cards else 0.0
        for card, written in self._cards:
            heard_s = max(now - written, 0.0)
            if card.state == "refused" and heard_s < _FORGOTTEN_S:
                refused[card.why] = None
            # One that is at work, and has no unit, is between two of them.
            elif card.state in ("idle", "paused", "working") and card.name not in working:
                is_here = card.host.name == here().name
                if not card.host.is_gone and (is_here or heard_s < _FORGOTTEN_S):
                    machine = _machine(card.host)
                    others.append(AtWork(card.name, machine, card.device, card.state, heard_s))
        return others, tuple(refused)

    def _heart(self, path: Path) -> tuple[float, float]:
        """When a file was changed, and when that was, by the clock that nobody sets."""
        try:
            changed = path.stat().st_mtime
        except OSError:
            return self._hearts.get(path, (0.0, monotonic()))
        known = self._hearts.get(path)
        if known is not None and known[0] == changed:
            return known
        age_s = max(self._clock.now() - changed, 0.0) if known is None else 0.0
        return changed, monotonic() - age_s


def _machine(host: Host) -> str:
    """What people call a machine."""
    return "this machine" if host.name == here().name else host.machine

"""What is left of a batch: time, memory and disk, from headers and from what ran so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Literal

from napari_sa2va.batch.disk import written_bytes
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.unit import Facts, Unit

Basis = Literal["this batch", "measured", "guessed"]
"""What a time rests on: units of this batch that are done, runs on this machine, or nothing but the
size of the network."""

# Units that are weighed on the disk.
_WEIGHED = 20


@dataclass(frozen=True)
class Forecast:
    """What is left.

    Attributes
    ----------
    num_units : int
        A movie that was split is one.
    num_left : int
        Not at their end, those that are being worked on among them.
    num_unseen : int
        Of these: not looked at yet, and taken to be like the others.
    seconds : float or None
        What is left for a single worker; None if nothing is known.
    longest_s : float
        The longest of them, which no number of workers makes shorter.
    load_s : float
        Until a worker that is started now has its network, which is in none of these.
    basis : str
        See `Basis`.
    most_bytes : int
        The most memory that one of them holds; 0 if not known.
    disk_bytes : int
        What they will write.
    each_s : mapping of str to float
        What is left of each unit, as far as it is known.
    """

    num_units: int
    num_left: int
    num_unseen: int = 0
    seconds: float | None = None
    longest_s: float = 0.0
    load_s: float = 0.0
    basis: Basis = "guessed"
    most_bytes: int = 0
    disk_bytes: int = 0
    each_s: Mapping[str, float] = field(default_factory=dict)

    def seconds_with(self, workers: int) -> float | None:
        """How long it will take several workers; None if nothing is known, or there is none."""
        if self.seconds is None or workers < 1:
            return None
        return max(self.seconds / workers, self.longest_s)


def forecast(
    units: Mapping[str, Unit],
    facts: Mapping[str, Facts],
    standings: Mapping[str, Standing],
    folder: BatchFolder | None = None,
) -> Forecast:
    """Say what is left of a batch.

    Parameters
    ----------
    units : mapping of str to Unit
    facts : mapping of str to Facts
    standings : mapping of str to Standing
        Units without one wait.
    folder : BatchFolder, optional
        Where finished units are, which are then weighed.
    """
    left = [u for i, u in units.items() if i not in standings or not standings[i].is_at_end]
    can = [u for u in left if u.unit_id not in facts or not facts[u.unit_id].problem]
    seen = [facts[u.unit_id] for u in can if u.unit_id in facts]
    pace = _ratio(
        (s.outcome.seconds, facts[i].seconds or 0.0)
        for i, s in standings.items()
        # What went on where another had left off says little.
        if i in facts and s.outcome is not None and s.state == "done" and not s.outcome.resumed_at
    )
    weight = 1.0 if folder is None else _ratio(_weighed(folder, facts, standings)) or 1.0
    timed = {f.unit_id: f.seconds * (pace or 1.0) for f in seen if f.seconds is not None}
    usual_s = median(timed.values()) if timed else None
    usual_bytes = median(f.disk_bytes for f in seen) if seen else 0
    each = {
        u.unit_id: (1 - _share_done(standings.get(u.unit_id))) * seconds
        for u in can
        if (seconds := timed.get(u.unit_id, usual_s)) is not None
    }
    unseen = len(can) - len(seen)
    measured = bool(seen) and all(f.is_measured for f in seen)
    return Forecast(
        num_units=sum(unit.part is None for unit in units.values()),
        num_left=sum(unit.part is None for unit in left),
        num_unseen=unseen,
        seconds=sum(each.values()) if each or not can else None,
        longest_s=max(each.values(), default=0.0),
        load_s=max((f.load_s for f in seen), default=0.0),
        basis="this batch" if pace else "measured" if measured else "guessed",
        most_bytes=max((f.need_bytes for f in seen), default=0),
        disk_bytes=int(weight * (sum(f.disk_bytes for f in seen) + unseen * usual_bytes)),
        each_s=each,
    )


def _ratio(pairs: Iterable[tuple[float, float]]) -> float | None:
    """What was, over what was foretold: the median, which one odd unit does not move."""
    ratios = [was / foretold for was, foretold in pairs if was > 0 and foretold > 0]
    return median(ratios) if ratios else None


def _weighed(
    folder: BatchFolder, facts: Mapping[str, Facts], standings: Mapping[str, Standing]
) -> Iterable[tuple[float, float]]:
    """Bytes on the disk and bytes foretold of some units that are done."""
    done = (s for i, s in standings.items() if s.state == "done" and i in facts)
    for standing in islice(done, _WEIGHED):
        if standing.outcome is not None:
            work = folder.work_of(standing.unit_id)
            yield written_bytes(work, standing.outcome), facts[standing.unit_id].disk_bytes


def _share_done(standing: Standing | None) -> float:
    """How much of a unit is done, by frames, in [0, 1]."""
    claim = None if standing is None else standing.claim
    if claim is None or not claim.frames_planned:
        return 0.0
    return min(claim.frames_done / claim.frames_planned, 1.0)

"""How long a batch will still take: one forecast for its line and for the rows of its table. No Qt.

What is measured differs from look to look, and is another thing altogether once the first movie is
done. What people read goes down with the clock, and comes to what is measured within some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va.batch.standing import Standing
    from napari_sa2va.batch.unit import Facts, Unit

_FEWEST = 3
"""Frames of which a speed can be told."""
# In this time a difference falls to a third.
_SETTLES_S = 6.0
_ALL = ""


class TimeLeft:
    """Remembers what it has told.

    Parameters
    ----------
    clock : callable
        Seconds, always rising.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._begun: dict[tuple[str, int], tuple[float, int]] = {}  # first seen, frames by then
        self._told: dict[str, float] = {}
        self._told_at = clock()

    def look(
        self,
        units: Mapping[str, Unit],
        facts: Mapping[str, Facts],
        standings: Mapping[str, Standing],
        workers: int,
    ) -> tuple[Mapping[str, float], float | None]:
        """Say what is left.

        Parameters
        ----------
        units, facts, standings : mapping
            By unit id.
        workers : int
            That are at work.

        Returns
        -------
        each_s : mapping of str to float
            Of the units that are being worked on; those of which nobody can say are left out, as
            all are where nothing was measured yet, here or in earlier runs.
        all_s : float or None
            Of the whole batch; None if nobody works, or nobody can say.
        """
        from napari_sa2va.batch.forecast import forecast

        now = self._clock()
        ahead = forecast(units, facts, standings)
        running = {i: s for i, s in standings.items() if s.claim is not None}
        measured = {
            i: seconds
            for i, s in running.items()
            if (seconds := self._measured(s, now)) is not None
        }
        # Where no unit is done, those at work are the only ones that tell how good the guesses are.
        off = [s / ahead.each_s[i] for i, s in measured.items() if ahead.each_s.get(i)]
        scale = median(off) if off and ahead.basis != "this batch" else 1.0
        is_known = bool(off) or ahead.basis != "guessed"
        foretold = ahead.each_s.items() if is_known else ()
        each = {i: scale * seconds for i, seconds in foretold} | measured
        found = {i: each[i] for i in running if i in each}
        if workers and is_known and ahead.seconds is not None:
            found[_ALL] = max(sum(each.values()) / workers, max(each.values(), default=0.0))
        told = self._smoothed(found, now)
        return told, told.pop(_ALL, None)

    def _measured(self, standing: Standing, now: float) -> float | None:
        """What is left of a unit by the frames that were seen to be done; None if they are few."""
        claim = standing.claim
        assert claim is not None
        key = standing.unit_id, standing.generation
        if not claim.frames_done:  # loading its network tells nothing of its speed
            return None
        begin_s, begin_frames = self._begun.setdefault(key, (now, claim.frames_done))
        frames = claim.frames_done - begin_frames
        if frames < _FEWEST or not claim.frames_planned:
            return None
        return (now - begin_s) / frames * max(claim.frames_planned - claim.frames_done, 0)

    def _smoothed(self, found: Mapping[str, float], now: float) -> dict[str, float]:
        passed_s = now - self._told_at
        weight = 1.0 - exp(-passed_s / _SETTLES_S)
        told = {}
        for name, seconds in found.items():
            before = self._told.get(name)
            expected = seconds if before is None else max(before - passed_s, 0.0)
            told[name] = expected + weight * (seconds - expected)
        self._told, self._told_at = dict(told), now
        return told

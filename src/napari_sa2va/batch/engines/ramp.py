"""How many workers share a device: one more for as long as more work gets done.

A GPU that is given small movies waits for the disk and for Python most of the time, and a second
worker fills the gaps; one that is busy only loses by it. So it is tried: a hill climb on what was
measured. Pure: it is told what was done and says how many workers there should be.
"""

from __future__ import annotations

from dataclasses import dataclass

GAIN = 1.05
"""One more worker stays if so many times the work gets done in the same time."""

# Units that end while a number of workers is tried, per worker: fewer would measure chance.
_UNITS_EACH = 2
# Movies of a second would end before clocks and workers have settled.
_LEAST_S = 10.0


@dataclass(frozen=True)
class Tally:
    """What the workers of a device have done up to a moment.

    Attributes
    ----------
    now_s : float
        Of a clock that only goes forward.
    work_s : float
        The seconds that all units done were estimated to take, those in work by their share.
    units : int
        How many have ended.
    at_work : int
        Workers that have a unit right now.
    """

    now_s: float
    work_s: float
    units: int
    at_work: int


class Ramp:
    """The number of workers of one device, from one upwards.

    Parameters
    ----------
    most : int
        Never more than these, at least 1.

    Attributes
    ----------
    wanted : int
        How many there should be.
    is_settled : bool
        Whether that is the end of it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.wanted = 1
        self.is_settled = most <= 1
        self._begin: Tally | None = None
        self._before: float | None = None  # work done per second with one worker fewer

    def see(self, tally: Tally) -> None:
        """Take a measurement, and decide when enough has been seen.

        A worker whose units do not fit beside the others' waits for room, and with it the decision.
        """
        if self.is_settled:
            return
        if self._begin is None:
            # A worker that still loads its network would count as one that does nothing.
            if tally.at_work >= self.wanted:
                self._begin = tally
            return
        elapsed_s = tally.now_s - self._begin.now_s
        if elapsed_s < _LEAST_S or tally.units - self._begin.units < _UNITS_EACH * self.wanted:
            return
        rate = (tally.work_s - self._begin.work_s) / elapsed_s
        if self._before is not None and rate < GAIN * self._before:
            self.wanted -= 1
            self.is_settled = True
        elif self.wanted == self._most:
            self.is_settled = True
        else:
            self._before, self._begin = rate, None
            self.wanted += 1

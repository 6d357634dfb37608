"""How long a worker rests after failures that are not the fault of a movie, and which of them count.

A drive that is away for a minute would otherwise fail one unit after the other, a whole study in that
minute. A drive that stays away is not waited for at every unit.
"""

from __future__ import annotations

import builtins
import os
from pathlib import Path

from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import OutputError
from napari_sa2va.readers.open import is_url

# After the first failure of this kind, the second ..., in s.
_PAUSES_S = (5.0, 20.0, 80.0, 300.0, 300.0)


class Rest:
    """Counts failures in a row.

    Attributes
    ----------
    seconds : float
        How long to rest now; 0 after a success, after a failure that lies in the movie, and after
        so many others that resting is of no use.
    """

    def __init__(self) -> None:
        self._failures = 0
        # Units whose failures were excused, and those of them after which others went well: so it
        # may be their movie that cannot be read.
        self._excused: set[str] = set()
        self._suspects: set[str] = set()

    def see(self, unit: Unit, outcome: Outcome) -> Outcome:
        """Take down what came of a unit.

        Returns
        -------
        Outcome
            The same, which is passing only if the surroundings are to blame and time is given them:
            then it counts as no try.
        """
        if outcome.state != "failed" or not _lies_in_surroundings(unit, outcome):
            self._failures = 0
            if outcome.is_complete:
                self._suspects |= self._excused
            return outcome
        self._failures += 1
        passing = (
            (outcome.passing or _is_away(unit))
            and self.seconds > 0
            and unit.unit_id not in self._suspects
        )
        if passing:
            self._excused.add(unit.unit_id)
        return outcome.model_copy(update={"passing": passing})

    @property
    def seconds(self) -> float:
        """See the class."""
        return _PAUSES_S[self._failures - 1] if 0 < self._failures <= len(_PAUSES_S) else 0.0


def _lies_in_surroundings(unit: Unit, outcome: Outcome) -> bool:
    if outcome.certain:
        return False
    raised = getattr(builtins, outcome.error, None)
    if (
        outcome.passing
        or outcome.error == OutputError.__name__
        or (isinstance(raised, type) and issubclass(raised, OSError))
    ):
        return True
    return _is_away(unit)


def _is_away(unit: Unit) -> bool:
    """Whether a movie's folder cannot be read, or is empty as one on which nothing is mounted."""
    if is_url(unit.path):
        return False
    try:
        with os.scandir(Path(unit.path).parent) as entries:
            return next(entries, None) is None
    except OSError:
        return True

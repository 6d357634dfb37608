"""What is known to go wrong before it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari_sa2va.core.errors import Sa2vaError


@dataclass(frozen=True)
class Problem:
    """Why some units cannot be done.

    Attributes
    ----------
    message : str
        What is wrong, with the value seen.
    hint : str
        What to do about it.
    unit_ids : tuple of str
        Those that it keeps from being done; empty if it is the batch as a whole.
    fails_alone : bool
        Whether a batch begins all the same, and these units fail when they are taken up, as with
        what is only found by opening movies. Because of everything else nothing begins, unless
        somebody wishes it.
    """

    message: str
    hint: str = ""
    unit_ids: tuple[str, ...] = ()
    fails_alone: bool = False

    @classmethod
    def of(cls, error: Sa2vaError, *unit_ids: str) -> Problem:
        """What an error says."""
        return cls(error.message, error.hint, unit_ids)


def gathered(problems: Iterable[Problem]) -> list[Problem]:
    """The same, each once with all its units, in the order in which they first came.

    Of two ways in which one thing was found, the one holds that keeps the batch from beginning.
    """
    units: dict[tuple[str, str], dict[str, None]] = {}
    fails_alone: dict[tuple[str, str], bool] = {}
    for problem in problems:
        said = problem.message, problem.hint
        units.setdefault(said, {}).update(dict.fromkeys(problem.unit_ids))
        fails_alone[said] = fails_alone.get(said, True) and problem.fails_alone
    return [Problem(*said, tuple(ids), fails_alone[said]) for said, ids in units.items()]

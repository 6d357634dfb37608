"""Which masks of a unit that are on the disk do not count, because a person asked for others."""

from __future__ import annotations

from napari_sa2va.batch.history import History
from napari_sa2va.batch.unit import Unit


def unwanted(unit: Unit, history: History, *, before: int | None = None) -> int:
    """The last generation whose masks do not count, nor those of earlier ones; 0 if all count.

    It is the last one that had done the unit when a person asked for it again. Work that had failed is
    gone on with. What merges parts is put together anew whatever had come of it, as one of the parts
    may be what was asked for (`BatchFolder.retry`).

    Parameters
    ----------
    unit : Unit
    history : History
    before : int, optional
        Look at earlier generations than this only: what is said of it came after its masks.
    """
    outcomes = history.outcomes
    return max(
        (
            n
            for n in history.asked
            if (before is None or n < before)
            and (unit.parts or (n in outcomes and outcomes[n].is_complete))
        ),
        default=0,
    )

"""The client of a batch: keeps workers at work, and tells what becomes of the units.

It holds nothing that the folder does not have. Whoever kills it loses the telling only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.standing import Standing
from napari_sa2va.core.cancel import CancelToken

if TYPE_CHECKING:
    from napari_sa2va.batch.engines import Engine

_log = logging.getLogger(__name__)

# The first pauses between two looks, in s; they grow to what was asked for.
_SOON_S = 0.05
# Until the folder is looked for again, in s.
_AWAY_S = 5.0

# How often the folder is looked at, in s.
_LOOK_S = 1.0


@dataclass(frozen=True)
class Look:
    """What the folder says now, and what is new in it.

    Attributes
    ----------
    standings : mapping of str to Standing
        Of all units.
    ended : tuple of Standing
        Of the units that came to an end since the last look, or failed and wait for another try;
        also where that has begun already.
    workers : int
        That the engine has at work or on their way.
    """

    standings: Mapping[str, Standing]
    ended: tuple[Standing, ...]
    workers: int

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        return all(standing.is_at_end for standing in self.standings.values())


def conduct(
    folder: BatchFolder,
    engine: Engine,
    cancel: CancelToken | None = None,
    *,
    every_s: float = _LOOK_S,
) -> Iterator[Look]:
    """Let workers do what is left in a batch folder.

    Parameters
    ----------
    folder : BatchFolder
    engine : Engine
        Starts the workers.
    cancel : CancelToken, optional
        Asks the workers of this engine to stop after the frame in work.
    every_s : float
        How often the folder is looked at, at least.

    Yields
    ------
    Look
        At least once in `every_s` seconds; the last one after the workers have left.

    Raises
    ------
    BatchError
        If no worker can ever work here.
    """
    cancel = cancel or CancelToken()
    before = folder.standings()
    is_over = all(standing.is_at_end for standing in before.values())
    told = {i: _mark(end) for i, s in before.items() if (end := _last_end(s))}

    def look(workers: int) -> Look:
        standings = folder.standings()
        ends = {i: end for i, s in standings.items() if (end := _last_end(s))}
        new = tuple(end for i, end in ends.items() if _mark(end) != told.get(i))
        told.update({i: _mark(end) for i, end in ends.items()})
        return Look(standings, new, workers)

    wait_s = _SOON_S
    with engine.crew(folder) as crew:
        while not cancel.cancelled:
            try:
                is_cancelled = folder.is_cancelled
                waits = folder.is_watching and not is_cancelled
                # Before the look: it may know how a worker ended, and have that written down.
                if not is_over or waits:
                    crew.tend()
                now = look(crew.size)
                is_over = now.is_over
            except OSError as error:
                # Workers wait too, and have longer.
                _log.warning("The batch folder cannot be read now: %s", error)
                cancel.wait(_AWAY_S)
                continue
            yield now
            if (is_over and not waits) or (is_cancelled and not crew.size):
                break
            # Where one has just ended, others may end soon.
            wait_s = _SOON_S if now.ended else min(2 * wait_s, every_s)
            cancel.wait(wait_s)
    yield look(0)


def _last_end(standing: Standing) -> Standing | None:
    """The standing when the unit came to an end the last time; None if it never did."""
    if standing.state != "running":
        return standing if standing.generation else None
    earlier = standing.earlier
    if earlier is None:
        return None
    return replace(
        standing, state="waiting", generation=earlier.generation, claim=None, outcome=earlier
    )


def _mark(end: Standing) -> tuple[int, str]:
    """The generation that came to an end, and how."""
    return end.generation, "lost" if end.outcome is None else end.outcome.state

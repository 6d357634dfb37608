"""Whether the disk has room for what a batch will write, found out before it begins.

Some movies are opened for that, and the others are taken to be like them: a study of ten thousand is
not to wait until all were looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import mean

from napari_sa2va.batch.disk import foretold_bytes, free_bytes, places_of, shortage
from napari_sa2va.batch.problem import Problem
from napari_sa2va.batch.survey import open_for_look
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import BatchError

# So many movies are opened, so many of them at the same time.
_SAMPLE, _THREADS = 16, 8


def lack_of_room(units: Sequence[Unit], place: Path) -> list[Problem]:
    """That there is less room than units will write; empty if there is enough, or if that is not known.

    Parameters
    ----------
    units : sequence of Unit
        Those that are to be done.
    place : Path
        The batch folder, which need not be there yet.
    """
    wholes = [unit for unit in units if unit.part is None]
    # Drawn, as every nth may each time be the same well of a plate; the same ones whenever asked.
    sample = Random(0).sample(wholes, min(_SAMPLE, len(wholes)))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="room") as pool:
        known = [size for size in pool.map(_foretold, sample) if size is not None]
    if not known:
        return []
    return shortage(int(mean(known) * len(wholes)), free_bytes(places_of(place, wholes)))


def require_room(units: Sequence[Unit], place: Path) -> None:
    """Refuse units for which there is too little room; see `lack_of_room`.

    Raises
    ------
    BatchError
    """
    for problem in lack_of_room(units, place):
        raise BatchError(problem.message, problem.hint)


def _foretold(unit: Unit) -> int | None:
    """What a unit will write; None if its movie cannot be opened, which is told of it later."""
    try:
        clip = open_for_look(unit, thorough=False)
    except Exception:
        return None
    return foretold_bytes(unit, num_frames=clip.num_frames, height=clip.height, width=clip.width)

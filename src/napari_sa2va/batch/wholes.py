"""Where the movies of a batch stand, for people: one that was split is one, and not as many as its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.unit import Unit


def wholes(units: Mapping[str, Unit], standings: Mapping[str, Standing]) -> dict[str, Standing]:
    """Standings of all units but parts. Who waits for parts is running while one of them is.

    Parameters
    ----------
    units, standings : mapping
        By unit id; units without a standing are left out.
    """
    return {
        unit_id: _with_parts(unit, standings[unit_id], standings)
        for unit_id, unit in units.items()
        if unit.part is None and unit_id in standings
    }


def parts_at_end(units: Mapping[str, Unit], standings: Mapping[str, Standing]) -> tuple[int, int]:
    """How many parts of movies that were split are at their end, and how many there are."""
    parts = [standings[i] for i, unit in units.items() if unit.part is not None and i in standings]
    return sum(standing.is_at_end for standing in parts), len(parts)


def progress(
    unit: Unit, units: Mapping[str, Unit], standings: Mapping[str, Standing]
) -> tuple[int, int]:
    """Frames of the parts of a unit that are done, and all of them."""
    done = planned = 0
    for part_id in unit.parts:
        unit_of_part, standing = units.get(part_id), standings.get(part_id)
        if unit_of_part is None or (part := unit_of_part.part) is None or standing is None:
            continue
        frames = part.last_frame - part.first_frame + 1
        planned += frames
        if standing.state in ("done", "nothing"):
            done += frames
        elif standing.claim is not None:
            done += min(standing.claim.frames_done, frames)
    return done, planned


def _with_parts(unit: Unit, own: Standing, standings: Mapping[str, Standing]) -> Standing:
    states = {standings[part].state for part in unit.parts if part in standings}
    return replace(own, state="running") if own.state == "waiting" and "running" in states else own

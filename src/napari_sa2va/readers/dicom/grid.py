"""Planes in space and time, brought into rows and columns: every moment with every depth.

Pure numbers: nothing here knows of DICOM.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_SAME_MM = 1e-3
_UNEVEN = 0.02


class NoGrid(ValueError):
    """Some depths have more planes than others, and no moment is complete."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Which plane lies where.

    Attributes
    ----------
    order : ndarray of int64, shape (T, Z)
        Numbers of planes; depths rise.
    ordered_by : str
        What ordered the moments; empty if there is one.
    z_step_mm : float or None
        Median distance of neighbouring depths.
    notes : tuple of str
        What a person should know: planes left out, gaps.
    """

    order: np.ndarray
    ordered_by: str = ""
    z_step_mm: float | None = None
    notes: tuple[str, ...] = ()


def arrange_planes(
    depths: Sequence[float | None],
    moments: Sequence[Mapping[str, float]],
    *,
    shared: Collection[str] = (),
) -> Grid:
    """Sort planes by depth and moment.

    Parameters
    ----------
    depths : sequence of float or None
        Along the normal, in mm; one per plane. If one is None, all lie at one depth.
    moments : sequence of mapping
        Per plane what may order it in time, by name; names that come first are believed first.
    shared : collection of str
        Names whose value is the same at all depths of a moment, as a number is and a time need not.

    Returns
    -------
    Grid
        Of a moment at which planes are missing, none is taken, and a note says so.

    Raises
    ------
    NoGrid
        If no moment has a plane at every depth.
    """
    levels, step = _levels(depths)
    num_levels = int(levels.max()) + 1
    counts = np.bincount(levels, minlength=num_levels)
    notes: list[str] = []
    by = _ordering(levels, moments) if counts.max() > 1 else ""
    if counts.max() == 1:
        order = np.argsort(levels, kind="stable")[np.newaxis]
    elif counts.min() == counts.max() and _agrees(by, shared, moments, int(counts[0])):
        columns = [_sorted(np.flatnonzero(levels == z), by, moments) for z in range(num_levels)]
        order = np.stack(columns, axis=1)
    else:
        order, by, note = _complete_part(levels, num_levels, moments)
        notes.append(note)
    if num_levels > 2:
        notes += _gaps(depths, order)
    return Grid(order.astype(np.int64), by, step, tuple(notes))


def _levels(depths: Sequence[float | None]) -> tuple[np.ndarray, float | None]:
    """The number of the depth of every plane, from 0 upwards, and the distance of two depths."""
    if any(depth is None for depth in depths):
        return np.zeros(len(depths), np.int64), None
    places = np.array(depths, np.float64)
    rising = np.argsort(places, kind="stable")
    is_next = np.diff(places[rising], prepend=places[rising[0]]) > _SAME_MM
    levels = np.empty(len(places), np.int64)
    levels[rising] = np.cumsum(is_next)
    steps = np.diff(places[rising][np.append(0, np.flatnonzero(is_next))])
    return levels, float(np.median(steps)) if len(steps) else None


def _ordering(levels: np.ndarray, moments: Sequence[Mapping[str, float]]) -> str:
    """The first name that tells apart all planes of every depth; empty if none does."""
    for name in _names(moments):
        pairs = {(int(z), m[name]) for z, m in zip(levels, moments, strict=True)}
        if len(pairs) == len(levels):
            return name
    return ""


def _agrees(
    name: str, shared: Collection[str], moments: Sequence[Mapping[str, float]], count: int
) -> bool:
    """Whether the depths have planes of the same moments, as far as their name tells."""
    return name not in shared or len({m[name] for m in moments}) == count


def _names(moments: Sequence[Mapping[str, float]]) -> list[str]:
    """Names that every plane has."""
    return [name for name in moments[0] if all(name in m for m in moments)]


def _sorted(planes: np.ndarray, by: str, moments: Sequence[Mapping[str, float]]) -> np.ndarray:
    return np.array(sorted(planes, key=lambda i: moments[i][by] if by else i), np.int64)


def _complete_part(
    levels: np.ndarray, num_levels: int, moments: Sequence[Mapping[str, float]]
) -> tuple[np.ndarray, str, str]:
    """The moments that have a plane at every depth, in order."""
    for name in _names(moments):
        at: dict[float, dict[int, int]] = {}
        for plane, (z, m) in enumerate(zip(levels, moments, strict=True)):
            at.setdefault(m[name], {})[int(z)] = plane
        if sum(map(len, at.values())) < len(levels):
            continue  # two planes of one depth have one moment
        whole = [moment for moment in sorted(at) if len(at[moment]) == num_levels]
        if whole:
            order = np.array([[at[m][z] for z in range(num_levels)] for m in whole], np.int64)
            lost = len(levels) - order.size
            return (
                order,
                name,
                (
                    f"{len(at) - len(whole)} of {len(at)} moments ({name}) lack planes at some of the "
                    f"{num_levels} depths: their {lost} planes are left out."
                ),
            )
    counts = np.bincount(levels, minlength=num_levels)
    raise NoGrid(
        f"{num_levels} depths have between {counts.min()} and {counts.max()} planes, and no moment "
        "is complete"
    )


def _gaps(depths: Sequence[float | None], order: np.ndarray) -> list[str]:
    """A note if depths are not evenly spaced."""
    steps = np.diff([depths[i] or 0.0 for i in order[0]])
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) <= _UNEVEN * usual:
        return []
    where = f"{steps[worst]:.4g} mm lie between z = {worst} and {worst + 1}, {usual:.4g} elsewhere"
    return [f"Planes are not evenly spaced: {where}. Is a file missing?"]

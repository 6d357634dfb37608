"""Which unit is taken up next: the longest first, so that no long one is left for the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from napari_sa2va.batch.unit import Facts, Unit


def longest_first(units: Iterable[Unit], facts: Mapping[str, Facts]) -> list[Unit]:
    """Sort units by what they will take.

    Parameters
    ----------
    units : iterable of Unit
    facts : mapping of str to Facts
        By unit, of those whose movies were looked at. The others are taken to need as many seconds
        per byte as these do; without any, the larger file is the longer one.

    Returns
    -------
    list of Unit
        Units alike in this stay in their order.
    """
    given = list(units)
    rates = [
        seconds / unit.num_bytes
        for unit in given
        if (seconds := _seconds(unit, facts)) is not None and unit.num_bytes
    ]
    rate = median(rates) if rates else 1.0

    def seconds_of(unit: Unit) -> float:
        known = _seconds(unit, facts)
        return rate * unit.num_bytes if known is None else known

    return sorted(given, key=lambda unit: -seconds_of(unit))


def _seconds(unit: Unit, facts: Mapping[str, Facts]) -> float | None:
    known = facts.get(unit.unit_id)
    return None if known is None else known.seconds

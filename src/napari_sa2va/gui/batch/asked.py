"""What the movies of a batch folder are asked, so that those that are added are asked the same. No Qt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_sa2va.gui.batch.opening import common_to_all
from napari_sa2va.gui.batch.setup import SetUp


def setup_of(path: Path, shown: SetUp) -> SetUp:
    """What the movies of a batch are asked, and how; where masks go stays as it is on show.

    Parameters
    ----------
    path : Path
        A batch folder. It is read, which may take long.
    shown : SetUp

    Raises
    ------
    BatchError
        If it cannot be read.
    """
    from napari_sa2va.batch.folder import BatchFolder

    folder = BatchFolder.open(path)
    units = [unit for unit in folder.units().values() if unit.part is None]
    if not units:
        return replace(shown, sets=())
    sets = tuple(dict.fromkeys(unit.sentences for unit in units))
    kinds = tuple(dict.fromkeys(output.kind for output in units[-1].outputs))
    return replace(
        shown,
        sentences=sets[0] if len(sets) == 1 else (),
        sets=sets,
        settings=folder.settings_of(units[-1]),
        opening=common_to_all(unit.arguments for unit in units),
        kinds=kinds or shown.kinds,
    )


def but_for_changes(found: SetUp, shown: SetUp, now: SetUp) -> SetUp:
    """What was found out, but for what a person has changed since it was asked for.

    Parameters
    ----------
    found : SetUp
        What `setup_of` made of `shown`.
    shown, now : SetUp
        As the panel showed it then, and shows it now.
    """
    kept = {"place", "results", "pattern"}  # nothing is found out about them
    for together in ({"sentences", "settings", "opening"}, {"kinds"}):
        if any(getattr(now, name) != getattr(shown, name) for name in together):
            kept |= together
    return replace(found, **{name: getattr(now, name) for name in kept})

"""Putting movies that were planned into a batch folder. No Qt."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import ModelError
from napari_sa2va.gui.batch.planning import Planned

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder

_COMMAND = "napari, in the dock Batch over many movies"


def add_to(planned: Planned) -> BatchFolder:
    """Put units into their folder, which is made if it is not there; on any thread.

    Raises
    ------
    OutdatedPlan
        If somebody else has added units to it since these were planned.
    BatchError
        If it cannot be written, or the disk has no room for what they will write.
    ModelError
        If a model is not on this machine.
    """
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.head import BatchHead
    from napari_sa2va.batch.outlook import still_to_do
    from napari_sa2va.batch.planning.changes import OutdatedPlan, bring_up_to_date
    from napari_sa2va.batch.room import require_room
    from napari_sa2va.pipeline.record import package_versions

    for settings in planned.settings.values():
        _require_model(settings.model.name)
    there = BatchFolder.open(planned.place) if BatchFolder.is_one(planned.place) else None
    units = {**(there.units() if there is not None else {}), **planned.units}
    require_room(still_to_do(there, units), planned.place)
    folder = there or BatchFolder.open_or_create(
        planned.place,
        BatchHead(
            command=_COMMAND,
            inputs=planned.inputs,
            versions={"python": platform.python_version(), **package_versions()},
        ),
    )
    folder.change_head(weights=planned.weights)
    try:
        bring_up_to_date(folder, planned.units.values(), planned.settings, known=planned.known)
    except OutdatedPlan:
        raise OutdatedPlan(
            f"Somebody else has added movies to {folder.path.name} meanwhile.",
            "Yours are planned anew: look at the list, and press Start once more.",
        ) from None
    return folder


def _require_model(name: str) -> None:
    """Refuse a model that would have to be fetched by every worker: that is for a person to begin."""
    from napari_sa2va.models.zoo import find

    if find(name).folder is None:
        raise ModelError(
            f"The model {name} is not on this machine.",
            'Get it with the button "Models" of the dock "Segment by sentence".',
        )

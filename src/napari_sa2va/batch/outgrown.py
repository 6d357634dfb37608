"""Which masks of a unit are of less than there is now of a movie that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.batch.found import about_of
from napari_sa2va.batch.journal import NAME
from napari_sa2va.batch.task import Task

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip


def outgrown(task: Task, clip: Clip) -> int:
    """The last generation that worked on fewer frames; 0 if none did.

    What it and those before it have drawn does not count: the run on more frames is another one, whose
    masks differ on the first frame already.

    Parameters
    ----------
    task : Task
    clip : Clip
        The movie as it is now.
    """
    if not task.unit.arguments.growing:
        return 0
    for generation in range(task.generation - 1, 0, -1):
        about = about_of(task.work / f"{NAME}-{generation}.log")
        if about and about.key == task.unit.key and about.num_frames != clip.num_frames:
            return generation
    return 0

"""The part of a split movie that a unit does: how it is opened, and with which settings it is run.

Which parts there are is decided by `split`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.batch.course import Course
from napari_sa2va.batch.unit import Unit
from napari_sa2va.pipeline.resolve import prompting
from napari_sa2va.readers.open import open_clip
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip


def open_part(unit: Unit) -> Clip:
    """Open the movie of a part: all of its frames, and of these the tile.

    No pixel is read now, and later only the chunks that the tile touches.

    Raises
    ------
    Sa2vaError
        See `open_clip`.
    """
    clip = open_whole(unit)
    box = None if unit.part is None else unit.part.box
    return clip if box is None else clip.crop(*box)


def open_whole(unit: Unit) -> Clip:
    """Open the movie that a part is of.

    No pixel is read: its limits are known, and a frame may be larger than the memory.

    Raises
    ------
    Sa2vaError
        See `open_clip`.
    """
    return open_clip(unit.path, **unit.arguments.as_keywords(), look=False)


def settings_of_part(unit: Unit, settings: RunSettings, num_frames: int) -> RunSettings:
    """The settings with which a run on the movie of a part does the part.

    Parameters
    ----------
    unit : Unit
        That has a part.
    settings : RunSettings
        Of the whole.
    num_frames : int
        Of the whole movie.
    """
    course = course_of(settings, num_frames)
    if unit.part is None or course is None:
        return settings
    part = course.between(unit.part.first_frame, unit.part.last_frame)
    if part == course:
        return settings
    tracking = settings.tracking.model_copy(update={"propagation": part.order})
    return settings.model_copy(update={"tracking": tracking})


def course_of(settings: RunSettings, num_frames: int) -> Course | None:
    """The way in which a run with sentences goes through a movie; see `Course.of`.

    Raises
    ------
    RequestError
        If the key frames or the range to be tracked lie outside the movie.
    """
    prompted = prompting(settings, settings.sampling(num_frames))
    return Course.of(settings.tracking.propagation(num_frames, prompted))

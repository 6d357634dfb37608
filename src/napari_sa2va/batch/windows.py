"""What the parts of a movie that was split have found, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.batch.course import Course
from napari_sa2va.batch.found import Found, masks_of
from napari_sa2va.batch.history import History
from napari_sa2va.batch.journal import FrameCodes
from napari_sa2va.batch.part import course_of
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unwanted import unwanted
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.region_box import Box
from napari_sa2va.pipeline.record import ObjectRecord, RunRecord

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip


@dataclass(frozen=True, eq=False)
class Window:
    """What one part found: some frames of a tile, its overlap among them."""

    course: Course
    found: Found
    record: RunRecord

    def covers(self, frame: int) -> bool:
        """Whether the part was to track this frame."""
        return self.course.first <= frame <= self.course.last


@dataclass(frozen=True)
class Seam:
    """A frame on which one window gives way to the next, and what both have drawn there."""

    frame: int
    before: FrameCodes
    after: FrameCodes


@dataclass(frozen=True, eq=False)
class Tile:
    """What all parts of a tile found; the tile may be the whole frame.

    Attributes
    ----------
    box : Box
        In px of the movie.
    windows : tuple of Window
        In time. All are of runs with the same key frames, so their ids and answers are the same.
    """

    box: Box
    windows: tuple[Window, ...]

    def on(self, frame: int) -> FrameCodes:
        """What was drawn on a frame by the window that had tracked the most frames before it."""
        covering = [window for window in self.windows if window.covers(frame)]
        if not covering:
            return FrameCodes({}, {})
        return max(covering, key=lambda window: window.course.warmth(frame)).found.on(frame)

    def object_of(self, sentence: int) -> ObjectRecord:
        """What the model said to a sentence."""
        return self.windows[0].record.of(sentence)

    @property
    def frames_done(self) -> set[int]:
        """The frames that have masks; none if no sentence was found."""
        return {frame for window in self.windows for frame in window.found.frames_done}

    def seams(self) -> Iterator[Seam]:
        """Where windows meet; nothing where they have no overlap."""
        for before, after in zip(self.windows, self.windows[1:], strict=False):
            shared = range(after.course.first, before.course.last + 1)
            if shared:
                # Where the one that is tracked into the other comes to frames of its own.
                goes_on = after.course.turn <= after.course.first
                frame = shared[-1] if goes_on else shared[0]
                yield Seam(frame, before.found.on(frame), after.found.on(frame))


def tiles_of(task: Task, clip: Clip) -> list[Tile]:
    """Read what the parts of a unit have found.

    Parameters
    ----------
    task : Task
        Of the unit that merges them.
    clip : Clip
        The whole movie.

    Raises
    ------
    BatchError
        If a part has not come to its end, or its masks are not there any more.
    """
    whole = course_of(task.settings, clip.num_frames)
    units, histories = task.folder.units(), task.folder.runs.scan()
    windows: dict[Box, list[Window]] = {}
    for unit_id in task.unit.parts:
        unit = units[unit_id]
        part = unit.part
        assert part is not None  # `split` made it
        after = unwanted(unit, histories.get(unit_id, History()))
        found = masks_of(task.folder.work_of(unit_id), unit.key, after=after)
        if found.record is None:
            cause = task.folder.standings()[unit_id].cause or "Its masks are not there."
            raise BatchError(
                f"{unit.movie} is not done. {cause}", "Let it be tried again; the other parts stay."
            )
        course = (
            Course(part.first_frame, part.first_frame, part.last_frame)
            if whole is None
            else whole.between(part.first_frame, part.last_frame)
        )
        box = Box(0, 0, clip.height, clip.width) if part.box is None else Box(*part.box)
        record = RunRecord.model_validate(found.record)
        windows.setdefault(box, []).append(Window(course, found, record))
    return [
        Tile(box, tuple(sorted(found, key=lambda window: window.course.first)))
        for box, found in windows.items()
    ]

"""A timeline, arranged so that drawing and words find what they need at once. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Doubt, Lane, Timeline


class TimelineIndex:
    """Lanes by object; by frame and by object the doubts that nobody has looked at.

    Parameters
    ----------
    timeline : Timeline
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.num_frames = timeline.num_frames
        self.lanes = timeline.lanes
        self.rows = {lane.object_id: row for row, lane in enumerate(timeline.lanes)}
        self._by_frame: dict[int, list[Doubt]] = {}
        frames: dict[int, list[int]] = {}
        for doubt in timeline.doubts:
            if doubt.frame in timeline.reviewed:
                continue  # somebody has looked at it
            self._by_frame.setdefault(doubt.frame, []).append(doubt)
            frames.setdefault(doubt.object_id, []).append(doubt.frame)
        self.reviewed = flags(tuple(timeline.reviewed), self.num_frames)
        self.key_frames = flags(timeline.key_frames, self.num_frames)
        self._doubtful = {
            object_id: flags(places, self.num_frames) for object_id, places in frames.items()
        }
        self._none = np.zeros(self.num_frames, dtype=bool)

    def lane(self, object_id: int | None) -> Lane | None:
        """The lane of an object, if it has one."""
        row = self.rows.get(object_id) if object_id is not None else None
        return None if row is None else self.lanes[row]

    def doubts_at(self, frame: int, object_id: int | None = None) -> list[Doubt]:
        """Doubts of a frame, those of one object if it is named."""
        doubts = self._by_frame.get(frame, [])
        return [doubt for doubt in doubts if object_id in (None, doubt.object_id)]

    def doubtful(self, object_id: int) -> np.ndarray:
        """Frames where an object is in doubt: bool, shape (T,)."""
        return self._doubtful.get(object_id, self._none)

    @property
    def num_left(self) -> int:
        """Doubtful frames that nobody has reviewed."""
        return len(self._by_frame)

    @property
    def num_reviewed(self) -> int:
        """Frames that somebody has reviewed."""
        return len(self.timeline.reviewed)


def flags(frames: Sequence[int], num_frames: int) -> np.ndarray:
    """Frame numbers as bool, shape (T,); numbers outside the movie are left out."""
    marked = np.zeros(num_frames, dtype=bool)
    places = np.asarray(frames, dtype=np.intp)
    marked[places[(places >= 0) & (places < num_frames)]] = True
    return marked


def same_lane(one: Lane, other: Lane) -> bool:
    """Whether two lanes look alike, so that what was drawn for one serves the other."""
    return one is other or (
        one.color == other.color
        and all(
            np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "score")
            for name in ("known", "present", "score", "corrected", "locked")
        )
    )

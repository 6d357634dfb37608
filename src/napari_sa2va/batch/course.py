"""The way in which a run goes through a movie, and parts of it that lead to the same masks.

What the tracker draws on a frame depends on the prompted frames, which a part of a run has too, and
on the frames tracked before it. What it remembers of those reaches back 15 frames, and what they were
drawn from reaches further: a part that begins some frames early comes to its own frames with the
memory that the whole run has there, or nearly so (see docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.propagation import Pass
from napari_sa2va.propagation.range import Range


@dataclass(frozen=True)
class Course:
    """Forward from frame `turn` to frame `last`, then back from the one before `turn` to `first`.

    Attributes
    ----------
    first, last : int
        Of the frames that are visited, both included.
    turn : int
        `first` if the course goes forward only, `last` + 1 if it only goes back.
    """

    first: int
    turn: int
    last: int

    @classmethod
    def of(cls, passes: Sequence[Pass]) -> Course | None:
        """The course of a run; None if it visits frames one by one, each on its own."""
        if any(sweep.alone for sweep in passes):
            return None
        starts = [sweep.frames[0] for sweep in passes]
        ends = [sweep.frames[-1] for sweep in passes]
        goes_back = passes[0].reverse
        return cls(
            min(starts + ends), starts[0] + 1 if goes_back else starts[0], max(starts + ends)
        )

    @property
    def num_frames(self) -> int:
        """Frames that are visited."""
        return self.last - self.first + 1

    @property
    def order(self) -> Range:
        """The order of tracking that follows it."""
        if self.turn > self.last:
            return Range(
                first_frame=self.first,
                last_frame=self.last,
                direction="backward",
                start_frame=self.last,
            )
        return Range(first_frame=self.first, last_frame=self.last, start_frame=self.turn)

    def between(self, first: int, last: int) -> Course:
        """The part of it on the frames from `first` to `last`, of which it visits at least one."""
        first, last = max(first, self.first), min(last, self.last)
        return Course(first, min(max(self.turn, first), last + 1), last)

    def windows(self, num_frames: int, overlap: int) -> list[tuple[int, int]]:
        """Cut the course into parts that together visit every frame.

        Parameters
        ----------
        num_frames : int
            Most frames that are a window's own; at least 1.
        overlap : int
            Frames from which on it is tracked before it comes to its own.

        Returns
        -------
        list of (int, int)
            First and last frame of each, the overlap among them.
        """
        count = -(-self.num_frames // num_frames)
        cut = []
        for own in np.array_split(np.arange(self.first, self.last + 1), count):
            first, last = int(own[0]), int(own[-1])
            if first >= self.turn:
                first = max(first - overlap, self.turn)
            else:
                # Memories of frames that go back are of those that come later in time.
                last = min(max(last, min(last, self.turn - 1) + overlap), self.last)
            cut.append((first, last))
        return cut

    def warmth(self, frame: int) -> int:
        """How many frames were tracked before this one on the way to it."""
        return frame - self.turn if frame >= self.turn else self.last - frame

"""Where frames lie on the timeline: frame to x and back, zoom and pan, ticks. No Qt.

All lengths are in logical px, as in mouse events; only columns are counted in device px.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

_CLOSEST_FRAMES = 8.0  # zoom ends here: a frame wider than that shows nothing more
_TINY = 1e-9  # what a division may lose


@dataclass(frozen=True)
class TimeAxis:
    """A stretch of the movie, laid on a stretch of the screen.

    Attributes
    ----------
    num_frames : int
        At least 1.
    left, width : float
        Of the strip in px; the width is at least 1.
    first : float
        Frame at the left edge; 2.5 is the middle of frame 2.
    span : float
        Frames on view.
    """

    num_frames: int
    left: float
    width: float
    first: float
    span: float

    @staticmethod
    def whole(num_frames: int, left: float, width: float) -> TimeAxis:
        """Show all frames of a movie."""
        frames = max(num_frames, 1)
        return TimeAxis(frames, left, max(width, 1.0), 0.0, float(frames))

    @property
    def px_per_frame(self) -> float:
        """Width of one frame in px."""
        return self.width / self.span

    @property
    def is_whole(self) -> bool:
        """Whether all frames are on view."""
        return self.span >= self.num_frames - _TINY

    def x_of(self, frame: float) -> float:
        """Left edge of a frame; frame + 0.5 gives its middle."""
        return self.left + (frame - self.first) * self.px_per_frame

    def frame_at(self, x: float) -> int:
        """Frame at a place; the first or last one for places outside the movie."""
        frame = math.floor(self.first + (x - self.left) / self.px_per_frame + _TINY)
        return min(max(frame, 0), self.num_frames - 1)

    def placed(self, left: float, width: float) -> TimeAxis:
        """Show the same frames on another stretch of the screen."""
        return replace(self, left=left, width=max(width, 1.0))

    def zoomed(self, factor: float, around_x: float) -> TimeAxis:
        """Magnify; what is at `around_x` stays there as long as the ends of the movie allow.

        Parameters
        ----------
        factor : float
            2 shows half as many frames.
        around_x : float
        """
        still = self.first + (around_x - self.left) / self.px_per_frame
        closest = min(_CLOSEST_FRAMES, float(self.num_frames))
        span = min(max(self.span / factor, closest), float(self.num_frames))
        share = (still - self.first) / self.span
        return replace(self, first=self._held(still - share * span, span), span=span)

    def panned(self, frames: float) -> TimeAxis:
        """Move on by some frames, up to the end of the movie."""
        return replace(self, first=self._held(self.first + frames, self.span))

    def showing(self, frame: int) -> TimeAxis:
        """Move as little as brings a frame into view, with some frames around it."""
        margin = min(self.span / 8, 20.0)
        first = self.first
        if frame < self.first:
            first = frame - margin
        elif frame + 1 > self.first + self.span:
            first = frame + 1 + margin - self.span
        return replace(self, first=self._held(first, self.span))

    def column_starts(self, columns: int) -> tuple[np.ndarray, int]:
        """Divide the frames on view among columns of pixels.

        Parameters
        ----------
        columns : int
            Width in device px, at least 1.

        Returns
        -------
        starts : ndarray of int, shape (columns,)
            First frame of every column. Where a frame is wider than a column, it starts several.
        stop : int
            One past the last frame of the last column.
        """
        places = self.first + np.arange(columns) * (self.span / columns)
        starts = np.clip(np.floor(places + _TINY).astype(np.intp), 0, self.num_frames - 1)
        end = math.ceil(self.first + self.span - _TINY)
        return starts, min(max(end, int(starts[-1]) + 1), self.num_frames)

    def ticks(self, room_px: float) -> tuple[list[int], list[int]]:
        """Frames to write on the ruler, and frames to mark between them.

        Parameters
        ----------
        room_px : float
            Width that one number needs.

        Returns
        -------
        numbered, between : list of int
            Multiples of 1, 2 or 5 times a power of ten; `between` leaves out the numbered ones.
        """
        step = round_step(room_px / self.px_per_frame)
        small = max(step // 5, 1) if step % 5 == 0 else max(step // 2, 1)
        if small * self.px_per_frame < 4:
            small = step
        numbered = self._multiples(step)
        return numbered, [frame for frame in self._multiples(small) if frame % step]

    def _multiples(self, step: int) -> list[int]:
        last = min(math.ceil(self.first + self.span - _TINY) - 1, self.num_frames - 1)
        return list(range(math.ceil(math.floor(self.first) / step) * step, last + 1, step))

    def _held(self, first: float, span: float) -> float:
        return min(max(first, 0.0), self.num_frames - span)


def round_step(least: float) -> int:
    """Smallest of 1, 2, 5, 10, 20, 50 ... that is at least so much."""
    step = 1
    while True:
        for times in (1, 2, 5):
            if times * step >= least:
                return times * step
        step *= 10


@dataclass(frozen=True)
class LaneRows:
    """Lanes one below the other, scrolled.

    Attributes
    ----------
    count : int
    height : int
        Of one lane in px.
    scroll : int
        How many px of the first lanes are above the top.
    """

    count: int
    height: int
    scroll: int = 0

    def top_of(self, row: int) -> int:
        """Upper edge of a lane."""
        return row * self.height - self.scroll

    def row_at(self, y: float) -> int | None:
        """Lane at a height; None below the last one and above the first."""
        row = math.floor((y + self.scroll) / self.height)
        return row if 0 <= row < self.count else None

    def visible(self, top: float, bottom: float) -> range:
        """Lanes of which some px lie between two heights."""
        first = max(math.floor((top + self.scroll) / self.height), 0)
        last = min(math.ceil((bottom + self.scroll) / self.height), self.count)
        return range(first, max(last, first))

    def scroll_to(self, row: int, room: int) -> int:
        """Scrolling that shows the whole of a lane within `room` px, moving as little as may be."""
        lowest = max(row * self.height - (room - self.height), 0)
        return min(max(self.scroll, lowest), row * self.height)

"""The timeline: per object what is known of every frame, and the frames worth a look.

A `Timeline` is a picture of one moment: it does not change when the masks do. `TimelineBuilder`
makes one after another while a run goes on, and counts only what is new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_sa2va.analysis.checks import check_frames
from napari_sa2va.analysis.doubt import Doubt, Reason, Thresholds, find_doubts
from napari_sa2va.analysis.numbers import Numbers
from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.palette import Color, color_of

__all__ = ["Doubt", "Lane", "Reason", "Timeline", "TimelineBuilder", "timeline_of"]

Curves = Mapping[str, Mapping[int, np.ndarray]]
"""Title with unit -> object id -> float (T,), NaN where there is no value."""

_DEFAULTS = Thresholds()


@dataclass(frozen=True, eq=False)
class Lane:
    """One object on T frames.

    Attributes
    ----------
    object_id : int
    name : str
    color : tuple of int
        Red, green and blue, 0 to 255.
    known : ndarray of bool, shape (T,)
        The frame has a result.
    present : ndarray of bool, shape (T,)
        The object has at least one pixel.
    score : ndarray of float, shape (T,)
        In [0, 1]; NaN where unknown.
    area_px : ndarray of float, shape (T,)
        NaN where nothing is known.
    steadiness : ndarray of float, shape (T,)
        J of the mask with that of the frame before, in [0, 1]; NaN where either is empty or not
        known, and on frame 0.
    corrected : ndarray of bool, shape (T,)
        Put right by a person.
    locked : ndarray of bool, shape (T,)
        Must not change.
    """

    object_id: int
    name: str
    color: Color
    known: np.ndarray
    present: np.ndarray
    score: np.ndarray
    area_px: np.ndarray
    steadiness: np.ndarray
    corrected: np.ndarray
    locked: np.ndarray


@dataclass(frozen=True, eq=False)
class Timeline:
    """All objects on all frames of a clip.

    Attributes
    ----------
    num_frames : int
    lanes : tuple of Lane
        In the order of the masklets.
    doubts : tuple of Doubt
        By frame, then by falling severity.
    key_frames : tuple of int
        Frames that the language model has seen; sorted.
    reviewed : frozenset of int
        Frames that a person has looked at and marked.
    curves : mapping
        Title with unit, such as "Area (µm²)" -> object id -> float (T,).
    """

    num_frames: int
    lanes: tuple[Lane, ...]
    doubts: tuple[Doubt, ...]
    key_frames: tuple[int, ...] = ()
    reviewed: frozenset[int] = frozenset()
    curves: Curves = field(default_factory=dict)

    def next_doubtful(
        self, after: int, *, backward: bool = False, object_id: int | None = None
    ) -> Doubt | None:
        """Find the nearest doubtful frame after a frame, or before it.

        Parameters
        ----------
        after : int
            Frame to start from, itself not included; -1 finds a doubt on frame 0 too.
        backward : bool
            Look before that frame.
        object_id : int, optional
            Only doubts about this object.

        Returns
        -------
        Doubt or None
            The worst on that frame; None if there is no doubt further on.
        """
        further = [
            doubt
            for doubt in self.doubts
            if (doubt.frame < after if backward else doubt.frame > after)
            and object_id in (None, doubt.object_id)
        ]
        if not further:
            return None
        frame = further[-1].frame if backward else further[0].frame
        return next(doubt for doubt in further if doubt.frame == frame)

    @property
    def worst_first(self) -> tuple[Doubt, ...]:
        """All doubts by falling severity, then by frame."""
        return tuple(sorted(self.doubts, key=lambda doubt: (-doubt.severity, doubt.frame)))


class TimelineBuilder:
    """Makes timelines of masks that change, and counts only what has changed since the last.

    Parameters
    ----------
    thresholds : Thresholds
        What makes a frame doubtful.
    """

    def __init__(self, thresholds: Thresholds = _DEFAULTS) -> None:
        self.thresholds = thresholds
        self._numbers = Numbers()
        self._masklets: tuple[Masklet, ...] = ()

    def update(self, masklets: Sequence[Masklet], frames: Iterable[int] | None = None) -> None:
        """Take note of new masks, objects that came, and objects that went.

        Parameters
        ----------
        masklets : sequence of Masklet
            All objects there are now.
        frames : iterable of int, optional
            Frames on which masks may have changed; by default all are looked through, which is
            quick too. New objects are counted on all frames.

        Raises
        ------
        RequestError
            If two objects share an id, or there is no such frame.
        ShapeMismatch
            If the masklets are not of one clip, or a code is damaged.
        """
        self._numbers.update(masklets, frames)
        self._masklets = tuple(masklets)

    def timeline(
        self,
        *,
        colors: Mapping[int, Color],
        locked: Mapping[int, Collection[int]],
        corrected: Mapping[int, Collection[int]],
        key_frames: Iterable[int] = (),
        reviewed: Iterable[int] = (),
        curves: Curves | None = None,
        num_frames: int | None = None,
    ) -> Timeline:
        """The timeline of what was noted; for the parameters and errors see `timeline_of`."""
        seen = self._numbers.num_frames if self._masklets else 0
        length = seen if num_frames is None else num_frames
        if self._masklets and length != seen:
            raise ShapeMismatch(
                f"The objects have {seen} frames, the clip has {length}.",
                "Take objects of this clip.",
            )
        lanes = tuple(
            self._lane(row, masklet, colors, locked, corrected)
            for row, masklet in enumerate(self._masklets)
        )
        _check_curves(curves or {}, length)
        reviewed = frozenset(check_frames(reviewed, length))
        return Timeline(
            num_frames=length,
            lanes=lanes,
            doubts=find_doubts(
                lanes, self._numbers.overlaps, reviewed=reviewed, thresholds=self.thresholds
            ),
            key_frames=tuple(check_frames(key_frames, length)),
            reviewed=reviewed,
            curves=dict(curves or {}),
        )

    def _lane(
        self,
        row: int,
        masklet: Masklet,
        colors: Mapping[int, Color],
        locked: Mapping[int, Collection[int]],
        corrected: Mapping[int, Collection[int]],
    ) -> Lane:
        object_id, num_frames = masklet.object_id, self._numbers.num_frames
        known = self._numbers.known[row].copy()
        return Lane(
            object_id=object_id,
            name=masklet.name,
            color=colors.get(object_id) or color_of(object_id),
            known=known,
            present=self._numbers.area[row] > 0,
            score=np.where(known, np.asarray(masklet.scores, dtype=float), np.nan),
            area_px=np.where(known, self._numbers.area[row], np.nan),
            steadiness=self._numbers.steadiness[row].copy(),
            corrected=_marked(corrected.get(object_id, ()), num_frames),
            locked=_marked(locked.get(object_id, ()), num_frames),
        )


def timeline_of(
    masklets: Sequence[Masklet],
    *,
    colors: Mapping[int, Color],
    locked: Mapping[int, Collection[int]],
    corrected: Mapping[int, Collection[int]],
    key_frames: Iterable[int] = (),
    reviewed: Iterable[int] = (),
    curves: Curves | None = None,
    thresholds: Thresholds = _DEFAULTS,
    num_frames: int | None = None,
) -> Timeline:
    """Build the timeline of some objects from nothing; to follow a run, see `TimelineBuilder`.

    Parameters
    ----------
    masklets : sequence of Masklet
    colors : mapping of int to tuple of int
        Red, green and blue by object id, 0 to 255; objects that are left out keep the colour that
        `core.palette` gives them.
    locked, corrected : mapping of int to collection of int
        Frames by object id.
    key_frames, reviewed : iterable of int
        Frames.
    curves : mapping, optional
        Title with unit -> object id -> float (T,).
    thresholds : Thresholds
        What makes a frame doubtful.
    num_frames : int, optional
        Length of the clip; only needed where there is no object yet, 0 frames otherwise.

    Returns
    -------
    Timeline

    Raises
    ------
    RequestError
        If two objects share an id, or a frame is outside the clip.
    ShapeMismatch
        If masklets or curves are not of one clip, or a code is damaged.
    """
    builder = TimelineBuilder(thresholds)
    builder.update(masklets)
    return builder.timeline(
        colors=colors,
        locked=locked,
        corrected=corrected,
        key_frames=key_frames,
        reviewed=reviewed,
        curves=curves,
        num_frames=num_frames,
    )


def _marked(frames: Collection[int], num_frames: int) -> np.ndarray:
    marked = np.zeros(num_frames, dtype=bool)
    marked[check_frames(frames, num_frames)] = True
    return marked


def _check_curves(curves: Curves, num_frames: int) -> None:
    for title, by_id in curves.items():
        for object_id, values in by_id.items():
            if np.shape(values) != (num_frames,):
                raise ShapeMismatch(
                    f"The curve {title!r} of object {object_id} has the shape {np.shape(values)}, "
                    f"the clip has {num_frames} frames.",
                    "Give one value per frame.",
                )

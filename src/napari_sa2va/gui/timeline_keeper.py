"""Keeps the timelines of a project up to date, as many masks at a time as is wanted. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from napari_sa2va.analysis.doubt import Thresholds
from napari_sa2va.analysis.timeline import Timeline, TimelineBuilder
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.project.state import State


class TimelineKeeper:
    """One timeline per plane that is followed on its own.

    Parameters
    ----------
    state : State

    Attributes
    ----------
    thresholds : Thresholds
        What makes a frame doubtful, for timelines that are asked for the first time.
    """

    def __init__(self, state: State) -> None:
        self.thresholds = Thresholds()
        self._state = state
        self._builders: dict[int, TimelineBuilder] = {}
        self._stale: dict[int, set[int]] = {}  # by plane, frames that are to be counted again

    def touch(self, frames: Collection[int] | None) -> None:
        """Note that masks of these frames may be other ones; None is all."""
        for plane, stale in self._stale.items():
            here = self._frames(plane)
            stale.update(here if frames is None else [f for f in frames if f in here])

    def is_behind(self, plane: int) -> bool:
        """Whether there is something that the last timeline of a plane did not count."""
        return bool(self._stale.get(plane, True))

    def timeline(
        self,
        plane: int,
        *,
        key_frames: Collection[int] = (),
        curves: Mapping[str, Mapping[int, np.ndarray]] | None = None,
        most_masks: int | None = None,
    ) -> Timeline:
        """The timeline of a plane, whose frames are counted from 0.

        Parameters
        ----------
        plane : int
        key_frames : collection of int
            Of the plane.
        curves : mapping, optional
            Title with unit -> object id -> float (T,), over the frames of all planes.
        most_masks : int, optional
            How many masks to count now; frames beyond are as they were at the last call, and new
            objects are not known there yet. By default all.
        """
        state, frames = self._state, self._frames(plane)
        if plane not in self._builders:
            self._builders[plane] = TimelineBuilder(self.thresholds)
            self._stale[plane] = set(frames)
        counted = sorted(self._stale[plane])
        if most_masks is not None:
            counted = counted[: max(most_masks // max(len(state.cards), 1), 1)]
        self._stale[plane].difference_update(counted)
        masklets = [_part(m, frames, self._stale[plane]) for m in state.masklets()]
        builder = self._builders[plane]
        builder.update(masklets, [f - frames.start for f in counted])

        def marked(**so: bool) -> dict[int, list[int]]:
            return {
                i: [f - frames.start for f in state.frames_where(i, **so) if f in frames]
                for i in state.cards
            }

        return builder.timeline(
            colors={i: card.color for i, card in state.cards.items()},
            locked=marked(locked=True),
            corrected=marked(corrected=True),
            key_frames=key_frames,
            reviewed=[f - frames.start for f in state.reviewed if f in frames],
            curves={
                title: {i: np.asarray(values)[frames] for i, values in by_id.items()}
                for title, by_id in (curves or {}).items()
            },
            num_frames=len(frames),
        )

    def _frames(self, plane: int) -> range:
        count = self._state.frames_per_plane
        return range(plane * count, (plane + 1) * count)


def _part(masklet: Masklet, frames: range, hidden: Collection[int]) -> Masklet:
    """A masklet on some frames, as if nothing were known on those that are hidden."""
    if len(frames) == masklet.num_frames and not hidden:
        return masklet
    codes = masklet.codes[frames.start : frames.stop]
    if hidden:
        codes = [None if f in hidden else code for f, code in zip(frames, codes, strict=True)]
    scores = masklet.scores[frames.start : frames.stop]
    return replace(masklet, codes=codes, scores=scores)

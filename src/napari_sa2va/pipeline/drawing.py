"""What is done on one frame: prompt it, or track the objects to it, and get their masks.

Which frames, in which order, and what is said about them, is the generator's (`run`). A visit hands
over its masks when it is whole; one that failed half-way is undone by `forget` and made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.pipeline.clicking import click
from napari_sa2va.pipeline.resolve import Plan, nearest_first

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sam2.features import FrameFeatures
    from napari_sa2va.models.sam2.tracker import MaskPrediction, Tracker
    from napari_sa2va.pipeline.safe_point import SafePoint

    Drawn = dict[int, tuple[np.ndarray, float]]  # track id -> mask (Y, X), score
    Coded = dict[int, tuple[rle.Rle, float]]  # the same, as codes


@dataclass(frozen=True)
class Track:
    """One thing the tracker follows. An object has one track per `[SEG]` that is drawn."""

    track_id: int
    object_id: int
    embedding: np.ndarray | None = None  # (D,) of a sentence; None for marks


class Drawing:
    """Draws tracks, frame by frame.

    Parameters
    ----------
    clip : Clip
    plan : Plan
    model : Sa2VA
    tracker : Tracker
    tracks : list of Track

    Attributes
    ----------
    tracker, tracks
        As given.
    prompt_frames : list of int
        Frames on which an object is prompted, in the order in which they are to be drawn: the
        nearest to the frame in view first. Memories of prompted frames depend on no other frame,
        so any order gives the same masks.
    num_prompted : int
        How many of them were drawn.
    prompted : dict of int to dict
        Final masks and scores of those that are still to be visited, by frame and track id.
    """

    def __init__(
        self, clip: Clip, plan: Plan, model: Sa2VA, tracker: Tracker, tracks: list[Track]
    ) -> None:
        self._clip = clip
        self._plan = plan
        self._model = model
        self.tracker = tracker
        self.tracks = tracks
        self._spoken = [track for track in tracks if track.embedding is not None]
        self._marks: dict[int, dict[int, Prompt]] = {}  # frame -> object id -> its mark there
        for mark in plan.marked:
            self._marks.setdefault(mark.frame, {})[mark.object_id] = mark
        # Masks of prompted frames are final as soon as they are drawn. They are kept, as codes, for
        # the frames that will be visited again, and so are the features of those on which an object
        # is still to be tracked.
        self._visited = plan.frames
        self.num_prompted = 0
        self.prompted: dict[int, Coded] = {}
        self._waiting: dict[int, FrameFeatures] = {}
        spoken_on = plan.prompt_frames if self._spoken else ()
        frames = sorted({*spoken_on, *self._marks})
        self.prompt_frames = nearest_first(frames, plan.begin_near, lambda t: t)

    def go_on(self, point: SafePoint) -> None:
        """Take over what was drawn before a safe point, in another process perhaps.

        Frames that waited there are encoded anew when they are visited, which gives the same.
        """
        self.num_prompted = point.num_prompted
        self.prompted = dict(point.prompted)
        self.tracker.restore(point.memories)

    def prompt(self, t: int) -> Drawn:
        """Make `t` a conditioning frame of all objects that are prompted on it, and draw those."""
        self._set_aside()
        spoken = self._spoken if t in self._plan.prompt_frames else []
        marks = self._marks.get(t, {})
        marked = [track for track in self.tracks if track.object_id in marks]
        is_visited = t in self._visited
        incomplete = is_visited and len(spoken) + len(marked) < len(self.tracks)
        decoders = (self._model.tuned_decoder, self.tracker.decoder) if incomplete else None
        features = self.tracker.encode(self._clip.rgb(t), decoders=decoders)
        drawn: Drawn = {}
        if spoken:
            drawn |= self._prompt_spoken(t, features, spoken)
        drawn |= self._prompt_masks(t, features, marked, marks)
        for track in marked:
            mark = marks[track.object_id]
            # Clicks after a mask put it right: the tracker refines what it knows of the frame.
            if mark.points or mark.box is not None:
                drawn |= self._prompt_clicks(t, features, track, mark)
        if incomplete:
            self._waiting[t] = self.tracker.set_aside(features)
        if is_visited:
            self.prompted[t] = {i: (rle.encode(mask), score) for i, (mask, score) in drawn.items()}
        self.num_prompted += 1
        return drawn

    def forget(self, t: int) -> None:
        """Undo what is left of a `prompt` that failed."""
        self.tracker.forget(t)

    def track(self, t: int, *, reverse: bool, remember: bool = True) -> Drawn:
        """Track to `t` the objects that were not prompted on it; return all that are on it.

        Parameters
        ----------
        t : int
        reverse : bool
            Against time.
        remember : bool
            Whether frames that are tracked later may attend to this one.
        """
        self._set_aside()
        drawn = {i: (rle.decode(code), s) for i, (code, s) in self.prompted.get(t, {}).items()}
        rest = [track.track_id for track in self.tracks if track.track_id not in drawn]
        if rest:
            kept = self._waiting.get(t)
            features = (
                self.tracker.encode(self._clip.rgb(t))
                if kept is None
                else self.tracker.take_up(kept)
            )
            prediction = self.tracker.track(t, features, rest, reverse=reverse, remember=remember)
            drawn = drawn | self._by_track(prediction, prediction.confidence, rest)
        # Only now, when nothing can fail any more.
        self.prompted.pop(t, None)
        self._waiting.pop(t, None)
        return drawn

    def _set_aside(self) -> None:
        """Let frames wait where they are to wait by now: the run may have begun to offload."""
        self._waiting = {t: self.tracker.set_aside(f) for t, f in self._waiting.items()}

    def _prompt_spoken(self, t: int, features: FrameFeatures, tracks: list[Track]) -> Drawn:
        ids = [track.track_id for track in tracks]
        embeddings = np.stack([k.embedding for k in tracks if k.embedding is not None])  # (N, D)
        tracker, tuned = self.tracker, self._model.tuned_decoder
        if self._plan.settings.tracking.prompt_with == "language":
            prediction = tracker.prompt_language(t, features, ids, embeddings, decoder=tuned)
            return self._by_track(prediction, prediction.confidence, ids)
        sketch = tracker.decode_language(features, embeddings, tuned)
        masks = sketch.to_masks(self._clip.height, self._clip.width, two_step=False)
        if self._plan.is_picture:
            # A mask that prompts SAM 2 comes back resampled, and here nobody needs the prompt.
            return {
                i: (mask, float(score))
                for i, mask, score in zip(ids, masks, sketch.confidence, strict=True)
            }
        # A mask that was given counts as certain; how sure the model is, the sketch knows.
        return self._by_track(tracker.prompt_masks(t, features, ids, masks), sketch.confidence, ids)

    def _prompt_masks(
        self, t: int, features: FrameFeatures, tracks: list[Track], marks: dict[int, Prompt]
    ) -> Drawn:
        """Prompt the tracks whose mark is a mask, all at once."""
        masks = {k.track_id: marks[k.object_id].mask for k in tracks}
        given = {i: mask for i, mask in masks.items() if mask is not None}
        if not given:
            return {}
        ids = list(given)
        prediction = self.tracker.prompt_masks(t, features, ids, np.stack([*given.values()]))
        return self._by_track(prediction, prediction.confidence, ids)

    def _prompt_clicks(self, t: int, features: FrameFeatures, track: Track, mark: Prompt) -> Drawn:
        prediction = click(self.tracker, t, features, track.track_id, mark)
        return self._by_track(prediction, prediction.confidence, [track.track_id])

    def _by_track(
        self, prediction: MaskPrediction, scores: Iterable[float], track_ids: list[int]
    ) -> Drawn:
        """Masks at the clip's size, with their scores."""
        masks = prediction.to_masks(self._clip.height, self._clip.width)
        return {
            i: (mask, float(score)) for i, mask, score in zip(track_ids, masks, scores, strict=True)
        }


class Union:
    """Joins the tracks of an object into its mask: any track's pixel, the surest track's score.

    Parameters
    ----------
    tracks : list of Track
    clip : Clip
    order : sequence of int
        Ids of all objects, in the order in which they are handed over.
    """

    def __init__(self, tracks: list[Track], clip: Clip, order: Sequence[int]) -> None:
        self._object_of = {track.track_id: track.object_id for track in tracks}
        self._order = order
        self._size = (clip.height, clip.width)

    def __call__(self, drawn: Drawn) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
        """Object ids, masks (N, Y, X) and scores (N,) of what was drawn on one frame."""
        found = {self._object_of[i] for i in drawn}
        object_ids = tuple(i for i in self._order if i in found)
        masks = np.zeros((len(object_ids), *self._size), dtype=bool)
        scores = np.zeros(len(object_ids), dtype=np.float32)
        for track_id, (mask, score) in drawn.items():
            row = object_ids.index(self._object_of[track_id])
            masks[row] |= mask
            scores[row] = max(scores[row], score)
        return object_ids, masks, scores

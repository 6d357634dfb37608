"""What is done on one frame: prompt it, or track the objects to it, and get their masks.

Which frames, in which order, and what is said about them, is the generator's (`run`). A visit hands
over its masks when it is whole; one that failed half-way is undone by `forget` and made again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.pipeline.resolve import Plan

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sam2.features import FrameFeatures
    from napari_sa2va.models.sam2.tracker import MaskPrediction, Tracker

    Drawn = dict[int, tuple[np.ndarray, float]]  # track id -> mask (Y, X), score


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
    prompt_frames : list of int
        Frames on which an object is prompted, in order.
    """

    def __init__(
        self, clip: Clip, plan: Plan, model: Sa2VA, tracker: Tracker, tracks: list[Track]
    ) -> None:
        self._clip = clip
        self._plan = plan
        self._model = model
        self._tracker = tracker
        self._tracks = tracks
        self._spoken = [track for track in tracks if track.embedding is not None]
        self._marks = {p.object_id: p for p in plan.marked}
        # Masks of prompted frames are final as soon as they are drawn; K frames of them are kept,
        # and the features of those on which an object is still to be tracked.
        self._prompted: dict[int, Drawn] = {}
        self._waiting: dict[int, FrameFeatures] = {}
        spoken_on = plan.prompt_frames if self._spoken else ()
        self.prompt_frames = sorted({*spoken_on, *(p.frame for p in plan.marked)})

    def prompt(self, t: int) -> Drawn:
        """Make `t` a conditioning frame of all objects that are prompted on it, and draw those."""
        self._set_aside()
        spoken = self._spoken if t in self._plan.prompt_frames else []
        marked = [
            track
            for track in self._tracks
            if track.object_id in self._marks and self._marks[track.object_id].frame == t
        ]
        incomplete = len(spoken) + len(marked) < len(self._tracks)
        decoders = (self._model.tuned_decoder, self._tracker.decoder) if incomplete else None
        features = self._tracker.encode(self._clip.rgb(t), decoders=decoders)
        drawn: Drawn = {}
        if spoken:
            drawn |= self._prompt_spoken(t, features, spoken)
        for track in marked:
            drawn |= self._prompt_marked(t, features, track, self._marks[track.object_id])
        if incomplete:
            self._waiting[t] = self._tracker.set_aside(features)
        self._prompted[t] = drawn
        return drawn

    def forget(self, t: int) -> None:
        """Undo what is left of a `prompt` that failed."""
        self._tracker.forget(t)

    def track(self, t: int, *, reverse: bool) -> Drawn:
        """Track to `t` the objects that were not prompted on it; return all that are on it."""
        self._set_aside()
        drawn = self._prompted.get(t, {})
        rest = [track.track_id for track in self._tracks if track.track_id not in drawn]
        if rest:
            kept = self._waiting.get(t)
            features = (
                self._tracker.encode(self._clip.rgb(t))
                if kept is None
                else self._tracker.take_up(kept)
            )
            prediction = self._tracker.track(t, features, rest, reverse=reverse)
            drawn = drawn | self._by_track(prediction, prediction.confidence, rest)
        # Only now, when nothing can fail any more.
        self._prompted.pop(t, None)
        self._waiting.pop(t, None)
        return drawn

    def _set_aside(self) -> None:
        """Let frames wait where they are to wait by now: the run may have begun to offload."""
        self._waiting = {t: self._tracker.set_aside(f) for t, f in self._waiting.items()}

    def _prompt_spoken(self, t: int, features: FrameFeatures, tracks: list[Track]) -> Drawn:
        ids = [track.track_id for track in tracks]
        embeddings = np.stack([k.embedding for k in tracks if k.embedding is not None])  # (N, D)
        tracker, tuned = self._tracker, self._model.tuned_decoder
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

    def _prompt_marked(self, t: int, features: FrameFeatures, track: Track, mark: Prompt) -> Drawn:
        if mark.mask is not None:
            prediction = self._tracker.prompt_masks(t, features, [track.track_id], mark.mask[None])
        else:
            prediction = self._tracker.prompt_points(
                t,
                features,
                track.track_id,
                np.array([(p.y, p.x) for p in mark.points], dtype=np.float32).reshape(-1, 2),
                np.array([p.positive for p in mark.points], dtype=np.int32),
                box_yx=mark.box,
            )
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
    """Joins the tracks of an object into its mask: any track's pixel, the surest track's score."""

    def __init__(self, tracks: list[Track], clip: Clip) -> None:
        self._object_of = {track.track_id: track.object_id for track in tracks}
        self._size = (clip.height, clip.width)

    def __call__(self, drawn: Drawn) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
        """Object ids, masks (N, Y, X) and scores (N,) of what was drawn on one frame."""
        object_ids = tuple(dict.fromkeys(self._object_of[i] for i in drawn))
        masks = np.zeros((len(object_ids), *self._size), dtype=bool)
        scores = np.zeros(len(object_ids), dtype=np.float32)
        for track_id, (mask, score) in drawn.items():
            row = object_ids.index(self._object_of[track_id])
            masks[row] |= mask
            scores[row] = max(scores[row], score)
        return object_ids, masks, scores

"""The generator: one clip and one request in, events out.

Sample key frames, ground each sentence in them, draw the key frames' masks, carry the masks to
every frame. Every preset is a setting of these four steps; none is a branch of its own.

Each frame goes through SAM 2's image encoder once: a frame that prompts the tracker is drawn,
remembered and dropped in one visit, and every other frame is visited when it is tracked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.pipeline.events import (
    Answered,
    Event,
    Finished,
    FrameMasks,
    KeyMasks,
    Planned,
)
from napari_sa2va.pipeline.record import Clock, RunRecord
from napari_sa2va.pipeline.resolve import Plan, resolve
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sam2.features import FrameFeatures
    from napari_sa2va.models.sam2.tracker import MaskPrediction, Tracker


@dataclass(frozen=True)
class _Track:
    """One thing the tracker follows. An object has one track per `[SEG]` that is drawn."""

    track_id: int
    object_id: int
    embedding: np.ndarray | None = None  # (D,) of a sentence; None for marks


def run(
    clip: Clip,
    prompts: PromptSet,
    settings: RunSettings,
    *,
    model: Sa2VA | None = None,
    answers: Sequence[str | None] | str | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Event]:
    """Segment the prompted objects through the clip.

    Parameters
    ----------
    clip : Clip
    prompts : PromptSet
    settings : RunSettings
    model : Sa2VA, optional
        A network that is already loaded; otherwise `settings.model` is loaded, or taken from the
        ones this process keeps.
    answers : str or sequence of (str or None), optional
        Answers to take instead of generating them, one per sentence.
    cancel : CancelToken, optional
        Looked at between frames and between generated tokens.

    Yields
    ------
    Event
        `Planned`, one `Answered` per sentence, one `KeyMasks` per drawn key frame, one
        `FrameMasks` per frame of the plan, `Note` where there is something to know, and as the
        last one `Finished`.

    Raises
    ------
    RequestError
        If the request does not fit the clip; nothing was computed then.
    ModelError
        If the model cannot be loaded.
    MemoryShortage
        If the device runs out of memory. What was yielded before stays valid.
    """
    cancel = cancel or CancelToken()
    plan = resolve(clip, prompts, settings, answers)
    record = RunRecord.begin(clip, plan)
    yield Planned(plan, record)
    for message in clip.notes:
        yield record.note(message)
    clock = Clock(record.timings_s)

    try:
        yield from _work(clip, plan, model, record, clock, cancel)
    except BaseException as error:
        # The one who closes the generator or presses Ctrl-C twice cancels; all else is a failure.
        stopped = isinstance(error, KeyboardInterrupt | GeneratorExit)
        record.finished = "cancelled" if stopped else "failed"
        record.timings_s["total"] = clock.elapsed()
        raise
    # A cancel that comes after the last frame has cut nothing off.
    complete = 0 < record.frames_planned == record.frames_done
    reason: Literal["done", "cancelled"] = (
        "cancelled" if cancel.cancelled and not complete else "done"
    )
    record.finished = reason
    record.timings_s["total"] = clock.elapsed()
    yield Finished(reason, record)


def _work(
    clip: Clip,
    plan: Plan,
    model: Sa2VA | None,
    record: RunRecord,
    clock: Clock,
    cancel: CancelToken,
) -> Iterator[Event]:
    """Load, ground, draw."""
    from napari_sa2va.models.device import memory_errors
    from napari_sa2va.pipeline.loaded import load

    if model is None:
        with clock("load"):
            model = load(plan.settings.model)
    record.model_name = model.name
    record.weights_sha256 = dict(model.weight_hashes)
    record.device, record.dtype = str(model.device), str(model.dtype).removeprefix("torch.")

    tracking = plan.settings.tracking
    # Made before any sentence is asked: it is the tracker that may miss a decoder.
    tracker = model.new_tracker(
        decoder=tracking.decoder,
        hide_absent=tracking.hide_absent,
        # The second sweep starts where the first did, and needs the memories from around there.
        turning_frame=plan.passes[0].frames.start if len(plan.passes) > 1 else None,
    )
    with memory_errors(model.device):
        tracks: list[_Track] = []
        if plan.spoken:
            for event, new_tracks in _ground(clip, plan, model, record, clock, cancel):
                tracks += new_tracks
                yield event
        if not cancel.cancelled:
            tracks += _tracks_of_phrases(plan, len(tracks))
        tracks += _tracks_of_marks(plan, len(tracks))
        if tracks and not cancel.cancelled:
            yield from _draw(clip, plan, model, tracker, tracks, record, clock, cancel)


def _ground(
    clip: Clip,
    plan: Plan,
    model: Sa2VA,
    record: RunRecord,
    clock: Clock,
    cancel: CancelToken,
) -> Iterator[tuple[Event, list[_Track]]]:
    """Ask every sentence of the same key frames, which the vision tower sees once."""
    from napari_sa2va.models.sa2va.wording import question_for

    with clock("look"):
        seen = model.look([clip.rgb(t) for t in plan.key_frames.frames], plan.mode)
    next_track = 1
    for prompt, answer in zip(plan.spoken, plan.answers, strict=True):
        if cancel.cancelled:
            return
        with clock("ground"):
            grounding = model.ground_seen(
                seen,
                question_for(prompt.text, plan.mode),
                answer=answer,
                should_stop=lambda: cancel.cancelled,
            )
        if cancel.cancelled:
            return
        entry = record.of(prompt.object_id)
        entry.answer, entry.raw_answer = grounding.display, grounding.answer
        entry.found, entry.answer_given = grounding.found, answer is not None
        answered = Answered(prompt.object_id, prompt.text, entry.answer, entry.found)
        if not grounding.found:
            yield answered, []
            who = "The model said" if answer is None else "The answer that was given is"
            yield record.note(f"{prompt.text!r} was not found. {who}: {entry.answer}"), []
            continue
        embeddings = grounding.embeddings
        only_first = len(embeddings) > 1 and plan.settings.output.several_masks == "first"
        tracks = [
            _Track(next_track + i, prompt.object_id, vector)
            for i, vector in enumerate(embeddings[:1] if only_first else embeddings)
        ]
        next_track += len(tracks)
        yield answered, tracks
        if only_first:
            note = record.note(
                f"The answer to {prompt.text!r} holds {len(embeddings)} masks; the first is drawn.",
                "Set the output's several masks to union to draw all of them as one object.",
            )
            yield note, []


def _tracks_of_phrases(plan: Plan, before: int) -> list[_Track]:
    return [
        _Track(before + i, p.object_id, p.embedding) for i, p in enumerate(plan.phrases, start=1)
    ]


def _tracks_of_marks(plan: Plan, before: int) -> list[_Track]:
    return [_Track(before + i, p.object_id) for i, p in enumerate(plan.marked, start=1)]


def _draw(
    clip: Clip,
    plan: Plan,
    model: Sa2VA,
    tracker: Tracker,
    tracks: list[_Track],
    record: RunRecord,
    clock: Clock,
    cancel: CancelToken,
) -> Iterator[Event]:
    """Prompt the tracker on the key frames, then sweep."""
    union = _Union(tracks, clip)
    spoken = [t for t in tracks if t.embedding is not None]
    marks = {p.object_id: p for p in plan.marked}

    # Masks of prompted frames are final as soon as they are drawn; K frames of them are kept, and
    # the features of those on which an object is still to be tracked.
    prompted: dict[int, dict[int, tuple[np.ndarray, float]]] = {}
    waiting: dict[int, FrameFeatures] = {}
    frames = sorted({*(plan.prompt_frames if spoken else ()), *(p.frame for p in plan.marked)})
    for t in frames:
        if cancel.cancelled:
            return
        here = spoken if t in plan.prompt_frames else []
        marked_here = [k for k in tracks if k.object_id in marks and marks[k.object_id].frame == t]
        incomplete = len(here) + len(marked_here) < len(tracks)
        with clock("key_frames"):
            features = tracker.encode(
                clip.rgb(t), decoders=(model.tuned_decoder, tracker.decoder) if incomplete else None
            )
            drawn: dict[int, tuple[np.ndarray, float]] = {}
            if here:
                drawn |= _prompt_spoken(t, features, here, clip, plan, model, tracker)
            for track in marked_here:
                mark = marks[track.object_id]
                drawn |= _prompt_marked(t, features, track, mark, clip, tracker)
        prompted[t] = drawn
        if incomplete:
            waiting[t] = features
        yield KeyMasks(t, *union(drawn))

    track_ids = [track.track_id for track in tracks]
    for sweep in plan.passes:
        for t in sweep.frames:
            if cancel.cancelled:
                return
            with clock("tracking"):
                drawn = prompted.pop(t, {})
                rest = [i for i in track_ids if i not in drawn]
                if rest:
                    kept = waiting.pop(t, None)
                    features = tracker.encode(clip.rgb(t)) if kept is None else kept
                    prediction = tracker.track(t, features, rest, reverse=sweep.reverse)
                    drawn = drawn | _by_track(prediction, prediction.confidence, rest, clip)
            object_ids, masks, scores = union(drawn)
            record.frames_done += 1
            record.frames_encoded = tracker.num_encoded
            for object_id, mask, score in zip(object_ids, masks, scores, strict=True):
                record.of(object_id).count_frame(t, mask, float(score))
            yield FrameMasks(t, object_ids, masks, scores)


def _prompt_spoken(
    t: int,
    features: FrameFeatures,
    tracks: list[_Track],
    clip: Clip,
    plan: Plan,
    model: Sa2VA,
    tracker: Tracker,
) -> dict[int, tuple[np.ndarray, float]]:
    """Make frame `t` a conditioning frame of what was said, and draw it."""
    ids = [track.track_id for track in tracks]
    embeddings = np.stack([k.embedding for k in tracks if k.embedding is not None])  # (N, D)
    if plan.settings.tracking.prompt_with == "language":
        prediction = tracker.prompt_language(
            t, features, ids, embeddings, decoder=model.tuned_decoder
        )
        return _by_track(prediction, prediction.confidence, ids, clip)
    sketch = tracker.decode_language(features, embeddings, model.tuned_decoder)
    masks = sketch.to_masks(clip.height, clip.width, two_step=False)
    # A mask that was given counts as certain; how sure the model is, the sketch knows.
    return _by_track(tracker.prompt_masks(t, features, ids, masks), sketch.confidence, ids, clip)


def _prompt_marked(
    t: int, features: FrameFeatures, track: _Track, mark: Prompt, clip: Clip, tracker: Tracker
) -> dict[int, tuple[np.ndarray, float]]:
    """Make frame `t` a conditioning frame of an object that was marked by hand, and draw it."""
    if mark.mask is not None:
        prediction = tracker.prompt_masks(t, features, [track.track_id], mark.mask[None])
    else:
        prediction = tracker.prompt_points(
            t,
            features,
            track.track_id,
            np.array([(p.y, p.x) for p in mark.points], dtype=np.float32).reshape(-1, 2),
            np.array([p.positive for p in mark.points], dtype=np.int32),
            box_yx=mark.box,
        )
    return _by_track(prediction, prediction.confidence, [track.track_id], clip)


def _by_track(
    prediction: MaskPrediction, scores: Iterable[float], track_ids: list[int], clip: Clip
) -> dict[int, tuple[np.ndarray, float]]:
    """Masks at the clip's size, with their scores."""
    masks = prediction.to_masks(clip.height, clip.width)
    return {
        i: (mask, float(score)) for i, mask, score in zip(track_ids, masks, scores, strict=True)
    }


class _Union:
    """Joins the tracks of an object into its mask: any track's pixel, the surest track's score."""

    def __init__(self, tracks: list[_Track], clip: Clip) -> None:
        self._object_of = {track.track_id: track.object_id for track in tracks}
        self._size = (clip.height, clip.width)

    def __call__(
        self, drawn: dict[int, tuple[np.ndarray, float]]
    ) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
        object_ids = tuple(dict.fromkeys(self._object_of[i] for i in drawn))
        masks = np.zeros((len(object_ids), *self._size), dtype=bool)
        scores = np.zeros(len(object_ids), dtype=np.float32)
        for track_id, (mask, score) in drawn.items():
            row = object_ids.index(self._object_of[track_id])
            masks[row] |= mask
            scores[row] = max(scores[row], score)
        return object_ids, masks, scores

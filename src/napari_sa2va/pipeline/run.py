"""The generator: one clip and one request in, events out.

Sample key frames, ground each sentence in them, draw the key frames' masks, carry the masks to
every frame. Every preset is a setting of these four steps; none is a branch of its own.

Each frame goes through SAM 2's image encoder once: a frame that prompts the tracker is drawn,
remembered and dropped in one visit, and every other frame is visited when it is tracked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.drawing import Drawing, Track, Union
from napari_sa2va.pipeline.events import (
    Answered,
    Event,
    Finished,
    FrameMasks,
    KeyMasks,
    Planned,
)
from napari_sa2va.pipeline.footing import Footing
from napari_sa2va.pipeline.loaded import fetching
from napari_sa2va.pipeline.record import Clock, RunRecord
from napari_sa2va.pipeline.resolve import Plan, resolve
from napari_sa2va.pipeline.turns import Stopped
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA


def run(
    clip: Clip,
    prompts: PromptSet,
    settings: RunSettings,
    *,
    model: Sa2VA | None = None,
    answers: Sequence[str | None] | str | None = None,
    cancel: CancelToken | None = None,
    after: Footing | None = None,
    begin_near: int | None = None,
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
    after : Footing, optional
        What a conversation stands on, of which phrases are drawn: the run goes on with its
        network, and its record says what the conversation gave up for want of memory.
    begin_near : int, optional
        The frame that somebody looks at. Key frames are drawn, and frames that are tracked on their
        own visited, in the order of their distance to it; sweeps stay as they are. The masks do not
        depend on it.

    Yields
    ------
    Event
        `Planned`, `Fetching` while a model is downloaded, one `Answered` per sentence, one
        `KeyMasks` per drawn key frame, one `FrameMasks` per frame of the plan, `Note` where there
        is something to know, and as the last one `Finished`.

    Raises
    ------
    RequestError
        If the request does not fit the clip; nothing was computed then.
    ModelError
        If the model cannot be loaded.
    MemoryShortage
        If the device runs out of memory and there is no rung of the `ladder` left, or none is to
        be taken. What was yielded before stays valid.
    """
    cancel = cancel or CancelToken()
    plan = resolve(clip, prompts, settings, answers, begin_near=begin_near)
    record = RunRecord.begin(clip, plan)
    yield Planned(plan, record)
    for message in clip.notes:
        yield record.note(message)
    clock = Clock(record.timings_s)

    try:
        footing = _footing(plan, model, record, clock, cancel, after)
        if footing.is_loaded or (yield from fetching(plan.settings.model.name, cancel)):
            yield from _work(clip, plan, footing, record, cancel)
    except Stopped:
        pass  # it waited for its turn, and was cancelled
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


def _footing(
    plan: Plan,
    model: Sa2VA | None,
    record: RunRecord,
    clock: Clock,
    cancel: CancelToken,
    after: Footing | None,
) -> Footing:
    def should_stop() -> bool:
        return cancel.cancelled

    if after is not None:
        return after.resume(plan.settings, record, clock, should_stop)
    return Footing(plan.settings, model, record, clock, should_stop)


def _work(
    clip: Clip, plan: Plan, footing: Footing, record: RunRecord, cancel: CancelToken
) -> Iterator[Event]:
    """Load what is not there yet, ground, draw."""
    from napari_sa2va.models.device import memory_errors

    yield from footing.load()
    model = footing.model
    record.model_name = model.name
    record.weights_sha256 = dict(model.weight_hashes)

    tracking = plan.settings.tracking
    # Made before any sentence is asked: it is the tracker that may miss a decoder.
    footing.new_tracker(
        decoder=tracking.decoder,
        hide_absent=tracking.hide_absent,
        # The second sweep starts where the first did, and needs the memories from around there.
        turning_frame=_turning_frame(plan),
        max_conditioning=tracking.max_conditioning,
    )
    with memory_errors(model.device):
        tracks: list[Track] = []
        if plan.spoken:
            yield from _ground(clip, plan, footing, tracks, record, cancel)
        if not cancel.cancelled:
            tracks += _tracks_of_phrases(plan, len(tracks))
        tracks += _tracks_of_marks(plan, len(tracks))
        if tracks and not cancel.cancelled:
            yield from _draw(clip, plan, footing, tracks, record, cancel)


def _ground(
    clip: Clip,
    plan: Plan,
    footing: Footing,
    tracks: list[Track],
    record: RunRecord,
    cancel: CancelToken,
) -> Iterator[Event]:
    """Ask every sentence of the same key frames, which the vision tower sees once.

    What is to be drawn is added to `tracks`.
    """
    from napari_sa2va.models.sa2va.wording import question_for

    model, frames = footing.model, plan.key_frames.frames
    seen = yield from footing.look(
        lambda: model.look([clip.rgb(t) for t in frames], plan.mode),
        mode=plan.mode,
        num_frames=len(frames),
    )
    for prompt, answer in zip(plan.spoken, plan.answers, strict=True):
        if cancel.cancelled:
            return
        ask = partial(
            model.ground_seen,
            seen,
            question_for(prompt.text, plan.mode),
            answer=answer,
            should_stop=lambda: cancel.cancelled,
        )
        grounding = yield from footing.attempt("ground", ask)
        if cancel.cancelled:
            return
        entry = record.of(prompt.object_id)
        entry.answer, entry.raw_answer = grounding.display, grounding.answer
        entry.found, entry.answer_given = grounding.found, answer is not None
        yield Answered(prompt.object_id, prompt.text, entry.answer, entry.found)
        if not grounding.found:
            who = "The model said" if answer is None else "The answer that was given is"
            yield record.note(f"{prompt.text!r} was not found. {who}: {entry.answer}")
            continue
        embeddings = grounding.embeddings
        only_first = len(embeddings) > 1 and not plan.draws_all
        tracks += [
            Track(len(tracks) + i, prompt.object_id, vector)
            for i, vector in enumerate(embeddings[:1] if only_first else embeddings, start=1)
        ]
        if only_first:
            yield record.note(
                f"The answer to {prompt.text!r} holds {len(embeddings)} masks; the first is drawn.",
                "Set the output's several masks to union to draw all of them as one object.",
            )


def _tracks_of_phrases(plan: Plan, before: int) -> list[Track]:
    return [
        Track(before + i, p.object_id, p.embedding) for i, p in enumerate(plan.phrases, start=1)
    ]


def _tracks_of_marks(plan: Plan, before: int) -> list[Track]:
    marked = dict.fromkeys(p.object_id for p in plan.marked)
    return [Track(before + i, object_id) for i, object_id in enumerate(marked, start=1)]


def _turning_frame(plan: Plan) -> int | None:
    sweeps = [sweep for sweep in plan.passes if not sweep.alone]
    return sweeps[0].frames.start if len(sweeps) > 1 else None


def _draw(
    clip: Clip,
    plan: Plan,
    footing: Footing,
    tracks: list[Track],
    record: RunRecord,
    cancel: CancelToken,
) -> Iterator[Event]:
    """Prompt the tracker on the key frames, then sweep."""
    footing.begin_drawing()
    drawing = Drawing(clip, plan, footing.model, footing.tracker, tracks)
    union = Union(tracks, clip, plan.prompts.object_ids)
    for t in drawing.prompt_frames:
        if cancel.cancelled:
            return
        drawn = yield from footing.attempt(
            "key_frames",
            partial(drawing.prompt, t),
            together=len(tracks),
            undo=partial(drawing.forget, t),
        )
        yield KeyMasks(t, *union(drawn))

    for sweep in plan.passes:
        for t in sweep.frames:
            if cancel.cancelled:
                return
            drawn = yield from footing.attempt(
                "tracking",
                partial(drawing.track, t, reverse=sweep.reverse, remember=not sweep.alone),
                together=len(tracks),
            )
            object_ids, masks, scores = union(drawn)
            record.frames_done += 1
            record.frames_encoded = footing.tracker.num_encoded
            for object_id, mask, score in zip(object_ids, masks, scores, strict=True):
                record.of(object_id).count_frame(t, mask, float(score))
            yield FrameMasks(t, object_ids, masks, scores)
    for entry in record.objects:
        if entry.found and entry.frames_done and not entry.frames_present:
            where = "any frame" if plan.num_frames == clip.num_frames else "the frames asked for"
            yield record.note(
                f"{entry.name!r} has no mask on {where}, although it was pointed at.",
                "Look at the key frames' scores, and try other words or key frames.",
            )

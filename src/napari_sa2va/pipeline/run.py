"""The generator: one clip and one request in, events out.

Sample key frames, ground each sentence in them, draw the key frames' masks, carry the masks to
every frame. Every preset is a setting of these four steps; none is a branch of its own.

Each frame goes through SAM 2's image encoder once: a frame that prompts the tracker is drawn,
remembered and dropped in one visit, and every other frame is visited when it is tracked.

Between two frames the run can be left and gone on with, in another process too (`resuming`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.asking import ask
from napari_sa2va.pipeline.drawing import Drawing, Union
from napari_sa2va.pipeline.events import Event, Finished, FrameMasks, KeyMasks, Planned
from napari_sa2va.pipeline.footing import Footing
from napari_sa2va.pipeline.loaded import fetching
from napari_sa2va.pipeline.record import Clock, RunRecord
from napari_sa2va.pipeline.resolve import Plan, resolve
from napari_sa2va.pipeline.resuming import Resuming
from napari_sa2va.pipeline.safe_point import Keeper
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
    keeper: Keeper | None = None,
) -> Generator[Event, None, None]:
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
    keeper : Keeper, optional
        Keeps safe points of this run. If it has one, the run goes on there, with the masks that it
        would have had; one of another run is not used, and a `Note` says so.

    Yields
    ------
    Event
        `Planned`, `Fetching` while a model is downloaded, one `Answered` per sentence, one
        `KeyMasks` per drawn key frame, one `FrameMasks` per frame of the plan, `Note` where there
        is something to know, and as the last one `Finished`. A run that goes on says `Resumed`, from
        which on its record is as it was; then the `Answered` come again, and no masks that are done.
        The number of a frame in the plan's order is `record.frames_done`.

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
            yield from _work(clip, plan, footing, record, clock, cancel, keeper)
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
    clip: Clip,
    plan: Plan,
    footing: Footing,
    record: RunRecord,
    clock: Clock,
    cancel: CancelToken,
    keeper: Keeper | None,
) -> Iterator[Event]:
    """Load what is not there yet, ground, draw; or go on with what was done of it."""
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
    resuming = None if keeper is None else Resuming(keeper, clip, plan, record, clock)
    with memory_errors(model.device):
        point = None if resuming is None else (yield from resuming.go_on())
        if point is None:
            tracks = yield from ask(clip, plan, footing, record, cancel)
        else:
            tracks = [*point.tracks]
        if not tracks or cancel.cancelled:
            return
        footing.begin_drawing()
        drawing = Drawing(clip, plan, model, footing.tracker, tracks)
        if point is not None:
            yield from footing.attempt("tracking", partial(drawing.go_on, point))
            del point  # or it would hold what the tracker forgets
        yield from _draw(clip, plan, footing, drawing, record, cancel, resuming)


def _turning_frame(plan: Plan) -> int | None:
    sweeps = [sweep for sweep in plan.passes if not sweep.alone]
    return sweeps[0].frames.start if len(sweeps) > 1 else None


def _draw(
    clip: Clip,
    plan: Plan,
    footing: Footing,
    drawing: Drawing,
    record: RunRecord,
    cancel: CancelToken,
    resuming: Resuming | None,
) -> Iterator[Event]:
    """Prompt the tracker on the key frames, then sweep."""
    together = len(drawing.tracks)
    union = Union(drawing.tracks, clip, plan.prompts.object_ids)
    encoded_before = record.frames_encoded

    def stops_here() -> bool:
        """Offer the run as it is, and say whether it was cancelled."""
        # Asked first: a keeper that was told of the cancel before it came is then offered the last.
        stops = cancel.cancelled
        if resuming is not None:
            resuming.offer(drawing)
        return stops

    for t in drawing.prompt_frames[drawing.num_prompted :]:
        if stops_here():
            return
        drawn = yield from footing.attempt(
            "key_frames",
            partial(drawing.prompt, t),
            together=together,
            undo=partial(drawing.forget, t),
        )
        record.frames_encoded = encoded_before + footing.tracker.num_encoded
        yield KeyMasks(t, *union(drawn))

    visits = ((sweep, t) for sweep in plan.passes for t in sweep.frames)
    for sweep, t in islice(visits, record.frames_done, None):
        if stops_here():
            return
        drawn = yield from footing.attempt(
            "tracking",
            partial(drawing.track, t, reverse=sweep.reverse, remember=not sweep.alone),
            together=together,
        )
        object_ids, masks, scores = union(drawn)
        record.frames_done += 1
        record.frames_encoded = encoded_before + footing.tracker.num_encoded
        for object_id, mask, score in zip(object_ids, masks, scores, strict=True):
            record.of(object_id).count_frame(t, bool(mask.any()), float(score))
        yield FrameMasks(t, object_ids, masks, scores)
    stops_here()
    for entry in record.objects:
        if entry.found and entry.frames_done and not entry.frames_present:
            where = "any frame" if plan.num_frames == clip.num_frames else "the frames asked for"
            yield record.note(
                f"{entry.name!r} has no mask on {where}, although it was pointed at.",
                "Look at the key frames' scores, and try other words or key frames.",
            )

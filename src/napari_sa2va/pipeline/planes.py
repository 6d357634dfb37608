"""Movies of stacks: every plane is followed on its own, and ids are linked from plane to plane.

The sentences are asked of one plane, and followed there through time. On the frame on which an object
is surest, its mask is carried to the other planes, as if planes were time; from there it is followed
through time in each of them. So object 1 is the same thing in all planes, and nothing but `run` draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.pipeline.events import Event, Finished, FrameMasks, KeyMasks, Note, Planned
from napari_sa2va.pipeline.run import run
from napari_sa2va.propagation.both import Both
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.pipeline.record import RunRecord


def run_planes(
    clip_of: Callable[[int], Clip],
    across: Callable[[int], Clip],
    planes: int,
    prompts: PromptSet,
    settings: RunSettings,
    *,
    begin_at: tuple[int, int] = (0, 0),
    model: Sa2VA | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Event]:
    """Segment the prompted objects through every plane of a movie of stacks.

    Parameters
    ----------
    clip_of : callable
        From a plane, counted from 0, to its clip of T frames.
    across : callable
        From a frame to a clip that plays the planes of that frame.
    planes : int
    prompts : PromptSet
        Asked of, or marked on, the first plane.
    settings : RunSettings
    begin_at : (plane, frame)
        The plane that is asked, and the frame in view.
    model, cancel
        See `run`.

    Yields
    ------
    Event
        As of `run`; frame t of plane z has the number ``z * T + t``. A frame gets its final masks
        once. The other planes get them in the order of their distance to the first.

    Raises
    ------
    Sa2vaError
        See `run`.
    """
    cancel = cancel or CancelToken()
    first, near = begin_at
    clip = clip_of(first)
    count = clip.num_frames
    seeds = _Seeds(clip)
    record: RunRecord | None = None
    for event in run(clip, prompts, settings, model=model, cancel=cancel, begin_near=near):
        match event:
            case Planned():
                record = event.record
                record.frames_planned *= planes
                yield replace(event, plan=replace(event.plan, num_frames=record.frames_planned))
            case FrameMasks():
                if not isinstance(event, KeyMasks):
                    seeds.see(event)
                yield replace(event, frame=first * count + event.frame)
            case Finished():
                pass
            case _:
                yield event
    assert record is not None  # the first event carries it
    for entry in record.objects:
        entry.frames_present = [first * count + t for t in entry.frames_present]
    others = sorted((z for z in range(planes) if z != first), key=lambda z: (abs(z - first), z))
    whole = settings.model_copy(
        update={"tracking": settings.tracking.model_copy(update={"propagation": Both()})}
    )
    found: dict[int, list[Prompt]] = {z: [] for z in others}
    for t, marked in seeds.by_frame().items():
        if cancel.cancelled:
            break
        on_first = PromptSet(tuple(replace(p, frame=first) for p in marked))
        for event in run(across(t), on_first, whole, model=model, cancel=cancel):
            if isinstance(event, Note):
                yield event
            elif isinstance(event, Finished):
                _add_timings(record, event.record)
            elif type(event) is FrameMasks and event.frame != first:
                for i, mask in zip(event.object_ids, event.masks, strict=True):
                    if mask.any():
                        name = prompts.of(i)[0].name
                        found[event.frame].append(Prompt(i, name, frame=t, mask=mask))
    for z in others:
        if cancel.cancelled:
            break
        yield from _plane(clip_of(z), found[z], prompts, whole, z, record, model, cancel)
    complete = record.frames_done >= record.frames_planned > 0
    record.finished = "cancelled" if cancel.cancelled and not complete else "done"
    yield Finished("cancelled" if record.finished == "cancelled" else "done", record)


def _plane(
    clip: Clip,
    marks: list[Prompt],
    prompts: PromptSet,
    settings: RunSettings,
    z: int,
    record: RunRecord,
    model: Sa2VA | None,
    cancel: CancelToken,
) -> Iterator[Event]:
    """Follow through time, in one plane, what was carried to it; what was not is not there."""
    ids = tuple(i for i in prompts.object_ids if record.of(i).found)
    size = (clip.height, clip.width)

    def finished(t: int, drawn: FrameMasks | None) -> FrameMasks:
        masks = np.zeros((len(ids), *size), bool)
        scores = np.zeros(len(ids), np.float32)
        if drawn is not None:
            for i, mask, score in zip(drawn.object_ids, drawn.masks, drawn.scores, strict=True):
                masks[ids.index(i)], scores[ids.index(i)] = mask, score
        record.frames_done += 1
        for row, i in enumerate(ids):
            record.of(i).count_frame(
                z * clip.num_frames + t, bool(masks[row].any()), float(scores[row])
            )
        return FrameMasks(z * clip.num_frames + t, ids, masks, scores)

    if not marks:
        yield from (finished(t, None) for t in range(clip.num_frames))
        return
    for event in run(clip, PromptSet(tuple(marks)), settings, model=model, cancel=cancel):
        if isinstance(event, Note):
            yield event
        elif isinstance(event, Finished):
            _add_timings(record, event.record)
        elif type(event) is FrameMasks:
            yield finished(event.frame, event)


def _add_timings(record: RunRecord, part: RunRecord) -> None:
    """Count what a part of the work took, and how many frames it encoded."""
    for step, seconds in part.timings_s.items():
        record.timings_s[step] = record.timings_s.get(step, 0.0) + seconds
    record.frames_encoded += part.frames_encoded


class _Seeds:
    """Of every object, the mask that is surest; kept as a code."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._best: dict[int, tuple[float, int, rle.Rle]] = {}

    def see(self, event: FrameMasks) -> None:
        """Look at the final masks of a frame."""
        for i, mask, score in zip(event.object_ids, event.masks, event.scores, strict=True):
            if mask.any() and (i not in self._best or score > self._best[i][0]):
                self._best[i] = float(score), event.frame, rle.encode(mask)

    def by_frame(self) -> dict[int, list[Prompt]]:
        """Marks by the frame that they are on."""
        marks: dict[int, list[Prompt]] = {}
        for i, (_, t, code) in self._best.items():
            marks.setdefault(t, []).append(Prompt(i, str(i), frame=t, mask=rle.decode(code)))
        return marks

"""What a run is to draw: it asks its sentences, and takes phrases and marks as they are."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.pipeline.drawing import Track
from napari_sa2va.pipeline.events import Answered, Event
from napari_sa2va.pipeline.footing import Footing
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.resolve import Plan


def ask(
    clip: Clip, plan: Plan, footing: Footing, record: RunRecord, cancel: CancelToken
) -> Generator[Event, None, list[Track]]:
    """Find out what is to be drawn.

    Parameters
    ----------
    clip : Clip
    plan : Plan
    footing : Footing
        With its network loaded.
    record : RunRecord
        Is told what was answered.
    cancel : CancelToken

    Yields
    ------
    Event
        `Answered`, one per sentence, and `Note`.

    Returns
    -------
    list of Track
        Not all of them if it was cancelled.
    """
    tracks: list[Track] = []
    if plan.spoken:
        tracks += yield from _ground(clip, plan, footing, record, cancel)
    if not cancel.cancelled:
        tracks += _tracks_of_phrases(plan, len(tracks))
    return tracks + _tracks_of_marks(plan, len(tracks))


def _ground(
    clip: Clip,
    plan: Plan,
    footing: Footing,
    record: RunRecord,
    cancel: CancelToken,
) -> Generator[Event, None, list[Track]]:
    """Ask every sentence of the same key frames, which the vision tower sees once."""
    from napari_sa2va.models.sa2va.wording import question_for

    tracks: list[Track] = []
    model, frames = footing.model, plan.key_frames.frames
    seen = yield from footing.look(
        lambda: model.look([clip.rgb(t) for t in frames], plan.mode),
        mode=plan.mode,
        num_frames=len(frames),
    )
    for prompt, answer in zip(plan.spoken, plan.answers, strict=True):
        if cancel.cancelled:
            return tracks
        ask = partial(
            model.ground_seen,
            seen,
            question_for(prompt.text, plan.mode),
            answer=answer,
            should_stop=lambda: cancel.cancelled,
        )
        grounding = yield from footing.attempt("ground", ask)
        if cancel.cancelled:
            return tracks
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
    return tracks


def _tracks_of_phrases(plan: Plan, before: int) -> list[Track]:
    return [
        Track(before + i, p.object_id, p.embedding) for i, p in enumerate(plan.phrases, start=1)
    ]


def _tracks_of_marks(plan: Plan, before: int) -> list[Track]:
    marked = dict.fromkeys(p.object_id for p in plan.marked)
    return [Track(before + i, object_id) for i, object_id in enumerate(marked, start=1)]

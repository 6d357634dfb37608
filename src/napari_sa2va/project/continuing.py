"""Going on with a run that was stopped: which step does what is missing."""

from __future__ import annotations

from typing import get_args

from napari_sa2va.project.state import State
from napari_sa2va.project.steps.carry import MOST_CONDITIONS, Carry, Direction, conditions_of
from napari_sa2va.project.steps.run import Run
from napari_sa2va.project.steps.spans import Span


def continue_run(run: Run, state: State) -> Carry | Run | None:
    """The step that does what a run was stopped before; None if nothing is missing.

    Frames are carried in the direction of the run, from the key frames that it had drawn, what was
    corrected or locked since, and the last masks before the gap. Where every plane is followed, what
    was found is carried from plane to plane, so all is done again and what is missing is taken.
    """
    direction = run.settings.tracking.propagation.kind
    if direction not in get_args(Direction):
        return None
    if state.planes > 1:
        return _run_again(run, state)
    conditions: dict[int, tuple[int, ...]] = {}
    missing: set[int] = set()
    for sentence in run.sentences:
        i = sentence.object_id
        if i not in state.cards or not state.cards[i].found:
            continue
        cells = state.cells(i)
        known = [t for t, cell in enumerate(cells) if cell.code is not None]
        if not state.masklet(i).frames_present:
            continue  # nothing can be carried
        gaps = [
            t
            for t, cell in enumerate(cells)
            if not cell.final
            and (t >= known[0] or direction != "forward")
            and (t <= known[-1] or direction != "backward")
        ]
        if not gaps:
            continue
        there = set(gaps)  # of a long movie, a list would be gone through for every frame
        beside = [t for t in known if cells[t].final and (t + 1 in there or t - 1 in there)]
        keys = [t for t in known if not cells[t].final]
        corrected = conditions_of(state, i, Span(first=gaps[0], last=gaps[-1]), None)
        ranked = dict.fromkeys([*keys, *beside, *corrected])
        conditions[i] = tuple(sorted(list(ranked)[:MOST_CONDITIONS]))
        missing.update(gaps)
    if not missing:
        return None
    # The frame beside the gap is where the sweep begins.
    first = max(min(missing) - (direction == "forward"), 0)
    last = min(max(missing) + (direction == "backward"), state.num_frames - 1)
    return Carry(
        conditions=conditions,
        span=Span(first=first, last=last),
        direction=direction,
        only_missing=True,
        settings=run.settings,
        region=run.region,
    )


def _run_again(run: Run, state: State) -> Run | None:
    """The same run, for the objects that have no final mask on some frame; None if there are none."""
    direction = run.settings.tracking.propagation.kind
    first = state.plane_of(max(run.begin_near, 0)) * state.frames_per_plane
    asked = range(first, first + state.frames_per_plane)
    whole = set()
    for object_id in run.drawn_ids:
        if object_id not in state.cards or not state.cards[object_id].found:
            whole.add(object_id)
            continue
        cells = state.cells(object_id)
        known = [t for t in asked if cells[t].code is not None] or [asked[0], asked[-1]]
        # Against its direction, a run draws nothing beyond its key frames.
        beyond = {t for t in asked if direction == "forward" and t < known[0]}
        beyond |= {t for t in asked if direction == "backward" and t > known[-1]}
        if all(cell.final for t, cell in enumerate(cells) if t not in beyond):
            whole.add(object_id)
    missing = run.without(whole)
    anew = {"only_missing": True, "masks_taken": -1, "answers_taken": -1}
    return missing.model_copy(update=anew) if missing.sentences else None

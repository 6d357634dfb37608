"""Movies of stacks: every plane on its own, one id for the same thing in all of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.events import Finished, FrameMasks, KeyMasks, Planned
from napari_sa2va.pipeline.planes import run_planes
from napari_sa2va.presets import preset
from napari_sa2va.readers.open import open_clip

NUM_FRAMES, PLANES = 4, 3


def stack() -> np.ndarray:
    """A colour movie in three planes: (T, Z, Y, X, 3); red is not in the last plane."""
    movie = colour_clip(NUM_FRAMES)
    frames = np.stack([movie.rgb(t) for t in range(NUM_FRAMES)])
    data = np.stack([frames, np.roll(frames, 2, axis=2), np.roll(frames, 4, axis=2)], axis=1)
    data[:, 2, ..., 0] = 0
    return data


def clip_of(plane: int) -> Clip:
    return open_clip(stack()[:, plane], axes="TYXS")


def across(t: int) -> Clip:
    return open_clip(stack()[t], axes="ZYXS", time="Z")


def events_of(*texts: str, **more):
    prompts = PromptSet.from_texts(texts)
    return run_planes(
        clip_of, across, PLANES, prompts, preset("sa2va-i"), model=FakeModel(), **more
    )


@pytest.mark.parametrize("begin_at", [(0, 0), (1, 2)])
def test_the_same_thing_has_one_id_in_all_planes_and_frames(begin_at):
    truth = stack()[..., 0] > 100, stack()[..., 2] > 100  # (T, Z, Y, X)
    seen: list[int] = []
    for event in events_of("the red one", "the blue one", begin_at=begin_at):
        if type(event) is not FrameMasks:
            continue
        z, t = divmod(event.frame, NUM_FRAMES)
        seen.append(event.frame)
        for i, mask in zip(event.object_ids, event.masks, strict=True):
            np.testing.assert_array_equal(mask, truth[i - 1][t, z])
    assert sorted(seen) == list(range(PLANES * NUM_FRAMES))
    assert [f // NUM_FRAMES for f in seen][:NUM_FRAMES] == [begin_at[0]] * NUM_FRAMES


def test_what_is_planned_and_recorded_counts_all_planes():
    events = list(events_of("the red one", begin_at=(1, 0)))
    assert isinstance(events[0], Planned)
    assert events[0].plan.num_frames == PLANES * NUM_FRAMES
    assert sum(isinstance(e, Planned | Finished) for e in events) == 2
    assert isinstance(events[-1], Finished)
    record = events[-1].record
    assert record.finished == "done"
    assert record.frames_done == record.frames_planned == PLANES * NUM_FRAMES
    # The first plane, all planes of one frame, and each plane in which something was found.
    assert record.frames_encoded == NUM_FRAMES + PLANES + NUM_FRAMES
    assert record.timings_s["total"] >= record.timings_s["tracking"] > 0
    # Red is in planes 0 and 1 only.
    assert sorted(record.objects[0].frames_present) == list(range(2 * NUM_FRAMES))


def test_what_is_nowhere_is_looked_for_once_and_nothing_is_carried():
    events = list(events_of("the elephant"))
    assert not any(isinstance(e, KeyMasks) for e in events)
    assert events[-1].record.objects[0].found is False
    assert events[-1].reason == "done"


def test_a_cancel_keeps_the_planes_that_are_done():
    cancel = CancelToken()
    done = []
    for event in events_of("the red one", cancel=cancel):
        if type(event) is FrameMasks:
            done.append(event.frame)
            if len(done) == NUM_FRAMES + 2:
                cancel.cancel()
    assert event.reason == "cancelled"
    assert NUM_FRAMES + 2 <= len(done) < PLANES * NUM_FRAMES


def test_after_a_cancel_no_other_plane_is_opened():
    cancel = CancelToken()
    opened = []

    def other(t: int) -> Clip:
        opened.append(t)
        return across(t)

    prompts = PromptSet.from_texts("the red one")
    for event in run_planes(
        clip_of, other, PLANES, prompts, preset("sa2va-i"), model=FakeModel(), cancel=cancel
    ):
        if type(event) is FrameMasks and event.frame == 1:
            cancel.cancel()
    assert opened == []

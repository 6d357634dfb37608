"""The timeline of a project, counted bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core import rle
from napari_sa2va.gui.timeline_keeper import TimelineKeeper
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.paint import Paint

NUM_FRAMES, SIZE = 6, (4, 10)


def bar(width: int) -> rle.Rle:
    """A mask whose first row is so many px wide."""
    mask = np.zeros(SIZE, bool)
    mask[0, :width] = True
    return rle.encode(mask)


def painted(planes: int = 1) -> Project:
    """Two objects on all frames: f + 1 px of the first, one of the second."""
    project = Project((NUM_FRAMES, *SIZE), planes)
    for object_id in (1, 2):
        project.do(Add(object_id=object_id, name=f"object {object_id}"))
    for f in range(NUM_FRAMES):
        project.do(Paint(frame=f, masks={1: bar(f + 1), 2: bar(1)}))
    return project


def areas(timeline, row: int = 0) -> list[float]:
    return timeline.lanes[row].area_px.tolist()


def test_all_is_counted_if_nothing_else_is_asked_for():
    keeper = TimelineKeeper(painted().state)
    assert keeper.is_behind(0)
    assert areas(keeper.timeline(0)) == [1, 2, 3, 4, 5, 6]
    assert not keeper.is_behind(0)


def test_bit_by_bit_it_comes_to_the_same():
    state = painted().state
    keeper, whole = TimelineKeeper(state), TimelineKeeper(state).timeline(0)
    first = keeper.timeline(0, most_masks=4)  # of two objects: two frames
    np.testing.assert_array_equal(first.lanes[0].known, [True, True, False, False, False, False])
    np.testing.assert_array_equal(areas(first), [1, 2, *[np.nan] * 4])
    assert keeper.is_behind(0)
    keeper.timeline(0, most_masks=4)
    assert keeper.is_behind(0)
    last = keeper.timeline(0, most_masks=4)
    assert not keeper.is_behind(0)
    for row in (0, 1):
        assert areas(last, row) == areas(whole, row)
        np.testing.assert_array_equal(last.lanes[row].steadiness, whole.lanes[row].steadiness)
    assert last.doubts == whole.doubts
    assert any(doubt.reason == "overlap" for doubt in whole.doubts)


def test_only_frames_that_were_touched_are_looked_at_again():
    project = painted()
    keeper = TimelineKeeper(project.state)
    keeper.timeline(0)
    project.do(Paint(frame=2, masks={1: bar(9)}))
    project.do(Paint(frame=4, masks={1: bar(9)}))
    keeper.touch({2})
    assert areas(keeper.timeline(0)) == [1, 2, 9, 4, 5, 6]
    keeper.touch(None)
    assert areas(keeper.timeline(0)) == [1, 2, 9, 4, 9, 6]


def test_what_is_still_to_be_counted_again_is_shown_as_it_was():
    project = painted()
    keeper = TimelineKeeper(project.state)
    keeper.timeline(0)
    for f in range(NUM_FRAMES):
        project.do(Paint(frame=f, masks={1: bar(9)}))
    keeper.touch(None)
    assert areas(keeper.timeline(0, most_masks=6)) == [9, 9, 9, 4, 5, 6]


@pytest.mark.parametrize("most", [None, 2])
def test_every_plane_has_a_timeline_of_its_own(most):
    project = painted(planes=2)
    keeper = TimelineKeeper(project.state)
    keeper.timeline(0)
    while keeper.is_behind(1):
        second = keeper.timeline(1, most_masks=most)
    assert areas(second) == [4, 5, 6]
    project.do(Paint(frame=4, masks={1: bar(8)}))
    keeper.touch({4})
    assert (keeper.is_behind(0), keeper.is_behind(1)) == (False, True)
    assert areas(keeper.timeline(1)) == [4, 8, 6]

"""A run that fails, is cancelled or loses its window half-way, and what can be done afterwards."""

from __future__ import annotations

from functools import partial

import dask
import dask.array as da
import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_gui_correct import masks
from napari_sa2va._tests.test_gui_dock import WAIT_MS, Stepper, colour_movie, square
from napari_sa2va.core import rle
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.request import messages_of
from napari_sa2va.project.steps.paint import Paint

BAD_FRAME = 4


@pytest.fixture
def disk(make_napari_viewer_proxy, qtbot):
    """A movie of which a frame cannot be read as long as the disk is broken."""
    viewer = make_napari_viewer_proxy()
    broken = [False]
    frames = colour_movie()

    @dask.delayed(pure=False)
    def read(t: int) -> np.ndarray:
        if broken[0] and t == BAD_FRAME:
            raise OSError("the disk is gone")
        return frames[t]

    lazy = da.stack(
        [da.from_delayed(read(t), frames.shape[1:], frames.dtype) for t in range(len(frames))]
    )
    viewer.add_image(lazy, rgb=True, name="movie", cache=False)
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    qtbot.wait(300)
    yield viewer, dock, broken
    broken[0] = False
    dock.controller.stop()


def ended(dock, qtbot) -> None:
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)


def test_what_was_done_before_the_disk_failed_is_kept_and_continued(disk, qtbot) -> None:
    _, dock, broken = disk
    broken[0] = True
    dock.sentences.setPlainText("the red square\nthe elephant")
    dock.run()
    ended(dock, qtbot)
    assert "the disk is gone" in dock.panel.message.text()
    workspace = dock.bench.workspace
    assert workspace.job is None
    np.testing.assert_array_equal(masks(workspace, 1)[:BAD_FRAME], square(0)[:BAD_FRAME])
    assert dock.panel.continue_button.isVisibleTo(dock.panel)
    dock.panel.continue_button.click()  # and it is still broken
    ended(dock, qtbot)
    broken[0] = False
    dock.panel.message.hide()
    dock.panel.continue_button.click()
    ended(dock, qtbot)
    assert dock.panel.message.text() == ""
    np.testing.assert_array_equal(masks(workspace, 1), square(0))
    np.testing.assert_array_equal(workspace.layer.data == 1, square(0))
    while workspace.undo():
        pass
    assert not workspace.layer.data.any()


@pytest.fixture
def stepping(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    source = Stepper(partial(messages_of, model=FakeModel()))
    dock = SentenceDock(viewer, source)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    dock.sentences.setPlainText("the red square\nthe blue square")
    yield viewer, dock, source
    source.release(50)
    dock.controller.stop()


def test_a_run_that_is_added_and_stopped_at_once_leaves_no_empty_objects(stepping, qtbot) -> None:
    _, dock, source = stepping
    source.release(6)
    dock.run()
    ended(dock, qtbot)
    workspace = dock.bench.workspace
    before = workspace.layer.data.copy()
    dock.finder.into.setCurrentIndex(1)
    dock.run()
    dock.controller.stop()  # before anything was said
    assert list(workspace.project.state.cards) == [1, 2]
    assert dock.correct.objects.topLevelItemCount() == 2
    source.release(6)
    dock.panel.set_running(False)
    dock.finder.into.setCurrentIndex(1)
    dock.run()
    ended(dock, qtbot)
    assert len(workspace.project.state.cards) == 4
    workspace.undo()
    np.testing.assert_array_equal(workspace.layer.data, before)


def test_a_dock_that_is_closed_during_a_run_leaves_masks_that_another_dock_continues(
    stepping, qtbot
) -> None:
    viewer, dock, source = stepping
    dock.run()
    source.release(2)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 2, timeout=WAIT_MS)
    workspace = dock.bench.workspace
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(source.ended.is_set, timeout=WAIT_MS)
    assert workspace.job is None
    workspace.do(Paint(frame=0, masks={2: rle.empty(16, 20)}))
    other = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(other, name="Another")
    assert other.bench.workspace is workspace
    other.panel.continue_button.click()
    ended(other, qtbot)
    np.testing.assert_array_equal(masks(workspace, 1), square(0))
    assert not masks(workspace, 2)[0].any()
    np.testing.assert_array_equal(masks(workspace, 2)[1:], square(2)[1:])


def test_masks_are_worked_on_without_their_image_and_hidden(stepping, qtbot) -> None:
    viewer, dock, source = stepping
    source.release(50)
    dock.run()
    ended(dock, qtbot)
    workspace = dock.bench.workspace
    viewer.layers.remove("movie")
    workspace.layer.visible = False
    workspace.layer.name = "another name"
    viewer.dims.set_current_step(0, 2)
    workspace.select(1)
    workspace.do(Paint(frame=2, masks={1: rle.encode(square(1)[2])}))
    dock.correct.forward_button.click()
    ended(dock, qtbot)
    np.testing.assert_array_equal(masks(workspace, 1)[2:], square(1)[2:])
    np.testing.assert_array_equal(workspace.layer.data == 1, masks(workspace, 1))


def test_a_step_of_one_dock_is_refused_while_another_runs_on_the_same_masks(
    stepping, qtbot
) -> None:
    viewer, dock, source = stepping
    source.release(6)
    dock.run()
    ended(dock, qtbot)
    workspace = dock.bench.workspace
    other = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(other, name="Another")
    assert other.bench.workspace is workspace
    workspace.select(1)
    source.entered.clear()
    dock.correct.both_button.click()
    qtbot.waitUntil(source.entered.is_set, timeout=WAIT_MS)
    other.correct._try(lambda c: c.reword(1, "the blue square"))
    assert "on its way" in other.panel.message.text()
    with pytest.raises(Sa2vaError, match="on its way"):
        workspace.undo()
    source.release(50)
    ended(dock, qtbot)
    assert dock.panel.message.text() == ""
    other.controller.stop()

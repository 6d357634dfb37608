"""Painting in a real viewer, in all the ways there are: what becomes of it, whatever else goes on."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.made_workspaces import workspace_on
from napari_sa2va._tests.test_gui_correct import masks
from napari_sa2va._tests.test_gui_dock import WAIT_MS, Stepper, begin, colour_movie, square
from napari_sa2va.core import rle
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.layer_axes import AxisChoice
from napari_sa2va.gui.request import messages_of
from napari_sa2va.gui.timeline_dock import TimelineDock
from napari_sa2va.gui.workspace import Workspace, workspace_of
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.spans import Span

LEFT, RIGHT = (0, 0, 4, 4), (4, 4, 8, 8)


@pytest.fixture
def painted(make_napari_viewer_proxy):
    """Five frames of 8 x 8 px with two squares."""
    viewer = make_napari_viewer_proxy()
    image = viewer.add_image(np.arange(320, dtype=np.uint16).reshape(5, 8, 8), name="movie")
    workspace = workspace_on(viewer, image, {"left": [LEFT] * 5, "right": [RIGHT] * 5})
    heard: list[str] = []
    workspace.failed.connect(lambda message, hint: heard.append(message))
    viewer.dims.set_current_step(0, 1)
    return viewer, workspace, heard


def settled(workspace: Workspace, qtbot, num_steps: int) -> None:
    qtbot.waitUntil(lambda: len(workspace.project.steps) == num_steps, timeout=WAIT_MS)


def agree(workspace: Workspace) -> None:
    """The layer shows what the project says."""
    for f in range(workspace.project.state.num_frames):
        np.testing.assert_array_equal(
            workspace.view.read(f), workspace.project.state.labels(f, workspace.overlap)
        )


def test_a_fill_through_all_frames_is_one_step_and_spares_what_is_locked(painted, qtbot) -> None:
    _, workspace, _ = painted
    workspace.do(Lock(object_ids=(1,), span=Span.of(3)))
    layer = workspace.layer
    layer.n_edit_dimensions = 3
    layer.fill((1, 0, 0), 2)
    settled(workspace, qtbot, 3)
    assert workspace.project.state.masklet(1).frames_present == [3]
    agree(workspace)
    workspace.undo()
    assert workspace.project.state.masklet(1).frames_present == [0, 1, 2, 3, 4]
    agree(workspace)


def test_a_stroke_across_time_reaches_every_frame_that_it_crosses(painted, qtbot) -> None:
    viewer, workspace, _ = painted
    viewer.dims.order = (1, 0, 2)  # time runs down the canvas
    layer = workspace.layer
    layer.brush_size = 3
    layer.paint((2, 0, 7), 9)
    settled(workspace, qtbot, 2)
    assert workspace.project.state.masklet(9).frames_present == [1, 2, 3]
    agree(workspace)


def test_a_polygon_counts_as_a_stroke(painted, qtbot) -> None:
    _, workspace, _ = painted
    workspace.layer.paint_polygon([(1, 0, 5), (1, 0, 7), (1, 2, 7), (1, 2, 5)], 1)
    settled(workspace, qtbot, 2)
    assert workspace.project.state.mask(1, 1)[1, 6]
    agree(workspace)


def test_a_layer_of_another_dtype_is_painted_on_as_before(painted, qtbot) -> None:
    _, workspace, heard = painted
    layer = workspace.layer
    layer.data = layer.data.astype(np.int32)
    layer.paint((1, 7, 0), 1)
    settled(workspace, qtbot, 2)
    assert workspace.is_shown
    workspace.do(Paint(frame=4, masks={1: rle.empty(8, 8)}))
    agree(workspace)
    assert not (layer.data[4] == 1).any()
    layer.paint((1, 0, 0), 70_000)
    qtbot.waitUntil(lambda: len(heard) == 1, timeout=WAIT_MS)
    agree(workspace)


def test_pixels_that_a_function_changed_count_as_painted(painted, qtbot) -> None:
    _, workspace, _ = painted
    layer = workspace.layer
    layer.data = np.where(layer.data == 2, 0, layer.data)
    settled(workspace, qtbot, 2)
    assert workspace.project.state.masklet(2).frames_present == []
    workspace.undo()
    agree(workspace)
    assert (layer.data[0] == 2).sum() == 16


def test_a_layer_that_was_given_other_masks_is_let_go(painted) -> None:
    _, workspace, _ = painted
    workspace.layer.data = np.zeros((3, 4, 4), int)
    assert not workspace.is_shown
    workspace.do(Paint(frame=4, masks={1: rle.empty(8, 8)}))  # and nothing is written anywhere
    assert workspace_of(workspace.layer) is None


def test_a_copy_of_the_layer_is_nobodys(painted) -> None:
    viewer, workspace, _ = painted
    copy = viewer.add_labels(workspace.layer.data.copy(), metadata=dict(workspace.layer.metadata))
    assert workspace_of(copy) is None
    assert workspace_of(workspace.layer) is workspace


def test_a_timeline_that_is_opened_later_finds_the_masks(painted) -> None:
    viewer, workspace, _ = painted
    viewer.layers.selection.active = viewer.layers["movie"]
    timeline = TimelineDock(viewer)
    assert timeline.bench.workspace is workspace


def test_a_stroke_on_another_plane_is_a_stroke_on_that_plane(
    make_napari_viewer_proxy, qtbot
) -> None:
    viewer = make_napari_viewer_proxy()
    image = viewer.add_image(np.arange(768, dtype=np.uint16).reshape(4, 3, 8, 8), name="stack")
    image.axis_labels = ("t", "z", "y", "x")
    choice = AxisChoice(0, {1: "every"})
    workspace = workspace_on(viewer, image, {"left": [LEFT] * 12}, choice)
    viewer.dims.set_current_step(0, 3)
    viewer.dims.set_current_step(1, 2)
    workspace.layer.paint((3, 2, 7, 7), 5)
    settled(workspace, qtbot, 2)
    assert workspace.project.state.masklet(5).frames_present == [2 * 4 + 3]
    agree(workspace)


def test_labels_beyond_255_come_while_masks_are_painted(painted, qtbot) -> None:
    _, workspace, _ = painted
    workspace.do(Paint(frame=2, masks={300: rle.encode(np.eye(8, dtype=bool))}))
    assert workspace.layer.data.dtype == np.uint16
    workspace.layer.paint((1, 7, 0), 301)
    settled(workspace, qtbot, 3)
    agree(workspace)


@pytest.fixture
def stepping(make_napari_viewer_proxy, qtbot):
    """A dock whose runs go on frame by frame."""
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    source = Stepper(partial(messages_of, model=FakeModel()))
    dock = SentenceDock(viewer, source)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    yield viewer, dock, source
    source.release(50)
    dock.controller.stop()


def test_a_run_does_not_wipe_out_a_stroke_that_is_not_finished(stepping, qtbot) -> None:
    viewer, dock, source = stepping
    begin(dock, source, qtbot, "the red square")
    source.release(1)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 1, timeout=WAIT_MS)
    workspace = dock.bench.workspace
    viewer.dims.set_current_step(0, 4)
    layer = workspace.layer
    layer.mode = "paint"
    with layer.block_history():  # as long as the button is down
        layer.paint((4, 12, 15), 7)
        source.release(20)
        qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
        assert layer.data[4, 12, 15] == 7
    assert workspace.project.state.mask(7, 4)[12, 15]
    np.testing.assert_array_equal(masks(workspace, 1), square(0))

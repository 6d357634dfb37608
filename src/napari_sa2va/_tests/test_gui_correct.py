"""Correcting masks in a real viewer: strokes, clicks, boxes, sentences, locks, carrying, undo."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from napari.layers import Labels, Points, Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_gui_dock import WAIT_MS, colour_movie, run_to_end, square
from napari_sa2va.core import rle
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.request import messages_of
from napari_sa2va.gui.timeline_dock import TimelineDock
from napari_sa2va.gui.workspace import Workspace, workspace_of
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.spans import Span


@pytest.fixture
def stage(make_napari_viewer_proxy, qtbot):
    """A viewer, a dock, and the masks of the red and the blue square."""
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie", scale=(1, 2, 2))
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    dock.sentences.setPlainText("the red square\nthe blue square")
    run_to_end(dock, qtbot)
    assert dock.panel.message.text() == ""
    workspace = dock.bench.workspace
    assert isinstance(workspace, Workspace)
    viewer.dims.set_current_step(0, 2)
    yield viewer, dock, workspace
    dock.controller.stop()


def masks(workspace: Workspace, object_id: int) -> np.ndarray:
    state = workspace.project.state
    return np.stack([state.mask(object_id, t) for t in range(state.num_frames)])


def stroke(workspace: Workspace, qtbot, label: int, y: int, x: int, size: int = 3) -> None:
    """Paint with napari's brush on the frame in view, and wait until it is understood."""
    layer = workspace.layer
    layer.selected_label = label
    layer.brush_size = size
    count = len(workspace.project.steps)
    layer.paint((workspace.frame_in_view, y, x), label)
    qtbot.waitUntil(lambda: len(workspace.project.steps) > count, timeout=WAIT_MS)


def end_of_job(dock, qtbot) -> None:
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
    assert dock.panel.message.text() == ""


def test_the_layer_leads_to_its_workspace_whatever_its_name_and_place(stage) -> None:
    viewer, dock, workspace = stage
    workspace.layer.name = "something else"
    viewer.layers.move(viewer.layers.index(workspace.layer), 0)
    assert workspace_of(workspace.layer) is workspace
    assert workspace_of(viewer.layers["movie"]) is None
    viewer.layers.selection.active = viewer.layers["movie"]
    assert dock.bench.workspace is workspace, "the last one stays until there is another"


def test_a_stroke_corrects_the_object_and_no_other(stage, qtbot) -> None:
    _, _, workspace = stage
    before = masks(workspace, 1), masks(workspace, 2)
    stroke(workspace, qtbot, 1, 8, 10)
    step = workspace.project.steps[-1]
    assert isinstance(step, Paint)
    assert list(step.masks) == [1]
    after = masks(workspace, 1)
    assert after[2, 8, 10]
    assert (after[2] & before[0][2]).sum() == before[0][2].sum(), "nothing is lost"
    rest = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(after[rest], before[0][rest])
    np.testing.assert_array_equal(masks(workspace, 2), before[1])
    np.testing.assert_array_equal(workspace.layer.data[2] == 1, after[2])


def test_paint_over_another_object_takes_the_pixels_from_it(stage, qtbot) -> None:
    _, _, workspace = stage
    stroke(workspace, qtbot, 1, 12, 3, size=1)  # inside the blue square
    assert masks(workspace, 1)[2, 12, 3]
    assert not masks(workspace, 2)[2, 12, 3]
    workspace.undo()
    np.testing.assert_array_equal(masks(workspace, 2), square(2))
    np.testing.assert_array_equal(workspace.layer.data == 2, square(2))


def test_an_eraser_and_a_new_label(stage, qtbot) -> None:
    _, _, workspace = stage
    stroke(workspace, qtbot, 0, 2, 3, size=1)
    assert not masks(workspace, 1)[2, 2, 3]
    stroke(workspace, qtbot, 9, 8, 15)
    assert workspace.project.state.card(9).name == "object 9"
    assert workspace.layer.data[2, 8, 15] == 9


def test_nothing_is_painted_over_what_is_locked(stage, qtbot) -> None:
    _, dock, workspace = stage
    dock.correct.corrector().lock([1, 2], Span.of(2))
    before = workspace.layer.data.copy()
    steps = len(workspace.project.steps)
    for label, y, x in ((1, 2, 10), (1, 12, 3), (0, 12, 3)):
        dock.panel.message.hide()
        workspace.layer.paint((2, y, x), label)
        qtbot.waitUntil(lambda: "locked on frame 2" in dock.panel.message.text(), timeout=WAIT_MS)
        np.testing.assert_array_equal(workspace.layer.data, before)
    assert len(workspace.project.steps) == steps


def test_a_stroke_over_locked_pixels_counts_where_they_are_not(stage, qtbot) -> None:
    _, dock, workspace = stage
    dock.correct.corrector().lock([2], Span.of(2))
    stroke(workspace, qtbot, 1, 12, 6, size=5)  # half over the blue square, which ends at column 5
    np.testing.assert_array_equal(masks(workspace, 2), square(2))
    assert masks(workspace, 1)[2, 12, 7]
    assert not (masks(workspace, 1)[2] & square(2)[2]).any()
    np.testing.assert_array_equal(workspace.layer.data[2] == 2, square(2)[2])


def press(workspace: Workspace, keys: str) -> None:
    """What napari does with a key that the layer has a function for."""
    for key, action in workspace.layer.keymap.items():
        if str(key).lower().replace("control", "ctrl") == keys.lower():
            action(workspace.layer)
            return
    raise AssertionError(f"{keys} is not bound; there are {list(workspace.layer.keymap)}")


def test_undo_and_redo_go_over_everything_by_the_layers_own_keys(stage, qtbot) -> None:
    _, dock, workspace = stage
    after_run = workspace.layer.data.copy()
    stroke(workspace, qtbot, 1, 8, 10)
    dock.correct.corrector().rename(1, "mother")
    dock.correct.corrector().merge([1, 2])
    assert list(workspace.project.state.cards) == [1]
    merged = workspace.layer.data.copy()
    for _ in range(3):
        press(workspace, "ctrl+z")
    np.testing.assert_array_equal(workspace.layer.data, after_run)
    assert workspace.project.state.card(1).name == "the red square"
    for _ in range(3):
        press(workspace, "ctrl+shift+z")
    np.testing.assert_array_equal(workspace.layer.data, merged)
    for _ in range(4):
        press(workspace, "ctrl+z")
    assert not workspace.layer.data.any(), "the run itself is undone too"
    press(workspace, "ctrl+shift+z")
    np.testing.assert_array_equal(workspace.layer.data, after_run)


def test_clicks_put_a_mask_right(stage, qtbot) -> None:
    viewer, dock, workspace = stage
    workspace.select(1)
    dock.correct.on_button.click()
    points = viewer.layers.selection.active
    assert isinstance(points, Points)
    points.add(np.array([[2, 7.0, 3.0]]))  # the green square
    end_of_job(dock, qtbot)
    np.testing.assert_array_equal(masks(workspace, 1)[2], square(1)[2])
    np.testing.assert_array_equal(masks(workspace, 1)[3], square(0)[3])
    np.testing.assert_array_equal(masks(workspace, 2), square(2))
    dock.correct.off_button.click()
    points.add(np.array([[2, 0.0, 0.0]]))
    end_of_job(dock, qtbot)
    assert workspace.project.steps[-1].points == ((7.0, 3.0, True), (0.0, 0.0, False))
    dock.correct.off_button.click()
    assert points not in viewer.layers
    assert viewer.layers.selection.active == workspace.layer


def test_a_click_while_one_is_drawn_waits_for_its_turn(stage, qtbot) -> None:
    viewer, dock, workspace = stage
    workspace.select(1)
    dock.correct.on_button.click()
    points = viewer.layers.selection.active
    points.add(np.array([[2, 7.0, 3.0]]))
    points.add(np.array([[2, 8.0, 3.0]]))
    qtbot.waitUntil(
        lambda: (
            len(getattr(workspace.project.steps[-1], "points", ())) == 2
            and not dock.controller.running
        ),
        timeout=WAIT_MS,
    )
    assert dock.panel.message.text() == ""


def test_a_box_draws_an_object_anew(stage, qtbot, monkeypatch) -> None:
    viewer, dock, workspace = stage
    seen = []
    monkeypatch.setattr(dock.correct, "_mark", lambda click: seen.append(click))
    workspace.select(1)
    dock.correct.box_button.click()
    shapes = viewer.layers.selection.active
    assert isinstance(shapes, Shapes)
    shapes.add_rectangles(np.array([[2, 5, 1], [2, 5, 6], [2, 10, 6], [2, 10, 1]]))
    assert len(seen) == 1
    qtbot.waitUntil(lambda: shapes not in viewer.layers, timeout=WAIT_MS)


def test_a_new_object_by_a_click(stage, qtbot, monkeypatch) -> None:
    viewer, dock, workspace = stage
    monkeypatch.setattr(
        "napari_sa2va.gui.correct_panel.QInputDialog.getText", lambda *a: ("the green one", True)
    )
    dock.correct._add_marked("on")
    viewer.layers.selection.active.add(np.array([[2, 7.0, 3.0]]))
    end_of_job(dock, qtbot)
    assert workspace.project.state.card(3).name == "the green one"
    assert workspace.selected == 3
    np.testing.assert_array_equal(workspace.layer.data[2] == 3, square(1)[2])


def test_another_sentence_for_an_object_on_this_frame(stage, qtbot) -> None:
    _, dock, workspace = stage
    workspace.select(1)
    dock.correct.words.setText("the green square")
    dock.correct.reword()
    end_of_job(dock, qtbot)
    np.testing.assert_array_equal(masks(workspace, 1)[2], square(1)[2])
    assert (workspace.layer.data[2] == 1).sum() == 16
    assert workspace.timeline().key_frames == (0, 1, 2, 3, 5), "those of the run, not this frame"


def test_a_correction_is_carried_over_the_range_that_was_chosen(stage, qtbot) -> None:
    _, dock, workspace = stage
    workspace.select(1)
    workspace.do(Paint(frame=2, masks={1: rle.encode(square(1)[2])}))
    dock.correct.last.setValue(4)
    dock.correct.forward_button.click()
    end_of_job(dock, qtbot)
    corrected = masks(workspace, 1)
    np.testing.assert_array_equal(corrected[2:5], square(1)[2:5])
    np.testing.assert_array_equal(corrected[[0, 1, 5]], square(0)[[0, 1, 5]])
    np.testing.assert_array_equal(workspace.layer.data == 2, square(2))
    dock.correct.backward_button.click()
    end_of_job(dock, qtbot)
    np.testing.assert_array_equal(masks(workspace, 1)[:5], square(1)[:5])


@pytest.mark.parametrize("button", ["backward_button", "both_button", "forward_button"])
def test_nothing_is_carried_from_outside_of_the_range(stage, button) -> None:
    _, dock, workspace = stage  # frame 2 is in view
    workspace.select(1)
    first, last = (4, 5) if button == "forward_button" else (0, 1)
    dock.correct.first.setValue(first)
    dock.correct.last.setValue(last)
    before, steps = masks(workspace, 1), len(workspace.project.steps)
    getattr(dock.correct, button).click()
    assert "does not lie within" in dock.panel.message.text()
    assert len(workspace.project.steps) == steps
    np.testing.assert_array_equal(masks(workspace, 1), before)


def test_the_panel_follows_the_label_the_slider_and_the_locks(stage) -> None:
    viewer, dock, workspace = stage
    workspace.layer.selected_label = 2
    assert dock.correct.objects.selected_ids == [2]
    assert not dock.correct.lock_button.isChecked()
    dock.correct.lock_button.click()
    assert workspace.project.state.cell(2, 2).locked
    assert not workspace.project.state.cell(1, 2).locked
    assert dock.correct.lock_button.text() == "Locked"
    viewer.dims.set_current_step(0, 3)
    assert dock.correct.lock_button.text() == "Lock"
    assert dock.correct.frame_title.text() == "Frame 3"


def test_several_selected_objects_stay_selected_while_they_are_worked_on(stage, qtbot) -> None:
    _, dock, workspace = stage
    rows = dock.correct.objects
    for row in (0, 1):
        rows.topLevelItem(row).setSelected(True)
    assert rows.selected_ids == [1, 2]
    dock.correct.forward_button.click()
    end_of_job(dock, qtbot)
    assert set(workspace.project.steps[-1].conditions) == {1, 2}
    assert rows.selected_ids == [1, 2]
    dock.correct.range_lock_button.click()
    assert workspace.project.state.cell(1, 0).locked
    assert workspace.project.state.cell(2, 0).locked


def test_a_division_is_made_of_the_parts_of_an_object(stage) -> None:
    _, dock, workspace = stage
    both = square(0) | square(1)  # red and green: apart by some rows
    for t in (2, 3, 4, 5):
        workspace.do(Paint(frame=t, masks={1: rle.encode(both[t])}))
    workspace.select(1)
    workspace.go_to(4)
    dock.correct.split_division()
    new = max(workspace.project.state.cards)
    assert workspace.project.state.card(new).parents == (1,)
    assert "Divide into 2 parts" in workspace.project.steps[-1].title


def test_an_object_that_is_not_there_on_a_frame_and_a_range(stage) -> None:
    _, dock, workspace = stage
    workspace.select(1)
    dock.correct.absent_button.click()
    assert workspace.project.state.masklet(1).frames_present == [0, 1, 3, 4, 5]
    dock.correct.first.setValue(4)
    dock.correct.range_absent_button.click()
    assert workspace.project.state.masklet(1).frames_present == [0, 1, 3]
    assert not (workspace.layer.data[4:] == 1).any()


def test_names_and_colours_reach_the_layer(stage) -> None:
    _, dock, workspace = stage
    dock.correct.objects.topLevelItem(0).setText(0, "  mother   cell ")
    assert workspace.project.state.card(1).name == "mother cell"
    assert list(workspace.layer.features["name"]) == ["mother cell", "the blue square"]
    dock.correct.objects.recolored.emit(1, (10, 20, 30))
    np.testing.assert_allclose(
        workspace.layer.colormap.color_dict[1][:3], np.array([10, 20, 30]) / 255, atol=1e-6
    )


def test_what_cannot_be_done_is_said_in_the_dock(stage) -> None:
    _, dock, workspace = stage
    workspace.select(1)
    dock.correct.split()
    assert "is in one piece on frame 2" in dock.panel.message.text()
    dock.correct.merge()
    assert "cannot be merged" in dock.panel.message.text()


def test_a_stopped_run_is_continued(make_napari_viewer_proxy, qtbot) -> None:
    from napari_sa2va._tests.test_gui_dock import Stepper, begin

    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    source = Stepper(partial(messages_of, model=FakeModel()))
    dock = SentenceDock(viewer, source)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    begin(dock, source, qtbot, "the red square")
    source.release(2)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 2, timeout=WAIT_MS)
    dock.controller.cancel()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
    assert dock.panel.continue_button.isVisibleTo(dock.panel)
    workspace = dock.bench.workspace
    assert not all(cell.final for cell in workspace.project.state.cells(1))
    source.release(20)
    dock.panel.continue_button.click()
    end_of_job(dock, qtbot)
    np.testing.assert_array_equal(workspace.layer.data == 1, square(0))
    assert not dock.panel.continue_button.isVisibleTo(dock.panel)
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 1


def test_a_second_run_can_add_its_objects_to_the_masks_there_are(stage, qtbot) -> None:
    viewer, dock, workspace = stage
    before = workspace.layer.data.copy()
    dock.sentences.setPlainText("the green square")
    dock.finder.into.setCurrentIndex(1)
    dock.finder.into.activated.emit(1)
    run_to_end(dock, qtbot)
    ((_, color),) = dock.sentences.swatches()
    assert color.getRgb()[:3] == workspace.project.state.card(3).color
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 1
    np.testing.assert_array_equal(workspace.layer.data, np.where(square(1), 3, before))


def test_the_timeline_shows_the_masks_that_are_worked_on_and_acts_on_them(stage, qtbot) -> None:
    viewer, _, workspace = stage
    timeline = TimelineDock(viewer)
    viewer.window.add_dock_widget(timeline, name="Timeline", area="right")
    window = timeline.window()
    placed = next(d for d in window.findChildren(QDockWidget) if d.isAncestorOf(timeline))
    below = Qt.DockWidgetArea.BottomDockWidgetArea
    qtbot.waitUntil(lambda: window.dockWidgetArea(placed) == below, timeout=WAIT_MS)
    shown = workspace.timeline()
    assert [lane.name for lane in shown.lanes] == ["the red square", "the blue square"]
    assert shown.key_frames == (0, 1, 2, 3, 5)
    assert all(lane.known.all() for lane in shown.lanes)
    assert timeline.view.frame == 2
    timeline.view.frame_chosen.emit(4)
    assert workspace.frame_in_view == 4
    timeline.view.object_chosen.emit(2)
    assert workspace.selected == 2
    timeline.view.lock_toggled.emit(2, 4)
    assert workspace.project.state.cell(2, 4).locked
    timeline.view.review_toggled.emit(4)
    assert workspace.project.state.reviewed == {4}
    workspace.undo()
    workspace.undo()
    assert workspace.timeline().lanes[1].locked.sum() == 0
    # A correction far off makes that frame doubtful.
    far = np.zeros((16, 20), bool)
    far[0, 19] = True
    workspace.do(Paint(frame=3, masks={2: rle.encode(far)}))
    assert {doubt.frame for doubt in workspace.timeline().doubts} >= {3}


def test_a_layer_that_was_removed_leaves_nothing_to_work_on(stage) -> None:
    viewer, dock, workspace = stage
    viewer.layers.remove(workspace.layer)
    assert dock.bench.workspace is None
    assert dock.correct.body.isHidden()


def test_labels_from_elsewhere_are_taken_over_and_corrected(
    make_napari_viewer_proxy, qtbot
) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    data = np.where(square(0), 3, 0) + np.where(square(2), 7, 0)
    features = {"index": [3, 7], "name": ["mother", "child"], "dose": [0.1, 0.2]}
    labels = viewer.add_labels(data, name="by hand", features=features)
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    timeline = TimelineDock(viewer)
    viewer.window.add_dock_widget(timeline, name="Timeline", area="bottom")
    assert dock.correct.adopt_button.isVisibleTo(dock.correct)
    dock.correct.adopt_button.click()
    qtbot.waitUntil(lambda: dock.bench.workspace is not None, timeout=WAIT_MS)
    workspace = dock.bench.workspace
    assert workspace.layer == labels
    assert timeline.bench.workspace is workspace, "other docks work on it at once"
    assert not dock.correct.adopt_button.isVisibleTo(dock.correct)
    np.testing.assert_array_equal(masks(workspace, 3), square(0))
    np.testing.assert_array_equal(labels.data, data)
    assert workspace.project.state.card(3).name == "mother"
    assert list(labels.features["dose"]) == [0.1, 0.2], "what somebody wrote there stays"
    # What needs the pixels of the movie works as well.
    viewer.dims.set_current_step(0, 2)
    workspace.select(3)
    workspace.do(Paint(frame=2, masks={3: rle.encode(square(1)[2])}))
    dock.correct.forward_button.click()
    end_of_job(dock, qtbot)
    np.testing.assert_array_equal(masks(workspace, 3)[2:], square(1)[2:])
    dock.correct.undo()
    dock.correct.undo()
    np.testing.assert_array_equal(labels.data, data)


def test_the_timeline_is_opened_once_by_the_button_of_the_dock(stage) -> None:
    _, dock, _ = stage
    for _ in range(2):
        dock.timeline_button.click()
    assert len(dock.window().findChildren(TimelineDock)) == 1

"""Measuring in a real viewer: from a click to numbers in the layer, the panel, the plot and a file."""

from __future__ import annotations

import csv
import gc
import threading
import weakref

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QTreeWidget,
    QWidget,
)

from napari_sa2va._tests.made_workspaces import boxed, counted, given, workspace_on
from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.gui import measurer
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.layer_axes import AxisChoice
from napari_sa2va.gui.measure_panel import MeasurePanel, ask_for_path
from napari_sa2va.gui.measured import measured_of
from napari_sa2va.gui.measurer import Batch
from napari_sa2va.gui.placement import Placement
from napari_sa2va.gui.worker import start_work
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.absent import Absent
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.spans import Span

WAIT_MS = 60_000
T, Y, X = 4, 8, 12

# 2 x 2 px that walk 3 px to the right and then 4 px down, and 1 x 4 px that come and go.
WALKER = [(0, 0, 2, 2), (0, 3, 2, 5), (4, 3, 6, 5), (4, 3, 6, 5)]
GUEST = [None, (7, 0, 8, 4), (7, 0, 7, 0), (7, 2, 8, 6)]
OBJECTS = {"walker": WALKER, "guest": GUEST}
IN_UM = {"scale": (2, 0.5, 0.5), "units": ("s", "um", "um")}
# 1000 and more: not what an 8-bit picture would show.
PIXELS = (1000 + np.arange(T * Y * X).reshape(T, Y, X)).astype(np.uint16)


@pytest.fixture
def make_panel(make_napari_viewer_proxy, qtbot):
    """Make a viewer with a movie, a workspace on it, and the panel beside it."""
    made = []

    def make(objects=OBJECTS, *, pixels=PIXELS, choice=None, start=start_work, **options):
        viewer = make_napari_viewer_proxy()
        image = viewer.add_image(pixels, name="movie", **options)
        workspace = workspace_on(viewer, image, objects, choice)
        return viewer, workspace, beside(viewer, workspace, start)

    def beside(viewer, workspace, start=start_work, ask_path=None):
        bench = Bench(viewer)
        bench.take(workspace)
        panel = MeasurePanel(bench, start, ask_path)
        viewer.window.add_dock_widget(panel, name="Measure")
        made.append(panel)
        return panel

    make.beside, make.made = beside, made
    yield make
    # Work that a failed test has left behind would keep the viewer alive.
    for panel in made:
        panel.measurer.stop()
    made.clear()


def measure(panel, qtbot):
    panel.work.start_button.click()
    qtbot.waitUntil(lambda: not panel.measurer.running, timeout=WAIT_MS)
    panel.refresh()


def table_of(workspace):
    return measured_of(workspace).table(workspace.project.state)


class Stepper:
    """Starts work that stops before every batch until the test lets it go on."""

    def __init__(self) -> None:
        self._go = threading.Semaphore(0)
        self.num_entered = 0
        self.ended = threading.Event()

    def __call__(self, request, on_message, source):
        def stepped(request, cancel):
            try:
                for message in source(request, cancel):
                    if isinstance(message, Batch):
                        self.num_entered += 1
                        while not self._go.acquire(timeout=0.02) and not cancel.cancelled:
                            pass
                    yield message
            finally:
                self.ended.set()

        return start_work(request, on_message, stepped)

    def release(self, batches: int) -> None:
        for _ in range(batches):
            self._go.release()


# Numbers


def test_every_object_is_measured_on_every_frame_in_um_and_s(make_panel, qtbot):
    _, workspace, panel = make_panel(**IN_UM)
    measure(panel, qtbot)
    table = table_of(workspace)
    assert table["name"].tolist() == ["walker", "walker", "guest", "walker", "walker", "guest"]
    nan = np.nan
    expected = {
        "index": [1, 1, 2, 1, 1, 2],
        "frame": [0, 1, 1, 2, 3, 3],
        "time_s": [0, 2, 2, 4, 6, 6],
        "area_px": [4] * 6,
        "area_um2": [1] * 6,
        "centroid_x_um": [0.25, 1.75, 0.75, 1.75, 1.75, 1.75],
        # 3 px, then 4 px, then none; the guest moved 2 px in 2 frames.
        "speed_um_s": [nan, 0.75, nan, 1, 0, 0.25],
        "elongation": [1, 1, 4, 1, 1, 4],
        "score": [0.75] * 6,
    }
    for column, values in expected.items():
        np.testing.assert_allclose(table[column], values, err_msg=column)
    assert panel.note.text() == "All 4 frames are measured."


def test_intensities_are_those_of_the_data_and_not_of_the_screen(make_panel, qtbot):
    _, workspace, panel = make_panel(contrast_limits=(1000, 1010))
    measure(panel, qtbot)
    # Pixels (0, 0), (0, 1), (1, 0), (1, 1) of frame 0: 1000, 1001, 1012, 1013.
    assert table_of(workspace)["mean_intensity"][0] == 1006.5


def test_another_layer_is_measured_besides(make_panel, qtbot):
    viewer, workspace, panel = make_panel()
    gfp = viewer.add_image(PIXELS.astype(np.float32) / 2, name="GFP")
    assert panel.layers.layers == []
    panel.layers.choose(gfp)
    measure(panel, qtbot)
    table = table_of(workspace)
    np.testing.assert_allclose(table["mean_intensity_GFP"], table["mean_intensity"] / 2)
    assert "Mean intensity, GFP" in workspace.curves
    assert "Intensity GFP" in panel.table.tree.headings


def test_other_intensities_are_said_to_be_missing_until_they_are_measured(make_panel, qtbot):
    viewer, workspace, panel = make_panel()
    gfp = viewer.add_image(PIXELS, name="GFP")
    measure(panel, qtbot)
    assert "Other" not in panel.note.text()
    panel.layers.choose(gfp)
    assert "Other intensities are chosen now: Measure again." in panel.note.text()
    measure(panel, qtbot)
    assert "Other" not in panel.note.text()
    assert "mean_intensity_GFP" in table_of(workspace)


def test_curves_of_what_is_measured_no_longer_go(make_panel, qtbot):
    viewer, workspace, panel = make_panel()
    gfp = viewer.add_image(PIXELS, name="GFP")
    panel.layers.choose(gfp)
    measure(panel, qtbot)
    panel.layers.choose(gfp, False)
    measure(panel, qtbot)
    assert "Mean intensity, GFP" not in workspace.curves
    assert "Mean intensity" in workspace.curves


def test_the_menu_offers_layers_that_lie_on_the_movie(make_panel, qtbot):
    viewer, _, panel = make_panel()
    viewer.add_image(np.zeros((3, 3)), name="elsewhere")
    viewer.add_image(PIXELS, name="GFP")
    menu = panel.layers.menu()
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions()] == ["What the model saw", "GFP"]
    menu.actions()[1].trigger()
    assert [layer.name for layer in panel.layers.layers] == ["GFP"]
    viewer.layers.remove("GFP")
    assert panel.layers.layers == []


def test_channels_of_the_clip_have_columns_of_their_own(make_panel, qtbot):
    pixels = np.stack([PIXELS, PIXELS * 2], axis=1)
    metadata = {"channel_names": ("DAPI", "GFP")}
    _, workspace, panel = make_panel(
        pixels=pixels, axis_labels=("t", "c", "y", "x"), metadata=metadata
    )
    measure(panel, qtbot)
    table = table_of(workspace)
    assert table["mean_intensity_DAPI"][0] == 1006.5
    assert table["mean_intensity_GFP"][0] == 2013


def test_planes_are_measured_one_after_the_other(make_panel, qtbot):
    pixels = np.stack([PIXELS, PIXELS + 5000], axis=1)
    viewer, workspace, panel = make_panel(
        {"walker": [*WALKER, *[None] * 3, (0, 0, 2, 2)]},
        pixels=pixels,
        choice=AxisChoice(0, {1: "every"}),
        axis_labels=("t", "z", "y", "x"),
        scale=(2, 3, 0.5, 0.5),
        units=("s", "um", "um", "um"),
    )
    measure(panel, qtbot)
    table = table_of(workspace)
    assert list(table)[:4] == ["index", "name", "plane", "frame"]
    assert table["plane"].tolist() == [0, 0, 0, 0, 1]
    assert table["frame"].tolist() == [0, 1, 2, 3, 3]
    # Nothing was there on plane 1 before: a speed is not counted from plane 0.
    np.testing.assert_allclose(table["speed_um_s"], [np.nan, 0.75, 1, 0, np.nan])
    np.testing.assert_allclose(table["mean_intensity"][[0, 4]], [1006.5, 6006.5 + 3 * Y * X])
    assert workspace.curves["Area (µm²)"][1].tolist()[:4] == [1] * 4
    plane = workspace.timeline(1).curves["Area (µm²)"][1]
    np.testing.assert_allclose(plane, [np.nan] * 3 + [1])
    viewer.dims.set_current_step(0, 3)
    viewer.dims.set_current_step(1, 1)
    assert panel.table.title.text() == "Frame 3, plane 1"
    assert [row[0] for row in panel.table.tree.texts] == ["walker"]


def test_masks_without_a_movie_are_measured_without_intensities(make_panel, qtbot):
    _, workspace, panel = make_panel(**IN_UM)
    workspace.project.footage = None
    measure(panel, qtbot)
    table = table_of(workspace)
    assert not [column for column in table if "intensity" in column]
    np.testing.assert_allclose(table["area_um2"], 1)
    np.testing.assert_allclose(table["speed_um_s"][1], 0.75)


# What has changed


def counting_workspace(viewer):
    """A workspace on a clip that tells which frames are read."""
    frames, read = counted(PIXELS)
    project = Project.of(Clip(frames, limits=((0.0, 1.0),)))
    project.do(given((Y, X), OBJECTS))
    workspace = Workspace(
        project, LabelsView(viewer, Placement("TYX", T), (T, Y, X)), image_name="movie"
    )
    workspace.open_layer()
    return workspace, read


def test_only_frames_that_have_changed_are_measured_again(
    make_napari_viewer_proxy, make_panel, qtbot
):
    viewer = make_napari_viewer_proxy()
    workspace, read = counting_workspace(viewer)
    panel = make_panel.beside(viewer, workspace)
    measure(panel, qtbot)
    assert sorted(set(read)) == [0, 1, 2, 3]
    read.clear()
    workspace.do(Paint(frame=1, masks={1: rle.encode(boxed((Y, X), (0, 4, 2, 6)))}))
    panel.refresh()
    # The walker's speed on frame 2 is counted from where it was on frame 1.
    assert "2 frames have changed since: Measure again." in panel.note.text()
    measure(panel, qtbot)
    assert sorted(set(read)) == [1, 2]
    assert panel.work.stage.text() == "2 frames measured."
    table = table_of(workspace)
    walker = table["index"] == 1
    np.testing.assert_allclose(table["speed_px_frame"][walker], [np.nan, 4, np.hypot(4, 1), 0])
    assert table["frame"].tolist() == [0, 1, 1, 2, 3, 3]
    assert "changed" not in panel.note.text()


def test_undo_makes_measurements_hold_again(make_panel, qtbot):
    _, workspace, panel = make_panel()
    measure(panel, qtbot)
    workspace.do(Paint(frame=3, masks={1: rle.encode(boxed((Y, X), (0, 0, 1, 1)))}))
    panel.refresh()
    assert "1 frame has changed" in panel.note.text()
    workspace.undo()
    panel.refresh()
    assert "changed" not in panel.note.text()


@pytest.mark.parametrize(
    "step", [Lock(object_ids=(1,), span=Span.of(1)), Rename(object_id=1, name="runner")]
)
def test_what_changes_no_mask_makes_no_measurement_stale(make_panel, qtbot, step):
    _, workspace, panel = make_panel()
    measure(panel, qtbot)
    assert workspace.do(step) is not None
    panel.refresh()
    assert "changed" not in panel.note.text()


def test_an_object_that_went_leaves_the_table_and_one_that_is_renamed_has_its_name(
    make_panel, qtbot
):
    _, workspace, panel = make_panel()
    measure(panel, qtbot)
    workspace.do(Rename(object_id=1, name="runner"))
    workspace.do(Remove(object_ids=(2,)))
    qtbot.waitUntil(lambda: set(workspace.layer.features["name"]) == {"runner"}, timeout=WAIT_MS)
    assert table_of(workspace)["index"].tolist() == [1] * 4
    workspace.undo()
    assert table_of(workspace)["index"].tolist() == [1, 1, 2, 1, 1, 2]


def test_a_frame_on_which_an_object_is_not_loses_its_row(make_panel, qtbot):
    _, workspace, panel = make_panel()
    measure(panel, qtbot)
    workspace.do(Absent(object_ids=(1,), span=Span.of(1)))
    panel.refresh()
    assert "2 frames have changed" in panel.note.text()
    measure(panel, qtbot)
    table = table_of(workspace)
    assert table["frame"][table["index"] == 1].tolist() == [0, 2, 3]
    # From (0.5, 0.5) to (4.5, 3.5) in two frames.
    np.testing.assert_allclose(table["speed_px_frame"][table["index"] == 1], [np.nan, 2.5, 0])


def test_measuring_again_without_a_change_does_nothing(make_panel, qtbot):
    _, _, panel = make_panel()
    measure(panel, qtbot)
    panel.work.start_button.click()
    assert not panel.measurer.running
    assert panel.work.stage.text() == "Nothing has changed since it was measured."


# Long work


def test_cancel_keeps_what_was_measured_and_measure_goes_on(make_panel, qtbot, monkeypatch):
    monkeypatch.setattr(measurer, "_TOGETHER_S", -1.0)  # every frame on its own
    stepper = Stepper()
    _, workspace, panel = make_panel(start=stepper)
    panel.work.start_button.click()
    stepper.release(2)
    qtbot.waitUntil(lambda: panel.work.progress.value() == 2, timeout=WAIT_MS)
    assert panel.work.progress.maximum() == 4
    qtbot.waitUntil(lambda: stepper.num_entered == 3, timeout=WAIT_MS)
    panel.work.cancel_button.click()
    qtbot.waitUntil(lambda: not panel.measurer.running, timeout=WAIT_MS)
    panel.refresh()
    # The frame in work when it was cancelled was finished.
    assert panel.work.stage.text() == "Stopped. 3 of 4 frames are done and kept."
    assert panel.note.text() == "3 of 4 frames are measured: Measure goes on."
    assert sorted(set(table_of(workspace)["frame"].tolist())) == [0, 1, 2]
    stepper.release(1)
    measure(panel, qtbot)
    assert sorted(set(table_of(workspace)["frame"].tolist())) == [0, 1, 2, 3]


def test_a_dock_that_is_closed_stops_the_work_and_is_forgotten(make_panel, qtbot, monkeypatch):
    monkeypatch.setattr(measurer, "_TOGETHER_S", -1.0)
    stepper = Stepper()
    viewer, workspace, panel = make_panel(start=stepper)
    panel.work.start_button.click()
    stepper.release(1)
    qtbot.waitUntil(lambda: measured_of(workspace).num_done == 1, timeout=WAIT_MS)
    panel.close_down()
    viewer.window.remove_dock_widget(panel)
    qtbot.waitUntil(stepper.ended.is_set, timeout=WAIT_MS)
    assert measured_of(workspace).num_done == 1  # it belongs to the workspace
    gone = weakref.ref(panel)
    panel.deleteLater()
    make_panel.made.clear()
    del panel
    qtbot.waitUntil(lambda: gc.collect() >= 0 and gone() is None, timeout=WAIT_MS)
    workspace.do(Paint(frame=0, masks={1: rle.encode(boxed((Y, X), (0, 0, 1, 1)))}))
    viewer.dims.set_current_step(0, 2)


def test_closing_the_viewer_while_it_measures_stops_it(make_panel, qtbot, monkeypatch):
    monkeypatch.setattr(measurer, "_TOGETHER_S", -1.0)
    stepper = Stepper()
    viewer, _, panel = make_panel(start=stepper)
    panel.work.start_button.click()
    qtbot.waitUntil(lambda: stepper.num_entered == 1, timeout=WAIT_MS)
    viewer.close()
    qtbot.waitUntil(stepper.ended.is_set, timeout=WAIT_MS)


def test_a_dock_that_is_told_to_watch_again_goes_on_measuring(make_panel, qtbot):
    stepper = Stepper()
    _, workspace, panel = make_panel(start=stepper)
    panel.work.start_button.click()
    panel.watch()
    assert panel.measurer.running
    stepper.release(T)
    qtbot.waitUntil(lambda: not panel.measurer.running, timeout=WAIT_MS)
    assert measured_of(workspace).num_done == T


def test_a_dock_that_comes_back_knows_what_was_measured(make_panel, qtbot):
    viewer, _, panel = make_panel()
    panel.layers.choose(viewer.add_image(PIXELS, name="GFP"))
    measure(panel, qtbot)
    panel.close_down()
    assert panel.empty.isVisibleTo(panel)
    panel.watch()
    assert [layer.name for layer in panel.layers.layers] == ["GFP"]
    assert panel.note.text() == "All 4 frames are measured."


def test_a_frame_that_cannot_be_read_is_an_error_and_what_came_before_is_kept(make_panel, qtbot):
    def load(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 2:
            raise OSError("the disk is gone")
        return block

    lazy = da.from_array(PIXELS, chunks=(1, Y, X))
    _, workspace, panel = make_panel()
    clip = Clip(lazy.map_blocks(load, dtype=PIXELS.dtype), limits=((0.0, 1.0),))
    workspace.project.footage = Project.of(clip).footage
    measure(panel, qtbot)
    assert "the disk is gone" in panel.message.text()
    assert table_of(workspace)["frame"].tolist() == [0, 1, 1]
    assert panel.work.start_button.isEnabled()


def test_without_a_mask_there_is_nothing_to_measure(make_panel, qtbot):
    _, _, panel = make_panel({"ghost": [None] * T})
    panel.work.start_button.click()
    assert panel.message.text().startswith("There is no mask to measure.")
    assert not panel.measurer.running


# Where the numbers are seen


def test_napari_shows_the_row_of_the_frame_in_view(make_panel, qtbot):
    """Of all rows of a label, napari shows the last one."""
    viewer, workspace, panel = make_panel(**IN_UM)
    viewer.dims.set_current_step(0, 1)
    measure(panel, qtbot)
    layer = workspace.layer
    assert len(layer.features) == 6
    assert layer.features["frame"].tolist()[-2:] == [1, 1]

    def status():
        return layer.get_status(
            layer.data_to_world((viewer.dims.current_step[0], 4, 3)), world=True
        )

    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: layer.features["frame"].tolist()[-1] == 2, timeout=WAIT_MS)
    shown = status()["value"]
    assert "frame: 2" in shown
    assert "speed_um_s: 1" in shown


def test_a_column_that_somebody_else_gave_the_layer_is_kept(make_panel, qtbot):
    _, workspace, panel = make_panel()
    workspace.layer.features = {"index": [2, 1], "kind": ["neutrophil", "macrophage"]}
    measure(panel, qtbot)
    features = workspace.layer.features
    kinds = dict(zip(features["index"], features["kind"], strict=True))
    assert kinds == {1: "macrophage", 2: "neutrophil"}
    measured_of(workspace).show_features(workspace)
    assert "kind" in workspace.layer.features


def test_the_table_follows_the_slider(make_panel, qtbot):
    viewer, _, panel = make_panel(**IN_UM)
    measure(panel, qtbot)
    assert panel.table.tree.headings == [
        "Object",
        "Area (µm²)",
        "Mean intensity",
        "Speed (µm/s)",
        "Score",
    ]
    viewer.dims.set_current_step(0, 0)
    assert panel.table.title.text() == "Frame 0"
    assert panel.table.tree.texts == [["walker", "1", "1006", "–", "0.75"]]
    viewer.dims.set_current_step(0, 3)
    assert [row[0] for row in panel.table.tree.texts] == ["walker", "guest"]
    assert [row[3] for row in panel.table.tree.texts] == ["0", "0.25"]


def test_a_row_selects_the_label_and_the_label_its_row(make_panel, qtbot):
    viewer, workspace, panel = make_panel()
    viewer.dims.set_current_step(0, 3)
    measure(panel, qtbot)
    item = panel.table.tree.topLevelItem(1)
    qtbot.mouseClick(
        panel.table.tree.viewport(),
        Qt.MouseButton.LeftButton,
        pos=panel.table.tree.visualItemRect(item).center(),
    )
    assert workspace.layer.selected_label == 2
    workspace.layer.selected_label = 1
    assert panel.table.tree.current_id == 1
    qtbot.keyClick(panel.table.tree, Qt.Key.Key_Down)
    assert workspace.layer.selected_label == 2


def test_columns_are_chosen(make_panel, qtbot):
    _, _, panel = make_panel()
    measure(panel, qtbot)
    assert panel.table.tree.headings == [
        "Object",
        "Area (px)",
        "Mean intensity",
        "Speed (px/frame)",
        "Score",
    ]
    panel.table.columns_menu.aboutToShow.emit()
    actions = {action.text(): action for action in panel.table.columns_menu.actions()}
    assert "Name" not in actions
    actions["Elongation"].trigger()
    actions["Score"].trigger()
    assert panel.table.tree.headings == [
        "Object", "Area (px)", "Mean intensity", "Speed (px/frame)", "Elongation"
    ]  # fmt: skip


def test_a_menu_of_columns_stays_open_while_boxes_are_checked(make_panel, qtbot):
    _, _, panel = make_panel()
    measure(panel, qtbot)
    menu = panel.table.columns_menu
    menu.popup(panel.mapToGlobal(panel.rect().center()))
    box = next(action for action in menu.actions() if action.text() == "Elongation")
    place = menu.actionGeometry(box).center()
    qtbot.mouseMove(menu, place)
    menu.setActiveAction(box)
    qtbot.mouseClick(menu, Qt.MouseButton.LeftButton, pos=place)
    assert box.isChecked()
    assert menu.isVisible()
    qtbot.keyClick(menu, Qt.Key.Key_Space)
    assert not box.isChecked()
    assert menu.isVisible()
    menu.close()


def test_curves_are_offered_to_the_timeline(make_panel, qtbot):
    _, workspace, panel = make_panel(**IN_UM)
    workspace.curves = {"J": {1: np.zeros(T)}}
    told = []
    workspace.frames_changed.connect(told.append)
    measure(panel, qtbot)
    assert list(workspace.curves) == [
        "Area (µm²)", "Position y (µm)", "Position x (µm)", "Mean intensity", "Speed (µm/s)",
        "Elongation", "J",
    ]  # fmt: skip
    np.testing.assert_allclose(workspace.curves["Speed (µm/s)"][2], [np.nan, np.nan, np.nan, 0.25])
    assert told == [None]
    assert workspace.timeline().curves["Area (µm²)"][1].tolist() == [1] * T


def test_the_whole_table_is_saved_as_csv(make_napari_viewer_proxy, make_panel, qtbot, tmp_path):
    viewer = make_napari_viewer_proxy()
    workspace, _ = counting_workspace(viewer)
    asked = []
    path = tmp_path / "cells.csv"
    path.write_text("what was there before")

    def ask_path(parent, name):
        asked.append(name)
        return path

    panel = make_panel.beside(viewer, workspace, ask_path=ask_path)
    assert not panel.save_button.isEnabled()
    measure(panel, qtbot)
    panel.save_button.click()
    qtbot.waitUntil(lambda: not panel.measurer.running, timeout=WAIT_MS)
    assert asked == ["movie-measurements.csv"]
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["frame"], row["area_px"]) for row in rows] == [
        ("walker", "0", "4"), ("walker", "1", "4"), ("guest", "1", "4"),
        ("walker", "2", "4"), ("walker", "3", "4"), ("guest", "3", "4"),
    ]  # fmt: skip
    assert panel.work.stage.text() == "Saved 6 rows to cells.csv."


def test_a_table_that_cannot_be_written_is_an_error(
    make_napari_viewer_proxy, make_panel, qtbot, tmp_path
):
    viewer = make_napari_viewer_proxy()
    workspace, _ = counting_workspace(viewer)
    panel = make_panel.beside(viewer, workspace, ask_path=lambda *_: tmp_path / "none" / "a.csv")
    measure(panel, qtbot)
    panel.save_button.click()
    qtbot.waitUntil(lambda: not panel.measurer.running, timeout=WAIT_MS)
    assert "there is no folder" in panel.message.text()


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_name_without_a_suffix_gets_one_and_a_file_is_not_replaced_unasked(
    qtbot, tmp_path, monkeypatch, answer
):
    (tmp_path / "cells.csv").write_text("what was there before")
    asked = []

    def use(dialog):
        dialog.setDirectory(str(tmp_path))
        dialog.findChild(QLineEdit, "fileNameEdit").setText("cells")
        QTimer.singleShot(0, reply)
        dialog.accept()
        if answer == "No":
            dialog.reject()
        return dialog.result()

    def reply():
        box = QApplication.activeModalWidget()
        asked.append(box.text())
        box.button(getattr(QMessageBox.StandardButton, answer)).click()

    parent = QWidget()
    qtbot.addWidget(parent)
    # A dialog of the system cannot be clicked on here.
    monkeypatch.setattr(QFileDialog, "exec", use)
    monkeypatch.setattr(
        QFileDialog, "setDefaultSuffix",
        lambda self, suffix, real=QFileDialog.setDefaultSuffix: (
            self.setOption(QFileDialog.Option.DontUseNativeDialog), real(self, suffix)
        ),
    )  # fmt: skip
    path = ask_for_path(parent, "movie.csv")
    assert len(asked) == 1
    assert path == (tmp_path / "cells.csv" if answer == "Yes" else None)


def test_without_a_workspace_the_panel_says_what_will_be_here(make_napari_viewer_proxy, make_panel):
    viewer = make_napari_viewer_proxy()
    panel = make_panel.beside(viewer, None)
    assert "Here objects are measured" in panel.empty.text()
    assert panel.empty.isVisibleTo(panel)
    assert not panel.body.isVisibleTo(panel)


# The panel itself


def test_every_control_says_what_it_is_and_does(make_panel):
    _, _, panel = make_panel()
    for control in panel.findChildren(QWidget):
        if isinstance(control, QAbstractButton | QComboBox | QTreeWidget):
            if control.parent().metaObject().className() == "MessageBox":
                continue
            named = control.accessibleName() or getattr(control, "text", str)()
            assert named, control
            assert control.toolTip(), named
        if isinstance(control, QProgressBar):
            assert control.accessibleName()


def test_words_half_as_long_again_fit_a_dock_of_340_px(make_panel, qtbot):
    viewer, _, panel = make_panel({"the long red neutrophil that enters from the left": WALKER})
    panel.layers.choose(viewer.add_image(PIXELS, name="GFP reporter of the second plate"))
    measure(panel, qtbot)
    for control in panel.findChildren(QWidget):
        if isinstance(control, QAbstractButton | QLabel) and control.text():
            control.setText(control.text() + " " + "n" * (len(control.text()) // 2))
    assert panel.minimumSizeHint().width() <= 340

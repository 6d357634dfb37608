"""Scores against a Labels layer, from the button to the timeline."""

from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_sa2va._tests.made_workspaces import boxed, workspace_on
from napari_sa2va.core import rle
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.measure_panel import MeasurePanel
from napari_sa2va.gui.placement import Placement
from napari_sa2va.gui.scorer import scored_of
from napari_sa2va.gui.worker import start_work
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.metrics import boundary_f
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.given import Given, GivenObject
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.spans import Span

WAIT_MS = 60_000
T, Y, X = 2, 20, 20

# Each of 4 x 4 px. Half of the second box of "a" lies on label 5; "b" is label 3 exactly.
OBJECTS = {
    "a": [(0, 0, 4, 4), (0, 0, 4, 4)],
    "b": [(10, 10, 14, 14), (10, 10, 14, 14)],
}


def truth() -> np.ndarray:
    labels = np.zeros((T, Y, X), np.int32)
    labels[0, 0:4, 0:4] = 5
    labels[1, 0:4, 2:6] = 5
    labels[:, 10:14, 10:14] = 3
    labels[1, 18:, 18:] = 70_000  # nobody found it
    return labels


@pytest.fixture
def make_panel(make_napari_viewer_proxy):
    """Make a viewer with a movie, a workspace, a truth, and the panel beside them."""
    made = []

    def make(labels=None, *, objects=OBJECTS, start=start_work, options=None, **image_options):
        viewer = make_napari_viewer_proxy()
        pixels = np.zeros((T, Y, X), np.uint8)
        pixels[0, 0, 0] = 255
        image = viewer.add_image(pixels, name="movie", **image_options)
        labels = truth() if labels is None else labels
        layer = viewer.add_labels(labels, name="truth", **(options or image_options))
        workspace = workspace_on(viewer, image, objects)
        bench = Bench(viewer)
        bench.take(workspace)
        panel = MeasurePanel(bench, start)
        viewer.window.add_dock_widget(panel, name="Measure")
        made.append(panel)
        panel.scores.truth.choose(layer)
        return viewer, workspace, panel

    yield make
    for panel in made:
        panel.scores.scorer.stop()
    made.clear()


def score(panel, qtbot):
    panel.scores.work.start_button.click()
    qtbot.waitUntil(lambda: not panel.scores.scorer.running, timeout=WAIT_MS)
    panel.refresh()


def test_objects_are_scored_per_frame_and_on_the_mean(make_panel, qtbot):
    _, workspace, panel = make_panel()
    score(panel, qtbot)
    scored = scored_of(workspace)
    # Frame 1 of "a": 8 px in both, 24 in either, 16 + 16 in all.
    np.testing.assert_allclose(scored.agreement.j[1], [1, 1 / 3])
    np.testing.assert_allclose(scored.agreement.dice[1], [1, 0.5])
    f = boundary_f(boxed((Y, X), (0, 0, 4, 4)), boxed((Y, X), (0, 2, 4, 6)))
    assert 0 < f < 1
    mean_f = (1 + f) / 2
    assert panel.scores.tree.headings == ["Object", "Label", "J", "F", "J&F", "Dice"]
    assert panel.scores.tree.texts[:2] == [
        ["a", "5", "0.67", f"{mean_f:.2f}", f"{(2 / 3 + mean_f) / 2:.2f}", "0.75"],
        ["b", "3", "1.00", "1.00", "1.00", "1.00"],
    ]
    mean = panel.scores.tree.texts[2]
    assert (mean[0], mean[2], mean[5]) == ("Mean", "0.83", "0.88")
    assert panel.scores.missed.text() == "No object stands for the label 70000 of the truth."
    assert panel.scores.note.text() == "Compared with 'truth' on 2 frames."


def test_labels_may_stand_for_the_object_of_their_number(make_panel, qtbot):
    labels = truth()
    labels[labels == 5] = 1
    _, _, panel = make_panel(labels)
    panel.scores.pairing.setCurrentText("by id")
    score(panel, qtbot)
    assert [row[1] for row in panel.scores.tree.texts] == ["1", "–", ""]
    assert panel.scores.tree.texts[1][2] == "0.00"
    assert "the labels 3, 70000 of" in panel.scores.missed.text()


def test_scores_are_curves_of_the_timeline(make_panel, qtbot):
    _, workspace, panel = make_panel()
    workspace.curves = {"Elongation": {1: np.ones(T)}}
    told = []
    workspace.frames_changed.connect(told.append)
    score(panel, qtbot)
    assert list(workspace.curves) == ["J", "F", "J&F", "Dice", "Elongation"]
    np.testing.assert_allclose(workspace.timeline().curves["J"][1], [1, 1 / 3])
    assert told == [None]


def test_frames_that_nobody_segmented_are_not_counted_as_misses(make_panel, qtbot):
    objects = {"a": [(0, 0, 4, 4), None], "b": [(10, 10, 14, 14), None]}
    _, workspace, panel = make_panel(objects=objects)
    score(panel, qtbot)
    assert scored_of(workspace).agreement.frames == (0,)
    np.testing.assert_allclose(workspace.curves["J"][1], [1, np.nan])


def test_the_truth_may_lie_on_disk_with_fewer_axes_and_a_scale(make_panel, qtbot):
    flat = da.from_array(truth()[0].astype(np.uint8), chunks=(7, 7))
    _, workspace, panel = make_panel(flat, scale=(1, 0.5, 0.5), options={"scale": (0.5, 0.5)})
    score(panel, qtbot)
    # On every frame it is the label image of frame 0.
    np.testing.assert_allclose(workspace.curves["J"][1], [1, 1])


def test_a_correction_makes_scores_stale_until_they_are_made_again(make_panel, qtbot):
    _, workspace, panel = make_panel()
    score(panel, qtbot)
    workspace.do(Lock(object_ids=(1,), span=Span.of(0)))
    panel.refresh()
    assert "changed" not in panel.scores.note.text()
    workspace.do(Paint(frame=1, masks={1: rle.encode(boxed((Y, X), (0, 2, 4, 6)))}))
    panel.refresh()
    assert "1 frame has changed since: Score again." in panel.scores.note.text()
    score(panel, qtbot)
    assert "changed" not in panel.scores.note.text()
    assert panel.scores.tree.texts[0][2] == "1.00"


def test_an_object_that_went_makes_all_scores_stale(make_panel, qtbot):
    _, workspace, panel = make_panel()
    score(panel, qtbot)
    workspace.do(Remove(object_ids=(2,)))
    panel.refresh()
    assert "2 frames have changed" in panel.scores.note.text()
    assert [row[0] for row in panel.scores.tree.texts] == ["a"]


def test_every_labels_layer_but_the_masks_is_offered_as_the_truth(make_panel):
    viewer, _, panel = make_panel()
    viewer.add_labels(np.zeros((T, Y, X), int), name="more")
    viewer.add_points(np.zeros((1, 3)))

    def names():
        box = panel.scores.truth
        return [box.itemText(place) for place in range(box.count())]

    assert names() == ["none", "more", "truth"]
    assert panel.scores.truth.layer.name == "truth", "the one chosen stays"
    viewer.layers["truth"].name = "by hand"
    assert names() == ["none", "more", "by hand"]
    viewer.layers.remove("by hand")
    assert panel.scores.truth.layer is None


def test_masks_whose_layer_is_only_made_now_are_not_offered_as_their_own_truth(
    make_panel,
):
    viewer, workspace, panel = make_panel()
    viewer.layers.remove(workspace.layer)
    workspace.view.layer = None  # as it is until a run has its first mask
    workspace.open_layer()
    names = [panel.scores.truth.itemText(i) for i in range(panel.scores.truth.count())]
    assert workspace.layer in viewer.layers
    assert workspace.layer.name not in names


def test_without_a_truth_nothing_is_scored(make_panel):
    _, workspace, panel = make_panel()
    panel.scores.truth.choose(None)
    panel.scores.work.start_button.click()
    assert panel.scores.message.text().startswith("No layer is chosen as the truth.")
    assert scored_of(workspace) is None


def test_a_truth_that_lies_elsewhere_is_refused(make_panel):
    _, workspace, panel = make_panel(scale=(1, 0.5, 0.5), options={"scale": (1, 1, 1)})
    panel.scores.work.start_button.click()
    assert "has 20 × 20 px like 'movie', but lies elsewhere." in panel.scores.message.text()
    assert scored_of(workspace) is None


class Gate:
    """A truth that waits before a frame is read, until the test lets it go on."""

    dtype, ndim = np.dtype(np.int32), 3
    shape = (T, Y, X)

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.num_asked = 0
        self.ended = threading.Event()

    def __getitem__(self, index):
        self.num_asked += 1
        assert self.go.acquire(timeout=60)
        return truth()[index]

    def start(self, request, on_message, source):
        def watched(request, cancel):
            try:
                yield from source(request, cancel)
            finally:
                self.ended.set()

        return start_work(request, on_message, watched)


def gated(make_panel):
    """Press Score with such a truth."""
    gate = Gate()
    nothing = np.empty((0, 0, 0), np.int32)
    lazy = da.from_array(gate, chunks=(1, Y, X), asarray=False, name="gate", meta=nothing)
    # napari does not read a layer that is not shown.
    _, workspace, panel = make_panel(lazy, start=gate.start, options={"visible": False})
    assert gate.num_asked == 0
    panel.scores.work.start_button.click()
    return gate, workspace, panel


def test_cancel_keeps_the_frames_that_were_compared(make_panel, qtbot):
    gate, workspace, panel = gated(make_panel)
    gate.go.release(T)  # to find out which label is which object
    qtbot.waitUntil(lambda: gate.num_asked == T + 1, timeout=WAIT_MS)
    panel.scores.work.cancel_button.click()
    assert panel.scores.work.stage.text() == "Stopping after this frame …"
    gate.go.release()
    qtbot.waitUntil(lambda: not panel.scores.scorer.running, timeout=WAIT_MS)
    panel.refresh()
    assert not panel.scores.work.stage.isVisibleTo(panel)
    assert scored_of(workspace).agreement.frames == (0,)
    assert panel.scores.note.text() == "Compared with 'truth' on 1 of 2 frames."


def test_a_dock_that_is_closed_hears_no_scores(make_panel, qtbot):
    gate, workspace, panel = gated(make_panel)
    qtbot.waitUntil(lambda: gate.num_asked == 1, timeout=WAIT_MS)
    panel.close_down()
    gate.go.release(2 * T)
    qtbot.waitUntil(gate.ended.is_set, timeout=WAIT_MS)
    QApplication.processEvents()
    assert not panel.scores.scorer.running
    assert scored_of(workspace) is None
    assert gate.num_asked == 1, "it stopped after the frame in work"


def test_a_row_selects_the_label(make_panel, qtbot):
    _, workspace, panel = make_panel()
    score(panel, qtbot)
    tree = panel.scores.tree
    qtbot.mouseClick(
        tree.viewport(),
        Qt.MouseButton.LeftButton,
        pos=tree.visualItemRect(tree.topLevelItem(1)).center(),
    )
    assert workspace.layer.selected_label == 2
    workspace.layer.selected_label = 1
    assert tree.current_id == 1
    qtbot.mouseClick(
        tree.viewport(),
        Qt.MouseButton.LeftButton,
        pos=tree.visualItemRect(tree.topLevelItem(2)).center(),
    )
    assert workspace.layer.selected_label == 1, "the mean is of no object"


def test_masks_in_a_layer_that_was_there_before_are_scored(make_napari_viewer_proxy, qtbot):
    """Labels that somebody brought along are taken over, and there is no movie."""
    viewer = make_napari_viewer_proxy()
    mine = truth()
    mine[mine == 70_000] = 0
    layer = viewer.add_labels(mine.astype(np.uint8), name="mine")
    right = viewer.add_labels(truth(), name="truth")
    project = Project((T, Y, X))
    masks = {i: {t: rle.encode(mine[t] == i) for t in range(T)} for i in (3, 5)}
    objects = tuple(GivenObject(object_id=i, name=f"cell {i}", masks=m) for i, m in masks.items())
    project.do(Given(source="labels", objects=objects))
    view = LabelsView(viewer, Placement("TYX", T), (T, Y, X))
    workspace = Workspace(project, view, image_name="mine")
    view.adopt(layer)
    bench = Bench(viewer)
    bench.take(workspace)
    panel = MeasurePanel(bench)
    viewer.window.add_dock_widget(panel)
    panel.scores.truth.choose(right)
    score(panel, qtbot)
    assert [row[:3] for row in panel.scores.tree.texts] == [
        ["cell 3", "3", "1.00"], ["cell 5", "5", "1.00"], ["Mean", "", "1.00"]
    ]  # fmt: skip
    panel.work.start_button.click()
    qtbot.waitUntil(lambda: not panel.measurer.running, timeout=WAIT_MS)
    assert layer.features["area_px"].tolist() == [16] * 4

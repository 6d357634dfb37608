"""Label images that would fill the memory are kept on disk, and can be painted on like others."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import weakref
from functools import partial

import numpy as np
import psutil
import pytest
import zarr

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va.core import rle
from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import color_of
from napari_sa2va.gui import mask_store
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.keeper import show_project, view_of
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.mask_store import make_store
from napari_sa2va.gui.placement import Placement
from napari_sa2va.gui.preferences import change_preferences
from napari_sa2va.gui.request import messages_of
from napari_sa2va.gui.workspace import Workspace, workspace_of
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.paint import Paint

WAIT_MS = 120_000
NUM_FRAMES, SIZE = 6, (16, 20)
SHAPE = (NUM_FRAMES, *SIZE)
PLACE = Placement("TYX", NUM_FRAMES)


def on_disk(tmp_path, place=PLACE, shape=SHAPE):
    return make_store(place, shape, above_mb=0, within=tmp_path)


# -- the store --------------------------------------------------------------------------------------


def test_what_is_small_stays_in_memory_and_what_is_larger_goes_to_disk(tmp_path) -> None:
    shape = (2, 1000, 1000)  # 2 MB, at a byte per pixel
    place = Placement("TYX", 2)
    small = make_store(place, shape, above_mb=2, within=tmp_path)
    assert isinstance(small.data, np.ndarray)
    assert (small.data.shape, small.data.dtype) == (shape, np.uint8)
    assert not small.is_on_disk
    assert list(tmp_path.iterdir()) == []

    large = make_store(place, shape, above_mb=1.9, within=tmp_path)
    assert isinstance(large.data, zarr.Array)
    assert (large.data.shape, large.data.dtype) == (shape, np.uint16)
    assert large.data.chunks == (1, 1000, 1000)
    assert [large.folder] == list(tmp_path.iterdir())
    assert (small.note, large.note) == ("", "")


def test_an_array_on_disk_is_in_the_order_of_the_layer(tmp_path) -> None:
    # x before y, planes last, and a dim of the image of which nothing was kept.
    place = Placement("XT1YZ", num_frames=3, planes=2)
    store = on_disk(tmp_path, place, (6, 16, 20))
    assert store.data.shape == (20, 3, 1, 16, 2)
    assert store.data.chunks == (20, 1, 1, 16, 1)


def test_the_folder_goes_with_the_store_or_when_it_is_closed(tmp_path) -> None:
    store = on_disk(tmp_path)
    store.data[0] = 7
    folder = store.folder
    assert any(folder.rglob("c/0/0/0"))
    store.close()
    assert not folder.exists()
    store.close()

    store = on_disk(tmp_path)
    folder = store.folder
    del store
    gc.collect()
    assert not folder.exists()


def test_a_process_that_ends_leaves_nothing_behind(tmp_path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from napari_sa2va.gui.mask_store import make_store\n"
        "from napari_sa2va.gui.placement import Placement\n"
        "kept = make_store(Placement('TYX', 2), (2, 8, 8), above_mb=0, within=Path(sys.argv[1]))\n"
        "kept.data[0] = 1\n"
        "print(kept.folder.exists())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_it_says_so(tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot be kept on disk in"):
        on_disk(blocked)


@pytest.mark.parametrize(
    ("installed", "paints"),
    [("0.6.6", False), ("0.7.0rc1", False), ("0.8.0", True), ("0.9.2", True), ("1.0", True)],
)
def test_an_older_napari_keeps_masks_in_memory_and_says_so(
    installed, paints, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(mask_store, "version", lambda name: installed)
    store = on_disk(tmp_path)
    assert store.is_on_disk == paints
    assert isinstance(store.data, np.ndarray) != paints
    assert ("0.8 and later can" in store.note) != paints


# -- in a layer -------------------------------------------------------------------------------------


@pytest.fixture
def make_workspace(make_napari_viewer_proxy, tmp_path):
    """Make a workspace of two objects on every frame, whose layer is on disk."""

    def make() -> Workspace:
        viewer = make_napari_viewer_proxy()
        viewer.add_image(np.zeros(SHAPE, np.uint8), name="movie")
        workspace = Workspace(
            Project(SHAPE), LabelsView(viewer, PLACE, SHAPE, on_disk(tmp_path)), image_name="movie"
        )
        first = np.zeros(SIZE, bool)
        first[2:6, 2:6] = True
        for object_id in (1, 2):
            workspace.do(Add(object_id=object_id, name=f"object {object_id}"))
        for f in range(NUM_FRAMES):
            masks = {1: rle.encode(first), 2: rle.encode(np.roll(first, 8 + f, axis=1))}
            workspace.do(Paint(frame=f, masks=masks))
        workspace.open_layer()
        viewer.dims.set_current_step(0, 3)
        return workspace

    return make


def test_masks_are_shown_and_read_back_frame_by_frame(make_workspace) -> None:
    workspace = make_workspace()
    layer, state = workspace.layer, workspace.project.state
    assert isinstance(layer.data, zarr.Array)
    assert workspace_of(layer) is workspace
    for f in range(NUM_FRAMES):
        np.testing.assert_array_equal(layer.data[f], state.labels(f))
        np.testing.assert_array_equal(workspace.view.read(f), state.labels(f))
    colour = np.ravel(layer.colormap.map(1))[:3] * 255
    np.testing.assert_allclose(colour, color_of(1), atol=1)


def test_a_stroke_on_disk_is_a_step_and_undo_takes_it_back(make_workspace, qtbot) -> None:
    workspace = make_workspace()
    layer, state = workspace.layer, workspace.project.state
    before = layer.data[:]
    layer.selected_label, layer.brush_size = 1, 3
    layer.mode = "paint"
    layer.paint((3, 12, 15), 1)
    qtbot.waitUntil(lambda: state.mask(1, 3)[12, 15], timeout=WAIT_MS)
    step = workspace.project.steps[-1]
    assert isinstance(step, Paint)
    assert step.frame == 3
    assert state.cell(1, 3).origin == "hand"
    assert layer.data[3][12, 15] == 1
    np.testing.assert_array_equal(layer.data[:3], before[:3])

    workspace.undo()
    np.testing.assert_array_equal(layer.data[:], before)
    assert not state.mask(1, 3)[12, 15]
    workspace.redo()
    assert layer.data[3][12, 15] == 1


def test_filling_and_erasing_on_disk_are_steps_too(make_workspace, qtbot) -> None:
    workspace = make_workspace()
    layer, state = workspace.layer, workspace.project.state
    layer.fill((3, 3, 3), 2)
    qtbot.waitUntil(lambda: not state.mask(1, 3).any(), timeout=WAIT_MS)
    assert state.mask(2, 3)[2:6, 2:6].all()
    layer.paint((3, 4, 4), 0)
    qtbot.waitUntil(lambda: not state.mask(2, 3)[4, 4], timeout=WAIT_MS)


def test_no_file_is_held_open_while_nothing_is_read_or_written(make_workspace, tmp_path) -> None:
    workspace = make_workspace()
    workspace.view.read(2)
    held = [f.path for f in psutil.Process().open_files() if f.path.startswith(str(tmp_path))]
    assert held == []


@pytest.mark.parametrize("how", ["the layer is removed", "the viewer is closed"])
def test_the_folder_is_gone_once_nobody_can_see_the_masks(
    how, make_workspace, tmp_path, qtbot
) -> None:
    workspace = make_workspace()
    viewer, layer = workspace.view.viewer, workspace.layer
    assert len(list(tmp_path.iterdir())) == 1
    gone = weakref.ref(workspace)
    if how == "the viewer is closed":
        viewer.close()
    else:
        viewer.layers.remove(layer)
    del workspace, layer, viewer

    def collected() -> bool:
        gc.collect()
        return gone() is None and not list(tmp_path.iterdir())

    qtbot.waitUntil(collected, timeout=WAIT_MS)


def test_a_full_disk_stops_with_words(make_workspace, monkeypatch) -> None:
    workspace = make_workspace()

    class FullDisk:
        dtype = np.dtype(np.uint16)

        def __setitem__(self, index: object, values: object) -> None:
            raise OSError(28, "No space left on device")

    workspace.view._data = FullDisk()
    monkeypatch.setattr(LabelsView, "is_shown", True)
    with pytest.raises(OutputError, match="No space left on device"):
        workspace.view.show(0, np.zeros(SIZE, np.uint16))


# -- in the dock ------------------------------------------------------------------------------------


@pytest.fixture
def run_on_large_movie(make_napari_viewer_proxy, qtbot, monkeypatch, tmp_path):
    """Run the dock on a movie whose masks are above what a person wants to have in memory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    change_preferences(disk_above_mb=1)
    docks = []

    def run() -> SentenceDock:
        movie = np.zeros((NUM_FRAMES, 400, 500, 3), np.uint8)  # masks of 1.2 MB
        movie[:, 100:200, 50:90, 0] = 200
        viewer = make_napari_viewer_proxy()
        viewer.add_image(movie, rgb=True, name="movie")
        dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
        docks.append(dock)
        viewer.window.add_dock_widget(dock)
        dock.sentences.setPlainText("the red square")
        dock.run()
        qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
        return dock

    yield run
    for dock in docks:
        dock.controller.stop()


def test_the_masks_of_a_run_go_to_disk_above_the_size_that_is_preferred(
    run_on_large_movie, tmp_path
) -> None:
    workspace = run_on_large_movie().bench.workspace
    layer = workspace.layer
    assert isinstance(layer.data, zarr.Array)
    assert [workspace.view.store.folder] == list(tmp_path.iterdir())
    expected = np.zeros((NUM_FRAMES, 400, 500), np.uint16)
    expected[:, 100:200, 50:90] = 1
    np.testing.assert_array_equal(layer.data[:], expected)
    workspace.undo()
    assert not layer.data[:].any()


def test_a_person_with_an_older_napari_is_told_why_it_takes_memory(
    run_on_large_movie, monkeypatch
) -> None:
    monkeypatch.setattr(mask_store, "version", lambda name: "0.6.6")
    dock = run_on_large_movie()
    assert isinstance(dock.bench.workspace.layer.data, np.ndarray)
    assert "napari 0.6.6 cannot paint into arrays on disk" in dock.panel.message.text()


def test_a_project_that_is_opened_has_its_masks_on_disk_too(run_on_large_movie) -> None:
    workspace = run_on_large_movie().bench.workspace
    view = view_of(workspace, "", {})
    opened = show_project(workspace.view.viewer, workspace.project, view)
    assert isinstance(opened.layer.data, zarr.Array)
    np.testing.assert_array_equal(opened.view.read(3), workspace.view.read(3))


# -- memory -----------------------------------------------------------------------------------------


def test_a_long_movie_of_large_frames_takes_little_memory(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LARGE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["written"] == 250
    assert measured["read"] == [1, 121, 250]
    # In memory the frames that were written would take 262 MB, and all of them 2,097 MB.
    assert measured["grown_mb"] < 60, measured


_LARGE = """
import json, resource, sys
from pathlib import Path
import napari
import numpy as np
import zarr  # loading it is not what is measured
from napari_sa2va.gui.labels_view import LabelsView, load_ahead
from napari_sa2va.gui.mask_store import make_store
from napari_sa2va.gui.placement import Placement

def peak_mb():
    unit = 1 if sys.platform == "darwin" else 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

shape = (2000, 1024, 1024)
place = Placement("TYX", 2000)
viewer = napari.Viewer(show=False)
load_ahead()
warm = make_store(Placement("TYX", 2), (2, 1024, 1024), above_mb=0, within=Path(sys.argv[1]))
small = LabelsView(viewer, Placement("TYX", 2), (2, 1024, 1024), warm)
small.open("small", {})
plane = np.zeros((1024, 1024), np.uint16, order="F")
plane[100:300, 200:500] = 1
small.show(0, plane)
small.read(0)
before = peak_mb()
store = make_store(place, shape, above_mb=500, within=Path(sys.argv[1]))
view = LabelsView(viewer, place, shape, store)
view.open("large", {})
for f in range(0, 2000, 8):
    plane[100:300, 200:500] = f // 8 + 1
    view.show(f, plane)
seen = [int(view.read(f).max()) for f in (0, 960, 1992)]
written = sum(1 for _ in (store.folder / "labels.zarr" / "c").iterdir())
print(json.dumps({"grown_mb": peak_mb() - before, "read": seen, "written": written}), flush=True)
store.close()
import os
os._exit(0)
"""

"""Nothing stays behind: workspaces go with their layers, docks with their windows, threads end."""

from __future__ import annotations

import gc
import threading
import weakref
from functools import partial

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_gui_dock import WAIT_MS, colour_movie, run_to_end
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.request import messages_of
from napari_sa2va.gui.talk_dock import TalkDock
from napari_sa2va.gui.timeline_dock import TimelineDock
from napari_sa2va.pipeline import loaded
from napari_sa2va.settings import ModelSettings


def freed(*gone: weakref.ref) -> bool:
    gc.collect()
    return all(reference() is None for reference in gone)


def test_a_workspace_goes_with_its_layer(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    timeline = TimelineDock(viewer)
    viewer.window.add_dock_widget(timeline, name="Timeline", area="bottom")
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    workspace = dock.bench.workspace
    gone = weakref.ref(workspace), weakref.ref(workspace.view)
    viewer.layers.remove(workspace.layer)
    del workspace
    qtbot.waitUntil(lambda: freed(*gone), timeout=WAIT_MS)


def test_closed_docks_go_and_no_thread_stays(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    timeline = TimelineDock(viewer)
    viewer.window.add_dock_widget(timeline, name="Timeline", area="bottom")
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    gone = weakref.ref(dock), weakref.ref(timeline)
    for widget in (dock, timeline):
        viewer.window.remove_dock_widget(widget)
    del dock, timeline, widget
    qtbot.waitUntil(lambda: freed(*gone), timeout=WAIT_MS)
    ours = [t.name for t in threading.enumerate() if "sa2va" in t.name.lower()]
    assert ours == []
    # What is closed hears nothing any more: another layer and another frame must not reach it.
    viewer.add_image(colour_movie(), rgb=True, name="another")
    viewer.dims.set_current_step(0, 4)


def test_the_network_goes_with_the_last_dock(make_napari_viewer_proxy, qtbot, monkeypatch) -> None:
    viewer = make_napari_viewer_proxy()
    model = FakeModel()
    gone = weakref.ref(model)
    monkeypatch.setattr(loaded, "_kept", (ModelSettings(), model))
    del model
    docks = SentenceDock(viewer), TalkDock(viewer)
    for dock in docks:
        viewer.window.add_dock_widget(dock, name=type(dock).__name__)
    viewer.window.remove_dock_widget(docks[0])
    assert loaded.is_loaded(ModelSettings()), "the other dock may still need it"
    viewer.window.remove_dock_widget(docks[1])
    assert not loaded.is_loaded(ModelSettings())
    qtbot.waitUntil(lambda: freed(gone), timeout=WAIT_MS)

"""In the dock: what is set up is shown before a run, and what was run is kept after it."""

from __future__ import annotations

from functools import partial

import napari.settings
import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va.core import user_files
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.preferences import change_preferences
from napari_sa2va.gui.recent import recent_prompts
from napari_sa2va.gui.request import messages_of
from napari_sa2va.gui.setup_preview import SetupPreview

WAIT_MS = 120_000


@pytest.fixture
def make_dock(make_napari_viewer_proxy):
    made = []

    def make():
        viewer = make_napari_viewer_proxy()
        frames = np.zeros((6, 16, 20, 3), np.uint8)
        frames[:, 2:6, 3:9, 0] = 200
        viewer.add_image(frames, rgb=True, name="movie")
        dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
        viewer.window.add_dock_widget(dock, name="Segment by sentence")
        dock.resize(340, 700)
        made.append(dock)
        return viewer, dock

    yield make
    for dock in made:
        dock.controller.stop()


def preview_of(dock: SentenceDock) -> SetupPreview:
    return dock.finder.preview


def settle(dock: SentenceDock, qtbot) -> None:
    preview = preview_of(dock)
    qtbot.waitUntil(lambda: not preview._pictures.busy, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not preview._estimates.busy, timeout=WAIT_MS)


def test_pictures_stand_above_the_sentences_and_the_estimate_below_the_buttons(
    make_dock, qtbot
) -> None:
    _, dock = make_dock()
    settle(dock, qtbot)
    dock.show()
    dock.grab()
    preview = preview_of(dock)

    def top(widget) -> int:
        return widget.mapTo(dock, widget.rect().topLeft()).y()

    assert preview.strip.isVisibleTo(dock)
    assert preview.strip.pictures.count() == 5
    assert top(dock.picker) < top(preview.strip) < top(dock.sentences)
    assert top(dock.panel.run_button) < top(preview.estimate)
    assert preview.estimate.text().startswith("About ")


def test_a_run_is_kept_among_the_recent_prompts_and_teaches_how_fast_it_was(
    make_dock, qtbot
) -> None:
    _, dock = make_dock()
    settle(dock, qtbot)
    assert user_files.read("rates") is None
    dock.sentences.setPlainText("thing: the red square")
    dock.run()
    assert not preview_of(dock)._pictures.busy, "the machine is left to the run"
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
    settle(dock, qtbot)
    assert recent_prompts() == ["thing: the red square"]
    (runs,) = user_files.read("rates")["kinds"].values()
    assert (runs[0]["drawn"], runs[0]["tracked"]) == (5, 1)


def test_a_run_that_cannot_begin_is_not_kept(make_dock) -> None:
    _, dock = make_dock()
    dock.sentences.setPlainText(" \n")
    dock.run()
    assert recent_prompts() == []


@pytest.mark.parametrize("wanted", [True, False])
def test_following_is_as_preferred(make_dock, wanted, monkeypatch) -> None:
    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)
    change_preferences(follow=wanted)
    _, dock = make_dock()
    assert dock.panel.follow_box.isChecked() is wanted


def test_closing_the_dock_stops_looking(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    settle(dock, qtbot)
    preview = preview_of(dock)
    viewer.window.remove_dock_widget(dock)
    viewer.layers[0].data = viewer.layers[0].data // 2
    viewer.dims.set_current_step(0, 3)
    assert not preview._pictures.busy
    assert not preview._estimates.busy

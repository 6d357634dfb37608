"""The window of models in a real viewer, with a real hub on this machine's loopback."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_sa2va._tests.hub_server import FIRST, machine_and_hub
from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.models import hub, jobs, zoo

# The machine may be busy with other things.
WAIT_MS = 120_000
NAME = "sa2va-1b"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A checkpoint, made once: nobody may change it."""
    return write_tiny(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture(autouse=True)
def server(tiny, tmp_path, monkeypatch):
    """A machine without any model, and a hub that has one."""
    with machine_and_hub(tiny, tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def dock(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((6, 48, 64), dtype=np.uint8), name="movie")
    dock = SentenceDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    yield dock
    dock.controller.stop()
    dock.settings.end()


@pytest.fixture
def window(dock, qtbot):
    """The window, opened from the dock, with its list."""
    qtbot.mouseClick(dock.settings.models, Qt.MouseButton.LeftButton)
    wait(dock.settings.window_of_models, qtbot)
    return dock.settings.window_of_models


def wait(window, qtbot) -> None:
    qtbot.waitUntil(lambda: not window.controller.busy, timeout=WAIT_MS)


def press(window, button, name: str, qtbot) -> None:
    window.select(name)
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    wait(window, qtbot)


def cells(window, name: str) -> list[str]:
    (item,) = window.list.findItems(name, Qt.MatchFlag.MatchExactly)
    return [item.text(column) for column in range(window.list.columnCount())]


def test_models_are_listed_with_size_licence_and_the_memory_of_this_clip(dock, window):
    assert cells(window, "sa2va-4b")[1:3] == ["~15.6 GB", "Apache-2.0"]
    assert cells(window, "nano")[4] == "yes, ships"
    assert window.list.topLevelItem(0).text(0) == "nano", "what is here comes first"
    assert "6 frames of 48 × 64 px with 1 object, in float32; cpu has" in window.about.text()
    assert window.isVisible()


def test_more_objects_need_more_memory(dock, window, qtbot):
    before = cells(window, "sa2va-4b")[3]
    dock.sentences.setPlainText("\n".join(f"cell {n}" for n in range(16)))
    dock.settings.show_models()
    wait(window, qtbot)
    assert "16 objects" in window.about.text()
    assert float(cells(window, "sa2va-4b")[3].split()[0]) > float(before.split()[0]) + 1


def test_memory_that_is_not_free_is_marked(dock, window, qtbot, monkeypatch):
    monkeypatch.setattr("napari_sa2va.models.device.free_memory", lambda device: 12_000_000_000)
    dock.settings.show_models()
    wait(window, qtbot)
    assert cells(window, "sa2va-4b")[3].endswith("GB, more than is free")
    assert "more" not in cells(window, "sa2va-1b")[3]


def test_a_model_is_downloaded_verified_used_and_removed(dock, window, qtbot, monkeypatch, tiny):
    window.select(NAME)
    assert not window.verify_button.isEnabled()
    assert not window.remove_button.isEnabled()
    press(window, window.download_button, NAME, qtbot)
    assert window.message.text() == ""
    assert "all its files are checked. Licence: apache-2.0." in window.stage.text()
    assert cells(window, NAME)[1:3] == ["3 MB", "apache-2.0"]
    assert cells(window, NAME)[4] == "yes"
    assert f"revision {FIRST[:10]}" in window.detail.text()
    assert not window.download_button.isEnabled()
    assert dock.settings.model.itemText(1) == NAME, "what is here comes first there too"

    press(window, window.verify_button, NAME, qtbot)
    assert "All 4 files of sa2va-1b are as recorded." in window.stage.text()
    assert dock.settings.model.currentText() == "nano"
    qtbot.mouseClick(window.use_button, Qt.MouseButton.LeftButton)
    assert dock.settings.model.currentText() == NAME

    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *args: next(answers))
    press(window, window.remove_button, NAME, qtbot)
    assert zoo.find(NAME).folder is not None, "the answer was no"
    press(window, window.remove_button, NAME, qtbot)
    assert zoo.find(NAME).folder is None
    assert cells(window, NAME)[4] == "no"


def test_a_download_is_cancelled_and_goes_on(dock, window, qtbot, server, monkeypatch, tiny):
    monkeypatch.setattr(hub, "_PIECE", 50_000)
    monkeypatch.setattr(jobs, "_TICK_S", 0.0)
    held, threads = threading.Event(), set()
    real = hub.read

    def slow(*arguments):
        for number, piece in enumerate(real(*arguments)):
            threads.add(threading.get_ident())
            if number == 3:
                held.wait(WAIT_MS / 1000)
            yield piece

    monkeypatch.setattr(hub, "read", slow)
    window.select(NAME)
    qtbot.mouseClick(window.download_button, Qt.MouseButton.LeftButton)
    begun = "Downloading model.safetensors: "
    qtbot.waitUntil(lambda: begun in window.stage.text(), timeout=WAIT_MS)
    assert 0 < window.progress.value() < window.progress.maximum()
    assert threading.get_ident() not in threads, "not on the GUI's thread"
    assert not window.download_button.isEnabled()
    qtbot.mouseClick(window.cancel_button, Qt.MouseButton.LeftButton)
    held.set()
    wait(window, qtbot)
    assert "What has arrived is kept" in window.stage.text()
    assert cells(window, NAME)[4].endswith("have arrived")
    server.log.clear()
    press(window, window.download_button, NAME, qtbot)
    assert [r for r in server.ranges() if r], "it went on where it was"
    assert cells(window, NAME)[4] == "yes"


def test_wrong_bytes_are_named_and_fetched_again_when_asked(window, qtbot, server, tiny):
    server.wrong["model.safetensors"] = bytes((tiny / "model.safetensors").stat().st_size)
    press(window, window.download_button, NAME, qtbot)
    assert "model.safetensors" in window.message.text()
    assert "Download it again" in window.message.text()
    server.wrong.clear()
    press(window, window.download_button, NAME, qtbot)
    assert window.message.text() == ""
    assert cells(window, NAME)[4] == "yes"


def test_a_model_that_is_not_given_says_what_to_do(window, qtbot, server):
    server.token = "hf_mine"
    press(window, window.download_button, NAME, qtbot)
    assert "gated" in window.message.text()
    assert "hf auth login" in window.message.text()


def test_a_mirror_is_asked_instead(window, qtbot, server, monkeypatch):
    assert window.mirror.placeholderText() == server.endpoint
    monkeypatch.setenv(hub.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    window.mirror.setText(server.endpoint)
    press(window, window.download_button, NAME, qtbot)
    assert cells(window, NAME)[4] == "yes"


def test_offline_nothing_can_be_downloaded(dock, window, qtbot, monkeypatch):
    monkeypatch.setenv(hub.OFFLINE_VARIABLE, "1")
    dock.settings.show_models()
    wait(window, qtbot)
    window.select(NAME)
    assert not window.download_button.isEnabled()
    assert "offline" in window.mirror.placeholderText()


def test_a_folder_is_imported(window, qtbot, monkeypatch, tiny, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(tiny, folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(folder))
    qtbot.mouseClick(window.import_button, Qt.MouseButton.LeftButton)
    wait(window, qtbot)
    assert "mine is here now" in window.stage.text()
    assert cells(window, "mine")[4] == "yes"


def test_the_window_opens_without_an_image_and_with_settings_that_do_not_fit(
    dock, window, qtbot, make_napari_viewer_proxy
):
    dock.settings.device.setEditText("cuda:99")
    for layer in list(dock.picker._viewer.layers):
        dock.picker._viewer.layers.remove(layer)
    dock.settings.show_models()
    wait(window, qtbot)
    assert "a short run, in float32" in window.about.text()
    assert cells(window, "sa2va-4b")[1] == "~15.6 GB"


def test_a_dock_that_goes_stops_the_download(dock, window, qtbot, monkeypatch):
    monkeypatch.setattr(hub, "_PIECE", 50_000)
    held = threading.Event()
    ended = threading.Event()
    real = hub.read

    def slow(*arguments):
        try:
            for piece in real(*arguments):
                held.wait(0.2)
                yield piece
        finally:
            ended.set()

    monkeypatch.setattr(hub, "read", slow)
    window.select(NAME)
    qtbot.mouseClick(window.download_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Downloading" in window.stage.text(), timeout=WAIT_MS)
    ended.clear()
    dock.setParent(None)
    assert not window.isVisible()
    qtbot.waitUntil(ended.is_set, timeout=WAIT_MS)
    assert zoo.find(NAME).folder is None


def test_no_colour_is_written_down_and_every_control_has_a_name(window):
    from qtpy.QtWidgets import QWidget

    assert [w for w in window.findChildren(QWidget) if w.styleSheet()] == []
    for widget in (window.list, window.mirror, window.progress):
        assert widget.accessibleName()

"""Under the Run button stands what the run will take, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.estimate_label import EstimateLabel, RunSize, estimates
from napari_sa2va.gui.layer_picker import LayerPicker
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.sentence_edit import SentenceEdit
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.gui.setup_preview import SetupPreview
from napari_sa2va.models import device as devices
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.estimate import Estimate, foretell
from napari_sa2va.pipeline.rates import learning
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import PRESETS
from napari_sa2va.readers.open import open_clip

WAIT_MS = 120_000
MOVIE = np.random.default_rng(0).integers(0, 256, (9, 24, 36, 3), np.uint8)


@pytest.fixture
def label(qtbot) -> EstimateLabel:
    made = EstimateLabel()
    qtbot.addWidget(made)
    return made


def test_an_estimate_is_a_sentence(label) -> None:
    assert label.text() == ""
    label.take(Estimate(41.0, True, 2_100_000_000, "cpu"))
    assert label.text() == "About 40 s and 2.1 GB on cpu (measured on this machine)."
    assert not label.warns


def test_a_shortage_warns_and_says_what_to_do(label) -> None:
    label.take(Estimate(41.0, False, 9, "cuda", shortage="It needs 9 GB.", hint="Take less."))
    assert label.text() == "It needs 9 GB. Take less."
    assert label.warns
    label.take(Estimate(41.0, True, 2_100_000_000, "cpu"))
    assert not label.warns


def test_what_cannot_run_warns_too_and_nothing_set_up_is_silent(label) -> None:
    label.take(Failed("There is no GPU.", "Take the CPU."))
    assert (label.text(), label.warns) == ("There is no GPU. Take the CPU.", True)
    label.take(None)
    assert label.text() == ""


def test_the_worker_says_what_the_pipeline_foretells() -> None:
    settings = PRESETS["sa2va-i"]
    (said,) = estimates(RunSize(settings, 9, 24, 36, num_sentences=0), CancelToken())
    assert said == foretell(settings, num_frames=9, height=24, width=36, num_sentences=1)


class Setup(QWidget):
    """What an estimate is about."""

    def __init__(self, viewer) -> None:
        super().__init__()
        self.picker = LayerPicker(viewer)
        self.sentences = SentenceEdit()
        self.settings = SettingsPanel(lambda settings: (Ask(), ""))
        self.settings.device.setEditText("cpu")
        self.preview = SetupPreview(viewer, self.picker, self.sentences, self.settings)
        layout = QVBoxLayout(self)
        for part in (self.picker, self.sentences, self.settings):
            layout.addWidget(part)
        layout.addWidget(self.preview.strip)
        layout.addWidget(self.preview.estimate)
        self.preview.watch()

    def size(self) -> RunSize:
        return self.preview._read_size()


@pytest.fixture
def make_setup(make_napari_viewer_proxy):
    made = []

    def make(data=MOVIE, **options):
        viewer = make_napari_viewer_proxy()
        viewer.add_image(data, **options)
        setup = Setup(viewer)
        viewer.window.add_dock_widget(setup, name="Set-up")
        made.append(setup)
        return viewer, setup

    yield make
    for setup in made:
        setup.preview.unwatch()
    loaded.forget()


def settle(setup: Setup, qtbot) -> str:
    qtbot.waitUntil(lambda: not setup.preview._estimates.busy, timeout=WAIT_MS)
    return setup.preview.estimate.text()


def test_what_is_set_up_is_what_is_estimated(make_setup) -> None:
    _, setup = make_setup(rgb=True)
    assert setup.size() == RunSize(setup.settings.value(), 9, 24, 36, num_sentences=0)
    setup.sentences.setPlainText("the cell\nn: the nucleus\n")
    assert setup.size().num_sentences == 2


def test_a_region_and_every_plane_count(make_setup, monkeypatch) -> None:
    stack = np.random.default_rng(0).integers(0, 9, (9, 4, 24, 36), np.uint16)
    _, setup = make_setup(stack, axis_labels=("t", "z", "y", "x"))
    assert (setup.size().height, setup.size().width, setup.size().planes) == (24, 36, 1)
    monkeypatch.setattr(setup.picker, "box", lambda: Box(0, 0, 20, 16))
    assert (setup.size().height, setup.size().width) == (20, 16)
    layer, axes, choice = setup.picker.chosen()
    every = replace(choice, rests={1: "every"})
    monkeypatch.setattr(setup.picker, "chosen", lambda: (layer, axes, every))
    assert setup.size().planes == 4


def test_the_estimate_is_measured_after_a_run(make_setup, qtbot) -> None:
    loaded.forget()
    _, setup = make_setup(rgb=True)
    setup.sentences.setPlainText("the bright cell")
    assert settle(setup, qtbot).endswith("on cpu (a guess; known after a run).")
    setup.preview.pause(True)
    clip = open_clip(MOVIE, axes="TYXS")
    prompts = PromptSet.from_texts("the bright cell")
    for _ in learning(run(clip, prompts, setup.settings.value())):
        pass
    setup.preview.pause(False)
    assert settle(setup, qtbot).endswith("on cpu (measured on this machine).")


def test_a_device_that_is_not_there_is_told_before_run(make_setup, qtbot) -> None:
    _, setup = make_setup(rgb=True)
    setup.settings.device.setEditText("warp")
    assert settle(setup, qtbot).startswith("'warp' is not a device.")
    assert setup.preview.estimate.warns
    setup.settings.device.setEditText("cpu")
    assert settle(setup, qtbot).startswith("About ")


def test_too_little_memory_is_told_before_run(make_setup, qtbot, monkeypatch) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda device: 1_000_000)
    _, setup = make_setup(rgb=True)
    assert "but cpu has only 0.0 GB free" in settle(setup, qtbot)
    assert setup.preview.estimate.warns


def test_without_an_image_nothing_is_estimated(make_setup, qtbot) -> None:
    viewer, setup = make_setup(rgb=True)
    settle(setup, qtbot)
    viewer.layers.clear()
    assert settle(setup, qtbot) == ""

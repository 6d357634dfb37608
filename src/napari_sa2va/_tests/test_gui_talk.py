"""The dock "Ask about it" in a real viewer: from a question to a label that is selected."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from qtpy.QtCore import QUrl

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.talk_controller import TalkController, TalkView
from napari_sa2va.gui.talk_dock import TalkDock
from napari_sa2va.gui.talk_request import Replied, Talker
from napari_sa2va.settings import ModelSettings

WAIT_MS = 120_000


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def make_dock(make_napari_viewer_proxy, model):
    made = []

    def make():
        viewer = make_napari_viewer_proxy()
        frames = np.stack([colour_clip(6).rgb(t) for t in range(6)])
        viewer.add_image(frames, rgb=True, name="movie")
        dock = TalkDock(viewer, Talker(model))
        viewer.window.add_dock_widget(dock, name="Ask about it")
        made.append(dock)
        return viewer, dock

    yield make
    for dock in made:
        dock.controller.stop()


def say(dock, qtbot, text):
    dock.panel.line.setText(text)
    dock.panel.ask_button.click()
    wait(dock, qtbot)


def wait(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.controller.busy, timeout=WAIT_MS)


def test_a_question_gets_its_answer_in_words(make_dock, qtbot):
    viewer, dock = make_dock()
    say(dock, qtbot, "How many squares?")
    words = dock.panel.transcript.toPlainText()
    assert "You: How many squares?" in words
    assert "Model: There is no such thing." in words
    assert len(viewer.layers) == 1
    assert dock.panel.line.isEnabled()


def test_a_phrase_is_a_link_that_selects_its_label(make_dock, qtbot):
    viewer, dock = make_dock()
    say(dock, qtbot, "the red one")
    say(dock, qtbot, "now the blue one")
    first, second = viewer.layers[1:]
    np.testing.assert_array_equal(
        np.asarray(first.data)[3] > 0, colour_clip(6).rgb(3)[..., 0] > 100
    )
    assert list(second.features["name"]) == ["now the blue one"]
    viewer.layers.selection.active = viewer.layers[0]
    first.selected_label = 5
    assert 'href="object:1:1"' in dock.panel.transcript.toHtml()
    dock.panel.transcript.anchorClicked.emit(QUrl("object:1:1"))
    assert viewer.layers.selection.active.name == first.name
    assert first.selected_label == 1
    assert first.visible


def test_the_link_of_a_layer_that_is_gone_says_so(make_dock, qtbot):
    viewer, dock = make_dock()
    say(dock, qtbot, "the red one")
    viewer.layers.remove(viewer.layers[1])
    dock.panel.transcript.anchorClicked.emit(QUrl("object:1:1"))
    assert "not there any more" in dock.panel.message.text()


def test_the_next_question_hears_the_last_until_one_starts_over(make_dock, qtbot, model):
    _, dock = make_dock()
    for text in ("How many?", "And now?"):
        say(dock, qtbot, text)
    dock.panel.restart_button.click()
    say(dock, qtbot, "Once more?")
    assert [len(h) for h in model.histories] == [0, 1, 0]
    assert "How many?" not in dock.panel.transcript.toPlainText()


def test_a_question_about_the_inside_of_a_rectangle_sees_nothing_else(make_dock, qtbot, model):
    viewer, dock = make_dock()
    corners = np.array([[0.0, 2], [0, 17], [15, 17], [15, 2]])
    viewer.add_shapes([corners], shape_type="rectangle", name="roi")
    say(dock, qtbot, "the red one")
    dock.picker.inside.setCurrentText("roi")
    say(dock, qtbot, "the red one")
    whole, inside = (np.asarray(viewer.layers[i].data) > 0 for i in (-2, -1))
    assert inside.shape == (6, 16, 16)
    np.testing.assert_array_equal(inside, whole[..., 2:18])
    np.testing.assert_allclose(viewer.layers[-1].data_to_world((0, 0, 0)), (0, 0, 2))
    assert [len(h) for h in model.histories] == [0, 0], "it is another subject"


def test_another_subject_begins_a_new_conversation(make_dock, qtbot, model):
    viewer, dock = make_dock()
    say(dock, qtbot, "How many?")
    dock.about.setCurrentIndex(1)
    viewer.dims.set_current_step(0, 3)
    say(dock, qtbot, "How many here?")
    assert [len(h) for h in model.histories] == [0, 0]
    assert [call[1] for call in model.calls if call[0] == "look"] == [5, 1]


def test_the_frame_in_view_is_described(make_dock, qtbot, model):
    viewer, dock = make_dock()
    viewer.dims.set_current_step(0, 4)
    dock.caption_button.click()
    wait(dock, qtbot)
    assert "interleaved segmentation masks" in model.calls[-1][1]
    assert "You: Describe the frame." in dock.panel.transcript.toPlainText()


def test_regions_of_a_layer_are_described_one_by_one(make_dock, qtbot, model):
    viewer, dock = make_dock()
    labels = np.zeros((6, 16, 20), np.uint8)
    labels[:, :8, :10], labels[:, 10:, 10:] = 1, 2
    viewer.add_labels(labels, name="mine")
    dock.regions.setCurrentText("mine")
    dock.describe_button.click()
    wait(dock, qtbot)
    asked = [call[1] for call in model.calls if call[0] == "ground"]
    assert ["region1" in asked[0], "region2" in asked[1], len(asked)] == [True, True, 2]


def test_describing_without_a_region_layer_says_what_to_do(make_dock):
    _, dock = make_dock()
    dock.describe_button.click()
    assert "No layer of regions is chosen" in dock.panel.message.text()
    assert not dock.controller.busy


def test_an_error_is_shown_and_the_next_question_works(make_dock, qtbot, model, monkeypatch):
    _, dock = make_dock()

    def full(*args, **options):
        raise MemoryShortage("The device is full.", "Take fewer key frames.")

    with monkeypatch.context() as patched:
        patched.setattr(model, "ground_seen", full)
        say(dock, qtbot, "How many?")
    assert "The device is full. Take fewer key frames." in dock.panel.message.text()
    say(dock, qtbot, "How many?")
    assert "There is no such thing." in dock.panel.transcript.toPlainText()


def test_closing_the_dock_stops_the_question(make_dock, qtbot):
    viewer, dock = make_dock()
    dock.panel.line.setText("the red one")
    dock.panel.ask_button.click()
    assert dock.controller.busy
    viewer.window.remove_dock_widget(dock)
    assert not dock.controller.busy


def test_the_settings_are_those_of_the_dock_and_another_model_begins_a_new_conversation(
    make_dock, qtbot, model
):
    _, dock = make_dock()
    dock.settings.preset.setCurrentText("sa2va")
    say(dock, qtbot, "How many?")
    dock.settings.model_form.set_value(ModelSettings(dtype="bfloat16"))
    say(dock, qtbot, "How many now?")
    assert [len(h) for h in model.histories] == [0, 0]
    settings = dock._request("say", "").settings
    assert (settings.preset, settings.model.dtype) == ("sa2va", "bfloat16")


def test_the_settings_open_without_hiding_what_was_said(make_dock, qtbot):
    viewer, _ = make_dock()
    dock = TalkDock(viewer)  # a window of its own, whose size the test may choose
    qtbot.addWidget(dock)
    dock.how.button.click()
    dock.settings.advanced.button.click()
    dock.resize(300, 650)  # what is left of a laptop's screen
    dock.show()
    qtbot.waitUntil(lambda: dock.settings.height() > 650, timeout=WAIT_MS)  # they scroll
    qtbot.waitUntil(lambda: dock.panel.transcript.height() >= 100, timeout=WAIT_MS)
    assert dock.minimumSizeHint().height() <= 650
    assert dock.minimumSizeHint().width() <= 300


def test_another_plane_or_other_contrast_begins_a_new_conversation(make_dock, qtbot, model):
    viewer, dock = make_dock()
    rng = np.random.default_rng(0)
    viewer.add_image(
        rng.integers(0, 255, (6, 4, 16, 20), np.uint8),
        name="stack",
        axis_labels=("t", "z", "y", "x"),
    )
    dock.picker.combo.setCurrentText("stack")
    for change in (
        lambda: None,
        lambda: viewer.dims.set_current_step(1, 3),
        lambda: setattr(viewer.layers["stack"], "contrast_limits", (0, 100)),
        lambda: None,
    ):
        change()
        say(dock, qtbot, "How many?")
    assert [len(h) for h in model.histories] == [0, 0, 0, 1]


def test_a_layer_of_regions_that_is_renamed_stays_chosen(make_dock, qtbot):
    viewer, dock = make_dock()
    viewer.add_labels(np.ones((6, 16, 20), np.uint8), name="mine")
    assert dock.about.isEnabled()
    dock.regions.setCurrentText("mine")
    assert (dock.about.currentText(), dock.about.isEnabled()) == ("the frame in view", False)
    viewer.layers["mine"].name = "ours"
    assert dock.regions.currentText() == "ours"
    assert len(dock._request("say", "Is region1 round?").marks) == 1
    viewer.layers.remove("ours")
    assert dock.regions.currentText() == "none"
    assert dock.about.isEnabled()


def test_starting_over_lets_go_of_what_was_drawn(make_dock, qtbot):
    viewer, dock = make_dock()
    say(dock, qtbot, "the red one")
    assert dock.controller.sinks
    dock.panel.restart_button.click()
    assert dock.controller.sinks == {}
    assert len(viewer.layers) == 2, "the layer is the user's"


def test_a_drawing_that_fails_is_told_to_its_layer():
    view, sink, says = Mock(spec=TalkView), Mock(), []

    def start(request, on_message):
        says.append(on_message)
        return Mock(spec=["cancel"])

    controller = TalkController(view, start, lambda request: sink)
    failed = Failed("No memory.", "Choose a smaller model.")
    controller.ask(Mock(text="How many?"))
    says[0](failed)  # before there is anything to draw
    sink.take.assert_not_called()
    controller.ask(Mock(text="the red one"))
    says[1](Replied(Mock(notes=()), Mock()))
    says[1](failed)
    sink.take.assert_called_once_with(failed)
    assert not controller.busy

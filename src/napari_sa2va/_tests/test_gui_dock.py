"""The dock in a real viewer: from a click on Run to masks with names."""

import gc
import threading
import weakref
from functools import partial

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, QPointF, QSize, Qt
from qtpy.QtGui import QResizeEvent, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QTextEdit,
    QWidget,
)

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.core.palette import color_of
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.fitting_scroll import FittingScroll
from napari_sa2va.gui.request import messages_of
from napari_sa2va.pipeline.events import KeyMasks
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.project.job import Drawn

# The machine may be busy with other things.
WAIT_MS = 120_000

NUM_FRAMES, SIZE = 6, (16, 20)

CONTROLS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QTextEdit)


def colour_movie() -> np.ndarray:
    """One 4 px square per colour, red on top, moving right by a pixel per frame."""
    frames = np.zeros((NUM_FRAMES, *SIZE, 3), dtype=np.uint8)
    for channel in range(3):
        for t in range(NUM_FRAMES):
            frames[t, 1 + 5 * channel : 5 + 5 * channel, t : t + 4, channel] = 200
    return frames


def square(channel: int) -> np.ndarray:
    """Where the square of a channel is, bool (T, Y, X)."""
    return colour_movie()[..., channel] > 100


class Stepper:
    """A source that stops before every frame until the test lets it go on."""

    def __init__(self, source) -> None:
        self._source = source
        self._go = threading.Semaphore(0)
        self.entered = threading.Event()
        self.ended = threading.Event()
        self.threads = set()

    def __call__(self, request, cancel):
        try:
            for message in self._source(request, cancel):
                self.threads.add(threading.get_ident())
                if isinstance(message, Drawn) and not isinstance(message.event, KeyMasks):
                    self.entered.set()
                    while not self._go.acquire(timeout=0.02):
                        if cancel.cancelled:
                            break
                yield message
        finally:
            self.ended.set()

    def release(self, frames: int = 1) -> None:
        for _ in range(frames):
            self._go.release()


def real_run(request, cancel):
    """The pipeline itself on a network that knows red, green and blue."""
    return messages_of(request, cancel, model=FakeModel())


@pytest.fixture
def make_dock(make_napari_viewer_proxy, qtbot):
    """Make a viewer with the dock in it."""
    made = []

    def make(source=real_run, *, movie=None, **options):
        viewer = make_napari_viewer_proxy()
        if movie is None:
            movie, options = colour_movie(), {"rgb": True, "name": "movie"} | options
        viewer.add_image(movie, **options)
        dock = SentenceDock(viewer, source)
        viewer.window.add_dock_widget(dock, name="Segment by sentence")
        made.append(dock)
        return viewer, dock

    yield make
    # A run that a failed test has left behind would keep the viewer alive.
    for dock in made:
        dock.controller.stop()


def begin(dock: SentenceDock, source: Stepper, qtbot, sentences: str) -> None:
    """Press Run and wait until the source holds at its first frame."""
    dock.sentences.setPlainText(sentences)
    dock.run()
    qtbot.waitUntil(source.entered.is_set, timeout=WAIT_MS)


def wait_for_end(dock: SentenceDock, qtbot) -> None:
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)


def run_to_end(dock: SentenceDock, qtbot) -> None:
    dock.run()
    wait_for_end(dock, qtbot)


def masks_of(viewer):
    return next(layer for layer in viewer.layers if isinstance(layer, Labels))


def test_sentences_become_labels_with_names_colours_and_provenance(make_dock, qtbot) -> None:
    viewer, dock = make_dock(scale=(0.5, 2.0, 3.0), units=("s", "um", "um"), translate=(1, 2, 3))
    dock.sentences.setPlainText("the green square\n\nthe elephant\nthe red square")
    run_to_end(dock, qtbot)
    assert dock.panel.message.text() == ""
    layer = masks_of(viewer)
    expected = np.where(square(1), 1, 0) + np.where(square(0), 3, 0)
    np.testing.assert_array_equal(layer.data, expected)

    image = viewer.layers["movie"]
    for name in ("scale", "translate"):
        np.testing.assert_allclose(getattr(layer, name), getattr(image, name))
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels

    table = layer.features
    assert list(table["index"]) == [1, 2, 3]
    assert list(table["name"]) == ["the green square", "the elephant", "the red square"]
    assert list(table["found"]) == [True, False, True]
    assert table["answer"][1] == "There is no such thing."
    assert list(table["frames"]) == [NUM_FRAMES, 0, NUM_FRAMES]

    for object_id in (1, 2, 3):
        drawn = np.asarray(layer.colormap.map(object_id)).ravel()[:3] * 255
        np.testing.assert_allclose(drawn, color_of(object_id), atol=1)

    record = RunRecord.model_validate(layer.metadata["napari_sa2va"])
    assert record.finished == "done"
    assert record.model_name == "fake"
    assert record.settings.preset == "sa2va-i"
    assert [o.text for o in record.objects] == list(table["name"])

    assert "Not found." in dock.panel.answers.text(2)
    assert "There is no such thing." in dock.panel.answers.text(2)
    assert dock.panel.stage.text().startswith("Done: 6 frames")
    assert "2 of 3 objects were found" in dock.panel.stage.text()
    assert dock.panel.run_button.isEnabled()
    assert not dock.panel.cancel_button.isEnabled()


def test_masks_appear_frame_by_frame_while_the_run_goes_on(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    dock.settings.preset.setCurrentText("sa2va")  # key frames are the first 5, so 5 is no preview
    begin(dock, source, qtbot, "the blue square")
    source.release(2)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 2, timeout=WAIT_MS)
    assert dock.panel.stage.text().startswith("2 of 6 frames done")
    layer = masks_of(viewer)
    np.testing.assert_array_equal(layer.data[1] == 1, square(2)[1])
    assert not layer.data[5].any(), "this frame has not been reached"
    assert viewer.dims.current_step[0] in (0, 1), "the slider follows"
    assert source.threads.isdisjoint({threading.get_ident()}), "not on the GUI's thread"
    source.release(10)
    wait_for_end(dock, qtbot)
    np.testing.assert_array_equal(layer.data == 1, square(2))


def test_key_frames_are_shown_as_a_preview(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    begin(dock, source, qtbot, "the blue square")
    qtbot.waitUntil(lambda: bool(masks_of(viewer).data[5].any()), timeout=WAIT_MS)
    assert dock.panel.progress.value() <= 0, "no frame is done yet"
    np.testing.assert_array_equal(masks_of(viewer).data[5] == 1, square(2)[5])


def test_a_cancelled_run_keeps_what_is_done(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    dock.settings.preset.setCurrentText("sa2va")
    begin(dock, source, qtbot, "the red square")
    source.release(3)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 3, timeout=WAIT_MS)
    dock.panel.cancel_button.click()
    wait_for_end(dock, qtbot)
    layer = masks_of(viewer)
    np.testing.assert_array_equal(layer.data[:3] == 1, square(0)[:3])
    assert not layer.data[5].any()
    assert layer.metadata["napari_sa2va"]["finished"] == "cancelled"
    assert "done and kept" in dock.panel.stage.text()


def failing(error, after=0):
    def source(request, cancel):
        for count, message in enumerate(real_run(request, cancel)):
            if count == after:
                raise error
            yield message

    return source


def test_an_error_is_shown_in_the_dock_with_its_hint(make_dock, qtbot) -> None:
    source = failing(MemoryShortage("It needs 9 GB.", "Choose a smaller model."))
    _, dock = make_dock(source)
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    assert dock.panel.message.text() == "It needs 9 GB. Choose a smaller model."
    assert dock.panel.run_button.isEnabled()


def test_a_runtime_error_is_not_swallowed_and_keeps_the_masks(make_dock, qtbot) -> None:
    viewer, dock = make_dock(failing(RuntimeError("CUDA error: unknown"), after=9))
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    assert dock.panel.message.text().startswith("RuntimeError: CUDA error: unknown")
    assert masks_of(viewer).data.any()


def test_a_failed_run_signs_its_masks_with_the_record(make_dock, qtbot, monkeypatch) -> None:
    model = FakeModel()
    track = "napari_sa2va._tests.fakes.FakeTracker.track"

    def break_down(self, t, features, object_ids, reverse=False, **options):
        raise ValueError(f"frame {t}")

    monkeypatch.setattr(track, break_down)
    viewer, dock = make_dock(partial(messages_of, model=model))
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    assert "ValueError: frame" in dock.panel.message.text()
    record = RunRecord.model_validate(masks_of(viewer).metadata["napari_sa2va"])
    assert record.finished == "failed"


@pytest.mark.parametrize("text", ["", "  \n \n"])
def test_without_a_sentence_the_dock_says_what_to_type(text, make_dock, qtbot) -> None:
    _, dock = make_dock()
    dock.sentences.setPlainText(text)
    dock.panel.run_button.click()
    assert dock.panel.message.text().startswith("There is no sentence yet.")
    assert not dock.controller.running


def test_without_an_image_the_dock_says_what_to_open(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    viewer.layers.clear()
    assert not dock.picker.combo.isEnabled()
    dock.sentences.setPlainText("the red square")
    dock.run()
    assert dock.panel.message.text().startswith("There is no image to look in.")


def test_nothing_found_leaves_no_layer(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    dock.sentences.setPlainText("the elephant")
    run_to_end(dock, qtbot)
    assert [layer.name for layer in viewer.layers] == ["movie"]
    assert dock.panel.stage.text().startswith("Nothing was found")


def test_removing_the_masks_stops_the_run(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    begin(dock, source, qtbot, "the red square")
    source.release(1)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 1, timeout=WAIT_MS)
    viewer.layers.remove(masks_of(viewer))
    source.release(1)
    wait_for_end(dock, qtbot)
    assert "was removed, so the run was stopped" in dock.panel.message.text()
    qtbot.waitUntil(source.ended.is_set, timeout=WAIT_MS)


def test_removing_the_image_does_not_disturb_the_run(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    begin(dock, source, qtbot, "the red square")
    viewer.layers.remove(viewer.layers["movie"])
    source.release(10)
    wait_for_end(dock, qtbot)
    np.testing.assert_array_equal(masks_of(viewer).data == 1, square(0))


def test_a_second_run_adds_a_layer_and_hides_the_first(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    first = masks_of(viewer)
    dock.sentences.setPlainText("the green square")
    run_to_end(dock, qtbot)
    second = viewer.layers[-1]
    assert second.name != first.name
    assert not first.visible
    assert second.visible
    np.testing.assert_array_equal(first.data == 1, square(0))
    np.testing.assert_array_equal(second.data == 1, square(1))


def test_paint_on_other_frames_survives_the_run(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    begin(dock, source, qtbot, "the red square")
    source.release(2)
    qtbot.waitUntil(lambda: dock.panel.progress.value() == 2, timeout=WAIT_MS)
    masks_of(viewer).paint((0, 14, 18), 9)
    source.release(10)
    wait_for_end(dock, qtbot)
    assert 9 in masks_of(viewer).data[0]


def test_the_slider_stays_where_the_user_puts_it(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    dock.settings.preset.setCurrentText("sa2va")
    begin(dock, source, qtbot, "the red square")
    viewer.dims.set_current_step(0, 5)
    source.release(10)
    wait_for_end(dock, qtbot)
    assert viewer.dims.current_step[0] == 5


def test_closing_the_dock_during_a_run_stops_it_and_frees_the_dock(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    begin(dock, source, qtbot, "the red square")
    viewer.window.remove_dock_widget(dock)
    assert not dock.controller.running
    qtbot.waitUntil(source.ended.is_set, timeout=WAIT_MS)
    viewer.layers.clear()  # a dock that is closed does not listen


def test_a_closed_dock_is_not_kept_alive(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True)
    dock = SentenceDock(viewer, real_run)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    gone = weakref.ref(dock)
    viewer.window.remove_dock_widget(dock)
    del dock

    def collected() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(collected, timeout=WAIT_MS)


def test_closing_the_viewer_during_a_run_stops_it(make_dock, qtbot) -> None:
    source = Stepper(real_run)
    viewer, dock = make_dock(source)
    begin(dock, source, qtbot, "the red square")
    viewer.close()
    qtbot.waitUntil(source.ended.is_set, timeout=WAIT_MS)


def test_only_image_layers_are_offered_and_the_list_follows_the_viewer(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    picker = dock.picker

    def names() -> list[str]:
        return [picker.combo.itemText(i) for i in range(picker.combo.count())]

    viewer.add_labels(np.zeros((6, 16, 20), np.uint8), name="labels")
    viewer.add_points(np.zeros((1, 3)), name="points")
    other = viewer.add_image(np.ones((3, 8, 9), np.uint16), name="other")
    assert names() == ["other", "movie"]
    assert picker.layer.name == "movie", "the one chosen stays"
    other.name = "renamed"
    assert names() == ["renamed", "movie"]
    viewer.layers.remove("movie")
    assert names() == ["renamed"]
    assert picker.layer.name == "renamed"
    assert picker.description.text().startswith("3 frames of 8 × 9 px, grey (uint16).")


def test_a_stack_with_time_and_z_asks_what_plays_and_which_plane(make_dock, qtbot) -> None:
    movie = np.zeros((NUM_FRAMES, 4, *SIZE), np.uint16)
    movie[:, 2] = np.where(square(0), 3000, 100)
    movie[:, 0] = 50
    viewer, dock = make_dock(
        movie=movie, name="stack", axis_labels=("t", "z", "y", "x"), scale=(1, 5, 2, 2)
    )
    picker = dock.picker
    assert picker.plays.isVisibleTo(picker)
    assert picker.plays.currentText() == "time (6)"
    viewer.dims.set_current_step(1, 2)
    assert "z 3 of 4." in picker.description.text()
    dock.sentences.setPlainText("the red square")  # grey is equal in all channels, so also red
    run_to_end(dock, qtbot)
    layer = masks_of(viewer)
    assert layer.data.shape == (NUM_FRAMES, 1, *SIZE)
    np.testing.assert_array_equal(layer.data[:, 0] == 1, square(0))
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0, 0)), (0, 10, 0, 0))
    picker.plays.setCurrentIndex(picker.plays.findText("z (4)"))
    assert picker.description.text().startswith("4 planes of 16 × 20 px")


def test_a_plain_movie_asks_nothing(make_dock, qtbot) -> None:
    _, dock = make_dock()
    assert not dock.picker.plays.isVisibleTo(dock.picker)
    assert dock.picker.description.text() == "6 frames of 16 × 20 px, RGB."


def test_the_contrast_on_show_decides_what_the_model_sees(make_dock, qtbot) -> None:
    movie = np.where(square(0), 1500, 100).astype(np.uint16)
    viewer, dock = make_dock(movie=movie, name="grey", contrast_limits=(0, 60000))
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    assert not masks_of(viewer).data.any(), "1500 of 60000 is too dark for the test's network"
    viewer.layers["grey"].contrast_limits = (0, 2000)
    assert "Contrast 0 to 2000" in dock.picker.description.text()
    run_to_end(dock, qtbot)
    np.testing.assert_array_equal(viewer.layers[-1].data == 1, square(0))


def test_a_dask_movie_is_read_lazily_off_the_gui_thread(make_dock, qtbot) -> None:
    reads = []

    def read(block, block_info=None):
        reads.append((block_info[0]["chunk-location"][0], threading.get_ident()))
        return block

    chunks = (1, *SIZE, 3)
    movie = da.from_array(colour_movie(), chunks=chunks).map_blocks(read, dtype=np.uint8)
    source = Stepper(real_run)
    viewer, dock = make_dock(source, movie=movie, rgb=True, name="lazy")
    dock.panel.follow_box.setChecked(False)
    dock.sentences.setPlainText("the red square")
    reads.clear()
    dock.finder.request()
    assert reads == [], "a request is made without a look at any frame"
    dock.run()
    source.release(10)
    wait_for_end(dock, qtbot)
    here = threading.get_ident()
    assert {frame for frame, thread in reads if thread != here} == set(range(NUM_FRAMES))
    # napari itself may draw the frame in view anew when the layer of masks comes.
    assert {frame for frame, thread in reads if thread == here} <= {0}
    np.testing.assert_array_equal(masks_of(viewer).data == 1, square(0))


def test_a_picture_gets_one_mask(make_dock, qtbot) -> None:
    viewer, dock = make_dock(movie=colour_movie()[2], rgb=True, name="picture")
    dock.sentences.setPlainText("the green square")
    run_to_end(dock, qtbot)
    layer = masks_of(viewer)
    assert layer.data.shape == SIZE
    np.testing.assert_array_equal(layer.data == 1, square(1)[2])


def controls(dock: SentenceDock) -> list[QWidget]:
    """What the keyboard reaches and is in view."""
    return [w for w in dock.findChildren(QWidget) if is_control(w, dock)]


def is_control(widget: QWidget, dock: SentenceDock) -> bool:
    inside_another = isinstance(widget.parent(), QAbstractSpinBox | QComboBox)
    return isinstance(widget, CONTROLS) and widget.isVisibleTo(dock) and not inside_another


def fill_with_long_words(viewer, dock: SentenceDock) -> None:
    viewer.layers["movie"].name = "experiment_07_position_003_channel_DAPI_" * 4
    dock.settings.model.setEditText("/data/checkpoints/" + "a_long_folder_name/" * 6)
    dock.sentences.setPlainText("the cell that moves along the upper border of the picture " * 4)
    dock.settings.advanced.button.setChecked(True)


def test_every_control_has_a_name_and_a_tool_tip(make_dock, qtbot) -> None:
    _, dock = make_dock()
    dock.settings.advanced.button.setChecked(True)
    dock.panel.show_error("A message.", "A hint.", "Details.")
    assert len(controls(dock)) > 12
    for widget in controls(dock):
        name = widget.accessibleName() or getattr(widget, "text", str)()
        assert name, widget
        assert widget.toolTip(), name


def test_the_tab_key_goes_from_top_to_bottom(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((3, 4, *SIZE), np.uint8))
    dock = SentenceDock(viewer, real_run)  # by itself, so that the chain holds nothing of napari
    qtbot.addWidget(dock)
    dock.settings.advanced.button.setChecked(True)
    dock.resize(300, 1600)
    dock.show()
    dock.grab()  # lays everything out
    chain, widget = [], dock.nextInFocusChain()
    while widget is not dock:
        if is_control(widget, dock):
            chain.append(widget)
        widget = widget.nextInFocusChain()
    assert len(chain) == len(controls(dock))
    places = [w.mapTo(dock, w.rect().center()) for w in chain]
    rows = [round(place.y() / 10) for place in places]
    assert rows == sorted(rows), [w.accessibleName() or w.text() for w in chain]


def test_labels_say_which_control_they_belong_to(make_dock, qtbot) -> None:
    _, dock = make_dock(movie=np.zeros((3, 4, *SIZE), np.uint8), name="stack")
    dock.settings.advanced.button.setChecked(True)
    owned = {label.buddy() for label in dock.findChildren(QLabel) if label.buddy()}
    for widget in controls(dock):
        if isinstance(widget, QComboBox | QAbstractSpinBox | QLineEdit | QTextEdit):
            assert widget in owned, widget.accessibleName()


@pytest.mark.parametrize("width", [300, 500])
def test_nothing_is_cut_off_at_the_right(width: int, make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    fill_with_long_words(viewer, dock)
    dock.resize(width, 700)
    dock.show()
    dock.grab()
    assert dock.minimumSizeHint().width() <= 300
    inside = dock.tabs.currentWidget().widget()
    assert inside.minimumSizeHint().width() <= dock.tabs.currentWidget().viewport().width()
    for widget in [*controls(dock), *dock.findChildren(QLabel)]:
        # What stands beside the tabs is only placed when the window is seen.
        if widget.isVisibleTo(dock) and widget is not dock.timeline_button:
            right = widget.mapTo(dock, widget.rect().topRight()).x()
            assert right < dock.width(), widget


def test_a_long_name_is_shortened_and_told_in_the_tool_tip(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    assert dock.picker.combo.shown() == "movie"
    assert "movie" not in dock.picker.combo.tip().split()
    fill_with_long_words(viewer, dock)
    dock.resize(300, 700)
    dock.show()
    dock.grab()
    for combo in (dock.picker.combo, dock.settings.model):
        assert "…" in combo.shown()
        assert combo.tip().startswith(combo.currentText())


def test_the_wheel_scrolls_the_dock_and_changes_nothing(make_dock, qtbot) -> None:
    _, dock = make_dock()
    dock.settings.advanced.button.setChecked(True)
    before = dock.settings.value()
    turned = 0
    for widget in controls(dock):
        if isinstance(widget, QComboBox | QAbstractSpinBox):
            turn = QWheelEvent(
                QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, -120),
                Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(widget, turn)
            turned += 1
    assert turned > 8
    assert dock.settings.value() == before


def test_a_long_message_scrolls_and_leaves_run_in_view(make_dock, qtbot) -> None:
    viewer, dock = make_dock()
    fill_with_long_words(viewer, dock)
    dock.panel.show_error("Many tensors are missing: " + "layer.weight, " * 300, "A hint.")
    assert dock.minimumSizeHint().height() <= 400
    dock.resize(300, 600)
    dock.show()
    dock.grab()
    button = dock.panel.run_button
    assert dock.rect().contains(button.mapTo(dock, button.rect().bottomRight()))


def test_a_short_message_needs_no_scroll_bar(make_dock, qtbot) -> None:
    _, dock = make_dock()
    dock.panel.show_error("A message that takes two lines at this width, or so.", "A hint.")
    dock.resize(300, 700)
    dock.show()
    dock.grab()
    scroll = dock.findChild(FittingScroll)
    assert scroll.height() > 40
    assert scroll.verticalScrollBar().maximum() == 0


def test_what_the_model_said_leaves_the_sentences_in_view_on_a_laptop(make_dock, qtbot) -> None:
    _, dock = make_dock()
    dock.panel.show_error("Many tensors are missing: " + "layer.weight, " * 300, "A hint.")
    # Without the timeline below, with it, and without it again.
    for height, highest in ((800, 280), (520, 182), (800, 280)):
        dock.resizeEvent(QResizeEvent(QSize(300, height), dock.size()))
        assert dock.panel.told.sizeHint().height() == highest


def test_a_run_that_fails_early_lists_no_answers(make_dock, qtbot) -> None:
    _, dock = make_dock(failing(MemoryShortage("It needs 9 GB.", "Choose a smaller model.")))
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    assert not dock.panel.answers.isVisibleTo(dock)


def test_a_sentence_that_was_not_reached_is_said_to_be_not_asked(make_dock, qtbot) -> None:
    # Opened, planned, the first answer: then it breaks.
    _, dock = make_dock(failing(MemoryShortage("It needs 9 GB.", "Wait."), after=3))
    dock.sentences.setPlainText("the red square\nthe green square")
    run_to_end(dock, qtbot)
    assert dock.panel.answers.text(1) == "the red square\nIt is ."
    assert dock.panel.answers.text(2) == "the green square\nNot asked."


def test_a_pyramid_gets_masks_of_its_finest_level(make_dock, qtbot) -> None:
    fine = colour_movie()
    viewer, dock = make_dock(
        movie=[fine, fine[:, ::2, ::2]], rgb=True, multiscale=True, name="pyramid", scale=(1, 3, 3)
    )
    dock.sentences.setPlainText("the green square")
    run_to_end(dock, qtbot)
    layer = masks_of(viewer)
    np.testing.assert_array_equal(layer.data == 1, square(1))
    np.testing.assert_allclose(layer.scale, (1, 3, 3))


def test_no_colour_is_written_down_in_a_style_sheet(make_dock, qtbot) -> None:
    _, dock = make_dock()
    assert [w for w in dock.findChildren(QWidget) if w.styleSheet()] == []

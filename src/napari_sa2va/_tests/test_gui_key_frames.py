"""What the model will see of each key frame is shown before a run, and follows every change."""

from __future__ import annotations

import gc
import io
import threading
import weakref

import dask.array as da
import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import make_clip
from napari_sa2va.core.errors import ModelError, RequestError
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.frame_bar import FrameBar
from napari_sa2va.gui.key_frame_strip import KeyFrameStrip
from napari_sa2va.gui.key_frames import Chosen, KeyFrameLooker, Picture, Scene, side_by_side
from napari_sa2va.gui.layer_picker import LayerPicker
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.sentence_edit import SentenceEdit
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.gui.setup_preview import SetupPreview
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.models.sa2va.pictures import Shown, way_for
from napari_sa2va.models.zoo import find
from napari_sa2va.presets import PRESETS
from napari_sa2va.readers.layer import from_array
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.settings import RunSettings

WAIT_MS = 120_000
NUM_FRAMES, HEIGHT, WIDTH = 9, 24, 36


def movie(seed: int = 0) -> np.ndarray:
    """Frames that all differ, uint8 (T, Y, X, 3)."""
    shape = (NUM_FRAMES, HEIGHT, WIDTH, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def settings(**changed) -> RunSettings:
    return PRESETS["sa2va-i"].model_copy(update={"sampling": Uniform(num_key_frames=3)} | changed)


def of_model(name: str) -> RunSettings:
    usual = settings()
    return usual.model_copy(update={"model": usual.model.model_copy(update={"name": name})})


# The looker ---------------------------------------------------------------------------------------


class CountedClip:
    """The clip of an array, and how often each of its frames was read."""

    def __init__(self, data: np.ndarray) -> None:
        self.reads: list[int] = []
        self.opened = 0
        self._data = data

    def __call__(self):
        self.opened += 1

        def read(block, block_info=None):
            self.reads.append(block_info[0]["chunk-location"][0])
            return block

        chunks = (1, *self._data.shape[1:])
        lazy = da.from_array(self._data, chunks=chunks).map_blocks(read, dtype=self._data.dtype)
        axes = "TYXS" if self._data.ndim == 4 else "TYX"
        clip = make_clip(from_array(lazy, axes))
        self.reads.clear()  # one is read to see whether there is any contrast
        return clip


def looked(looker: KeyFrameLooker, scene: Scene) -> list[Chosen | Picture]:
    return list(looker(scene, CancelToken()))


def test_the_pictures_are_those_that_a_run_shows_to_the_model() -> None:
    data = movie()
    chosen, *pictures = looked(KeyFrameLooker(), Scene((1,), CountedClip(data), settings()))
    assert chosen == Chosen(9, (0, 4, 8), "The model sees 3 frames at 112 × 112 px.")
    assert [picture.frame for picture in pictures] == [0, 4, 8]
    way = way_for(find("nano"))
    for picture in pictures:
        shown = np.asarray(Image.open(io.BytesIO(picture.large)))
        np.testing.assert_array_equal(shown, way(data[picture.frame], "video", 3).pixels[0])
        assert picture.small.shape == (96, 96, 3)
        assert picture.words == (f"Frame {picture.frame}: 112 × 112 px, stretched from 24 × 36 px")


def test_only_key_frames_are_read_and_each_once() -> None:
    clip, looker = CountedClip(movie()), KeyFrameLooker()
    looked(looker, Scene((1,), clip, settings()))
    assert clip.reads == [0, 4, 8]
    looked(looker, Scene((1,), clip, settings(sampling=Manual(frames=(0, 5, 8)))))
    assert clip.reads == [0, 4, 8, 5]
    assert clip.opened == 1
    looked(looker, Scene((2,), clip, settings()))
    assert clip.reads == [0, 4, 8], "other pixels are read anew"
    assert clip.opened == 2


def test_another_model_sees_the_frames_in_another_size() -> None:
    looker = KeyFrameLooker()
    scene = Scene((1,), CountedClip(movie()), of_model("sa2va-4b"))
    chosen, first, *_ = looked(looker, scene)
    assert chosen.words == "The model sees 3 frames at 448 × 448 px, as its family does."
    assert first.words == "Frame 0: 448 × 448 px, stretched from 24 × 36 px"
    chosen, first, *_ = looked(looker, Scene((1,), CountedClip(movie()), of_model("some/model")))
    assert chosen.words == "The model sees 3 frames; in which size is not known yet."
    assert first.words == "Frame 0: 24 × 36 px, as it is"
    chosen, first, *_ = looked(
        looker, Scene((1,), CountedClip(movie()), of_model("sa2va-qwen3-vl-4b"))
    )
    assert chosen.words == "The model sees 3 frames, as its family does."
    assert "resized from 24 × 36 px" in first.words


def test_a_single_picture_is_shown_in_its_tiles() -> None:
    data = np.random.default_rng(0).integers(0, 256, (1, 230, 340, 3), np.uint8)
    chosen, picture = looked(KeyFrameLooker(), Scene((1,), CountedClip(data), settings()))
    assert chosen.words == "The model sees 1 frame in tiles of 112 × 112 px."
    assert picture.words == (
        "Frame 0: 6 tiles of 112 × 112 px in 2 rows, and the whole in one more; from 230 × 340 px"
    )
    assert picture.small.shape == (64, 96, 3)


def test_tiles_lie_side_by_side_with_a_gap() -> None:
    tiles = tuple(np.full((56, 56, 3), grey, np.uint8) for grey in (10, 20, 30, 40, 99))
    sheet = side_by_side(Shown(tiles, rows=2, columns=2))
    assert sheet.shape == (113, 113, 3)
    assert sheet[[0, 0, 112, 112], [0, 112, 0, 112], 0].tolist() == [10, 20, 30, 40]
    assert sheet[56, 56, 0] == 128
    assert 99 not in sheet, "the overview is left out"


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        (settings(sampling=Manual(frames=(2, 40))), RequestError, r"\[40\] are outside the clip"),
        (settings(view="picture"), RequestError, "3 were chosen"),
        (of_model("sa3va"), ModelError, "no model and no folder"),
    ],
)
def test_what_a_run_would_refuse_is_refused_here(changed, error, words) -> None:
    with pytest.raises(error, match=words):
        looked(KeyFrameLooker(), Scene((1,), CountedClip(movie()), changed))


def test_looking_stops_between_two_frames_when_nobody_wants_it_any_more() -> None:
    clip, cancel = CountedClip(movie()), CancelToken()
    looking = KeyFrameLooker()(Scene((1,), clip, settings()), cancel)
    next(looking), next(looking)
    cancel.cancel()
    assert list(looking) == []
    assert clip.reads == [0]


def test_scenes_are_alike_if_their_pictures_are() -> None:
    one = Scene((1,), CountedClip(movie()), settings())
    tracking = settings().tracking.model_copy(update={"hide_absent": False})
    assert one == Scene((1,), CountedClip(movie()), settings(tracking=tracking))
    assert one != Scene((2,), CountedClip(movie()), settings())
    assert one != Scene((1,), CountedClip(movie()), of_model("sa2va-4b"))
    assert one != Scene((1,), CountedClip(movie()), settings(view="picture"))


# The bar and the strip ----------------------------------------------------------------------------


@pytest.fixture
def bar(qtbot) -> FrameBar:
    made = FrameBar()
    qtbot.addWidget(made)
    made.resize(208, 14)  # 200 px between the first frame and the last
    made.set_frames(101, (0, 50, 100))
    return made


def test_frames_lie_along_the_bar_in_the_order_of_time(bar) -> None:
    assert [bar.place_of(t) for t in (0, 50, 100)] == [4, 104, 204]
    assert [bar.frame_at(x) for x in (0, 24, 207)] == [0, 10, 100]


def test_a_click_near_a_mark_means_its_key_frame(bar, qtbot) -> None:
    assert [bar.frame_at(x) for x in (98, 99, 104, 109, 110)] == [47, 50, 50, 50, 53]
    with qtbot.waitSignal(bar.asked) as asked:
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(107, 7))
    assert asked.args == [50]


def test_a_single_frame_has_a_place_too(bar) -> None:
    bar.set_frames(1, (0,))
    assert bar.place_of(0) == 4
    assert bar.frame_at(150) == 0
    bar.grab()


def a_picture(frame: int, grey: int = 200) -> Picture:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), (grey, 0, 0)).save(file, "PNG")
    pixels = np.full((20, 30, 3), grey, np.uint8)
    return Picture(frame, pixels, file.getvalue(), f"Frame {frame}: its <size>")


@pytest.fixture
def strip(qtbot) -> KeyFrameStrip:
    made = KeyFrameStrip()
    qtbot.addWidget(made)
    made.resize(320, 100)
    made.take(Chosen(30, (0, 7, 14, 21, 29), "The model sees 5 frames at 112 × 112 px."))
    return made


def colour_in(strip: KeyFrameStrip, row: int) -> tuple[int, int, int]:
    image = strip.pictures.item(row).icon().pixmap(48, 48).toImage()
    colour = image.pixelColor(image.width() // 2, image.height() // 2)
    return colour.red(), colour.green(), colour.blue()


def test_pictures_fill_the_places_of_their_frames(strip) -> None:
    strip.take(a_picture(14, grey=120))
    assert [strip.pictures.item(i).text() for i in range(5)] == ["0", "7", "14", "21", "29"]
    assert colour_in(strip, 2) == pytest.approx((120,) * 3, abs=4), "a screen may have few colours"
    assert strip.pictures.item(2).toolTip() == "Frame 14: its <size>"
    tip = strip.pictures.rich_tip(strip.pictures.item(2))
    assert "Frame 14: its &lt;size&gt;" in tip
    assert '<img src="data:image/png;base64,iVBOR' in tip
    assert strip.pictures.rich_tip(strip.pictures.item(0)) == ""


def test_five_pictures_take_little_room(strip) -> None:
    for t in (0, 7, 14, 21, 29):
        strip.take(a_picture(t))
    for width in (284, 320):
        strip.resize(width, 200)
        strip.show()
        strip.grab()
        assert strip.sizeHint().height() <= 110
        assert not strip.pictures.horizontalScrollBar().isVisible()


def test_many_pictures_scroll_and_do_not_widen_the_dock(strip) -> None:
    strip.take(Chosen(200, tuple(range(0, 200, 5)), "The model sees 40 frames."))
    strip.show()
    strip.grab()
    assert strip.minimumSizeHint().width() <= 200
    assert strip.pictures.horizontalScrollBar().maximum() > 0
    assert strip.sizeHint().height() <= 130


def test_the_frame_in_view_is_marked_without_tinting_its_picture(strip) -> None:
    strip.take(a_picture(7, grey=120))
    strip.set_position(7)
    assert [item.text() for item in strip.pictures.selectedItems()] == ["7"]
    strip.resize(320, 110)
    strip.show()
    place = strip.pictures.visualItemRect(strip.pictures.item(1)).center()
    seen = strip.pictures.viewport().grab().toImage().pixelColor(place.x(), place.y() - 10)
    assert (seen.red(), seen.green(), seen.blue()) == pytest.approx((120,) * 3, abs=4)
    strip.set_position(8)
    assert strip.pictures.selectedItems() == []


@pytest.mark.parametrize("way", ["click", "enter"])
def test_a_picture_leads_to_its_frame(strip, way, qtbot) -> None:
    strip.show()
    item = strip.pictures.item(3)
    with qtbot.waitSignal(strip.asked) as asked:
        if way == "click":
            place = strip.pictures.visualItemRect(item).center()
            qtbot.mouseClick(strip.pictures.viewport(), Qt.MouseButton.LeftButton, pos=place)
        else:
            strip.pictures.setCurrentItem(item)
            qtbot.keyClick(strip.pictures, Qt.Key.Key_Return)
    assert asked.args == [21]


def test_other_key_frames_take_the_place_of_the_first(strip) -> None:
    strip.take(a_picture(7))
    strip.take(Chosen(30, (7, 8), "The model sees 2 frames."))
    assert [strip.pictures.item(i).text() for i in range(strip.pictures.count())] == ["7", "8"]
    assert strip.pictures.rich_tip(strip.pictures.item(0)) == ""


def test_what_is_wrong_is_said_instead_of_pictures(strip) -> None:
    strip.take(Failed("Key frame 40 is outside.", "Name another."))
    assert strip.words.text() == "Key frame 40 is outside. Name another."
    assert not strip.pictures.isVisibleTo(strip)
    strip.take(Chosen(30, (1,), "The model sees 1 frame."))
    assert strip.pictures.isVisibleTo(strip)
    assert strip.words.text() == "The model sees 1 frame."
    strip.take(None)
    assert strip.isHidden()


# In the viewer ------------------------------------------------------------------------------------


class Setup(QWidget):
    """The upper part of a dock."""

    def __init__(self, viewer) -> None:
        super().__init__()
        self.picker, self.sentences = LayerPicker(viewer), SentenceEdit()
        self.settings = SettingsPanel(lambda settings: (Ask(), ""))
        self.settings.device.setEditText("cpu")
        self.preview = SetupPreview(viewer, self.picker, self.sentences, self.settings)
        layout = QVBoxLayout(self)
        for part in (self.picker, self.preview.strip, self.sentences, self.settings):
            layout.addWidget(part)
        layout.addWidget(self.preview.estimate)
        self.preview.watch()

    @property
    def strip(self) -> KeyFrameStrip:
        return self.preview.strip


@pytest.fixture
def make_setup(make_napari_viewer_proxy, qtbot):
    made = []

    def make(data=None, **options):
        viewer = make_napari_viewer_proxy()
        if data is None:
            data, options = movie(), {"rgb": True} | options
        viewer.add_image(data, **options)
        setup = Setup(viewer)
        viewer.window.add_dock_widget(setup, name="Set-up")
        made.append(setup)
        return viewer, setup

    yield make
    for setup in made:
        setup.preview.unwatch()


def settle(setup: Setup, qtbot) -> None:
    """Wait until the strip shows what is set up."""
    qtbot.waitUntil(lambda: not setup.preview._pictures.busy, timeout=WAIT_MS)


def settle_estimate(setup: Setup, qtbot) -> None:
    qtbot.waitUntil(lambda: not setup.preview._estimates.busy, timeout=WAIT_MS)


def shown(setup: Setup) -> dict[int, np.ndarray]:
    """The pictures on show by frame, in full size."""
    pictures = setup.strip.pictures
    return {t: np.asarray(Image.open(io.BytesIO(large))) for t, large in pictures._large.items()}


def as_nano_sees(frame: np.ndarray) -> np.ndarray:
    return way_for(find("nano"))(frame, "video", 5).pixels[0]


def test_the_strip_shows_what_the_model_will_see_and_where(make_setup, qtbot) -> None:
    _, setup = make_setup()
    settle(setup, qtbot)
    data = movie()
    assert list(shown(setup)) == [0, 2, 4, 6, 8]
    for t, picture in shown(setup).items():
        np.testing.assert_array_equal(picture, as_nano_sees(data[t]))
    assert setup.strip.bar.isVisibleTo(setup)


def test_a_click_moves_the_slider_and_the_slider_moves_the_mark(make_setup, qtbot) -> None:
    viewer, setup = make_setup(scale=(2.0, 1.0, 1.0), translate=(5, 0, 0))
    settle(setup, qtbot)
    setup.strip.asked.emit(6)
    assert viewer.dims.current_step[0] == 6
    assert setup.strip.bar._position == 6
    assert [i.text() for i in setup.strip.pictures.selectedItems()] == ["6"]
    viewer.dims.set_current_step(0, 3)
    assert setup.strip.bar._position == 3


def test_other_contrast_makes_other_pictures(make_setup, qtbot) -> None:
    grey = movie()[..., 0].astype(np.uint16)
    viewer, setup = make_setup(grey, contrast_limits=(0, 255), colormap="gray")
    settle(setup, qtbot)
    np.testing.assert_array_equal(
        shown(setup)[4], as_nano_sees(np.repeat(grey[4, ..., None].astype(np.uint8), 3, -1))
    )
    viewer.layers[0].contrast_limits = (0, 65535)
    settle(setup, qtbot)
    assert shown(setup)[4].max() <= 1, "255 of 65535 is black"


def test_a_layer_in_colours_is_seen_in_colours(make_setup, qtbot) -> None:
    grey = movie()[..., 0]
    viewer, setup = make_setup(grey, contrast_limits=(0, 255), colormap="gray")
    settle(setup, qtbot)
    viewer.layers[0].colormap = "red"
    settle(setup, qtbot)
    picture = shown(setup)[4]
    assert picture[..., 0].max() > 100
    assert picture[..., 1:].max() == 0


def test_other_settings_other_data_and_another_layer_are_followed(make_setup, qtbot) -> None:
    viewer, setup = make_setup()
    settle(setup, qtbot)
    setup.settings.set_value(settings())
    settle(setup, qtbot)
    assert list(shown(setup)) == [0, 4, 8]
    other = movie(seed=1)
    viewer.layers[0].data = other
    settle(setup, qtbot)
    np.testing.assert_array_equal(shown(setup)[4], as_nano_sees(other[4]))
    third = movie(seed=2)[:3]
    layer = viewer.add_image(third, rgb=True)
    setup.picker.choose(layer)
    settle(setup, qtbot)
    assert list(shown(setup)) == [0, 1, 2]
    np.testing.assert_array_equal(shown(setup)[1], as_nano_sees(third[1]))
    setup.settings.model.setEditText("sa2va-4b")
    settle(setup, qtbot)
    assert shown(setup)[1].shape == (448, 448, 3)


def test_the_plane_in_view_is_the_plane_that_is_shown(make_setup, qtbot) -> None:
    stack = np.stack([movie(seed)[..., 0] for seed in range(3)], axis=1)  # (T, Z, Y, X)
    viewer, setup = make_setup(
        stack, axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 255), colormap="gray"
    )
    viewer.dims.set_current_step(1, 2)
    settle(setup, qtbot)
    frame = np.repeat(stack[4, 2, ..., None], 3, -1)
    np.testing.assert_array_equal(shown(setup)[4], as_nano_sees(frame))


def test_only_the_part_that_is_looked_at_is_shown(make_setup, qtbot, monkeypatch) -> None:
    _, setup = make_setup()
    settle(setup, qtbot)
    monkeypatch.setattr(setup.picker, "box", lambda: Box(2, 3, 22, 23))
    setup.picker.look_changed.emit()
    settle(setup, qtbot)
    np.testing.assert_array_equal(shown(setup)[4], as_nano_sees(movie()[4, 2:22, 3:23]))


def test_key_frames_outside_of_the_clip_are_told_before_run(make_setup, qtbot) -> None:
    _, setup = make_setup()
    setup.settings.set_value(settings(sampling=Manual(frames=(40,))))
    settle(setup, qtbot)
    assert setup.strip.words.text().startswith("Key frames [40] are outside the clip")
    settle_estimate(setup, qtbot)
    assert setup.preview.estimate.text() == "", "it is said once"
    setup.settings.set_value(settings())
    settle(setup, qtbot)
    assert list(shown(setup)) == [0, 4, 8]


def test_without_an_image_there_is_no_strip(make_setup, qtbot) -> None:
    viewer, setup = make_setup()
    settle(setup, qtbot)
    viewer.layers.clear()
    settle(setup, qtbot)
    assert not setup.strip.isVisibleTo(setup)


def test_frames_are_read_off_the_guis_thread_and_not_while_a_run_is_on(make_setup, qtbot) -> None:
    reads = []

    def read(block, block_info=None):
        reads.append((block_info[0]["chunk-location"][0], threading.get_ident()))
        return block

    lazy = da.from_array(movie(), chunks=(1, HEIGHT, WIDTH, 3)).map_blocks(read, dtype=np.uint8)
    _, setup = make_setup(lazy, rgb=True)
    settle(setup, qtbot)
    here = threading.get_ident()
    assert {t for t, thread in reads if thread != here} == {0, 2, 4, 6, 8}
    assert {t for t, thread in reads if thread == here} <= {0}, "napari draws what is in view"
    reads.clear()
    setup.preview.pause(True)
    setup.settings.set_value(settings(sampling=Manual(frames=(5,))))
    settle(setup, qtbot)
    assert reads == []
    setup.preview.pause(False)
    settle(setup, qtbot)
    assert [t for t, _ in reads] == [5]


def test_a_preview_that_is_closed_lets_go_of_the_pixels(make_setup, qtbot) -> None:
    viewer, setup = make_setup()
    settle(setup, qtbot)
    data = movie(seed=3)
    viewer.layers[0].data = data
    settle(setup, qtbot)
    setup.preview.unwatch()
    viewer.layers[0].data = movie(seed=4)
    held = weakref.ref(data)
    del data
    wait_until_gone(held, qtbot)


def test_a_dock_that_is_closed_is_not_kept_alive(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(movie(), rgb=True)
    setup = Setup(viewer)
    viewer.window.add_dock_widget(setup, name="Set-up")
    settle(setup, qtbot)
    settle_estimate(setup, qtbot)
    setup.preview.unwatch()
    setup.picker.unwatch()
    viewer.window.remove_dock_widget(setup)
    held = weakref.ref(setup)
    del setup
    wait_until_gone(held, qtbot)


def wait_until_gone(held: weakref.ref, qtbot) -> None:
    """Wait until nobody holds a thing any more."""

    def is_gone() -> bool:
        gc.collect()
        return held() is None

    qtbot.waitUntil(is_gone, timeout=WAIT_MS)

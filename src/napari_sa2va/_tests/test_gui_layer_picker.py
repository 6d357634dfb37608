"""The rows that choose what is looked at: there only where there is something to choose."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QWidget

from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.layer_picker import LayerPicker

RNG = np.random.default_rng(0)
NAMES = ["DAPI", "GFP", "Cy5"]


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def picker(viewer, qtbot):
    made = LayerPicker(viewer)
    qtbot.addWidget(made)
    yield made
    made.unwatch()


def movie(*shape: int) -> np.ndarray:
    return RNG.integers(0, 1000, shape).astype(np.uint16)


def boxes(picker: LayerPicker) -> list[str]:
    """What there is to choose, from top to bottom."""
    picker.resize(300, 500)
    picker.grab()  # lays everything out
    seen = [w for w in picker.findChildren(QWidget) if isinstance(w, QComboBox | QPushButton)]
    seen = [w for w in seen if w.isVisibleTo(picker)]
    seen.sort(key=lambda w: (w.mapTo(picker, w.rect().topLeft()).y() // 10, w.x()))
    return [w.accessibleName() for w in seen]


def entries(combo: QComboBox) -> list[str]:
    return [combo.itemText(i) for i in range(combo.count())]


def clip_of(picker: LayerPicker) -> Clip:
    layer, axes, choice = picker.chosen()
    arguments = clip_arguments(layer, axes, choice, picker.box())
    return make_clip(to_recording(layer, axes, choice), **arguments)


def add_channels(viewer, **options):
    return viewer.add_image(
        movie(4, 3, 32, 40), axis_labels=("t", "c", "y", "x"), metadata={"channel_names": NAMES},
        contrast_limits=(0, 1000), name="cells", **options,
    )  # fmt: skip


# ---- rows


def test_an_rgb_movie_and_a_grey_one_ask_nothing(viewer, picker) -> None:
    viewer.add_image(RNG.integers(0, 200, (4, 32, 40, 3)).astype(np.uint8), rgb=True)
    assert boxes(picker) == ["Image layer"]
    viewer.layers.clear()
    viewer.add_image(movie(4, 32, 40))
    assert boxes(picker) == ["Image layer"]


def test_a_coloured_layer_asks_whether_its_colours_are_seen(viewer, picker) -> None:
    layer = viewer.add_image(movie(4, 32, 40), contrast_limits=(0, 1000))
    layer.colormap = "green"
    assert boxes(picker) == ["Image layer", "Colours"]
    assert clip_of(picker).tints == ("#00ff00",)
    assert "colormap green" in picker.description.text()
    picker.look.setCurrentText("grey")
    assert clip_of(picker).tints == ()
    assert boxes(picker) == ["Image layer", "Colours"], "the way back is still there"
    layer.colormap = "gray"
    assert boxes(picker) == ["Image layer"]
    layer.gamma = 0.5
    assert boxes(picker) == ["Image layer", "Colours"]


def test_channels_are_mapped_by_name(viewer, picker) -> None:
    layer = add_channels(viewer)
    colors = ["Channel shown red", "Channel shown green", "Channel shown blue"]
    names = ["Image layer", "Axis that plays as time", "What becomes of channel", *colors]
    assert boxes(picker) == names
    row = picker.row_of(1)
    assert entries(row.colors.combos[0]) == ["none", *NAMES]
    row.colors.combos[0].setCurrentText("Cy5")
    row.colors.combos[2].setCurrentText("none")
    clip = clip_of(picker)
    assert clip.channel_names == ("Cy5", "GFP")
    np.testing.assert_array_equal(clip.frame(1)[..., 0], layer.data[1, 2])
    assert "2 channels" in picker.description.text()
    for combo in row.colors.combos:
        combo.setCurrentText("none")
    assert picker.description.text().startswith("No channel is chosen.")


def test_one_channel_is_taken_wherever_the_slider_stands(viewer, picker) -> None:
    layer = add_channels(viewer)
    row = picker.row_of(1)
    assert entries(row.combo)[:4] == ["as red, green, blue", "only DAPI", "only GFP", "only Cy5"]
    row.combo.setCurrentText("only GFP")
    assert len(boxes(picker)) == 3, "no more to be mapped"
    viewer.dims.set_current_step(1, 2)
    np.testing.assert_array_equal(clip_of(picker).frame(1), layer.data[1, 1])
    assert "channel 2 of 3 (GFP)." in picker.description.text()
    row.combo.setCurrentText("the channel in view")
    np.testing.assert_array_equal(clip_of(picker).frame(1), layer.data[1, 2])


def test_time_z_and_channels_are_asked_for_from_top_to_bottom(viewer, picker) -> None:
    viewer.add_image(movie(4, 5, 3, 32, 40), axis_labels=("t", "z", "c", "y", "x"))
    asked = ["Axis that plays as time", "What becomes of z", "What becomes of channel"]
    assert boxes(picker)[:4] == ["Image layer", *asked]
    picker.row_of(1).choose("max")
    assert clip_of(picker).frames.shape == (4, 32, 40, 3)


def test_every_plane_can_be_followed_if_something_plays(viewer, picker, qtbot) -> None:
    viewer.add_image(movie(4, 5, 32, 40), axis_labels=("t", "z", "y", "x"))
    picker.row_of(1).combo.setCurrentText("every plane on its own")
    assert picker.chosen()[2].every == 1
    assert "in each of 5 planes" in picker.description.text()
    picker.plays.setCurrentText("nothing, one picture")
    assert "every plane on its own" not in entries(picker.row_of(1).combo)
    other = LayerPicker(viewer, every_plane=False)
    qtbot.addWidget(other)
    assert "every plane on its own" not in entries(other.row_of(1).combo)
    other.unwatch()


# ---- further layers


def add_split(viewer) -> list:
    looks = zip(NAMES, ("magenta", "green", "blue"), strict=True)
    return [
        viewer.add_image(movie(4, 32, 40), name=name, colormap=colormap, contrast_limits=(0, 1000))
        for name, colormap in looks
    ]


def test_layers_of_the_same_place_can_be_added(viewer, picker) -> None:
    first, _, third = add_split(viewer)
    viewer.add_image(movie(4, 32, 41), name="another size")
    picker.choose(first)
    assert boxes(picker) == ["Image layer", "Further layers", "Colours"]
    assert [a.text() for a in picker.mixer.menu().actions()] == ["Cy5", "GFP"]
    picker.mixer.menu().actions()[0].trigger()
    assert picker.mixer.text() == "+ 1 layer"
    assert "Cy5" in picker.mixer.toolTip()
    assert boxes(picker) == ["Image layer", "Further layers"], "a mixture has its own colours"
    clip = clip_of(picker)
    np.testing.assert_array_equal(clip.frame(2), np.stack([first.data[2], third.data[2]], -1))
    assert clip.tints == ("#ff00ff", "#0000ff")
    assert "2 layers" in picker.description.text()


def test_a_layer_that_leaves_is_added_no_more(viewer, picker, qtbot) -> None:
    first, second, third = add_split(viewer)
    picker.choose(first)
    picker.mixer.take([second, third])
    assert len(picker.chosen()[2].beside) == 2
    with qtbot.waitSignal(picker.changed):
        viewer.layers.remove(second)
    assert [layer.name for layer in picker.chosen()[2].beside] == ["Cy5"]
    third.name = "renamed"
    assert [a.text() for a in picker.mixer.menu().actions()] == ["renamed"]
    assert picker.mixer.text() == "+ 1 layer"
    picker.choose(third)
    assert picker.chosen()[2].beside == (), "another image begins anew"


def test_what_is_added_looks_as_its_layer_does(viewer, picker) -> None:
    first, second, _ = add_split(viewer)
    picker.choose(first)
    picker.mixer.take([second])
    second.contrast_limits, second.colormap = (5, 50), "red"
    clip = clip_of(picker)
    assert clip.limits == ((0, 1000), (5, 50))
    assert clip.tints == ("#ff00ff", "#ff0000")


# ---- a part of the frames


def rectangle(y0: float, x0: float, y1: float, x1: float) -> np.ndarray:
    return np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])


def test_a_rectangle_says_where_to_look(viewer, picker) -> None:
    layer = viewer.add_image(movie(4, 32, 40), scale=(1, 2, 2), translate=(0, 10, 0))
    shapes = viewer.add_shapes(name="roi")
    assert boxes(picker) == ["Image layer"], "there is no rectangle yet"
    # Twice as large in the world, and 10 lower: rows 4 to 24 and columns 6 to 30.
    shapes.add_rectangles(rectangle(18, 12, 58, 60))
    assert boxes(picker) == ["Image layer", "Only inside"]
    assert picker.box() is None
    picker.inside.setCurrentText("roi")
    assert picker.box() == Box(4, 6, 25, 31)
    assert "Only 21 × 25 px of them." in picker.description.text()
    np.testing.assert_array_equal(clip_of(picker).frame(2), layer.data[2, 4:25, 6:31])


def test_a_rectangle_that_is_moved_or_gone_is_followed(viewer, picker, qtbot) -> None:
    viewer.add_image(movie(4, 32, 40))
    shapes = viewer.add_shapes([rectangle(0, 0, 19, 19)], shape_type="rectangle", name="roi")
    picker.inside.setCurrentText("roi")
    with qtbot.waitSignal(picker.look_changed):
        shapes.data = [rectangle(4, 8, 23, 27)]
    assert picker.box() == Box(4, 8, 24, 28)
    viewer.layers.remove(shapes)
    assert picker.box() is None
    assert boxes(picker) == ["Image layer"]


def test_one_of_several_rectangles_is_chosen_by_its_number(viewer, picker) -> None:
    viewer.add_image(movie(4, 32, 40))
    shapes = viewer.add_shapes(name="roi")
    shapes.add_rectangles([rectangle(0, 0, 19, 19), rectangle(2, 2, 25, 25)])
    shapes.add_polygons(np.array([[0.0, 0], [20, 0], [0, 20]]))
    assert entries(picker.inside) == ["the whole image", "roi 1", "roi 2"]
    picker.inside.setCurrentText("roi 2")
    assert picker.box() == Box(2, 2, 26, 26)


@pytest.mark.parametrize(
    ("corners", "said"),
    [((0, 0, 5, 20), "has 6 × 21 px"), ((100, 100, 200, 200), "lies outside the image")],
)
def test_a_rectangle_that_is_no_use_is_refused_in_words(corners, said, viewer, picker) -> None:
    viewer.add_image(movie(4, 32, 40))
    viewer.add_shapes([rectangle(*corners)], shape_type="rectangle", name="roi")
    picker.inside.setCurrentText("roi")
    assert said in picker.description.text()
    with pytest.raises(RequestError, match=said):
        picker.box()


def test_a_layer_with_fewer_axes_takes_the_place_of_one_that_leaves(viewer, picker) -> None:
    viewer.add_image(movie(32, 40), name="picture")
    stack = viewer.add_image(movie(4, 5, 32, 40), name="stack")
    picker.choose(stack)
    viewer.layers.remove(stack)
    assert picker.description.text().startswith("One picture of 32 × 40 px")


# ---- signals, names, life


def test_what_the_model_sees_is_told_from_what_is_chosen(viewer, picker, qtbot) -> None:
    layer = viewer.add_image(movie(4, 5, 32, 40), axis_labels=("t", "z", "y", "x"))
    for look in (
        lambda: setattr(layer, "contrast_limits", (5, 50)),
        lambda: setattr(layer, "colormap", "green"),
        lambda: setattr(layer, "gamma", 0.5),
        lambda: viewer.dims.set_current_step(1, 4),
    ):
        with qtbot.waitSignal(picker.look_changed), qtbot.assertNotEmitted(picker.changed):
            look()
    with qtbot.waitSignal(picker.changed):
        picker.row_of(1).choose("max")


def test_every_box_has_a_name_a_tip_and_a_label(viewer, picker) -> None:
    add_channels(viewer)
    viewer.add_shapes([rectangle(0, 0, 19, 19)], shape_type="rectangle", name="roi")
    owned = {label.buddy() for label in picker.findChildren(QLabel) if label.buddy()}
    for combo in picker.findChildren(QComboBox):
        assert combo.accessibleName()
        assert combo.toolTip()
        assert combo in owned, combo.accessibleName()
    assert picker.mixer.accessibleName()
    assert picker.mixer.toolTip()


def test_short_names_of_channels_can_be_read_in_a_narrow_dock(viewer, picker) -> None:
    add_channels(viewer)
    boxes(picker)
    assert picker.minimumSizeHint().width() <= 300
    assert [combo.shown() for combo in picker.row_of(1).colors.combos] == NAMES
    assert len({combo.width() for combo in picker.row_of(1).colors.combos}) <= 2


def test_a_picker_is_not_kept_alive(viewer, qtbot) -> None:
    add_channels(viewer)
    add_split(viewer)
    viewer.add_shapes([rectangle(0, 0, 19, 19)], shape_type="rectangle", name="roi")
    picker = LayerPicker(viewer)
    picker.mixer.menu()
    gone = weakref.ref(picker)
    picker.unwatch()
    del picker

    def collected() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(collected, timeout=20_000)

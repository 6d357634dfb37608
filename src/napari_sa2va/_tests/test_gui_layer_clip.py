"""What a layer looks like is what the model sees; and lazy layers are read no further than needed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import AxesError
from napari_sa2va.core.fingerprint import fingerprint
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.layer_axes import AxisChoice, first_choice, read_axes
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.layer_planes import clips_of
from napari_sa2va.gui.layer_words import describe_layer, describe_look
from napari_sa2va.readers.open import open_clip

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 1000, (3, 8, 9)).astype(np.uint16)


def image(data=MOVIE, limits=(0, 1000), **options) -> Image:
    return Image(data, contrast_limits=limits, **options)


def clip_of(layer: Image, choice: AxisChoice | None = None, box: Box | None = None) -> Clip:
    axes = read_axes(layer)
    choice = choice or first_choice(axes)
    arguments = clip_arguments(layer, axes, choice, box)
    return make_clip(to_recording(layer, axes, choice), **arguments)


def on_canvas(layer: Image, t: int) -> np.ndarray:
    """A frame as napari draws it: contrast, gamma, colormap; float (Y, X, 3)."""
    low, high = layer.contrast_limits
    share = np.clip((layer.data[t].astype(float) - low) / (high - low), 0, 1) ** layer.gamma
    rgba = np.asarray(layer.colormap.map(share.ravel())).reshape(*share.shape, 4)
    return rgba[..., :3] * rgba[..., 3:] * 255


# ---- the colours of a layer


@pytest.mark.parametrize(
    "colormap", ["green", "magenta", "magma", "gray_r", "bop blue", "twilight"]
)
@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_a_layer_is_seen_in_its_colormap(colormap: str, gamma: float) -> None:
    layer = image(limits=(100, 900), colormap=colormap, gamma=gamma)
    seen = clip_of(layer).rgb(1).astype(float)
    by_hand = on_canvas(layer, 1)
    # Brightness has 256 steps before gamma and colormap: no farther off than the next of them.
    ramp = np.arange(256.0).reshape(1, 1, 256)
    steps = on_canvas(image(ramp, (0, 255), colormap=colormap, gamma=gamma), 0)[0]
    np.testing.assert_allclose(seen, by_hand, atol=0.51 + np.abs(np.diff(steps, axis=0)).max())


def test_a_grey_layer_is_as_it_was_before_there_were_colours() -> None:
    layer = image(limits=(100, 900))
    clip = clip_of(layer)
    assert "colors" not in clip_arguments(layer, read_axes(layer), AxisChoice(0))
    assert clip.tints == ()
    np.testing.assert_array_equal(clip.rgb(1), open_clip(MOVIE, limits=(100, 900)).rgb(1))


def test_a_coloured_layer_can_be_seen_grey() -> None:
    layer = image(colormap="magma", gamma=0.5)
    assert len(clip_of(layer).tints) == 1
    grey = clip_of(layer, AxisChoice(0, look="grey"))
    np.testing.assert_array_equal(grey.rgb(0), clip_of(image()).rgb(0))


def test_what_is_transparent_in_a_colormap_lets_black_shine_through() -> None:
    layer = image(colormap=Colormap([[1, 0, 0, 0.5], [1, 0, 0, 0.5]], name="half"))
    assert np.unique(clip_of(layer).rgb(0)[..., 0]).tolist() == [128]


def test_dimming_a_layer_does_not_dim_what_the_model_sees() -> None:
    np.testing.assert_array_equal(clip_of(image(opacity=0.3)).rgb(0), clip_of(image()).rgb(0))


def test_rgb_is_taken_as_it_is() -> None:
    colour = RNG.integers(0, 200, (3, 8, 9, 3)).astype(np.uint8)
    layer = Image(colour, rgb=True, gamma=0.5)
    np.testing.assert_array_equal(clip_of(layer).rgb(2), colour[2])


# ---- a channel axis


STACK = RNG.integers(0, 1000, (3, 5, 8, 9)).astype(np.uint16)  # (T, C, Y, X)


def channels(count: int = 5, **options) -> Image:
    return image(STACK[:, :count], axis_labels=("t", "c", "y", "x"), **options)


def test_channels_are_mapped_to_red_green_and_blue() -> None:
    clip = clip_of(channels(), AxisChoice(0, {1: "colors"}, colors=(4, None, 2)))
    shown = np.rint(STACK[1].astype(float) / 1000 * 255)
    np.testing.assert_array_equal(clip.rgb(1)[..., 0], shown[4])
    np.testing.assert_array_equal(clip.rgb(1)[..., 2], shown[2])
    assert not clip.rgb(1)[..., 1].any()
    assert clip.channels == (4, 2)


def test_a_channel_can_shine_in_two_colours() -> None:
    clip = clip_of(channels(), AxisChoice(0, {1: "colors"}, colors=(3, 0, 3)))
    assert clip.channels == (3, 0)
    assert clip.tints == ("#ff00ff", "#00ff00")
    np.testing.assert_array_equal(clip.rgb(0)[..., 0], clip.rgb(0)[..., 2])


@pytest.mark.parametrize("count", [2, 3])
def test_by_default_the_first_channels_are_red_green_and_blue(count: int) -> None:
    layer = channels(count)
    clip = clip_of(layer)
    plain = open_clip(STACK[:, :count], axes="TCYX", limits=(0, 1000))
    assert clip.tints == ()
    np.testing.assert_array_equal(clip.rgb(1), plain.rgb(1))


def test_one_of_many_channels_plays_by_itself_as_it_is_shown() -> None:
    layer = channels(colormap="cyan")
    clip = clip_of(layer, AxisChoice(0, {1: "view"}, (0, 3, 0, 0)))
    np.testing.assert_array_equal(clip.frame(1), STACK[1, 3])
    assert clip.tints == ("#00ffff",)


@pytest.mark.parametrize(
    ("colors", "said"), [((None, None, None), "No channel is chosen"), ((0, 5), "has 5 positions")]
)
def test_a_choice_of_channels_that_makes_no_picture_is_refused(colors, said: str) -> None:
    with pytest.raises(AxesError, match=said):
        clip_of(channels(), AxisChoice(0, {1: "colors"}, colors=colors))


def test_names_of_channels_are_known_to_the_clip() -> None:
    layer = channels(2, metadata={"channel_names": ["DAPI", "GFP"]})
    assert read_axes(layer).axis(1).names == ("DAPI", "GFP")
    assert clip_of(layer).channel_names == ("DAPI", "GFP")
    assert read_axes(channels(3, metadata={"channel_names": ["DAPI"]})).axis(1).names == ()


def test_an_unnamed_axis_of_few_positions_may_hold_channels() -> None:
    layer = image(STACK)
    assert "colors" in read_axes(layer).axis(1).rests
    assert clip_of(layer, AxisChoice(0, {1: "colors"})).num_channels == 3
    assert "colors" not in read_axes(image(np.zeros((3, 9, 8, 9)))).axis(1).rests


# ---- channels in layers of their own


def three_layers() -> list[Image]:
    data = (STACK[:, 0], STACK[:, 1], (STACK[:, 2] // 4).astype(np.uint8))
    looks = (("magenta", (0, 900)), ("green", (50, 500)), ("yellow", (0, 250)))
    return [
        Image(pixels, colormap=colormap, contrast_limits=limits, name=f"channel {number}")
        for number, (pixels, (colormap, limits)) in enumerate(zip(data, looks, strict=True))
    ]


def test_layers_are_added_up_in_their_colours_as_on_the_canvas() -> None:
    first, *others = three_layers()
    clip = clip_of(first, AxisChoice(0, beside=tuple(others)))
    by_hand = sum(on_canvas(layer, 2) for layer in (first, *others))
    np.testing.assert_allclose(clip.rgb(2).astype(float), np.minimum(by_hand, 255), atol=2)
    assert clip.channel_names == ("channel 0", "channel 1", "channel 2")
    assert clip.num_channels == 3


def test_opacity_says_how_much_of_a_layer_is_in_the_mixture() -> None:
    first, second, _ = three_layers()
    second.opacity = 0.5
    clip = clip_of(first, AxisChoice(0, beside=(second,)))
    by_hand = on_canvas(first, 2) + 0.5 * on_canvas(second, 2)
    np.testing.assert_allclose(clip.rgb(2).astype(float), np.minimum(by_hand, 255), atol=2)


def test_layers_with_time_and_z_are_added_at_the_same_plane() -> None:
    labels = ("t", "z", "y", "x")
    first, second = (
        image(STACK[:, ::step], axis_labels=labels, colormap=colormap)
        for step, colormap in ((1, "red"), (-1, "blue"))
    )
    view = AxisChoice(0, {1: "view"}, (0, 1, 0, 0), beside=(second,))
    clip = clip_of(first, view)
    np.testing.assert_array_equal(clip.frame(2), np.stack([STACK[2, 1], STACK[2, 3]], -1))
    highest = clip_of(first, AxisChoice(0, {1: "max"}, beside=(second,)))
    np.testing.assert_array_equal(highest.frame(2)[..., 1], STACK[2].max(axis=0))


def test_layers_that_do_not_lie_pixel_on_pixel_are_not_added() -> None:
    first = three_layers()[0]
    for other in (
        image(MOVIE[:2]),
        image(scale=(1, 2, 2)),
        image(translate=(0, 1, 0)),
        Image(np.zeros((3, 8, 9, 3), np.uint8), rgb=True),
        first,
    ):
        with pytest.raises(AxesError, match="has not the shape and the place"):
            clip_of(first, AxisChoice(0, beside=(other,)))


def test_to_a_layer_with_channels_none_are_added() -> None:
    layer, other = channels(), channels()
    with pytest.raises(AxesError, match="has channels already"):
        clip_of(layer, AxisChoice(0, {1: "colors"}, beside=(other,)))


# ---- words


def test_what_is_seen_is_said() -> None:
    layer = channels(3, metadata={"channel_names": ["DAPI", "GFP", "Cy5"]}, limits=(20, 4000))
    axes = read_axes(layer)
    colors = AxisChoice(0, {1: "colors"}, colors=(2, None, 0))
    assert describe_layer(layer, axes, colors) == "3 frames of 8 × 9 px, 2 channels."
    one = AxisChoice(0, {1: "view"}, (0, 1, 0, 0))
    assert describe_look(layer, axes, one) == "channel 2 of 3 (GFP). Contrast 20 to 4000, as shown."
    layer.colormap = "green"
    assert describe_layer(layer, axes, one) == "3 frames of 8 × 9 px, colormap green (uint16)."
    first, *others = three_layers()
    mixed = AxisChoice(0, beside=tuple(others))
    assert describe_layer(first, read_axes(first), mixed) == "3 frames of 8 × 9 px, 3 layers."
    stack = image(STACK, axis_labels=("t", "z", "y", "x"))
    every = AxisChoice(0, {1: "every"})
    words = describe_layer(stack, read_axes(stack), every)
    assert words == "3 frames of 8 × 9 px in each of 5 planes, grey (uint16)."


# ---- plane after plane


def stack(labels: str = "tzyx", **options) -> Image:
    order = ["tzyx".index(letter) for letter in labels]
    return image(STACK.transpose(order), axis_labels=tuple(labels), **options)


@pytest.mark.parametrize("labels", ["tzyx", "ztyx", "yxzt"])
def test_every_plane_is_a_clip_and_so_is_every_frame_across_the_planes(labels: str) -> None:
    layer = stack(labels, colormap="green", limits=(0, 500))
    axes, t, z = read_axes(layer), labels.index("t"), labels.index("z")
    every = clips_of(layer, axes, AxisChoice(t, {z: "every"}))
    assert (every.planes, every.frames) == (range(5), range(3))
    for plane in every.planes:
        recording, arguments = every.plane(plane)
        clip = make_clip(recording, **arguments)
        np.testing.assert_array_equal(clip.frames.compute(), STACK[:, plane])
        assert (clip.limits, clip.tints, clip.time_axis) == (((0, 500),), ("#00ff00",), "T")
    for frame in every.frames:
        recording, arguments = every.across(frame)
        clip = make_clip(recording, **arguments)
        np.testing.assert_array_equal(clip.frames.compute(), STACK[frame])
        assert clip.time_axis == "Z"
        assert clip.limits == ((0, 500),)


def test_planes_may_be_of_a_region_and_of_several_layers() -> None:
    first, second = stack(colormap="red"), stack(colormap="blue")
    choice = AxisChoice(0, {1: "every"}, beside=(second,))
    every = clips_of(first, read_axes(first), choice, Box(1, 2, 5, 8))
    for recording, arguments in (every.plane(4), every.across(2)):
        clip = make_clip(recording, **arguments)
        assert clip.frames.shape[1:] == (4, 6, 2)
    np.testing.assert_array_equal(clip.frame(4)[..., 0], STACK[2, 4, 1:5, 2:8])


def test_planes_stay_what_they_were_when_the_layer_changes() -> None:
    layer = stack(colormap="red", limits=(0, 500))
    every = clips_of(layer, read_axes(layer), AxisChoice(0, {1: "every"}))
    layer.colormap, layer.contrast_limits, layer.gamma = "blue", (1, 2), 0.3
    layer.data = np.zeros_like(STACK)
    recording, arguments = every.plane(1)
    clip = make_clip(recording, **arguments)
    np.testing.assert_array_equal(clip.frame(0), STACK[0, 1])
    assert (clip.limits, clip.tints) == (((0, 500),), ("#ff0000",))


def test_a_plane_that_is_not_there_cannot_be_had() -> None:
    layer = stack()
    every = clips_of(layer, read_axes(layer), AxisChoice(0, {1: "every"}))
    with pytest.raises(IndexError):
        every.plane(5)


@pytest.mark.parametrize(
    "choice", [AxisChoice(0, {1: "view"}), AxisChoice(None, {0: "view", 1: "every"})]
)
def test_without_planes_to_follow_there_are_none(choice: AxisChoice) -> None:
    layer = stack()
    with pytest.raises(AxesError, match="Every plane can only be followed"):
        clips_of(layer, read_axes(layer), choice)


def test_two_axes_cannot_both_be_followed_plane_by_plane() -> None:
    layer = image(np.zeros((2, 3, 4, 8, 9)), axis_labels=("t", "p", "z", "y", "x"))
    with pytest.raises(AxesError, match="p and z cannot both be followed plane by plane"):
        clips_of(layer, read_axes(layer), AxisChoice(0, {1: "every", 2: "every"}))


# ---- lazy layers


class Counted:
    """A dask array of frames that writes down which chunks are read."""

    def __init__(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.read: list[tuple[int, ...]] = []
        data = da.zeros(shape, chunks=chunks, dtype=np.uint16)
        self.array = data.map_blocks(self._fill, dtype=np.uint16)

    def _fill(self, block: np.ndarray, block_id: tuple[int, ...] | None = None) -> np.ndarray:
        assert block_id is not None
        self.read.append(block_id)
        return np.arange(block.size, dtype=np.uint16).reshape(block.shape)


def opened(counted: Counted, choice: AxisChoice, box: Box | None = None, **options) -> Clip:
    """A clip of a layer of these pixels; what was read for it is forgotten."""
    layer = image(counted.array, **options)
    counted.read.clear()
    axes = read_axes(layer)
    recording, arguments = (
        to_recording(layer, axes, choice),
        clip_arguments(layer, axes, choice, box),
    )
    assert counted.read == [], "choosing reads no pixel"
    clip = make_clip(recording, **arguments)
    assert len(set(counted.read)) == len(counted.read)
    assert {read[0] for read in counted.read} == {0}, "opening looks at one frame"
    counted.read.clear()
    return clip


def test_a_frame_of_a_movie_is_one_read() -> None:
    counted = Counted((50, 32, 32), (1, 32, 32))
    opened(counted, AxisChoice(0)).frame(17)
    assert counted.read == [(17, 0, 0)]


@pytest.mark.parametrize("how", ["max", "mean"])
def test_a_projection_reads_the_stack_of_its_frame_once(how: str) -> None:
    counted = Counted((50, 4, 32, 32), (1, 1, 32, 32))
    opened(counted, AxisChoice(0, {1: how}), axis_labels=("t", "z", "y", "x")).rgb(17)
    assert sorted(counted.read) == [(17, z, 0, 0) for z in range(4)]


def test_of_channels_only_those_that_are_chosen_are_read() -> None:
    counted = Counted((50, 5, 32, 32), (1, 1, 32, 32))
    choice = AxisChoice(0, {1: "colors"}, colors=(4, None, 1))
    opened(counted, choice, axis_labels=("t", "c", "y", "x")).rgb(17)
    assert sorted(counted.read) == [(17, 1, 0, 0), (17, 4, 0, 0)]


def test_of_a_region_only_the_chunks_it_touches_are_read() -> None:
    counted = Counted((50, 4, 64, 64), (1, 1, 16, 16))
    box = Box(16, 20, 40, 47)
    clip = opened(counted, AxisChoice(0, {1: "max"}), box, axis_labels=("t", "z", "y", "x"))
    assert clip.rgb(17).shape == (24, 27, 3)
    assert sorted(counted.read) == [(17, z, y, x) for z in range(4) for y in (1, 2) for x in (1, 2)]


def test_of_a_pyramid_the_finest_level_is_read_frame_by_frame() -> None:
    fine, coarse = Counted((9, 2, 64, 64), (1, 1, 32, 32)), Counted((9, 2, 32, 32), (1, 1, 32, 32))
    layer = Image(
        [fine.array, coarse.array], multiscale=True, contrast_limits=(0, 99),
        axis_labels=("t", "z", "y", "x"),
    )  # fmt: skip
    fine.read.clear()
    coarse.read.clear()
    clip = clip_of(layer, AxisChoice(0, {1: "view"}, (0, 1, 0, 0)), Box(0, 0, 20, 64))
    fine.read.clear()
    clip.frame(5)
    assert sorted(fine.read) == [(5, 1, 0, 0), (5, 1, 0, 1)]
    assert coarse.read == []


def test_frames_that_share_a_chunk_are_not_kept() -> None:
    counted = Counted((20, 32, 32), (10, 32, 32))
    clip = opened(counted, AxisChoice(0))
    clip.frame(3)
    clip.frame(4)
    assert counted.read == [(0, 0, 0)] * 2, "the chunk is read again; nothing piles up"


def counting_store(folder: Path):
    """A store of zarr that writes down which chunks are read."""
    from zarr.storage import LocalStore

    read: list[str] = []

    class Store(LocalStore):
        async def get(self, key, prototype=None, byte_range=None):
            if not key.endswith("zarr.json"):
                read.append(key)
            return await super().get(key, prototype, byte_range)

    return Store(folder, read_only=True), read


@pytest.mark.parametrize("box", [None, Box(64, 80, 160, 190)])
def test_a_zarr_layer_is_read_chunk_by_chunk(tmp_path: Path, box: Box | None) -> None:
    pixels = RNG.integers(0, 200, (6, 3, 256, 256)).astype(np.uint8)
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(1, 1, 64, 64))
    store, read = counting_store(tmp_path / "a.zarr")
    layer = image(zarr.open_array(store, mode="r"), (0, 255), axis_labels=("t", "z", "y", "x"))
    read.clear()
    axes, choice = read_axes(layer), AxisChoice(0, {1: "view"}, (0, 2, 0, 0))
    recording, arguments = (
        to_recording(layer, axes, choice),
        clip_arguments(layer, axes, choice, box),
    )
    assert read == []
    clip = make_clip(recording, **arguments)
    read.clear()
    part = pixels[4, 2] if box is None else pixels[4, 2, 64:160, 80:190]
    np.testing.assert_array_equal(clip.frame(4), part)
    tiles = range(4) if box is None else (1, 2)
    assert sorted(read) == [f"c/4/2/{y}/{x}" for y in tiles for x in tiles]


def test_a_long_stack_on_disk_is_projected_time_by_time(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 200, (6, 3, 20, 20)).astype(np.uint8)
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(1, 3, 20, 20))
    store, read = counting_store(tmp_path / "a.zarr")
    layer = image(zarr.open_array(store, mode="r"), (0, 255), axis_labels=("t", "z", "y", "x"))
    clip = clip_of(layer, AxisChoice(0, {1: "max"}))
    read.clear()
    np.testing.assert_array_equal(clip.frame(4), pixels[4].max(axis=0))
    assert set(read) == {"c/4/0/0/0"}


def test_describing_a_layer_builds_nothing() -> None:
    """The dock describes with every move of a slider."""

    class Shape:
        shape, dtype = (10**6, 64, 64), np.dtype(np.uint16)

    layer = image()
    stand_in = SimpleNamespace(
        data=Shape(), multiscale=False, rgb=False, name="long", metadata={}, scale=layer.scale,
        units=layer.units, axis_labels=layer.axis_labels, contrast_limits=(0.0, 9.0), gamma=1.0,
        colormap=ensure_colormap("gray"), opacity=1.0,
    )  # fmt: skip
    axes = read_axes(stand_in)
    words = describe_layer(stand_in, axes, first_choice(axes))
    assert words == "1000000 frames of 64 × 64 px, grey (uint16)."


# ---- the same movie


def test_a_file_and_a_layer_of_it_have_the_same_fingerprint(tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", MOVIE, metadata={"axes": "TYX"})
    from_file = fingerprint(open_clip(tmp_path / "a.tif"))
    looks = ({}, {"colormap": "green", "limits": (7, 99)}, {"gamma": 0.5})
    prints = [fingerprint(clip_of(image(**look))) for look in looks]
    assert prints == [from_file] * 3
    first, *others = (image(STACK[:, c], name=str(c)) for c in range(2))
    mixed = fingerprint(clip_of(first, AxisChoice(0, beside=tuple(others))))
    assert mixed == fingerprint(clip_of(channels(2)))
    assert all(one != other for one, other in pairwise([from_file, mixed]))

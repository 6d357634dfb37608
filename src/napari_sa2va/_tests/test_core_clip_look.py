"""What a clip shows: colours of channels, and parts of frames."""

from __future__ import annotations

import json
import pickle

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import ClipError, PixelError, RequestError
from napari_sa2va.core.intensity import to_uint8
from napari_sa2va.core.recording import Recording
from napari_sa2va.core.region_box import Box
from napari_sa2va.readers.open import open_clip

RNG = np.random.default_rng(0)


def shown_without_colours(clip: Clip, t: int) -> np.ndarray:
    """One channel as grey, two as red and green, three as red, green and blue: the plain way."""
    frame = clip.frame(t)
    frame = frame if frame.ndim == 3 else frame[..., np.newaxis]
    channels = [to_uint8(frame[..., c], pair) for c, pair in enumerate(clip.limits)]
    if len(channels) == 1:
        channels = channels * 3
    channels += [np.zeros_like(channels[0])] * (3 - len(channels))
    return np.stack(channels, axis=-1)


# ---- colours


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_without_colours_every_bit_is_as_ever(count: int, dtype: str) -> None:
    movie = RNG.integers(0, 200, (2, 8, 9, count)).astype(dtype)
    limits = None if dtype == "uint8" else [(10.0 * c, 190.0) for c in range(count)]
    clip = open_clip(movie, axes="TYXC", limits=limits)
    assert clip.tints == ()
    np.testing.assert_array_equal(clip.rgb(1), shown_without_colours(clip, 1))
    colors = ["grey"] if count == 1 else ["red", "green", "blue"][:count]
    named = open_clip(movie, axes="TYXC", limits=limits, colors=colors)
    np.testing.assert_array_equal(named.rgb(1), clip.rgb(1))


def test_a_channel_is_shown_in_its_colour() -> None:
    grey = np.array([[[0, 50, 100, 150, 255]]], np.uint8)
    clip = open_clip(grey, limits=(50, 150), colors="magenta")
    assert clip.rgb(0)[0].tolist() == [
        [0, 0, 0], [0, 0, 0], [128, 0, 128], [255, 0, 255], [255, 0, 255]
    ]  # fmt: skip


def test_any_number_of_channels_is_added_up_each_with_its_limits() -> None:
    movie = np.zeros((2, 4, 1, 3), np.uint16)  # (T, C, Y, X)
    movie[1, :, 0, 0] = 100, 200, 300, 400
    movie[1, 3, 0, 1] = 400
    clip = open_clip(
        movie,
        axes="TCYX",
        limits=[(0, 200), (0, 400), (0, 600), (0, 400)],
        colors=["red", "green", "blue", "white"],
    )
    assert clip.num_channels == 4
    # Half of red, green and blue are 128 each; white makes them full.
    assert clip.rgb(1)[0].tolist() == [[255, 255, 255], [255, 255, 255], [0, 0, 0]]
    three = open_clip(movie, axes="TCYX", limits=(0, 400), channels=[0, 2], colors=["cyan", "red"])
    # 100 of 400 in cyan and 300 of 400 in red.
    assert three.rgb(1)[0, 0].tolist() == [191, 64, 64]


def test_more_than_three_channels_need_colours() -> None:
    frames = da.zeros((2, 3, 4, 4), chunks=(1, 3, 4, 4), dtype=np.uint8)
    with pytest.raises(ClipError, match="C <= 3, or more with colours"):
        Clip(frames)
    assert Clip(frames, tints=("#ff0000",) * 4).num_channels == 4


def test_tints_that_do_not_fit_the_channels_are_refused() -> None:
    frames = da.zeros((2, 3, 4), chunks=(1, 3, 4), dtype=np.uint8)
    with pytest.raises(ClipError, match=r"2 tints for 1 channel"):
        Clip(frames, tints=("#ff0000", "#00ff00"))
    with pytest.raises(RequestError, match="is no colour"):
        Clip(frames, tints=("mauve",))


def test_rgb_pictures_take_no_colours() -> None:
    colour = RNG.integers(0, 200, (3, 4, 5, 3)).astype(np.uint8)
    with pytest.raises(RequestError, match="RGB pictures"):
        open_clip(colour, colors=["red", "green", "blue"])
    assert open_clip(colour, channels="green", colors="red").rgb(0)[..., 1:].max() == 0


def test_nan_is_found_in_colour_too() -> None:
    movie = RNG.random((200, 4, 5)).astype(np.float32)
    movie[7, 0, 0] = np.nan
    with pytest.raises(PixelError, match="Frame 7 has 1 NaN"):
        open_clip(movie, colors="green").rgb(7)


@pytest.mark.parametrize("channels", [None, [2, 0], 1])
def test_one_window_of_a_file_is_for_all_channels(channels: object) -> None:
    movie = da.from_array(RNG.integers(0, 4000, (2, 3, 4, 5)).astype(np.uint16))
    recording = Recording(movie, "TCYX", window=((100.0, 900.0),))
    clip = make_clip(recording, channels=channels)  # type: ignore[arg-type]
    assert clip.limits == ((100.0, 900.0),) * clip.num_channels


# ---- parts of frames


def test_a_part_of_a_clip_looks_as_it_does_in_the_whole() -> None:
    movie = RNG.integers(0, 4000, (5, 30, 40)).astype(np.uint16)
    movie[0, 0, 0] = 60000  # outside the part, and in the limits of the whole
    clip = open_clip(movie)
    part = clip.crop(5, 10, 25, 38)
    assert (part.num_frames, part.height, part.width) == (5, 20, 28)
    assert part.limits == clip.limits != open_clip(movie[:, 5:25, 10:38]).limits
    np.testing.assert_array_equal(part.rgb(3), clip.rgb(3)[5:25, 10:38])
    assert part.box == Box(5, 10, 25, 38)
    assert part.notes == ("Only rows 5 to 24, columns 10 to 37 of 30 × 40 px are looked at.",)


def test_a_part_of_a_part_is_a_part_of_the_whole() -> None:
    movie = RNG.integers(0, 200, (2, 30, 40, 3)).astype(np.uint8)
    clip = open_clip(movie)
    part = clip.crop(5, 10, 25, 38).crop(1, 2, 9, 8)
    assert part.box == Box(6, 12, 14, 18)
    np.testing.assert_array_equal(part.rgb(0), movie[0, 6:14, 12:18])


@pytest.mark.parametrize("box", [(0, 0, 31, 40), (0, 0, 30, 41), (5, 5, 5, 9), (-1, 0, 4, 4)])
def test_a_part_must_lie_in_the_frame(box: tuple[int, int, int, int]) -> None:
    clip = open_clip(RNG.integers(0, 200, (2, 30, 40)).astype(np.uint8))
    with pytest.raises(RequestError, match=r"no region|reach over"):
        clip.crop(*box)


def test_limits_of_an_opened_part_are_those_of_whole_frames() -> None:
    movie = RNG.integers(0, 4000, (5, 30, 40)).astype(np.uint16)
    movie[:, 0, :] = 60000
    assert open_clip(movie, box=(5, 0, 25, 40)).limits == open_clip(movie).limits


def counted(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[da.Array, list]:
    """A lazy array that writes down the position of every chunk that is read."""
    read: list[tuple[int, ...]] = []

    def block(block_id: tuple[int, ...], block_info: dict | None = None) -> np.ndarray:
        read.append(block_id)
        shape = block_info[None]["chunk-shape"]  # type: ignore[index]
        return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)

    grid = da.zeros(shape, chunks=chunks).chunks
    return da.map_blocks(block, chunks=grid, dtype=np.uint16, meta=np.empty((), np.uint16)), read


def test_of_a_region_only_the_chunks_it_touches_are_read() -> None:
    lazy, read = counted((20, 64, 64), (1, 16, 16))
    clip = open_clip(lazy, limits=(0, 255), box=(16, 20, 32, 50))
    assert set(read) == {(0, 1, 1), (0, 1, 2), (0, 1, 3)}, "opening looks at one frame"
    read.clear()
    assert clip.rgb(7).shape == (16, 30, 3)
    assert sorted(read) == [(7, 1, 1), (7, 1, 2), (7, 1, 3)]
    read.clear()
    clip.crop(0, 0, 16, 5).rgb(7)
    assert read == [(7, 1, 1)]


@pytest.mark.parametrize("how", ["max", 1])
def test_a_projection_reads_the_stack_of_one_time_once(how: int | str) -> None:
    lazy, read = counted((6, 3, 32, 32), (1, 1, 16, 32))
    clip = open_clip(lazy, axes="TZYX", z=how, limits=(0, 511), box=(0, 0, 16, 32))
    read.clear()
    clip.rgb(4)
    planes = range(3) if how == "max" else [1]
    assert sorted(read) == [(4, z, 0, 0) for z in planes]


def test_a_region_of_a_zarr_array_is_read_from_its_chunks(tmp_path) -> None:
    movie = RNG.integers(0, 200, (3, 256, 256)).astype(np.uint8)
    store = zarr.create_array(tmp_path / "a.zarr", data=movie, chunks=(1, 64, 64))
    clip = open_clip(store, box=(70, 60, 180, 100))
    for chunk in (tmp_path / "a.zarr" / "c" / "1").glob("*/*"):
        y, x = int(chunk.parent.name), int(chunk.name)
        if y not in (1, 2) or x not in (0, 1):
            chunk.write_bytes(b"damaged")
    np.testing.assert_array_equal(clip.rgb(1)[..., 0], movie[1, 70:180, 60:100])
    with pytest.raises(Exception, match=r"\w"):
        open_clip(store).rgb(1)


# ---- written down


@pytest.mark.parametrize(
    "ask",
    [
        {},
        {"colors": "magenta", "channels": 2},
        {"colors": ["red", "cyan"], "channels": [3, 0], "limits": [(0, 900), (20, 1000)]},
        {"colors": [np.arange(768).reshape(256, 3) % 256, "#123456", "grey", "green"]},
        {"channels": [1, 2], "box": (1, 2, 5, 7)},
    ],
)
def test_the_description_opens_the_same_picture_again(ask: dict) -> None:
    movie = RNG.integers(0, 1000, (3, 4, 8, 9)).astype(np.uint16)
    ask = ask or {"channels": [0, 1]}
    clip = open_clip(movie, axes="TCYX", **ask)
    told = json.loads(json.dumps(clip.describe()))
    again = open_clip(
        movie, axes="TCYX", time=told["time_axis"], z=told["z"], channels=told["channels"],
        limits=told["limits"], colors=told["tints"], box=told["box"],
    )  # fmt: skip
    np.testing.assert_array_equal(again.rgb(2), clip.rgb(2))
    assert again.describe() | {"opened_with": {}} == clip.describe() | {"opened_with": {}}
    assert open_clip(movie, **told["opened_with"]).rgb(2).tolist() == clip.rgb(2).tolist()


def test_a_coloured_part_can_be_pickled() -> None:
    movie = RNG.integers(0, 1000, (3, 8, 9)).astype(np.uint16)
    clip = open_clip(movie, colors="green", box=(1, 2, 5, 7))
    again = pickle.loads(pickle.dumps(clip))
    np.testing.assert_array_equal(again.rgb(1), clip.rgb(1))
    assert again.box == clip.box


def test_without_a_look_no_pixel_is_read() -> None:
    def unread(block_id: tuple[int, ...]) -> np.ndarray:
        raise AssertionError(f"frame {block_id[0]} was read")

    def lazy(dtype: str) -> da.Array:
        meta = np.empty((0, 0, 0), dtype)
        return da.map_blocks(unread, chunks=((1, 1), (8,), (8,)), dtype=dtype, meta=meta)

    assert open_clip(lazy("uint8"), axes="TYX", look=False).limits == ((0.0, 255.0),)
    clip = open_clip(lazy("uint16"), axes="TYX", limits=(100, 900), look=False)
    assert clip.limits == ((100.0, 900.0),)
    with pytest.raises(RequestError, match=r"uint16.* without a look"):
        open_clip(lazy("uint16"), axes="TYX", look=False)
    with pytest.raises(PixelError, match="complex"):
        open_clip(lazy("complex64"), axes="TYX", look=False)


def test_frames_that_no_memory_holds_are_opened_without_a_look() -> None:
    vast = da.zeros((2, 2_000_000, 2_000_000), dtype="uint8", chunks=(1, 1024, 1024))
    with pytest.raises(ClipError, match=r"4000\.0 GB"):
        open_clip(vast, axes="TYX")
    clip = open_clip(vast, axes="TYX", look=False)
    assert (clip.height, clip.width) == (2_000_000, 2_000_000)
    assert clip.crop(1_999_000, 0, 2_000_000, 900).frame(1).shape == (1000, 900)

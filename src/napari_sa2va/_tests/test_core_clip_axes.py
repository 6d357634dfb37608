"""Which axis plays, which plane, which channels; and refusals that say what there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sa2va.core.axes import check_axes
from napari_sa2va.core.errors import AxesError
from napari_sa2va.readers.open import open_clip

# Every pixel tells its place: T * 1000 + Z * 100 + C * 10.
T, Z, C = np.meshgrid(range(4), range(3), range(4), indexing="ij")
PLACES = (T * 1000 + Z * 100 + C * 10).astype(np.uint16)[..., None, None] + np.arange(10).reshape(
    2, 5
).astype(np.uint16)  # (T, Z, C, Y, X) = (4, 3, 4, 2, 5)


def _first(clip: Any, t: int) -> list[int]:
    """Value of the first pixel of a frame, one per channel."""
    return np.atleast_1d(clip.frame(t)[0, 0]).tolist()


def test_time_plays_at_the_plane_and_in_the_channels_asked_for() -> None:
    clip = open_clip(PLACES, axes="TZCYX", z=2, channels=[3, 0])
    assert clip.frames.shape == (4, 2, 5, 2)
    assert _first(clip, 1) == [1230, 1200]
    assert (clip.z, clip.channels, clip.time_axis) == (2, (3, 0), "T")


def test_the_order_of_the_axes_in_the_file_does_not_matter() -> None:
    for axes in ("XYCZT", "CTZYX", "YXTZC"):
        array = np.transpose(PLACES, ["TZCYX".index(a) for a in axes])
        clip = open_clip(array, axes=axes, z=1, channels=2)
        np.testing.assert_array_equal(clip.frames.compute(), PLACES[:, 1, 2])


def test_one_frame_is_one_chunk() -> None:
    clip = open_clip(PLACES, axes="TZCYX", z="max", channels=[0, 1, 2])
    assert clip.frames.chunks == ((1,) * 4, (2,), (5,), (3,))


def test_a_projection_keeps_the_dtype() -> None:
    highest = open_clip(PLACES, axes="TZCYX", z="max", channels=0)
    mean = open_clip(PLACES, axes="TZCYX", z="mean", channels=0)
    assert _first(highest, 1) == [1200]
    assert _first(mean, 1) == [1100]
    assert highest.frames.dtype == mean.frames.dtype == np.uint16


def test_z_plays_if_there_is_no_time_or_if_it_is_told_to() -> None:
    volume = open_clip(PLACES[0, :, 0], axes="ZYX")
    assert (volume.num_frames, volume.time_axis) == (3, "Z")
    told = open_clip(PLACES[:1], axes="TZCYX", time="z", channels=0)
    assert (told.num_frames, told.time_axis) == (3, "Z")
    assert _first(told, 2) == [200]


def test_a_picture_is_a_clip_of_one_frame() -> None:
    clip = open_clip(PLACES[0, 0, 0])
    assert (clip.num_frames, clip.time_axis) == (1, None)


def test_channels_can_be_called_by_name(tmp_path: Any) -> None:
    import tifffile

    about = {"axes": "TCYX", "Channel": {"Name": ["DAPI", "GFP", "Cy5", "phase"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", PLACES[:, 0], photometric="minisblack", metadata=about)
    clip = open_clip(tmp_path / "a.ome.tif", channels=["cy5", "DAPI"])
    assert _first(clip, 0) == [20, 0]
    assert clip.channel_names == ("Cy5", "DAPI")
    with pytest.raises(AxesError, match=r"no channel 'RFP'.*1 'GFP'"):
        open_clip(tmp_path / "a.ome.tif", channels="RFP")


def test_two_channels_are_shown_red_and_green_and_one_grey() -> None:
    two = open_clip(PLACES, axes="TZCYX", z=0, channels=[0, 3], limits=(0, 3035))
    one = open_clip(PLACES, axes="TZCYX", z=0, channels=3, limits=(0, 3035))
    # Frame 3: channel 0 is 3000, channel 3 is 3030, of 3035.
    assert two.rgb(3)[0, 0].tolist() == [252, 255, 0]
    assert one.rgb(3)[0, 0].tolist() == [255, 255, 255]


def test_alpha_is_not_shown() -> None:
    colour = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 4)).astype(np.uint8)
    np.testing.assert_array_equal(open_clip(colour).rgb(1), colour[1, ..., :3])


def test_a_channel_axis_can_be_declared_colour_and_back() -> None:
    assert open_clip(PLACES, axes="TZCYX", z=0, rgb=True).frames.shape == (4, 2, 5, 3)
    colour = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    assert open_clip(colour, axes="TYXS", rgb=False).channel_names == ("0", "1", "2")
    with pytest.raises(AxesError, match="no RGB samples"):
        open_clip(PLACES[:, 0, 0], axes="TYX", rgb=True)


def test_a_sample_of_colour_can_be_taken_alone() -> None:
    colour = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    clip = open_clip(colour, channels="green")
    np.testing.assert_array_equal(clip.frame(2), colour[2, ..., 1])


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"channels": 0}, "Which of 3 z planes"),
        ({"z": 0}, "Which of 4 channels"),
        ({"z": 3, "channels": 0}, "no z plane 3"),
        ({"z": -1, "channels": 0}, "no z plane -1"),
        ({"z": "min", "channels": 0}, "no z plane 'min'"),
        ({"z": 0, "channels": 4}, "no channel 4"),
        ({"z": 0, "channels": [0, 1, 2, 3]}, "4 channels were asked for"),
        ({"z": 0, "channels": []}, "0 channels"),
        ({"z": 0, "channels": [1, 1]}, "asked for twice"),
        ({"time": "C", "z": 0, "channels": 0}, "'C' cannot play"),
        ({"time": "Q", "z": 0, "channels": 0}, "'Q' cannot play"),
        ({"time": "Z", "channels": 0}, "T has 4 positions too"),
        ({"time": "Z", "z": 1, "channels": 0}, "z plays as time"),
    ],
)
def test_requests_that_do_not_fit_say_what_there_is(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(AxesError, match=said) as caught:
        open_clip(PLACES, axes="TZCYX", **request_)
    assert caught.value.hint


@pytest.mark.parametrize("request_", [{"z": 3}, {"channels": [0, 1]}, {"channels": "GFP"}])
def test_an_axis_that_is_not_there_cannot_be_asked_for(request_: dict[str, Any]) -> None:
    with pytest.raises(AxesError, match=r"no z axis|no channel axis"):
        open_clip(PLACES[:, 0, 0], **request_)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ("TQYX", "Unknown axis 'Q'"),
        ("TTYX", "named twice"),
        ("TYX", "name 3 dimensions, but the data have 4"),
        ("TZCX", "lack Y or X"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes: str, said: str) -> None:
    with pytest.raises(AxesError, match=said):
        check_axes(axes, 4)


def test_small_letters_are_axes_too() -> None:
    assert check_axes("tyx", 3) == "TYX"


@pytest.mark.parametrize(
    ("request_", "ways"),
    [
        ({"channels": 0}, ["--z 1 / z=1", '--z max / z="max"']),
        ({"z": 9, "channels": 0}, ["from 0 to 2", "--z 1 / z=1"]),
        ({"time": "Z", "channels": 0}, ['--z max / z="max"']),
        ({"z": 0}, ["--channels 0 / channels=0"]),
    ],
)
def test_hints_are_typed_as_they_are_in_a_shell_or_in_python(
    request_: dict[str, Any], ways: list[str]
) -> None:
    with pytest.raises(AxesError) as caught:
        open_clip(PLACES, axes="TZCYX", **request_)
    for way in ways:
        assert way in caught.value.hint
    assert "time=" not in caught.value.hint, "T has four positions: Z cannot play"


def test_z_is_offered_to_play_where_there_is_one_time_point() -> None:
    with pytest.raises(AxesError, match='--time Z / time="Z"'):
        open_clip(PLACES[:1], axes="TZCYX", time="T", channels=0)
    assert open_clip(PLACES[:1], axes="TZCYX", time="Z", channels=0).num_frames == 3


def test_more_dimensions_than_there_are_names_get_no_example() -> None:
    with pytest.raises(AxesError, match="save a part of it"):
        open_clip(np.zeros((2, 2, 2, 2, 4, 5), np.uint8))

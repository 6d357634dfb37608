"""ND2 files; those that the tests write are read by the nd2 library as they stand."""

from __future__ import annotations

import pickle
from pathlib import Path

import nd2
import numpy as np
import pytest

from napari_sa2va._tests.movies import open_files
from napari_sa2va._tests.nd2_files import write_nd2
from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(0)
FOUR = RNG.integers(0, 4000, (3, 4, 2, 12, 16)).astype(np.uint16)
CHANNELS = (("DAPI", 0xFF0000), ("GFP", 0x00FF00))


def test_axes_sizes_names_and_colours_come_over(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR, "TZCYX", channels=CHANNELS)
    recording = read_recording(path)
    assert recording.axes == "TZCYX"
    assert recording.pixel_size_um == (0.25, 0.25)
    assert recording.z_step_um == 2.0
    assert recording.frame_interval_s == 0.5
    assert recording.channel_names == ("DAPI", "GFP")
    assert recording.channel_colors == ("#0000ff", "#00ff00")
    assert set(recording.data.chunks[2]) == {1}
    np.testing.assert_array_equal(recording.data.compute(), FOUR)
    # The library itself agrees.
    np.testing.assert_array_equal(nd2.imread(path), FOUR)


@pytest.mark.parametrize("is_packed", [False, True])
def test_colour_pictures_have_samples(is_packed: bool, tmp_path: Path) -> None:
    colour = RNG.integers(0, 255, (3, 12, 16, 3)).astype(np.uint8)
    path = write_nd2(tmp_path / "a.nd2", colour, "TYXS", is_packed=is_packed)
    recording = read_recording(path)
    assert (recording.axes, recording.channel_names) == ("TYXS", ())
    np.testing.assert_array_equal(recording.data.compute(), colour)


def test_one_picture_is_read_too(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR[0, 0], "CYX", channels=CHANNELS)
    recording = read_recording(path)
    assert (recording.axes, recording.frame_interval_s) == ("CYX", None)
    np.testing.assert_array_equal(recording.data.compute(), FOUR[0, 0])


def test_of_several_positions_one_must_be_chosen(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 4000, (3, 2, 4, 12, 16)).astype(np.uint16)
    path = write_nd2(tmp_path / "a.nd2", pixels, "TPZYX")
    with pytest.raises(SeriesError, match="2 positions") as caught:
        open_clip(path)
    assert caught.value.choices == (
        (0, "well 0: T=3, Z=4, Y=12, X=16"),
        (1, "well 1: T=3, Z=4, Y=12, X=16"),
    )
    for series in (1, "1", "well 1"):
        data = read_recording(path, series=series).data
        np.testing.assert_array_equal(data.compute(), pixels[:, 1])
    with pytest.raises(SeriesError, match="no series 'well 9'"):
        open_clip(path, series="well 9")


def test_planes_can_be_read_in_another_process_and_leave_nothing_open(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR, "TZCYX", channels=CHANNELS)
    data = read_recording(path).data
    data[0, 0].compute()
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again[2, 1, 1].compute(), FOUR[2, 1, 1])
    assert open_files(tmp_path) == []


def test_frames_that_were_never_recorded_are_told(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR[:, 0, 0], "TYX", recorded=2)
    assert read_recording(path).notes == ("Of 3 frames 2 were recorded; the others are black.",)


@pytest.mark.parametrize("interval_ms", [0.0, -1.0])
def test_an_interval_that_was_not_kept_is_not_told(interval_ms: float, tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR[:, 0, 0], "TYX", interval_ms=interval_ms)
    assert read_recording(path).frame_interval_s is None


def test_without_an_interval_the_stamps_of_frames_tell_it(tmp_path: Path) -> None:
    stamps = (0.0, 10.0, 1000.0, 1010.0, 3000.0, 3010.0)  # two planes each
    pixels = FOUR[:, :2, 0]
    path = write_nd2(tmp_path / "a.nd2", pixels, "TZYX", interval_ms=0.0, stamps_ms=stamps)
    assert read_recording(path).frame_interval_s == 1.5


@pytest.mark.parametrize("number", [b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff"])
@pytest.mark.parametrize("field", ["uiHeight", "uiWidth", "uiCount"])
def test_promises_of_more_than_the_file_can_hold_are_refused(
    field: str, number: bytes, tmp_path: Path
) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR[:, 0, 0], "TYX")
    whole = path.read_bytes()
    # Behind the name and its zero. The last count is that of the frames.
    at = whole.rindex(f"{field}\0".encode("utf-16-le")) + 2 * len(field) + 2
    path.write_bytes(whole[:at] + number + whole[at + 4 :])
    with pytest.raises(ClipError, match=r"a\.nd2"):
        open_clip(path)


def test_a_packed_frame_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", FOUR[:, 0, 0], "TYX", is_packed=True)
    whole = bytearray(path.read_bytes())
    at = whole.index(b"ImageDataSeq|1!") + 4072 + 8
    whole[at : at + 40] = bytes(40)
    path.write_bytes(bytes(whole))
    data = read_recording(path).data
    np.testing.assert_array_equal(data[0].compute(), FOUR[0, 0, 0])
    with pytest.raises(ClipError, match=r"a\.nd2 cannot be read at frame 1"):
        data[1].compute()

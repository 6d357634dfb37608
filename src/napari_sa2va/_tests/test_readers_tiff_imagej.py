"""ImageJ hyperstacks: tables of colours, display ranges, labels, and more than 4 GB in one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (3, 2, 12, 16)).astype(np.uint16)  # (T, C, Y, X)
RAMP = np.arange(256, dtype=np.uint8)
NONE = np.zeros(256, np.uint8)
MAGENTA, GREEN = np.stack([RAMP, NONE, RAMP]), np.stack([NONE, RAMP, NONE])


def write(path: Path, stack: np.ndarray = STACK, axes: str = "TCYX", **about: Any) -> Path:
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": axes, **about})
    return path


def test_the_tops_of_its_tables_are_the_colours_of_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", mode="composite", LUTs=[MAGENTA, GREEN])
    assert read_recording(path).channel_colors == ("#ff00ff", "#00ff00")
    clip = open_clip(path, colors="file", limits=(0, 4000))
    assert clip.tints == ("#ff00ff", "#00ff00")


def test_a_table_that_is_turned_round_is_no_colour(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", LUTs=[MAGENTA, np.stack([RAMP[::-1]] * 3)])
    assert read_recording(path).channel_colors == ()


def test_ranges_of_channels_are_what_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", Ranges=(100.0, 900.0, 50.0, 2000.0))
    assert read_recording(path).window == ((100.0, 900.0), (50.0, 2000.0))
    assert open_clip(path, channels=[1, 0]).limits == ((50.0, 2000.0), (100.0, 900.0))


def test_the_range_of_a_single_channel_stands_in_the_description(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", STACK[:, 0], "TYX", min=100.0, max=900.0)
    assert read_recording(path).window == ((100.0, 900.0),)


@pytest.mark.parametrize("about", [{"min": 0.0, "max": 0.0}, {"min": 1.0, "max": 2.0, "cf": 0}, {}])
def test_an_empty_or_calibrated_range_is_none(about: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", STACK[:, 0], "TYX", **about)
    assert read_recording(path).window == ()


def test_labels_that_repeat_on_every_frame_name_the_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", Labels=["DAPI", "GFP"] * 3)
    assert read_recording(path).channel_names == ("DAPI", "GFP")
    path = write(tmp_path / "b.tif", Labels=[f"slice {i}" for i in range(6)])
    assert read_recording(path).channel_names == ()


@pytest.mark.parametrize("axes", ["TZCYX", "TZYX", "ZCYX", "CYX"])
def test_hyperstacks_of_all_axes(axes: str, tmp_path: Path) -> None:
    shape = tuple({"T": 3, "Z": 4, "C": 2, "Y": 12, "X": 16}[a] for a in axes)
    stack = RNG.integers(0, 4000, shape).astype(np.uint16)
    path = write(tmp_path / "a.tif", stack, axes, spacing=2.0, unit="um")
    recording = read_recording(path)
    assert recording.axes == axes
    assert recording.z_step_um == (2.0 if "Z" in axes else None)
    np.testing.assert_array_equal(recording.data.compute(), stack)


def huge(path: Path, num_frames: int, num_bytes: int) -> Path:
    """What ImageJ writes beyond 4 GB: one directory, then all planes; most of it is a hole."""
    first = np.full((1024, 1024), 7, np.uint16)
    text = f"ImageJ=1.53t\nimages={num_frames}\nframes={num_frames}\nhyperstack=true\n"
    tifffile.imwrite(path, first, description=text, metadata=None, byteorder=">")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages.first.dataoffsets[0]
    with path.open("r+b") as file:
        file.truncate(offset + num_bytes)
        file.seek(offset + num_bytes - 2)
        file.write(b"\x12\x34")
    return path


def test_a_hyperstack_of_five_gigabytes_in_one_piece_is_read_to_its_end(tmp_path: Path) -> None:
    path = huge(tmp_path / "a.tif", 2500, 2500 * 2**21)
    assert path.stat().st_size > 2**32
    recording = read_recording(path)
    assert recording.describe() == "T=2500, Y=1024, X=1024"
    assert int(recording.data[0, 5, 5].compute()) == 7
    assert int(recording.data[-1, -1, -1].compute()) == 0x1234


def test_a_hyperstack_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    path = huge(tmp_path / "a.tif", 2500, 2000 * 2**21)
    with pytest.raises(ClipError, match="truncated: ImageJ wrote 2500 images"):
        read_recording(path)


def test_a_single_page_that_kept_the_description_of_its_stack_is_read(tmp_path: Path) -> None:
    text = "ImageJ=1.53t\nimages=2500\nframes=2500\nhyperstack=true\n"
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0], description=text, metadata=None)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.tif").data.compute(), STACK[0, 0])

"""TIFF files of all kinds: the same pixels as tifffile reads, and their physical facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.movies import cut
from napari_sa2va.core.errors import AxesError, ClipError
from napari_sa2va.readers import tiff
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (6, 2, 12, 16)).astype(np.uint16)  # (T, C, Y, X)
COLOUR = RNG.integers(0, 255, (4, 12, 16, 3)).astype(np.uint8)
PER_UM = (1 / 0.65, 1 / 0.5)  # x, y in px per um

KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "OME": (STACK, {"ome": True, "metadata": {"axes": "TCYX"}}),
    "OME, compressed": (STACK, {"ome": True, "compression": "zlib", "metadata": {"axes": "TCYX"}}),
    "ImageJ": (STACK, {"imagej": True, "metadata": {"axes": "TCYX"}}),
    "ImageJ, LZW": (STACK, {"imagej": True, "compression": "lzw", "metadata": {"axes": "TCYX"}}),
    "plain pages": (STACK[:, 0], {"metadata": None}),
    "plain pages, JPEG 2000": (STACK[:, 0], {"metadata": None, "compression": "jpeg2000"}),
    "big endian": (STACK[:, 0], {"byteorder": ">", "metadata": None}),
    "BigTIFF, tiled": (STACK[:, 0], {"bigtiff": True, "tile": (16, 16), "compression": "zstd"}),
    "colour": (COLOUR, {"photometric": "rgb"}),
    "colour, planes": (
        COLOUR.transpose(0, 3, 1, 2),
        {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_file(kind: str, tmp_path: Path) -> None:
    array, how = KINDS[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, **how)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.data.compute(), array)
    assert recording.data.dtype == array.dtype.newbyteorder("=")
    expected = {"colour": "TYXS", "colour, planes": "TSYX"}.get(kind, "TCYX"[-array.ndim :])
    assert recording.axes == (expected if array.ndim == 4 else "TYX")


def test_ome_sizes_and_names_are_read_in_their_units(tmp_path: Path) -> None:
    about = {
        "axes": "TCYX",
        "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "\u00b5m",
        "TimeIncrement": 2, "TimeIncrementUnit": "min",
        "Channel": {"Name": ["DAPI", "GFP"]},
    }  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=about)
    recording = read_recording(tmp_path / "a.ome.tif")
    assert recording.pixel_size_um == (0.5, 0.65)
    assert recording.frame_interval_s == 120
    assert recording.channel_names == ("DAPI", "GFP")
    assert recording.name == "a"


def test_ome_time_stamps_give_the_interval_where_no_increment_does(tmp_path: Path) -> None:
    stamps = [
        0.0,
        0.0,
        500.0,
        500.0,
        1010.0,
        1010.0,
        1500.0,
        1500.0,
        2000.0,
        2000.0,
        2500.0,
        2500.0,
    ]
    about = {"axes": "TCYX", "Plane": {"DeltaT": stamps, "DeltaTUnit": ["ms"] * 12}}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=about)
    recording = read_recording(tmp_path / "a.ome.tif")
    assert recording.frame_interval_s == pytest.approx(0.5)
    assert not recording.variable_rate  # 510 instead of 500 ms is the jitter of a microscope


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_imagej_units_of_length_are_understood(unit: str, tmp_path: Path) -> None:
    about = {"axes": "TCYX", "unit": unit, "finterval": 3.5, "fps": 7.0}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=PER_UM, metadata=about)
    recording = read_recording(tmp_path / "a.tif")
    assert recording.pixel_size_um == pytest.approx((0.5, 0.65))
    assert recording.frame_interval_s == 3.5  # fps is the speed of playing


def test_imagej_pixels_are_no_length(tmp_path: Path) -> None:
    about = {"axes": "TCYX", "unit": "pixel"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(1, 1), metadata=about)
    assert read_recording(tmp_path / "a.tif").pixel_size_um is None


@pytest.mark.parametrize(
    ("per_unit", "unit", "expected_um"),
    [
        (1e4 / 0.65, "CENTIMETER", 0.65),
        (25400 / 0.5, "INCH", 0.5),
        (72, "INCH", None),  # a screen
        (300, "INCH", None),  # a printer
        (1.0, "NONE", None),
    ],
)
def test_resolution_tags_count_unless_they_speak_of_paper(
    per_unit: float, unit: str, expected_um: float | None, tmp_path: Path
) -> None:
    resolution = (per_unit, per_unit)
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[:, 0], metadata=None, resolution=resolution, resolutionunit=unit
    )
    size = read_recording(tmp_path / "a.tif").pixel_size_um
    expected = None if expected_um is None else pytest.approx((expected_um, expected_um))
    assert size == expected


def test_opening_reads_no_more_than_sixteen_of_two_hundred_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = RNG.integers(0, 4000, (200, 8, 8)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", movie, metadata=None, compression="zlib")
    read: list[int] = []
    plane = tiff.PagePlanes.read
    monkeypatch.setattr(
        tiff.PagePlanes, "read", lambda self, i: (read.append(i), plane(self, i))[1]
    )
    clip = open_clip(tmp_path / "a.tif")
    assert 0 < len(read) <= 16
    read.clear()
    clip.rgb(77)
    assert read == [77]


def test_unnamed_axes_must_be_named_when_there_are_several(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK)  # four dimensions, two without a name
    with pytest.raises(AxesError, match="Unknown axis"):
        open_clip(tmp_path / "a.tif")
    assert open_clip(tmp_path / "a.tif", axes="TCYX").frames.shape == (6, 12, 16, 2)


def test_the_largest_series_is_read_and_others_can_be_chosen(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(STACK[:2, 0], metadata={"axes": "TYX", "Name": "overview"})
        tif.write(STACK, metadata={"axes": "TCYX", "Name": "detail"})
    assert read_recording(tmp_path / "a.ome.tif").data.shape == (6, 2, 12, 16)
    for series in (0, "overview"):
        recording = read_recording(tmp_path / "a.ome.tif", series=series)
        np.testing.assert_array_equal(recording.data.compute(), STACK[:2, 0])


def test_series_of_one_size_must_be_chosen_from(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        for name in ("left eye", "right eye"):
            tif.write(STACK, metadata={"axes": "TCYX", "Name": name})
    with pytest.raises(ClipError, match="no single largest") as caught:
        open_clip(tmp_path / "a.ome.tif")
    assert "left eye" in caught.value.hint
    assert "right eye" in caught.value.hint


def test_pages_of_several_sizes_are_no_clip(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page in (STACK[0, 0], STACK[1, 0], STACK[2, 0, :8]):
            tif.write(page, metadata=None)
    with pytest.raises(ClipError, match=r"several sizes \(y x x\): 2 of 12 x 16, 1 of 8 x 16"):
        open_clip(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_stack_is_refused(
    compression: str | None, share: float, tmp_path: Path
) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif", STACK, compression=compression, metadata={"axes": "TCYX"}
    )
    with pytest.raises(ClipError) as caught:
        open_clip(cut(tmp_path / "a.ome.tif", share), channels=0)
    assert caught.value.hint


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[:, 0], compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[2].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[at : at + 40] = b"\0" * 40
    path.write_bytes(bytes(data))
    with pytest.raises(ClipError, match="page 2 cannot be decoded"):
        read_recording(path).data[2].compute()


def test_a_file_that_is_no_tiff_inside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("no picture" * 50)
    with pytest.raises(ClipError, match="cannot be read as TIFF"):
        open_clip(tmp_path / "a.tif")

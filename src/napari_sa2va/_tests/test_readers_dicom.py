"""DICOM cine: real files that come with pydicom, and small ones made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.examples import get_path
from pydicom.pixels import pixel_array

from napari_sa2va._tests.made_dicom import GREY, write_dicom
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.open import open_clip, read_recording


def test_the_cardiac_ultrasound_has_its_frames_size_and_rate() -> None:
    path = get_path("ybr_color")
    clip = open_clip(path)
    assert clip.frames.shape == (30, 240, 320, 3)
    assert clip.frame_interval_s == pytest.approx(1 / 30, rel=1e-3)
    # 0.0510497 cm per px in the file's calibrated region
    assert clip.pixel_size_um == pytest.approx((510.497, 510.497), rel=1e-5)
    np.testing.assert_array_equal(clip.rgb(17), pixel_array(path, index=17))


def test_a_palette_becomes_colour() -> None:
    clip = open_clip(get_path("palette_color"))
    assert clip.frames.shape == (1, 350, 800, 3)
    frame = clip.rgb(0)
    assert frame.max() > 200
    assert (frame[..., 0] != frame[..., 2]).any()


def test_a_single_picture_is_a_clip_of_one_frame() -> None:
    clip = open_clip(get_path("jpeg2k"))
    assert clip.num_frames == 1
    assert clip.time_axis is None


def test_grey_frames_keep_their_values(tmp_path: Path) -> None:
    clip = open_clip(write_dicom(tmp_path / "a.dcm"))
    assert clip.frames.dtype == np.uint16
    np.testing.assert_array_equal(clip.frames.compute(), GREY)


def test_monochrome1_is_turned_so_that_bright_is_large(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(open_clip(path).frame(1), 4095 - GREY[1])


def test_monochrome1_with_signs_is_turned_too(tmp_path: Path) -> None:
    signed = (GREY.astype(np.int32) - 2048).astype(np.int16)
    path = write_dicom(tmp_path / "a.dcm", signed, PhotometricInterpretation="MONOCHROME1")
    frame = open_clip(path).frame(1)
    # -2048 becomes 2047 and back
    np.testing.assert_array_equal(frame, -1 - signed[1])


@pytest.mark.parametrize(
    ("tags", "expected_s", "is_variable"),
    [
        ({"FrameTime": 40.0}, 0.04, False),
        ({"CineRate": 50}, 0.02, False),
        ({"RecommendedDisplayFrameRate": 20}, 0.05, False),
        ({"FrameTime": 40.0, "CineRate": 50}, 0.04, False),
        ({"FrameTimeVector": [0.0, 30.0, 30.0, 90.0]}, 0.03, True),
        ({"FrameTime": 0.0}, None, False),
        ({}, None, False),
    ],
)
def test_the_interval_comes_from_the_best_tag(
    tags: dict[str, Any], expected_s: float | None, is_variable: bool, tmp_path: Path
) -> None:
    recording = read_recording(write_dicom(tmp_path / "a.dcm", **tags))
    assert recording.frame_interval_s == expected_s
    assert recording.variable_rate == is_variable


def test_pixel_spacing_is_rows_first_in_um(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", PixelSpacing=[0.5, 0.25])
    assert read_recording(path).pixel_size_um == (500.0, 250.0)


def test_regions_that_disagree_give_no_pixel_size(tmp_path: Path) -> None:
    regions = []
    for delta in (0.05, 0.02):
        region = Dataset()
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = delta
        regions.append(region)
    one = write_dicom(tmp_path / "one.dcm", SequenceOfUltrasoundRegions=regions[:1])
    two = write_dicom(tmp_path / "two.dcm", SequenceOfUltrasoundRegions=regions)
    assert read_recording(one).pixel_size_um == (500.0, 500.0)
    assert read_recording(two).pixel_size_um is None


def test_slices_of_a_volume_play_along_z(tmp_path: Path) -> None:
    clip = open_clip(write_dicom(tmp_path / "a.dcm", SpacingBetweenSlices=2.0))
    assert clip.time_axis == "Z"
    assert clip.z_step_um == 2000.0


def test_an_object_without_pixels_is_refused(tmp_path: Path) -> None:
    header = dcmread(write_dicom(tmp_path / "a.dcm"))
    del header.PixelData
    header.save_as(tmp_path / "b.dcm")
    with pytest.raises(ClipError, match="holds no pixels"):
        open_clip(tmp_path / "b.dcm")


@pytest.mark.parametrize("keyword", ["PhotometricInterpretation", "BitsStored"])
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_file_that_does_not_say_how_its_pixels_are_meant_is_refused(
    keyword: str, is_empty: bool, tmp_path: Path
) -> None:
    header = dcmread(write_dicom(tmp_path / "a.dcm"))
    if is_empty:
        setattr(header, keyword, None)
    else:
        delattr(header, keyword)
    header.save_as(tmp_path / "b.dcm")
    with pytest.raises(ClipError, match=f"lacks the DICOM tag {keyword}") as caught:
        open_clip(tmp_path / "b.dcm")
    assert caught.value.hint


def test_text_with_the_name_of_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("notes" * 100)
    with pytest.raises(ClipError, match="cannot be read as DICOM"):
        open_clip(tmp_path / "a.dcm")


def test_a_file_without_a_suffix_is_known_by_its_magic(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm").rename(tmp_path / "IM000001")
    assert open_clip(path).num_frames == 4


@pytest.mark.parametrize("keyword", ["FrameTime", "PixelSpacing", "SpacingBetweenSlices"])
def test_a_number_that_is_none_is_left_out(keyword: str, tmp_path: Path) -> None:
    number = "81.25"
    value = [number, number] if keyword == "PixelSpacing" else number
    path = write_dicom(tmp_path / "a.dcm", **{keyword: value})
    stored = path.read_bytes()
    assert number.encode() in stored
    path.write_bytes(stored.replace(number.encode(), b"8l.z5"))
    recording = read_recording(path)
    assert recording.data.shape == GREY.shape
    assert (recording.frame_interval_s, recording.pixel_size_um, recording.z_step_um) == (None,) * 3

"""What stored numbers mean: rescale, windows, white zeros, tables, and enhanced objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from napari_sa2va._tests.made_dicom import GREY, grey_pixels, header_of, write_dicom, write_slices
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom import read
from napari_sa2va.readers.open import open_clip

MONOCHROME1 = {"PhotometricInterpretation": "MONOCHROME1"}


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, 0, "uint16"), (1, -1024, "int16"), (16, 0, "uint16"), (64, -1, "int32"),
     (2, 0.5, "float32"), (0.25, 0, "float32")],
)  # fmt: skip
def test_values_are_rescaled_into_the_smallest_type_that_is_exact(
    slope: float, intercept: float, dtype: str, tmp_path: Path
) -> None:
    path = write_dicom(tmp_path / "a.dcm", RescaleSlope=slope, RescaleIntercept=intercept)
    data = read(path).data
    assert data.dtype == dtype
    np.testing.assert_allclose(data.compute(), GREY * float(slope) + intercept)


def test_every_file_of_a_series_has_its_own_scale(tmp_path: Path) -> None:
    from pydicom import dcmread

    paths = write_slices(tmp_path / "pet", GREY[np.newaxis])
    for number, path in enumerate(paths):
        header = dcmread(path)
        header.RescaleSlope, header.RescaleIntercept = 0.5 * (number + 1), 0
        header.save_as(path)
    scales = np.array([0.5, 1, 1.5, 2])[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(read(tmp_path / "pet").data.compute(), GREY * scales)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"WindowCenter": 40, "WindowWidth": 400}, (-160.0, 239.0)),  # PS3.3 C.11.2.1.2
        ({"WindowCenter": [40, 600], "WindowWidth": [400, 2000]}, (-160.0, 239.0)),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}, (-160, 240)),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}, (-160, 240)),
        ({"WindowCenter": 0.5, "WindowWidth": 0.2}, (0.4, 0.6)),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
    ],
)
def test_the_first_window_is_what_a_clip_shows(
    tags: dict[str, Any], expected: tuple[float, float] | None, tmp_path: Path
) -> None:
    path = write_dicom(tmp_path / "a.dcm", **tags)
    recording = read(path)
    if expected is None:
        assert recording.window == ()
        return
    assert recording.window == (pytest.approx(expected),)
    assert open_clip(path).limits == (pytest.approx(expected),)


def test_where_zero_is_white_values_and_window_are_turned_together(tmp_path: Path) -> None:
    tags = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 1000.5, "WindowWidth": 201}
    plain = read(write_dicom(tmp_path / "a.dcm", **tags))
    turned = read(write_dicom(tmp_path / "b.dcm", **tags, **MONOCHROME1))
    total = 2 * 4095 - 200  # of the darkest and the brightest value
    np.testing.assert_array_equal(turned.data.compute(), total - plain.data.compute())
    (low, high), (dark, bright) = plain.window[0], turned.window[0]
    assert (dark, bright) == (total - high, total - low)


def _table(first: int, values: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item.ModalityLUTType = "US"
    item.LUTData = np.array(values, "<u2").tobytes()
    return item


def test_a_modality_table_gives_the_values(tmp_path: Path) -> None:
    stored = np.array([[[9, 10, 11, 12, 13, 99]]], np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm", stored, ModalityLUTSequence=[_table(10, [500, 40, 3], 16)]
    )
    np.testing.assert_array_equal(read(path).data.compute(), [[500, 500, 40, 3, 3, 3]])


def test_a_curve_of_brightness_is_told_of(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", VOILUTSequence=[_table(0, [0, 255], 8)])
    assert any("VOI LUT" in note for note in read(path).notes)
    np.testing.assert_array_equal(read(path).data.compute(), GREY)


def _palette(bits: int, colours: list[tuple[int, int, int]], first: int = 0) -> dict[str, Any]:
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in zip(("Red", "Green", "Blue"), zip(*colours, strict=True), strict=True):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [len(colours), first, bits]
        tags[f"{name}PaletteColorLookupTableData"] = np.array(
            values, "<u2" if bits == 16 else "u1"
        ).tobytes()
    return tags


@pytest.mark.parametrize(
    ("bits", "factor"), [(8, 1), (16, 256), (16, 1)], ids=["8", "16", "16 that are 8"]
)
def test_a_palette_gives_colours_of_8_bits(bits: int, factor: int, tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 200, 0), (1, 2, 3), (9, 9, 9)]
    stored = np.array([[[4, 5, 6, 7, 3, 8]]], np.uint8)
    palette = _palette(bits, [tuple(factor * v for v in c) for c in colours], first=4)  # type: ignore[misc]
    recording = read(write_dicom(tmp_path / "a.dcm", stored, 8, **palette))
    assert recording.axes == "YXS"
    expected = [colours[i] for i in (0, 1, 2, 3, 0, 3)]  # what lies outside is at the ends
    np.testing.assert_array_equal(recording.data.compute(), [expected])


def test_a_palette_without_its_tables_is_refused(tmp_path: Path) -> None:
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    path = write_dicom(tmp_path / "a.dcm", np.zeros((1, 2, 2), np.uint8), 8, **tags)
    with pytest.raises(ClipError, match="lookup tables"):
        read(path)


# Enhanced objects


def _group(keyword: str, **tags: Any) -> list[Dataset]:
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return [item]


def enhanced(path: Path, order: list[tuple[int, int]], frames: np.ndarray, **more: Any) -> Path:
    """An enhanced MR movie whose frames (t, z) stand in some order in the file."""
    header = header_of(EnhancedMRImageStorage, Modality="MR", SeriesNumber=1, **more)
    grey_pixels(header, frames, 12)
    shared = Dataset()
    shared.PixelMeasuresSequence = _group(
        "PixelMeasuresSequence", PixelSpacing=[0.5, 0.25], SliceThickness=1, SpacingBetweenSlices=9
    )
    shared.PlaneOrientationSequence = _group(
        "PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]
    )
    header.SharedFunctionalGroupsSequence = [shared]
    header.PerFrameFunctionalGroupsSequence = []
    for number, (t, z) in enumerate(order):
        own = Dataset()
        own.FrameContentSequence = _group(
            "FrameContentSequence", TemporalPositionIndex=t + 1,
            FrameAcquisitionDateTime=f"202402291000{t:02d}.5", DimensionIndexValues=[t + 1, z + 1],
        )  # fmt: skip
        own.PlanePositionSequence = _group("PlanePosition", ImagePositionPatient=[0, 0, 3.0 * z])
        own.PixelValueTransformationSequence = _group(
            "PixelValueTransformation", RescaleSlope=1 + number % 2, RescaleIntercept=0
        )
        own.FrameVOILUTSequence = _group("VOI", WindowCenter=100.5 + 10 * number, WindowWidth=101)
        header.PerFrameFunctionalGroupsSequence.append(own)
    header.save_as(path, enforce_file_format=True)
    return path


ORDER = [(1, 0), (0, 1), (0, 0), (1, 1)]


def test_frames_of_an_enhanced_file_say_themselves_where_they_lie(tmp_path: Path) -> None:
    recording = read(enhanced(tmp_path / "a.dcm", ORDER, GREY))
    assert recording.axes == "TZYX"
    data = recording.data.compute()
    for number, place in enumerate(ORDER):
        np.testing.assert_array_equal(data[place], GREY[number] * (1 + number % 2))
    assert recording.pixel_size_um == (500.0, 250.0)
    assert recording.z_step_um == 3000.0  # of the positions, not what the file says of it
    assert recording.frame_interval_s == 1.0
    # Windows from 50, 60, 70 and 80 on, each 100 wide.
    assert recording.window == (pytest.approx((65.0, 165.0)),)
    assert any("window of its own" in note for note in recording.notes)


def test_frames_that_form_no_grid_play_in_the_order_of_the_file(tmp_path: Path) -> None:
    recording = read(enhanced(tmp_path / "a.dcm", [(0, 0), (1, 0), (1, 1)], GREY[:3]))
    assert recording.axes == "ZYX"  # of the one moment that is complete
    np.testing.assert_array_equal(recording.data.compute(), [2 * GREY[1], GREY[2]])
    recording = read(enhanced(tmp_path / "b.dcm", [(0, 0), (1, 0), (2, 1)], GREY[:3]))
    assert recording.axes == "TYX"
    assert any("in the order of the file" in note for note in recording.notes)


def test_frames_of_several_orientations_are_a_question(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = enhanced(tmp_path / "a.dcm", ORDER, GREY)
    header = dcmread(path)
    for own in header.PerFrameFunctionalGroupsSequence[:2]:
        own.PlaneOrientationSequence = _group("", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    header.save_as(path)
    with pytest.raises(ClipError, match="holds 2 DICOM series"):
        read(path)


def test_a_parametric_map_of_highdicom_is_read(tmp_path: Path) -> None:
    hd = pytest.importorskip("highdicom")
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    tags = {"PatientID": "1", "PatientName": "A", "PatientBirthDate": "", "PatientSex": "",
            "AccessionNumber": "", "StudyID": "", "StudyDate": "", "StudyTime": ""}  # fmt: skip
    files = [dcmread(p) for p in write_slices(tmp_path / "scan", GREY[np.newaxis], **tags)]
    values = np.random.default_rng(7).normal(size=GREY.shape).astype(np.float32)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="1", lut_explanation="values", unit=codes.UCUM.NoUnits, slope=1, intercept=0,
        value_range=[-10.0, 10.0],
    )  # fmt: skip
    hd.pm.ParametricMap(
        files, values, series_instance_uid=hd.UID(), series_number=2, sop_instance_uid=hd.UID(),
        instance_number=1, manufacturer="m", manufacturer_model_name="m", software_versions="1",
        device_serial_number="1", contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping], window_center=0, window_width=2,
    ).save_as(tmp_path / "map.dcm")  # fmt: skip
    recording = read(tmp_path / "map.dcm")
    assert recording.axes == "ZYX"
    assert recording.z_step_um == 2500.0
    np.testing.assert_array_equal(recording.data.compute(), values)


# Ultrasound


def _region(kind: int, box: tuple[int, int, int, int], delta: float) -> Dataset:
    region = Dataset()
    region.RegionDataType = kind
    y0, x0, y1, x1 = box
    region.RegionLocationMinY0, region.RegionLocationMinX0 = y0, x0
    region.RegionLocationMaxY1, region.RegionLocationMaxX1 = y1, x1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = delta
    return region


def test_several_ultrasound_regions_are_named_with_boxes_to_crop_to(tmp_path: Path) -> None:
    regions = [_region(1, (0, 1, 3, 6), 0.05), _region(3, (4, 0, 5, 7), 0.02)]
    tags = {"SequenceOfUltrasoundRegions": regions, "BurnedInAnnotation": "NO", "Modality": "US"}
    path = write_dicom(tmp_path / "a.dcm", **tags)
    (note,) = read(path).notes
    assert "2D tissue (y0, x0, y1, x1 = 0, 1, 4, 7, 500 x 500 um per px)" in note
    assert "spectral Doppler (y0, x0, y1, x1 = 4, 0, 6, 8" in note
    assert open_clip(path, box=(0, 1, 4, 7)).frames.shape == (4, 4, 6)


@pytest.mark.parametrize(
    ("tags", "words"),
    [({"BurnedInAnnotation": "YES"}, "written into the pixels"),
     ({"Modality": "US"}, "does not say"),
     ({"Modality": "US", "BurnedInAnnotation": "NO"}, None),
     ({"Modality": "MR"}, None)],
)  # fmt: skip
def test_what_may_be_written_into_the_pixels_is_told_of(
    tags: dict[str, str], words: str | None, tmp_path: Path
) -> None:
    notes = read(write_dicom(tmp_path / "a.dcm", **tags)).notes
    assert notes == () if words is None else words in notes[0]

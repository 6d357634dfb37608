"""Frames of DICOM files: every compression, however frames are cut into items; many frames lazily."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels import apply_modality_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from napari_sa2va._tests.made_dicom import GREY, grey_movie, write_dicom
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom import read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")

SHIPPED = [
    "693_J2KI", "CT_small", "ExplVR_BigEnd", "GDCMJ2K_TextGBR", "J2K_pixelrep_mismatch", "JPEG2000",
    "JPEGLSNearLossless_08", "JPEGLSNearLossless_16", "MR_small", "MR_small_RLE",
    "MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless",
    "MR_small_jpeg_ls_lossless", "MR_small_padded", "SC_jpeg_no_color_transform",
    "SC_jpeg_no_color_transform_2", "SC_rgb_dcmtk_+eb+cr", "SC_rgb_dcmtk_+eb+cy+n1",
    "SC_rgb_dcmtk_+eb+cy+n2", "SC_rgb_dcmtk_+eb+cy+np", "SC_rgb_dcmtk_+eb+cy+s2",
    "SC_rgb_dcmtk_+eb+cy+s4", "SC_rgb_gdcm_KY", "SC_rgb_jls_lossy_line", "SC_rgb_jls_lossy_sample",
    "SC_rgb_jpeg", "SC_rgb_jpeg_app14_dcmd", "SC_rgb_jpeg_dcmd", "SC_rgb_jpeg_dcmtk",
    "SC_rgb_jpeg_gdcm", "SC_rgb_jpeg_lossy_gdcm", "SC_rgb_rle", "SC_rgb_rle_16bit",
    "SC_rgb_rle_16bit_2frame", "SC_rgb_rle_2frame", "SC_rgb_rle_32bit", "SC_rgb_rle_32bit_2frame",
    "SC_rgb_small_odd", "SC_rgb_small_odd_big_endian", "SC_rgb_small_odd_jpeg",
    "SC_ybr_full_422_uncompressed", "examples_jpeg2k", "examples_overlay", "examples_rgb_color",
    "examples_ybr_color", "image_dfl",
]  # fmt: skip
DOSES = ["rtdose", "rtdose_1frame", "rtdose_expb", "rtdose_expb_1frame", "rtdose_rle",
         "rtdose_rle_1frame"]  # fmt: skip


def shipped(name: str) -> Path:
    path = get_testdata_file(f"{name}.dcm", download=False)
    assert path
    return Path(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_files_that_come_with_pydicom_have_the_values_that_pydicom_reads(name: str) -> None:
    recording = read(shipped(name))
    header = dcmread(shipped(name))
    expected = header.pixel_array
    if "S" not in recording.axes:
        expected = apply_modality_lut(expected, header)
    # Decoders of JPEG differ by rounding.
    rounding = 3 if header.file_meta.TransferSyntaxUID == JPEGBaseline8Bit else 0
    np.testing.assert_allclose(recording.data.compute(), expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("name", DOSES)
def test_a_dose_is_scaled_and_its_planes_lie_in_depth(name: str) -> None:
    recording = read(shipped(name))
    header = dcmread(shipped(name))
    scaled = header.pixel_array * header.DoseGridScaling
    np.testing.assert_allclose(recording.data.compute(), scaled, rtol=1e-6)
    assert recording.axes == ("YX" if "1frame" in name else "ZYX")
    assert recording.z_step_um == (None if "1frame" in name else 5000.0)


@pytest.mark.parametrize("name", ["JPEG-lossy", "JPGExtended"])
def test_jpeg_of_12_bits_is_decoded(name: str) -> None:
    # The pixels are those of JPEG2000.dcm, but for what JPEG loses.
    lossless = read(shipped("JPEG2000")).data.compute()
    lossy = read(shipped(name)).data.compute()
    assert lossy.dtype == np.uint16
    assert np.corrcoef(lossy.ravel(), lossless.ravel())[0, 1] > 0.9


# How frames are cut into items

NOISE = np.random.default_rng(3).integers(0, 255, (5, 32, 40)).astype(np.uint8)


def jpeg_frames() -> list[bytes]:
    """Frames of noise as JPEG streams."""
    import io

    streams = []
    for frame in NOISE:
        out = io.BytesIO()
        Image.fromarray(frame).save(out, "JPEG", quality=95)
        streams.append(out.getvalue())
    return streams


def write_jpeg(path: Path, pixels: bytes, **tags: object) -> Path:
    movie = grey_movie(NOISE, 8, **tags)
    movie.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    movie.PixelData = pixels
    movie["PixelData"].is_undefined_length = True
    movie.save_as(path, enforce_file_format=True)
    return path


def expected_jpeg() -> np.ndarray:
    import io

    return np.array([np.array(Image.open(io.BytesIO(s))) for s in jpeg_frames()])


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("table", ["basic", "none", "extended"])
def test_frames_are_found_however_they_are_cut(pieces: int, table: str, tmp_path: Path) -> None:
    tags: dict[str, object] = {}
    if table == "extended":
        if pieces > 1:
            pytest.skip("an extended table allows one piece per frame")
        pixels, offsets, lengths = encapsulate_extended(jpeg_frames())
        tags = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    else:
        pixels = encapsulate(jpeg_frames(), fragments_per_frame=pieces, has_bot=table == "basic")
    recording = read(write_jpeg(tmp_path / "a.dcm", pixels, **tags))
    order = [3, 0, 4, 1, 2]
    frames = [recording.data[t].compute() for t in order]
    # Decoders of JPEG differ by rounding.
    np.testing.assert_allclose(np.array(frames, int), expected_jpeg()[order], atol=3)


def test_a_table_of_offsets_that_lies_is_not_believed(tmp_path: Path) -> None:
    pixels = bytearray(encapsulate(jpeg_frames(), fragments_per_frame=2))
    struct.pack_into("<I", pixels, 8 + 4 * 2, 12345)
    recording = read(write_jpeg(tmp_path / "a.dcm", bytes(pixels)))
    np.testing.assert_allclose(recording.data.compute().astype(int), expected_jpeg(), atol=3)


def test_without_a_table_and_without_ends_nothing_is_guessed(tmp_path: Path) -> None:
    cut = [frame[:-40] for frame in jpeg_frames()]
    pixels = encapsulate(cut, fragments_per_frame=2, has_bot=False)
    with pytest.raises(ClipError, match="nothing says which of 10 items make the 5 frames"):
        read(write_jpeg(tmp_path / "a.dcm", pixels))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("is_signed", [False, True])
def test_lossless_compressions_keep_every_value(
    syntax: str, is_signed: bool, tmp_path: Path
) -> None:
    grey = np.random.default_rng(8).integers(0, 4096, (3, 64, 72)).astype(np.uint16)
    frames = (grey.astype(np.int16) - 2048) if is_signed else grey
    if is_signed and syntax == JPEGLSLossless:
        pytest.skip("pydicom writes no signed JPEG-LS of 12 bits")
    movie = grey_movie(frames)
    movie.compress(syntax)
    movie.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    recording = read(tmp_path / "a.dcm")
    assert recording.data.dtype == frames.dtype
    np.testing.assert_array_equal(recording.data.compute(), frames)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_syntaxes_keep_every_value(syntax: str, tmp_path: Path) -> None:
    movie = grey_movie()
    movie.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        movie.PixelData = GREY.astype(">u2").tobytes()
    movie["PixelData"].VR = "OW"
    movie.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    data = read(tmp_path / "a.dcm").data
    np.testing.assert_array_equal(data[2].compute(), GREY[2])
    np.testing.assert_array_equal(data.compute(), GREY)


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read(path).data.compute(), GREY)


def test_frames_of_single_bits_need_not_begin_with_a_byte(tmp_path: Path) -> None:
    masks = np.random.default_rng(4).integers(0, 2, (4, 3, 5)).astype(np.uint8)
    path = write_dicom(
        tmp_path / "a.dcm", masks, 1, BitsAllocated=1, HighBit=0,
        PixelData=np.packbits(masks.ravel(), bitorder="little").tobytes(),
    )  # fmt: skip
    np.testing.assert_array_equal(read(path).data.compute(), masks)


def test_planes_of_red_green_and_blue_become_samples(tmp_path: Path) -> None:
    colours = np.random.default_rng(5).integers(0, 255, (3, 3, 4, 5)).astype(np.uint8)
    path = write_dicom(
        tmp_path / "a.dcm", np.zeros((3, 4, 5), np.uint8), 8, SamplesPerPixel=3,
        PhotometricInterpretation="RGB", PlanarConfiguration=1, PixelData=colours.tobytes(),
    )  # fmt: skip
    recording = read(path)
    assert recording.axes == "TYXS"
    np.testing.assert_array_equal(recording.data.compute(), colours.transpose(0, 2, 3, 1))


def test_overlays_in_unused_bits_are_masked(tmp_path: Path) -> None:
    dirty = GREY | 0x5000
    np.testing.assert_array_equal(read(write_dicom(tmp_path / "a.dcm", dirty)).data.compute(), GREY)
    signed = GREY.astype(np.int16) - 2048
    dirty = ((signed & 0x0FFF) | 0x3000).astype(np.int16)
    path = write_dicom(tmp_path / "b.dcm", dirty)
    np.testing.assert_array_equal(read(path).data.compute(), signed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_that_are_floating_point_numbers_are_read(dtype: type, tmp_path: Path) -> None:
    values = np.random.default_rng(6).normal(size=(3, 4, 5)).astype(dtype)
    movie = grey_movie(np.zeros((3, 4, 5), np.uint16))
    del movie.PixelData
    movie.BitsAllocated = 8 * values.dtype.itemsize
    name = "FloatPixelData" if dtype is np.float32 else "DoubleFloatPixelData"
    setattr(movie, name, values.tobytes())
    movie.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    recording = read(tmp_path / "a.dcm")
    assert recording.data.dtype == dtype
    np.testing.assert_array_equal(recording.data.compute(), values)


def test_a_frame_is_read_without_the_frames_before_it(tmp_path: Path) -> None:
    streams = jpeg_frames()
    path = write_jpeg(tmp_path / "a.dcm", encapsulate(streams, has_bot=False))
    data = read(path).data
    last = data[4].compute()
    # What is not read may be anything.
    stored = path.read_bytes()
    first = stored.index(streams[0])
    path.write_bytes(stored[:first] + bytes(len(streams[0])) + stored[first + len(streams[0]) :])
    np.testing.assert_array_equal(data[4].compute(), last)
    with pytest.raises(ClipError, match="frame 0 is of no size in its own header"):
        data[0].compute()
    assert len(list(generate_frames(dcmread(path).PixelData, number_of_frames=5))) == 5

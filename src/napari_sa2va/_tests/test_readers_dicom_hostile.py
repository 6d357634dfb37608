"""DICOM files that lie: one clear error, nothing large allocated, no hang."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
    RLELossless,
)

from napari_sa2va._tests.made_dicom import GREY, grey_movie, write_dicom, write_slices
from napari_sa2va._tests.test_readers_dicom_frames import NOISE, jpeg_frames, write_jpeg
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom import read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
MANY = 2**31 - 1


@pytest.fixture(autouse=True, scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import what decodes, which takes memory, too."""
    folder = tmp_path_factory.mktemp("jpeg")
    read(write_jpeg(folder / "a.dcm", encapsulate(jpeg_frames()))).data.compute()


def refused(path: Path, words: str, *, at_most: float = 30e6) -> ClipError:
    """The error of a file that is refused, without taking much memory."""
    tracemalloc.start()
    with pytest.raises(ClipError, match=words) as caught:
        read(path).data.compute(scheduler="synchronous")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < at_most
    assert caught.value.hint
    assert path.name in str(caught.value)
    return caught.value


@pytest.mark.parametrize("by", [1, 100, 383, 500])
def test_a_file_that_ends_early_says_at_which_byte(by: int, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:-by])
    error = refused(path, "PixelData at byte [0-9]+ promises 384 bytes|holds no pixels")
    assert ("promises" in error.message) == (by < 384)


def test_a_number_of_frames_that_cannot_be_is_refused_by_size(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NumberOfFrames=MANY)
    refused(path, r"2147483647 frames \(0028,0008\) of 6 x 8 px need 206158430112 bytes")
    movie = write_jpeg(tmp_path / "b.dcm", encapsulate(jpeg_frames()), NumberOfFrames=MANY)
    refused(movie, r"2147483647 frames \(0028,0008\) are promised, and 5 are there")


@pytest.mark.parametrize("syntax", ["native", "rle"])
def test_a_size_that_the_file_cannot_hold_is_refused(syntax: str, tmp_path: Path) -> None:
    movie = grey_movie(GREY[0])
    if syntax == "rle":
        movie.compress(RLELossless)
    movie.Rows = movie.Columns = 65535
    movie.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    refused(tmp_path / "a.dcm", "need 8589672450 bytes" if syntax == "native" else "promises")


@pytest.mark.parametrize(("keyword", "value"), [("Rows", 0), ("SamplesPerPixel", 5)])
def test_a_value_out_of_range_is_named(keyword: str, value: int, tmp_path: Path) -> None:
    refused(write_dicom(tmp_path / "a.dcm", **{keyword: value}), f"{keyword} is {value}")


def test_a_stream_that_is_larger_than_the_header_says_is_not_decoded(tmp_path: Path) -> None:
    streams = jpeg_frames()
    at = streams[2].index(b"\xff\xc0") + 5
    streams[2] = streams[2][:at] + struct.pack(">HH", 65500, 65500) + streams[2][at + 4 :]
    path = write_jpeg(tmp_path / "a.dcm", encapsulate(streams))
    refused(path, "frame 2 is 65500 x 65500 px in its own header, and Rows .* say 32 x 40")


def test_a_jpeg_2000_stream_that_promises_much_is_not_decoded(tmp_path: Path) -> None:
    movie = grey_movie(np.tile(NOISE[0], (2, 2)).astype(np.uint16))
    movie.compress(JPEG2000Lossless)
    stored = bytearray(movie.PixelData)
    at = stored.index(b"\xff\x4f\xff\x51") + 8
    struct.pack_into(">II", stored, at, 2**31, 2**31)
    movie.PixelData = bytes(stored)
    movie.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    refused(tmp_path / "a.dcm", "2147483648 x 2147483648 px in its own header")


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
def test_the_length_of_an_item_that_lies_is_named_with_its_byte(
    length: int, tmp_path: Path
) -> None:
    pixels = bytearray(encapsulate(jpeg_frames(), has_bot=False))
    second = 8 + 8 + struct.unpack_from("<I", pixels, 12)[0]
    struct.pack_into("<I", pixels, second + 4, length)
    path = write_jpeg(tmp_path / "a.dcm", bytes(pixels))
    error = refused(path, f"an item promises {length} bytes")
    at = int(error.message.split("damaged at byte ")[1].split(":")[0])
    assert path.read_bytes()[at : at + 8] == b"\xfe\xff\x00\xe0" + struct.pack("<I", length)


def test_an_item_that_is_none_is_named_with_its_byte(tmp_path: Path) -> None:
    pixels = bytearray(encapsulate(jpeg_frames(), has_bot=False))
    pixels[8:12] = b"junk"
    refused(write_jpeg(tmp_path / "a.dcm", bytes(pixels)), "an item tag is expected, not 6a 75 6e")


def _deflated(path: Path, tail: bytes) -> Path:
    movie = grey_movie(GREY)
    movie.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    movie.save_as(path, enforce_file_format=True)
    stored = path.read_bytes()
    meta = 132 + 12 + struct.unpack_from("<I", stored, 140)[0]
    path.write_bytes(stored[:meta] + tail)
    return path


def test_what_is_deflated_is_inflated_up_to_a_bound(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    # An element of 600 MiB of zeros.
    head = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 600 << 20)
    parts = [engine.compress(head)]
    parts += [engine.compress(bytes(1 << 20)) for _ in range(600)]
    path = _deflated(tmp_path / "bomb.dcm", b"".join(parts) + engine.flush())
    assert path.stat().st_size < 1e6
    refused(path, "becomes larger than 512 MiB", at_most=1.3e9)


def test_a_deflated_file_without_preamble_is_bound_too(tmp_path: Path) -> None:
    path = _deflated(tmp_path / "bomb.dcm", b"\xff" * 100)
    path.write_bytes(path.read_bytes()[132:])
    refused(path, "cannot be read as DICOM")


@pytest.mark.parametrize("depth", [50, 3000])
def test_sequences_within_sequences_end_somewhere(depth: int, tmp_path: Path) -> None:
    """Undefined lengths, so that nothing tells where the end is."""
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path = write_dicom(tmp_path / "a.dcm")
    stored = path.read_bytes()
    meta = 132 + 12 + struct.unpack_from("<I", stored, 140)[0]
    path.write_bytes(stored[:meta] + (sequence + item) * depth)
    refused(path, "cannot be read as DICOM|holds no pixels")


def test_an_element_that_is_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    stored = path.read_bytes()
    meta = 132 + 12 + struct.unpack_from("<I", stored, 140)[0]
    lie = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 0xFFFFFFF0)
    path.write_bytes(stored[:meta] + lie + stored[meta:])
    refused(path, "4294967280 bytes are promised, and [0-9]+ are there; near byte")


def test_grids_of_many_frames_are_not_quadratic(tmp_path: Path) -> None:
    """20,000 frames that say of themselves where they lie would take minutes otherwise."""
    from napari_sa2va.readers.dicom.grid import arrange_planes

    depths = [float(i % 200) for i in range(20_000)]
    moments = [{"TemporalPositionIndex": float(i // 200)} for i in range(20_000)]
    assert arrange_planes(depths, moments).order.shape == (100, 200)


def test_a_jpeg_ls_frame_that_ends_early_is_refused_at_once(tmp_path: Path) -> None:
    """CharLS alone counts for three seconds at each of these ends."""
    from imagecodecs import jpegls_encode

    rows, columns = np.mgrid[:64, :64].astype(np.uint16)
    frame = jpegls_encode(rows * 50 + columns, level=3)
    movie = grey_movie(np.zeros((1, 64, 64), np.uint16), 16)
    began = perf_counter()
    for end in (699, 690, 681, 628):
        movie.PixelData = encapsulate([frame[:end]])
        movie["PixelData"].VR = "OB"
        movie["PixelData"].is_undefined_length = True
        movie.file_meta.TransferSyntaxUID = JPEGLSNearLossless
        path = tmp_path / f"{end}.dcm"
        movie.save_as(path, enforce_file_format=True)
        refused(path, "frame 0 cannot be decoded")
    assert perf_counter() - began < 3


# Mutations of real files


@cache
def _bytes_of(kind: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        if kind == "native":
            regions = Dataset()
            regions.RegionDataType = 1
            write_dicom(path, FrameTime=40.0, SequenceOfUltrasoundRegions=[regions])
        elif kind == "jpeg":
            write_jpeg(path, encapsulate(jpeg_frames(), fragments_per_frame=2))
        elif kind == "rle":
            movie = grey_movie(GREY, RescaleSlope=2)
            movie.compress(RLELossless)
            movie.save_as(path, enforce_file_format=True)
        else:
            path = write_slices(Path(folder), GREY[np.newaxis, :1])[0]
        return path.read_bytes()


Edit = Callable[[bytes], bytes]
edits = st.one_of(
    st.builds(lambda n: lambda s: s[: n % len(s)], st.integers(0)),
    st.builds(
        lambda at, new: lambda s: s[: at % len(s)] + new + s[at % len(s) + len(new) :],
        st.integers(0),
        st.binary(min_size=1, max_size=6),
    ),
    st.builds(
        lambda at, n: lambda s: s[: at % len(s)] + s[at % len(s) + n :],
        st.integers(0),
        st.integers(1, 40),
    ),
)


@pytest.mark.parametrize("kind", ["native", "jpeg", "rle", "slice"])
@settings(max_examples=100, deadline=None)
@given(changes=st.lists(edits, min_size=1, max_size=3))
@example(changes=[lambda s: s[:140]])
def test_a_damaged_file_is_read_or_refused(kind: str, changes: list[Edit]) -> None:
    stored = _bytes_of(kind)
    for change in changes:
        stored = change(stored) or b"\0"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        path.write_bytes(stored)
        said = "a.dcm"
        try:
            recording = read(path)
            recording.data[(0,) * (recording.data.ndim - 2)].compute(scheduler="synchronous")
        except ClipError as error:
            said = str(error)
        assert "a.dcm" in said


def test_the_syntax_of_the_movies_is_what_the_names_say(tmp_path: Path) -> None:
    from pydicom import dcmread

    for kind, syntax in (("jpeg", JPEGBaseline8Bit), ("rle", RLELossless)):
        (tmp_path / kind).write_bytes(_bytes_of(kind))
        assert dcmread(tmp_path / kind).file_meta.TransferSyntaxUID == syntax

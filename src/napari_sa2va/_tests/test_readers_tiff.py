"""TIFF files of all kinds: the same pixels as tifffile reads, and their physical facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_sa2va._tests.movies import cut
from napari_sa2va.core.errors import AxesError, ClipError, SeriesError
from napari_sa2va.readers.open import open_clip, read_recording
from napari_sa2va.readers.tiff import planes
from napari_sa2va.readers.tiff.colour import PixelMeaning

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


# ---- what the numbers mean

# Contiguous and compressed pages are read in two ways; "shaped" files have one page for all planes.
STORED: dict[str, dict[str, Any]] = {
    "contiguous": {"metadata": {"axes": "TYX"}},
    "contiguous, big endian": {"metadata": {"axes": "TYX"}, "byteorder": ">"},
    "one page per plane": {"metadata": None},
    "compressed": {"metadata": None, "compression": "zlib"},
}
# 16 bits per colour; 257 * v is 8-bit v, and a remainder must not count.
TABLE = np.stack([np.arange(256) * 257, np.arange(256)[::-1] * 257, np.full(256, 513)]).astype("u2")


def as_colours(indices: np.ndarray) -> np.ndarray:
    """Red rises, green falls, blue is 513 // 256."""
    return np.stack([indices, 255 - indices, np.full_like(indices, 2)], -1)


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize(
    ("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("int16", -1), ("uint32", 2**32 - 1)]
)
def test_where_zero_is_white_bright_becomes_large(
    dtype: str, top: int, how: str, tmp_path: Path
) -> None:
    movie = RNG.integers(-100 if dtype[0] == "i" else 0, 200, (4, 6, 8)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", movie, photometric="miniswhite", **STORED[how])
    recording = read_recording(tmp_path / "a.tif")
    assert recording.axes == "TYX"
    assert recording.data.dtype == movie.dtype
    np.testing.assert_array_equal(recording.data.compute(), (top - movie.astype(int)).astype(dtype))


def test_a_scan_in_black_and_white_has_white_paper(tmp_path: Path) -> None:
    ink = np.zeros((6, 8), bool)
    ink[2] = True
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="miniswhite")
    frame = open_clip(tmp_path / "a.tif").rgb(0)
    assert (frame[2] == 0).all()
    assert (frame[3] == 255).all()


def test_floats_of_which_zero_is_white_are_left_alone(tmp_path: Path) -> None:
    values = RNG.random((3, 6, 8)).astype(np.float32)  # what would be the other end?
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.tif").data.compute(), values)


@pytest.mark.parametrize("how", STORED)
def test_a_palette_becomes_colour(how: str, tmp_path: Path) -> None:
    indices = RNG.integers(0, 256, (4, 6, 8)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", indices, photometric="palette", colormap=TABLE, **STORED[how]
    )
    recording = read_recording(tmp_path / "a.tif")
    assert recording.axes == "TYXS"
    assert recording.data.dtype == np.uint8
    assert recording.data.chunks[0] == (1,) * 4
    np.testing.assert_array_equal(recording.data.compute(), as_colours(indices))
    np.testing.assert_array_equal(open_clip(tmp_path / "a.tif").rgb(3), as_colours(indices[3]))


def test_each_page_may_have_its_own_palette(tmp_path: Path) -> None:
    indices = RNG.integers(0, 256, (2, 6, 8)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page, table in zip(indices, (TABLE, TABLE[::-1]), strict=True):
            tif.write(page, photometric="palette", colormap=table, metadata=None)
    data = read_recording(tmp_path / "a.tif").data
    np.testing.assert_array_equal(data[0].compute(), as_colours(indices[0]))
    np.testing.assert_array_equal(data[1].compute(), as_colours(indices[1])[..., ::-1])


def test_a_palette_with_eight_bits_per_colour_is_not_black(tmp_path: Path) -> None:
    indices = RNG.integers(0, 256, (6, 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=TABLE // 257)
    np.testing.assert_array_equal(
        read_recording(tmp_path / "a.tif").data[..., 0].compute(), indices
    )


def test_sixteen_bits_with_a_display_table_keep_their_values(tmp_path: Path) -> None:
    table = np.stack([np.arange(2**16)] * 3).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[:, 0], photometric="palette", colormap=table, metadata=None
    )
    recording = read_recording(tmp_path / "a.tif")
    assert recording.axes == "TYX"
    np.testing.assert_array_equal(recording.data.compute(), STACK[:, 0])


def test_a_palette_that_colours_a_channel_leaves_the_channels_apart(tmp_path: Path) -> None:
    channels = RNG.integers(0, 256, (4, 2, 6, 8)).astype(np.uint8)
    how: dict[str, Any] = {"photometric": "palette", "colormap": TABLE}
    tifffile.imwrite(tmp_path / "a.ome.tif", channels, metadata={"axes": "TCYX"}, ome=True, **how)
    clip = open_clip(tmp_path / "a.ome.tif", channels=1)
    np.testing.assert_array_equal(clip.frames.compute(), channels[:, 1])


def test_a_palette_is_looked_up_frame_by_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indices = RNG.integers(0, 256, (40, 6, 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=TABLE)
    seen: list[tuple[int, ...]] = []
    apply = PixelMeaning.apply
    monkeypatch.setattr(
        PixelMeaning, "apply", lambda self, p: (seen.append(p.shape), apply(self, p))[1]
    )
    open_clip(tmp_path / "a.tif").rgb(7)
    assert seen == [(6, 8)] * 2  # one for the contrast, one to show


@pytest.mark.parametrize("order", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("num", [2, 5])
def test_samples_that_are_no_colours_are_channels(
    num: int, compression: str | None, order: str, tmp_path: Path
) -> None:
    movie = RNG.integers(0, 4000, (3, num, 12, 16)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", movie if order == "separate" else np.moveaxis(movie, 1, -1),
        photometric="minisblack", planarconfig=order, compression=compression, metadata=None,
    )  # fmt: skip
    recording = read_recording(tmp_path / "a.tif")
    assert recording.axes == "TCYX"
    assert recording.data.chunks[:2] == ((1,) * 3, (1,) * num)
    np.testing.assert_array_equal(recording.data.compute(), movie)


# ---- physical facts


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
    plane = planes.PagePlanes.read
    monkeypatch.setattr(
        planes.PagePlanes, "read", lambda self, i: (read.append(i), plane(self, i))[1]
    )
    clip = open_clip(tmp_path / "a.tif")
    assert 0 < len(read) <= 16
    read.clear()
    clip.rgb(77)
    assert read == [77]


def test_unnamed_axes_must_be_named_when_there_are_several(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK)  # four dimensions, two without a name
    with pytest.raises(AxesError, match="its shape is 6 x 2 x 12 x 16") as caught:
        open_clip(tmp_path / "a.tif")
    assert '--axes TZYX / axes="TZYX"' in caught.value.hint
    assert open_clip(tmp_path / "a.tif", axes="TCYX").frames.shape == (6, 12, 16, 2)


def test_several_series_must_be_chosen_from(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        for name in ("left eye", "right eye"):
            tif.write(STACK + len(name), metadata={"axes": "TCYX", "Name": name})
    with pytest.raises(SeriesError, match="holds 2 series") as caught:
        open_clip(tmp_path / "a.ome.tif")
    assert caught.value.choices == (
        (0, "left eye: T=6, C=2, Y=12, X=16"), (1, "right eye: T=6, C=2, Y=12, X=16")
    )  # fmt: skip
    for series in (1, "1", "right eye"):
        recording = read_recording(tmp_path / "a.ome.tif", series=series)
        np.testing.assert_array_equal(recording.data.compute(), STACK + 9)
    with pytest.raises(SeriesError, match="no series 'nose'") as caught:
        open_clip(tmp_path / "a.ome.tif", series="nose")
    assert len(caught.value.choices) == 2


def test_the_macro_picture_of_a_slide_is_no_alternative(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        tif.write(STACK[0, 0], metadata={"axes": "YX", "Name": "macro image"})
        tif.write(STACK, metadata={"axes": "TCYX", "Name": "detail"})
    assert read_recording(tmp_path / "a.ome.tif").data.shape == (6, 2, 12, 16)
    recording = read_recording(tmp_path / "a.ome.tif", series="macro image")
    np.testing.assert_array_equal(recording.data.compute(), STACK[0, 0])


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


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_pillow_writes_is_read(compression: str | None, mode: str, tmp_path: Path) -> None:
    shape = (5, 12, 16) if mode == "L" else (5, 12, 16, 3)
    movie = RNG.integers(0, 255, shape).astype(np.uint8)
    first, *others = (Image.fromarray(frame) for frame in movie)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    recording = read_recording(tmp_path / "a.tif")
    assert recording.axes == ("TYX" if mode == "L" else "TYXS")
    with Image.open(tmp_path / "a.tif") as image:
        for t in range(5):
            image.seek(t)
            # Two decoders of JPEG may round apart.
            difference = recording.data[t].compute().astype(int) - np.asarray(image)
            assert np.abs(difference).max() <= (2 if compression == "jpeg" else 0)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 1), (3, 4, 1), (1, 2, 1), (2, 1, 7)])
def test_frames_of_one_column_and_of_one_pixel(
    shape: tuple[int, ...], compression: str | None, tmp_path: Path
) -> None:
    """tifffile writes several planes into one page where X is 1."""
    movie = RNG.integers(0, 4000, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", movie, compression=compression,
                     photometric="minisblack", metadata={"axes": "TYX"})  # fmt: skip
    data = read_recording(tmp_path / "a.tif").data
    np.testing.assert_array_equal(data.compute(), movie)
    assert data.chunks[0] == (1,) * shape[0]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_stack_that_says_its_axes_is_what_tifffile_reads(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lead = "".join(data.draw(st.permutations("TZC")))[: data.draw(st.integers(0, 3))]
    shape = tuple(data.draw(st.integers(1, 3)) for _ in lead)
    shape += data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    dtype = data.draw(st.sampled_from(["uint8", "int16", "uint16", "float32"]))
    how = data.draw(
        st.fixed_dictionaries(
            {"ome": st.booleans(), "bigtiff": st.booleans(), "byteorder": st.sampled_from("<>"),
             "compression": st.sampled_from([None, "zlib", "lzw"])}
        )
    )  # fmt: skip
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path_factory.mktemp("any") / "a.tif"
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": lead + "YX"}, **how)
    recording = read_recording(path)
    kept = [a for a, n in zip(lead, shape[:-2], strict=True) if n > 1 or not how["ome"]]
    assert sorted(recording.axes) == sorted([*kept, *"YX"])
    expected = tifffile.imread(path)
    np.testing.assert_array_equal(np.squeeze(recording.data.compute()), np.squeeze(expected))
    with tifffile.TiffFile(path) as tif:
        assert recording.axes == tif.series[0].axes

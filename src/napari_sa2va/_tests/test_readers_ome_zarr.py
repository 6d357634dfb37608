"""OME-Zarr images: axes, sizes, channels, resolutions and pixels, of every version and encoding."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from napari_sa2va._tests.ngff_stores import metadata, write_by_hand, write_ngff
from napari_sa2va.core.errors import ClipError, PixelError
from napari_sa2va.readers.ome_zarr import accepts, read
from napari_sa2va.readers.open import open_clip

RNG = np.random.default_rng(5)
MOVIE = RNG.integers(0, 4000, (5, 2, 3, 12, 16)).astype(np.uint16)  # TCZYX
OMERO = {
    "channels": [
        {
            "label": "DAPI",
            "color": "0000FF",
            "window": {"start": 10, "end": 900, "min": 0, "max": 1},
        },
        {"label": "GFP", "color": "00ff00", "window": {"start": 0, "end": 80, "min": 0, "max": 1}},
    ]
}
versions = pytest.mark.parametrize("version", ["0.4", "0.5"])


@versions
def test_an_image_of_the_formats_own_library_is_read_with_all_it_says(
    version: str, tmp_path: Path
) -> None:
    path = write_ngff(
        tmp_path / "a.ome.zarr",
        MOVIE,
        "tczyx",
        version=version,
        scale={"t": 0.5, "z": 2.0, "y": 0.3, "x": 0.25},
        omero=OMERO,
    )
    assert accepts(path)
    recording = read(path)
    assert (recording.axes, recording.name, recording.source) == ("TCZYX", "a", str(path))
    assert recording.pixel_size_um == (0.3, 0.25)
    assert (recording.z_step_um, recording.frame_interval_s) == (2.0, 0.5)
    assert recording.channel_names == ("DAPI", "GFP")
    assert recording.channel_colors == ("#0000ff", "#00ff00")
    assert recording.window == ((10.0, 900.0), (0.0, 80.0))
    assert recording.notes == ()
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)


@versions
def test_the_smaller_copies_of_an_image_are_its_pyramid(version: str, tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], "tyx", version=version, levels=3)
    recording = read(path)
    assert recording.data.shape == (5, 12, 16)
    assert [level.shape for level in recording.pyramid] == [(5, 6, 8), (5, 3, 4)]
    third = zarr.open_array(str(path / read_paths(path)[2]), mode="r")
    np.testing.assert_array_equal(recording.pyramid[1].compute(), third[:])


def read_paths(path: Path) -> list[str]:
    """Paths of the arrays, as zarr reads them."""
    attributes = zarr.open_group(str(path), mode="r").attrs.asdict()
    image = attributes.get("ome", attributes)["multiscales"][0]
    return [dataset["path"] for dataset in image["datasets"]]


def test_a_smaller_copy_with_fewer_planes_is_no_level(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], metadata(paths=("0", "half")))
    zarr.open_group(str(path), mode="a").create_array("half", shape=(3, 6, 8), dtype="u2")
    assert read(path).pyramid == ()


def test_a_smaller_copy_that_is_absent_is_told_and_no_reason_to_refuse(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], metadata(paths=("0", "1")))
    recording = read(path)
    assert recording.pyramid == ()
    assert "smaller copy" in recording.notes[0]
    assert "'1' is not there" in recording.notes[0]


@pytest.mark.parametrize("axes", ["".join(p) for p in itertools.permutations("tcyx")])
def test_axes_may_have_any_order(axes: str, tmp_path: Path) -> None:
    pixels = MOVIE[:, :, 0].transpose(["tcyx".index(a) for a in axes])
    path = write_by_hand(tmp_path / "a.zarr", pixels, metadata(axes), chunks=pixels.shape)
    recording = read(path)
    assert recording.axes == axes.upper()
    for axis, chunks in zip(recording.axes, recording.data.chunks, strict=True):
        assert set(chunks) == {1} if axis not in "YX" else len(chunks) == 1
    clip = open_clip(path, channels=1)
    np.testing.assert_array_equal(clip.frame(3), MOVIE[3, 1, 0])


def test_scales_of_the_array_and_of_the_image_are_multiplied(tmp_path: Path) -> None:
    attributes = metadata(scale=(2.0, 0.5, 0.25))
    attributes["ome"]["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [0.1, 3.0, 3.0]}
    ]
    recording = read(write_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], attributes))
    assert recording.pixel_size_um == (1.5, 0.75)
    assert recording.frame_interval_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("micrometer", 2.0), ("nanometer", 2e-3), ("millimeter", 2e3), ("angstrom", 2e-4),
        ("meter", 2e6), ("femtometer", 2e-9), ("kilometer", 2e9), ("inch", 50800.0), ("um", 2.0),
        ("parrot", None), (None, None),
    ],
)  # fmt: skip
def test_units_of_length(unit: str | None, um: float | None, tmp_path: Path) -> None:
    units = {"y": unit, "x": unit} if unit else {}
    attributes = metadata("yx", scale=(2.0, 2.0), units=units)
    found = read(write_by_hand(tmp_path / "a.zarr", MOVIE[0, 0, 0], attributes)).pixel_size_um
    assert found == (pytest.approx((um, um)) if um else None)


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("millisecond", 3e-3),
        ("minute", 180.0),
        ("hour", 10800.0),
        ("picosecond", 3e-12),
        ("", None),
    ],
)
def test_units_of_time(unit: str, seconds: float | None, tmp_path: Path) -> None:
    attributes = metadata(scale=(3.0, 1.0, 1.0), units={"t": unit})
    found = read(write_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], attributes)).frame_interval_s
    assert found == (pytest.approx(seconds) if seconds else None)


def test_an_old_image_names_its_axes_by_their_number(tmp_path: Path) -> None:
    old = {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}
    recording = read(write_by_hand(tmp_path / "a.zarr", MOVIE, old, zarr_format=2))
    assert recording.axes == "TCZYX"
    assert recording.pixel_size_um is None
    named = {
        "multiscales": [{"version": "0.3", "axes": ["z", "y", "x"], "datasets": [{"path": "0"}]}]
    }
    assert read(write_by_hand(tmp_path / "b.zarr", MOVIE[0, 0], named, zarr_format=2)).axes == "ZYX"


def test_axes_of_space_may_have_other_names(tmp_path: Path) -> None:
    attributes = metadata("zyx")
    for axis, name in zip(attributes["ome"]["multiscales"][0]["axes"], "abc", strict=True):
        axis["name"] = name
    assert read(write_by_hand(tmp_path / "a.zarr", MOVIE[0, 0], attributes)).axes == "ZYX"


@pytest.mark.parametrize(("count", "is_read"), [(1, True), (3, False)])
def test_another_axis_is_passed_over_if_it_has_one_position(
    count: int, is_read: bool, tmp_path: Path
) -> None:
    attributes = metadata("tyx")
    attributes["ome"]["multiscales"][0]["axes"][0] = {"name": "angle", "type": "rotation"}
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[:count, 0, 0], attributes)
    if not is_read:
        with pytest.raises(ClipError, match="3 positions"):
            read(path)
        return
    recording = read(path)
    assert recording.axes == "YX"
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[0, 0, 0])


@pytest.mark.parametrize(
    "omero",
    [
        "text", {"channels": "text"}, {"channels": [1, 2]}, {"channels": [{}]},
        {"channels": [{"window": {"start": 5, "end": 5}, "color": "red", "label": ""}] * 2},
        {"channels": [{"window": {"start": "a", "end": None}, "color": 7}] * 2},
        {"channels": [{"window": {"start": float("nan"), "end": 7}}] * 2},
    ],
)  # fmt: skip
def test_what_is_wrong_about_channels_is_passed_over(omero: Any, tmp_path: Path) -> None:
    attributes = metadata("cyx", version="0.4", omero=omero)
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[0, :, 0], attributes, zarr_format=2)
    recording = read(path)
    assert (recording.window, recording.channel_colors, recording.channel_names) == ((), (), ())


def test_the_window_and_the_colours_of_the_file_are_those_of_the_clip(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, :, 0], "tcyx", omero=OMERO)
    clip = open_clip(path, colors="file")
    assert clip.limits == ((10.0, 900.0), (0.0, 80.0))
    assert clip.tints == ("#0000ff", "#00ff00")
    assert open_clip(path, channels="GFP").limits == ((0.0, 80.0),)


def test_channels_that_are_shown_in_grey_are_white(tmp_path: Path) -> None:
    grey = OMERO | {"rdefs": {"model": "greyscale"}}
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, :, 0], "tcyx", omero=grey)
    assert read(path).channel_colors == ("#ffffff", "#ffffff")


ENCODINGS: dict[str, dict[str, Any]] = {
    "v2 blosc": {"zarr_format": 2, "chunks": (1, 5, 7)},
    "v2 raw, big endian": {"zarr_format": 2, "compressors": None, "dtype": ">u2"},
    "v2 in Fortran order": {"zarr_format": 2, "order": "F", "chunks": (2, 12, 16)},
    "v3 zstd": {"compressors": ZstdCodec(), "chunks": (1, 12, 16)},
    "v3 blosc, shards": {"compressors": BloscCodec(), "chunks": (1, 4, 4), "shards": (5, 12, 16)},
    "v3 gzip, many planes in a chunk": {"compressors": GzipCodec(), "chunks": (4, 6, 16)},
    "v3 raw": {"compressors": None, "chunks": (1, 12, 16)},
    "v3 with flat names": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
}


@pytest.mark.parametrize("how", ENCODINGS)
def test_pixels_are_the_same_in_every_encoding(how: str, tmp_path: Path) -> None:
    options = dict(ENCODINGS[how])
    zarr_format = options.get("zarr_format", 3)
    pixels = MOVIE[:, 0, 0].astype(options.pop("dtype", "u2"))
    version = "0.5" if zarr_format == 3 else "0.4"
    path = write_by_hand(tmp_path / "a.zarr", pixels, metadata(version=version), **options)
    data = read(path).data
    assert data.dtype == np.dtype("u2")  # in native order
    np.testing.assert_array_equal(data.compute(scheduler="threads"), MOVIE[:, 0, 0])


def test_a_wide_image_is_read_chunk_by_chunk(tmp_path: Path) -> None:
    wide = np.arange(2 * 1100, dtype=np.uint16).reshape(1, 2, 1100)
    path = write_by_hand(tmp_path / "a.zarr", wide, metadata(), chunks=(1, 2, 600))
    data = read(path).data
    assert data.chunks[2] == (1100,)  # 600 is too small for a task of its own
    far = write_by_hand(tmp_path / "b.zarr", np.tile(wide, 2), metadata(), chunks=(1, 2, 1024))
    assert read(far).data.chunks[2] == (1024, 1024, 152)
    np.testing.assert_array_equal(read(far).data.compute(), np.tile(wide, 2))


def test_a_chunk_that_was_never_written_has_the_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.attrs.update(metadata())
    array = group.create_array("0", shape=(3, 4, 4), chunks=(1, 4, 4), dtype="u1", fill_value=7)
    array[1] = 9
    assert read(path).data[:, 0, 0].compute().tolist() == [7, 9, 7]


@pytest.mark.parametrize("dtype", ["complex64", "<U4", [("a", "<i4")]])
def test_pixels_that_are_no_numbers_are_refused_by_name(dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.attrs.update(metadata(version="0.4"))
    group.create_array("0", shape=(3, 4, 4), chunks=(1, 4, 4), dtype=dtype)
    with pytest.raises(PixelError, match="pixels are") as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("dtype", ["bool", "i1", "f2", "f8", "u8"])
def test_all_numbers_are_read(dtype: str, tmp_path: Path) -> None:
    pixels = (MOVIE[:, 0, 0] % 2).astype(dtype)
    data = read(write_by_hand(tmp_path / "a.zarr", pixels, metadata())).data
    assert data.dtype == pixels.dtype
    np.testing.assert_array_equal(data.compute(), pixels)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_block_of_any_image_is_what_zarr_reads(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    axes = "".join(data.draw(st.permutations("tczyx")))[: data.draw(st.integers(2, 5))]
    if not {"y", "x"} <= set(axes):
        axes = "yx" + axes.replace("y", "").replace("x", "")
    shape = tuple(data.draw(st.integers(1, 5)) for _ in axes)
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    dtype = data.draw(st.sampled_from(["u1", ">i2", "<f4", "?"]))
    pixels = RNG.integers(0, 100, shape).astype(dtype)
    path = tmp_path_factory.mktemp("any") / "a.zarr"
    write_by_hand(path, pixels, metadata(axes, version="0.4"), zarr_format=2, chunks=chunks)
    recording = read(path)
    assert recording.axes == axes.upper()
    part = tuple(data.draw(st.integers(0, n - 1)) for n in shape[:1])
    np.testing.assert_array_equal(recording.data[part].compute(), pixels[part])
    np.testing.assert_array_equal(recording.data.compute(), pixels)

"""Which image of a store is read: series, plates, wells, plain groups and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr.format import format_from_version
from ome_zarr.writer import write_plate_metadata, write_well_metadata

from napari_sa2va._tests.ngff_stores import (
    metadata,
    served,
    write_by_hand,
    write_ngff,
    write_plate,
    zipped,
)
from napari_sa2va.core.errors import AxesError, ClipError, SeriesError
from napari_sa2va.readers.ome_zarr import accepts, fields_of, read
from napari_sa2va.readers.open import open_clip

RNG = np.random.default_rng(6)
A, B = RNG.integers(0, 200, (2, 4, 6, 8)).astype(np.uint8)
versions = pytest.mark.parametrize("version", ["0.4", "0.5"])


def root_of(path: Path, version: str, attributes: dict[str, object]) -> Path:
    """A group with these NGFF attributes."""
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    newer = {"ome": {"version": "0.5", **attributes}}
    group.attrs.update(newer if version == "0.5" else attributes)
    return path


@versions
def test_of_several_series_one_is_asked_for(version: str, tmp_path: Path) -> None:
    path = root_of(tmp_path / "a.zarr", version, {"bioformats2raw.layout": 3})
    write_ngff(path / "0", A, version=version)
    write_ngff(path / "1", B[:2], version=version)
    with pytest.raises(SeriesError) as caught:
        read(path)
    assert caught.value.choices == (
        ("0", "0, image, T=4, Y=6, X=8"),
        ("1", "1, image, T=2, Y=6, X=8"),
    )
    for asked in (1, "1", " 1/"):
        recording = read(path, series=asked)
        np.testing.assert_array_equal(recording.data.compute(), B[:2])
        assert recording.name == "a-1"
    with pytest.raises(SeriesError, match="no series 7"):
        read(path, series=7)


@versions
def test_a_single_series_is_not_asked_for(version: str, tmp_path: Path) -> None:
    path = root_of(tmp_path / "a.zarr", version, {"bioformats2raw.layout": 3})
    write_ngff(path / "0", A, version=version)
    assert read(path).data.shape == A.shape
    assert read(path).name == "a"


def test_series_may_have_names_of_their_own(tmp_path: Path) -> None:
    path = root_of(tmp_path / "a.zarr", "0.5", {"bioformats2raw.layout": 3})
    root_of(path / "OME", "0.5", {"series": ["cells", "beads"]})
    write_ngff(path / "cells", A)
    write_ngff(path / "beads", B)
    np.testing.assert_array_equal(read(path, series="beads").data.compute(), B)
    np.testing.assert_array_equal(read(path, series=0).data.compute(), A)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Two wells of a plate of 2 × 3, one with two fields, written by ome-zarr-py; B/2 is absent."""
    path, fmt = tmp_path / "plate.zarr", format_from_version("0.4")
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    write_plate_metadata(group, ["A", "B"], ["1", "2", "3"], ["A/1", "B/3", "B/2"], fmt=fmt)
    for well, fields in (("A/1", [A]), ("B/3", [B, A])):
        made = group.require_group(well)
        write_well_metadata(made, [str(i) for i in range(len(fields))], fmt=fmt)
        for i, pixels in enumerate(fields):
            write_ngff(path / well / str(i), pixels, version="0.4")
    return path


def test_the_fields_of_a_plate_are_asked_for_by_well(plate: Path) -> None:
    with pytest.raises(SeriesError) as caught:
        read(plate)
    assert [key for key, _ in caught.value.choices] == ["A/1/0", "B/3/0", "B/3/1"]
    assert caught.value.choices[0][1] == "A/1/0, image, T=4, Y=6, X=8"
    recording = read(plate, series="B/3/0")
    np.testing.assert_array_equal(recording.data.compute(), B)
    assert recording.name == "plate-B-3-0"
    np.testing.assert_array_equal(open_clip(plate, series=2).frame(1), A[1])


def test_who_names_a_field_needs_no_other_well(plate: Path) -> None:
    (plate / "A" / "1" / ".zattrs").write_text("{")
    np.testing.assert_array_equal(read(plate, series="B/3/1").data.compute(), A)
    with pytest.raises(SeriesError, match="no field 'B/3/7'") as caught:
        read(plate, series="B/3/7")
    assert [key for key, _ in caught.value.choices] == ["B/3/0", "B/3/1"]
    with pytest.raises(ClipError, match="metadata of 'A/1'"):
        read(plate)


def test_a_well_is_read_by_itself(plate: Path) -> None:
    np.testing.assert_array_equal(read(plate / "A" / "1").data.compute(), A)
    with pytest.raises(SeriesError, match="holds 2: 0, 1"):
        read(plate / "B" / "3")
    np.testing.assert_array_equal(read(plate / "B" / "3" / "0").data.compute(), B)


def test_labels_beside_an_image_are_not_the_movie(tmp_path: Path) -> None:
    from ome_zarr.writer import write_labels

    path = write_ngff(tmp_path / "a.zarr", A)
    write_labels(
        B, zarr.open_group(str(path), mode="a"), name="cells", axes="tyx", scale_factors=[2]
    )
    np.testing.assert_array_equal(read(path).data.compute(), A)
    with pytest.raises(ClipError, match=r"the labels \['cells'\]"):
        read(path / "labels")
    np.testing.assert_array_equal(read(path / "labels" / "cells").data.compute(), B)


def test_images_in_a_group_without_metadata_are_series(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path), mode="w")
    write_ngff(path / "left", A)
    write_ngff(path / "right", B)
    np.testing.assert_array_equal(read(path, series="right").data.compute(), B)


def test_arrays_in_a_group_without_metadata_are_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "a.zarr")
    zarr.open_group(path, mode="w")
    zarr.create_array(path, name="raw", data=A)
    np.testing.assert_array_equal(read(tmp_path / "a.zarr").data.compute(), A)
    zarr.create_array(path, name="mask", data=B)
    with pytest.raises(SeriesError) as caught:
        read(tmp_path / "a.zarr")
    assert caught.value.choices == (("mask", "mask: 4 × 6 × 8"), ("raw", "raw: 4 × 6 × 8"))


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (None, "TYX"), (("t", "y", "x"), "TYX"), (("depth", "row", "column"), "ZYX"),
        (("y", "x", "time"), "YXT"), (("a", "b", "c"), "TYX"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_by_itself_names_its_axes_or_they_are_guessed(
    names: tuple[str, ...] | None, axes: str, zarr_format: int, tmp_path: Path
) -> None:
    path = str(tmp_path / "a.zarr")
    if zarr_format == 3:
        zarr.create_array(path, data=A, dimension_names=names)
    else:
        attributes = {"_ARRAY_DIMENSIONS": list(names)} if names else {}
        zarr.create_array(path, data=A, zarr_format=2, attributes=attributes)
    recording = read(Path(path))
    assert recording.axes == axes
    np.testing.assert_array_equal(recording.data.compute(), A)


def test_axes_that_cannot_be_guessed_must_be_named(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 9, (2, 3, 6, 8)).astype(np.uint8)
    zarr.create_array(str(tmp_path / "a.zarr"), data=pixels)
    with pytest.raises(AxesError):
        open_clip(tmp_path / "a.zarr")
    clip = open_clip(tmp_path / "a.zarr", axes="TZYX", z=1)
    np.testing.assert_array_equal(clip.frame(1), pixels[1, 1])


def test_colour_pictures_in_an_array_stay_in_one_piece(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 255, (4, 6, 8, 3)).astype(np.uint8)
    zarr.create_array(str(tmp_path / "a.zarr"), data=pixels)
    recording = read(tmp_path / "a.zarr")
    assert (recording.axes, recording.data.numblocks) == ("TYXS", (4, 1, 1, 1))
    np.testing.assert_array_equal(open_clip(tmp_path / "a.zarr").rgb(2), pixels[2])


def test_an_empty_folder_with_the_name_of_a_store_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    assert accepts(tmp_path / "a.zarr")
    with pytest.raises(ClipError, match="no Zarr group or array"):
        read(tmp_path / "a.zarr")
    zarr.open_group(str(tmp_path / "b.zarr"), mode="w")
    with pytest.raises(ClipError, match="holds no image"):
        read(tmp_path / "b.zarr")


def test_an_image_within_an_image_store_is_found_by_its_path(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", A, metadata())
    np.testing.assert_array_equal(read(path / "0").data.compute(), A)


def test_the_fields_of_a_plate_and_of_a_well_are_listed_and_those_of_an_image_are_none(
    plate: Path, tmp_path: Path
) -> None:
    assert fields_of(plate) == ("A/1/0", "B/3/0", "B/3/1")
    assert fields_of(plate / "B" / "3") == ("0", "1")
    assert fields_of(plate / "A" / "1" / "0") == ()
    assert fields_of(zipped(plate, tmp_path / "plate.zip")) == ("A/1/0", "B/3/0", "B/3/1")
    with served(tmp_path) as address:
        assert fields_of(f"{address}/plate.zarr") == ("A/1/0", "B/3/0", "B/3/1")
        np.testing.assert_array_equal(open_clip(f"{address}/plate.zarr/B/3/1").frame(1), A[1])


@versions
def test_the_fields_of_a_plate_made_by_hand_are_listed(version: str, tmp_path: Path) -> None:
    path = write_plate(tmp_path / "plate.zarr", {"C/04": [A, B]}, version)
    assert fields_of(path) == ("C/04/0", "C/04/1")
    np.testing.assert_array_equal(open_clip(path / "C" / "04" / "1").frame(1), B[1])

"""Labels as OME-TIFF: valid for the schema, and read by bioio and tifffile with all that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.made_results import of_images, of_masks
from napari_sa2va.writers.result import Result, Subject
from napari_sa2va.writers.write import write_result

pytestmark = pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser")  # bioio's own

LABELS = np.zeros((4, 6, 8), np.uint16)
for _t in range(4):
    LABELS[_t, 1:3, _t : _t + 2] = 1
    LABELS[_t, 4:, 4:] = 300
SIZES = {"pixel_size_um": (0.5, 0.65), "frame_interval_s": 2.5, "z_step_um": 3.0}


def _write(path: Path, result: Result) -> str:
    """Write, check against the schema of OME, and give back the OME-XML."""
    import ome_types

    schema = Path(ome_types.__file__).with_name("ome-2016-06.xsd").read_bytes()
    assert write_result(path, result).warnings == ()
    with tifffile.TiffFile(path) as tif:
        assert tifffile.OmeXml.validate(tif.ome_metadata, schema) is True
        return tif.ome_metadata


def _maps(xml: str) -> dict[str, dict[str, str]]:
    """The map annotations by the last part of their namespace."""
    return {
        found.get("Namespace").removeprefix("napari-sa2va/"): {
            m.get("K"): m.text or "" for m in found.iterfind("{*}Value/{*}M")
        }
        for found in ElementTree.fromstring(xml).iterfind(".//{*}MapAnnotation")
    }


def test_a_movie_comes_back_with_its_sizes_and_times(tmp_path: Path) -> None:
    from bioio import BioImage
    from bioio_ome_tiff import Reader

    _write(tmp_path / "a.ome.tif", of_images(LABELS, **SIZES, name="cells"))
    image = BioImage(tmp_path / "a.ome.tif", reader=Reader)
    assert image.dims.order == "TCZYX"
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image.data[:, 0, 0], LABELS)
    sizes = image.physical_pixel_sizes
    assert (sizes.Y, sizes.X, sizes.Z) == (0.5, 0.65, None)
    assert image.metadata.images[0].pixels.time_increment == 2.5
    assert image.metadata.images[0].name == "cells"


def test_a_clip_played_along_z_is_a_volume(tmp_path: Path) -> None:
    from bioio import BioImage
    from bioio_ome_tiff import Reader

    _write(tmp_path / "a.ome.tif", of_images(LABELS, **SIZES, time_axis="Z"))
    image = BioImage(tmp_path / "a.ome.tif", reader=Reader)
    np.testing.assert_array_equal(image.data[0, 0], LABELS)
    assert image.physical_pixel_sizes.Z == 3.0


def test_planes_over_time_are_a_stack_of_volumes(tmp_path: Path) -> None:
    """Frame t of plane z has the number z * T + t in a result: here 2 planes of 2 frames."""
    from bioio import BioImage
    from bioio_ome_tiff import Reader

    _write(tmp_path / "a.ome.tif", of_images(LABELS, num_planes=2, **SIZES))
    image = BioImage(tmp_path / "a.ome.tif", reader=Reader)
    assert image.shape == (2, 1, 2, 6, 8)  # TCZYX
    np.testing.assert_array_equal(image.data[1, 0, 0], LABELS[1])
    np.testing.assert_array_equal(image.data[0, 0, 1], LABELS[2])
    pixels = image.metadata.images[0].pixels
    assert (pixels.physical_size_z, pixels.time_increment) == (3.0, 2.5)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.series[0].axes == "TZYX"


def test_what_is_known_of_objects_stands_in_annotations(tmp_path: Path) -> None:
    result = replace(
        of_images(LABELS, box=None),
        subjects=(
            Subject(1, "the <bright> & \u00b5 one"),
            Subject(2, 'a "hidden" one', "the cell on the left"),
            Subject(300, "", parents=(1, 2)),
        ),
    )
    assert _maps(_write(tmp_path / "a.ome.tif", result)) == {
        "objects": {"1": "the <bright> & \u00b5 one", "2": 'a "hidden" one', "300": "object 300"},
        "sentences": {"2": "the cell on the left"},
        "parents": {"300": "1 2"},
        "result": {"overlap": "last"},
    }


def test_the_place_of_a_crop_and_the_rule_for_overlaps_are_kept(tmp_path: Path) -> None:
    masks = LABELS == 1
    result = of_masks({1: masks, 2: ~masks}, overlap="first")
    clip = result.clip.crop(1, 2, 4, 8)
    part = replace(of_masks({1: masks[:, 1:4, 2:]}, overlap="first"), clip=clip)
    maps = _maps(_write(tmp_path / "a.ome.tif", part))
    assert maps["result"] == {"overlap": "first", "box": "1 2 4 8"}


def test_a_result_without_objects_and_sizes_is_a_valid_file(tmp_path: Path) -> None:
    maps = _maps(_write(tmp_path / "a.ome.tif", of_images(np.zeros((1, 1, 1), np.uint16))))
    assert maps == {"result": {"overlap": "last"}}


def test_texts_that_xml_cannot_hold_make_no_invalid_file(tmp_path: Path) -> None:
    hard = {1: "a\x00b\x1b\ufffe\ud800", 300: "tab\tand\nline"}
    xml = _write(tmp_path / "a.ome.tif", of_images(LABELS, names=hard, name="\x01"))
    assert _maps(xml)["objects"] == {"1": "a\ufffdb" + 3 * "\ufffd", "300": "tab\tand\nline"}


def test_programs_that_read_no_ome_find_the_pixel_size_in_the_tags(tmp_path: Path) -> None:
    _write(tmp_path / "a.ome.tif", of_images(LABELS, **SIZES))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        numerator, denominator = tif.pages[0].tags["XResolution"].value
        assert numerator / denominator == pytest.approx(1e4 / 0.65)
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert not tif.is_bigtiff


def test_pixels_too_small_for_the_tags_have_their_size_in_the_xml(tmp_path: Path) -> None:
    xml = _write(tmp_path / "a.ome.tif", of_images(LABELS, pixel_size_um=(1e-7, 1e-7)))
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    assert float(pixels.get("PhysicalSizeX")) == 1e-7


def test_seventy_thousand_objects_have_labels_of_32_bits(tmp_path: Path) -> None:
    labels = np.arange(70_000, dtype=np.uint32).reshape(1, 250, 280) + 1
    xml = _write(tmp_path / "a.ome.tif", of_images(labels))
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "a.ome.tif").reshape(250, 280), labels[0]
    )
    assert len(_maps(xml)["objects"]) == 70_000

"""NIfTI: nibabel finds the labels, their size in mm and s, their place, and what is known of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_sa2va._tests.made_results import grey_clip, of_images, of_masks
from napari_sa2va.writers.result import Result, Shown, Subject
from napari_sa2va.writers.write import write_result

LABELS = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)  # 0 to 59
SIZES = {"pixel_size_um": (0.5, 0.65), "frame_interval_s": 2.5, "z_step_um": 3.0}


def test_a_movie_has_one_plane_and_many_times(tmp_path: Path) -> None:
    written = write_result(tmp_path / "a.nii.gz", of_images(LABELS, **SIZES))
    assert written.warnings == ()
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.shape == (5, 4, 1, 3)  # X, Y, Z, T
    assert image.get_data_dtype() == np.uint16
    np.testing.assert_array_equal(np.asarray(image.dataobj)[:, :, 0].transpose(2, 1, 0), LABELS)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.header.get_zooms() == pytest.approx((0.65e-3, 0.5e-3, 3e-3, 2.5))
    assert image.header.get_intent()[0] == "label"


def test_a_clip_played_along_z_is_a_volume(tmp_path: Path) -> None:
    write_result(tmp_path / "a.nii", of_images(LABELS, **SIZES, time_axis="Z"))
    image = nibabel.load(tmp_path / "a.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), LABELS)
    assert image.header.get_zooms() == pytest.approx((0.65e-3, 0.5e-3, 3e-3))


def test_planes_over_time_are_volumes_one_after_the_other(tmp_path: Path) -> None:
    """3 planes of 2 frames; frame t of plane z has the number z * 2 + t."""
    labels = np.arange(6 * 4 * 5, dtype=np.uint16).reshape(6, 4, 5)
    write_result(tmp_path / "a.nii", of_images(labels, num_planes=3, **SIZES))
    data = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    assert data.shape == (5, 4, 3, 2)
    np.testing.assert_array_equal(data[:, :, 2, 1].T, labels[5])
    np.testing.assert_array_equal(data[:, :, 1, 0].T, labels[2])


def test_columns_run_to_the_left_and_rows_to_the_back(tmp_path: Path) -> None:
    write_result(tmp_path / "a.nii.gz", of_images(LABELS, **SIZES))
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    for affine, code in (image.header.get_sform(coded=True), image.header.get_qform(coded=True)):
        assert code == 2
        np.testing.assert_allclose(affine, np.diag((-0.65e-3, -0.5e-3, 3e-3, 1)), rtol=1e-6)


def test_a_crop_lies_where_it_was_cut_out(tmp_path: Path) -> None:
    clip = grey_clip((3, 8, 10), **SIZES).crop(2, 4, 6, 9)
    written = write_result(tmp_path / "a.nii", replace(of_images(LABELS), clip=clip))
    assert written.warnings == ()
    corner_mm = nibabel.load(tmp_path / "a.nii").affine @ (0, 0, 0, 1)
    np.testing.assert_allclose(corner_mm[:3], (-4 * 0.65e-3, -2 * 0.5e-3, 0), rtol=1e-6)


def test_sizes_that_are_not_known_are_told_of(tmp_path: Path) -> None:
    told = write_result(tmp_path / "a.nii", of_images(LABELS)).warnings
    assert told == ("The pixel size is not known; voxels are written as 1 x 1 x 1.",)
    header = nibabel.load(tmp_path / "a.nii").header
    assert header.get_zooms() == (1, 1, 1, 1)
    assert header.get_xyzt_units() == ("unknown", "unknown")
    flat = of_images(LABELS, pixel_size_um=(0.5, 0.5), time_axis="Z")
    told = write_result(tmp_path / "b.nii", flat).warnings
    assert told == ("The distance of planes is not known; it is written as the height of a pixel.",)


def test_names_sentences_parents_and_the_overlap_rule_are_in_an_extension(tmp_path: Path) -> None:
    result = replace(
        of_masks({1: LABELS > 3, 4: LABELS > 8}, overlap="first"),
        subjects=(Subject(1, "Zelle \u00b5", "the \x00 one"), Subject(4, parents=(1,))),
    )
    write_result(tmp_path / "a.nii.gz", result)
    (extension,) = nibabel.load(tmp_path / "a.nii.gz").header.extensions
    assert extension.get_code() == 6  # comment
    assert json.loads(extension.text) == {
        "napari-sa2va": {
            "objects": [
                {"id": 1, "name": "Zelle \u00b5", "text": "the \x00 one", "parents": []},
                {"id": 4, "name": "object 4", "text": "", "parents": [1]},
            ],
            "overlap": "first",
        }
    }


def test_a_movie_too_long_for_nifti_1_is_nifti_2(tmp_path: Path) -> None:
    clip = grey_clip((40_000, 1, 1))
    result = Result(clip, (Subject(1),), lambda f: Shown({}))
    write_result(tmp_path / "a.nii.gz", result)
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert isinstance(image, nibabel.Nifti2Image)
    assert image.shape == (1, 1, 1, 40_000)
    assert not np.asarray(image.dataobj).any()


def test_the_same_labels_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_result(tmp_path / f"{name}.nii.gz", of_images(LABELS, **SIZES))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()

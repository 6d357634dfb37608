"""`write_result` finds the format, and refuses what cannot be undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sa2va._tests.made_results import of_images
from napari_sa2va.core.errors import OutputError, RequestError
from napari_sa2va.writers.write import write_result, writer_of

LABELS = np.ones((2, 3, 4), np.uint16)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.ome.tif", "ome-tiff"),
        ("a.OME.TIFF", "ome-tiff"),
        ("a.tif", "ome-tiff"),
        ("a.b.nii.gz", "nifti"),
        ("a.nii", "nifti"),
        ("a.txt", "mots"),
    ],
)
def test_the_ending_says_the_format(name: str, kind: str) -> None:
    assert writer_of(Path(name)).FORMAT.kind == kind


def test_a_kind_goes_before_the_ending() -> None:
    assert writer_of(Path("a.tif"), "davis").FORMAT.kind == "davis"


def test_what_names_no_format_is_answered_with_all_there_are() -> None:
    with pytest.raises(RequestError, match=r"ending of 01_RES does not say") as caught:
        writer_of(Path("01_RES"))
    assert "ctc" in caught.value.hint
    with pytest.raises(RequestError, match="no format 'tiff'") as caught:
        writer_of(Path("a.tif"), "tiff")
    assert "ome-tiff" in caught.value.hint


def test_masks_are_never_written_over_the_images_they_are_of(tmp_path: Path) -> None:
    """A folder of numbered images looks like one of masks that may be replaced."""
    source = tmp_path / "frames"
    source.mkdir()
    for t in range(2):
        Image.fromarray(np.full((3, 4), 200, np.uint8)).save(source / f"{t:05d}.png")
    result = of_images(LABELS, source=str(source))
    for path, kind in (
        (source, "davis"),
        (source / ".." / "frames", "davis"),
        (source / "masks", "mevis"),
        (source / "a.nii", "nifti"),
    ):
        with pytest.raises(OutputError, match="would overwrite the movie"):
            write_result(path, result, kind, overwrite=True)
    assert np.array(Image.open(source / "00001.png")).max() == 200
    movie = tmp_path / "movie.tif"
    movie.touch()
    with pytest.raises(OutputError, match="would overwrite the movie"):
        write_result(
            movie, replace(result, clip=replace(result.clip, source=str(movie))), overwrite=True
        )
    write_result(tmp_path / "beside.tif", result)


def test_a_file_in_the_place_of_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        write_result(tmp_path / "a", of_images(LABELS), "davis", overwrite=True)
    assert (tmp_path / "a").read_text() == "mine"


def test_a_folder_that_is_not_there_is_told_of_before_any_frame_is_asked_for(
    tmp_path: Path,
) -> None:
    result = replace(of_images(LABELS), frame=lambda f: 1 // 0)
    for kind in ("davis", "ome-tiff"):
        with pytest.raises(OutputError, match="there is no folder"):
            write_result(tmp_path / "gone" / "a", result, kind)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_result(tmp_path / "a", of_images(LABELS), "davis")
    assert len(list((tmp_path / "a").iterdir())) == 2

"""`write_result` finds the format, and refuses what cannot be undone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sa2va._tests.every_writer import observed
from napari_sa2va._tests.made_results import grey_clip, of_images, of_masks
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


@pytest.mark.parametrize(
    ("kind", "movie", "frame"),
    [
        ("mevis", "0", "0/00000.png"),
        ("davis", "00000.png", "00000.png"),
        ("ctc", "mask000.tif", "mask000.tif"),
    ],
)
def test_a_folder_is_not_replaced_if_a_frame_of_the_movie_would_go_with_it(
    kind: str, movie: str, frame: str, tmp_path: Path
) -> None:
    """Files that bear the names of a writer's own are deleted with the folder that it replaces."""
    (tmp_path / frame).parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((3, 4), 200, np.uint8)).save(tmp_path / frame)
    result = of_images(LABELS, source=str(tmp_path / movie))
    with pytest.raises(OutputError, match="would overwrite the movie"):
        write_result(tmp_path, result, kind, overwrite=True)
    assert np.array(Image.open(tmp_path / frame)).max() == 200


def test_a_movie_in_a_folder_that_is_replaced_stays_if_its_name_is_its_own(tmp_path: Path) -> None:
    """As in a data set for YOLO, whose labels are written beside the images."""
    images = tmp_path / "set" / "images"
    images.mkdir(parents=True)
    for t in range(2):
        Image.fromarray(np.full((3, 4), 200, np.uint8)).save(images / f"{t:05d}.png")
    result = of_images(LABELS, source=str(images))
    write_result(tmp_path / "set", result, "yolo", overwrite=True)
    assert np.array(Image.open(images / "00001.png")).max() == 200
    assert (tmp_path / "set" / "labels" / "00001.txt").exists()


def test_the_folder_that_one_is_in_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "00000.png").write_text("mine")
    monkeypatch.chdir(inner)
    for path in (Path(), Path(".."), inner, tmp_path):
        with pytest.raises(OutputError, match="the folder you are in"):
            write_result(path, of_images(LABELS), "davis", overwrite=True)
    assert (inner / "00000.png").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no folder that somebody is in")
def test_a_folder_is_written_from_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    write_result(tmp_path / "a", of_images(LABELS), "davis")
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "00009.png").write_text("old")
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    write_result(tmp_path / "out", of_images(LABELS), "davis", overwrite=True)
    assert {p.name for p in tmp_path.iterdir()} == {"disk", "out"}
    assert (tmp_path / "out").is_symlink()
    assert {p.name for p in (tmp_path / "disk").iterdir()} == {"00000.png", "00001.png"}


@pytest.mark.parametrize(("kind", "own"), [("mots", "a"), ("davis", "a/00000.png")])
def test_what_somebody_else_wrote_meanwhile_is_not_replaced(
    kind: str, own: str, tmp_path: Path
) -> None:
    def somebody_writes(f: int) -> None:
        (tmp_path / own).parent.mkdir(exist_ok=True)
        (tmp_path / own).write_text("theirs")

    with pytest.raises(OutputError, match="is there already"):
        write_result(tmp_path / "a", observed(of_images(LABELS), somebody_writes), kind)
    assert (tmp_path / own).read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_overlaps_on_planes_are_told_of_by_their_frame_in_time(tmp_path: Path) -> None:
    """Three planes of two frames: both objects are on frame 1 of the first and the last plane."""
    mask = np.zeros((6, 3, 4), bool)
    mask[[1, 5]] = True
    result = replace(of_masks({1: mask, 2: mask}), clip=grey_clip((2, 3, 4)), num_planes=3)
    [told] = write_result(tmp_path / "a.tif", result).warnings
    assert told.startswith("Objects overlap on 1 frame(s), from frame 1 on;")


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

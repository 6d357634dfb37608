"""Processes that write labels into one OME-Zarr at the same time find each other's work again."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
import zarr

from napari_sa2va._tests.ngff_labels import check_image, labelled, read_labels
from napari_sa2va._tests.ngff_stores import write_ngff
from napari_sa2va.batch.planning.identity import identity_of
from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.file_lock import locked
from napari_sa2va.writers.result import Shown
from napari_sa2va.writers.write import write_result

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

RNG = np.random.default_rng(9)
MOVIE = RNG.integers(0, 250, (2, 12, 16)).astype(np.uint8)
LABELS = RNG.integers(0, 3, (2, 12, 16)).astype(np.uint16)
NAMES = [f"set{n}" for n in range(4)]


def write_together(images: list[Path], meet: Path) -> None:
    """Write labels into images, each in a process, which wait for all at the last frame."""
    meet.mkdir()
    children = []
    for number, (image, name) in enumerate(zip(images, NAMES, strict=True)):
        child = os.fork()
        if not child:
            _write_and_end(image, name, meet, number)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)


def _write_and_end(image: Path, name: str, meet: Path, number: int) -> None:
    failed = 1
    try:
        result = labelled(image, LABELS)

        def frame(f: int) -> Shown:
            if f == 1:
                (meet / str(number)).touch()
                _wait_for(lambda: len(list(meet.iterdir())) == len(NAMES))
            return result.frame(f)

        write_result(image / "labels" / name, replace(result, frame=frame), "ome-zarr")
        failed = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(failed)


def _wait_for(is_so, limit_s: float = 120.0) -> None:
    until = monotonic() + limit_s
    while not is_so():
        assert monotonic() < until
        sleep(0.002)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_all_labels_of_an_image_are_in_its_list_and_in_the_copies_of_metadata(
    version: str, tmp_path: Path
) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE, version=version)
    zarr.consolidate_metadata(str(path))
    before = identity_of(str(path))
    write_together([path] * len(NAMES), tmp_path / "meet")
    for name in NAMES:
        np.testing.assert_array_equal(read_labels(path, name)[0][0], LABELS)
    check_image(path)
    attributes = zarr.open_group(str(path), path="labels", mode="r").attrs.asdict()
    assert sorted(attributes.get("ome", attributes)["labels"]) == NAMES
    copies = zarr.open_group(str(path), mode="r", use_consolidated=True)
    assert sorted(copies["labels"].group_keys()) == NAMES
    assert not list(path.rglob("*.new"))
    assert identity_of(str(path)) == before


def test_labels_of_several_images_are_all_in_the_copies_above_them(tmp_path: Path) -> None:
    plate = tmp_path / "plate.zarr"
    zarr.open_group(str(plate), mode="w").attrs["ome"] = {"bioformats2raw.layout": 3}
    images = [write_ngff(plate / str(n), MOVIE) for n in range(len(NAMES))]
    zarr.consolidate_metadata(str(plate))
    write_together(images, tmp_path / "meet")
    copies = zarr.open_group(str(plate), mode="r", use_consolidated=True)
    for number, name in enumerate(NAMES):
        np.testing.assert_array_equal(copies[f"{number}/labels/{name}/0"][:], LABELS)


def test_nothing_is_put_into_a_store_that_zarr_does_not_know(tmp_path: Path, recwarn) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE)
    write_result(path, labelled(path, LABELS))
    assert dict(zarr.open_group(str(path), mode="r").members(max_depth=None))
    assert not [w for w in recwarn if "not recognized" in str(w.message)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_in_a_folder_that_may_not_be_written_takes_labels(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE)
    tmp_path.chmod(0o500)
    try:
        write_result(path, labelled(path, LABELS))
    finally:
        tmp_path.chmod(0o700)
    np.testing.assert_array_equal(read_labels(path)[0][0], LABELS)


def test_labels_that_cannot_be_listed_are_not_left(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_sa2va.core.file_lock._PATIENCE_S", 0.05)
    path = write_ngff(tmp_path / "a.zarr", MOVIE)
    with locked(path, wait_s=1), pytest.raises(OutputError, match="Another process keeps"):
        write_result(path, labelled(path, LABELS))
    assert not (path / "labels").exists()

"""YOLO polygons are filled by scikit-image to the masks they were made of."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from skimage.draw import polygon2mask

from napari_sa2va._tests.made_results import (
    HARD_NAME,
    grey_clip,
    masklet,
    of_images,
    seventy_thousand,
)
from napari_sa2va.writers import yolo
from napari_sa2va.writers.result import of_masklets
from napari_sa2va.writers.write import write_result

RING = np.ones((5, 6), bool)
RING[2, 2:4] = False
PARTS = np.zeros((5, 6), bool)
PARTS[0, 0] = PARTS[4, 3:] = True


def read(path: Path, size: tuple[int, int]) -> list[tuple[int, np.ndarray]]:
    """Class and mask of each line."""
    found = []
    for line in path.read_text().splitlines():
        kind, *numbers = line.split(" ")
        shares = np.array(numbers, float).reshape(-1, 2)
        assert shares.min() >= 0
        assert shares.max() <= 1
        corners = shares[:, ::-1] * size - 0.5  # scikit-image's pixel centres are whole numbers
        found.append((int(kind), polygon2mask(size, corners)))
    return found


def test_masks_with_holes_and_parts_come_back_where_they_overlap(tmp_path: Path) -> None:
    objects = [
        masklet(2, RING, PARTS, RING & False, text="the ring"),
        masklet(5, PARTS, PARTS & False, PARTS & False, name=HARD_NAME),
        masklet(8, PARTS & False, RING, RING & False, text="the ring"),
    ]
    written = write_result(tmp_path / "set", of_masklets(grey_clip((3, 5, 6)), objects), "yolo")
    assert written.warnings == ()
    about = yaml.safe_load((tmp_path / "set" / "data.yaml").read_text())
    assert about == {
        "train": "images",
        "val": "images",
        "names": {0: "the ring", 1: HARD_NAME},
    }, "no `path`, which Ultralytics would look for from where it is started"
    files = sorted((tmp_path / "set" / "labels").iterdir())
    assert [file.name for file in files] == ["00000.txt", "00001.txt", "00002.txt"]
    first, second, third = (read(file, (5, 6)) for file in files)
    assert [kind for kind, _ in first] == [0, 1]
    np.testing.assert_array_equal([mask for _, mask in first], [RING, PARTS])
    assert [kind for kind, _ in second] == [0, 0]
    np.testing.assert_array_equal([mask for _, mask in second], [PARTS, RING])
    assert third == []


def test_corners_are_shares_of_width_and_height(tmp_path: Path) -> None:
    mask = np.zeros((4, 8), bool)
    mask[1, 2] = True
    write_result(tmp_path / "set", of_masklets(grey_clip((1, 4, 8)), [masklet(1, mask)]), "yolo")
    line = (tmp_path / "set" / "labels" / "00000.txt").read_text()
    # x 2 to 3 of 8, y 1 to 2 of 4, from the lower left corner on
    assert line == "0 0.25 0.5 0.25 0.25 0.375 0.25 0.375 0.5\n"


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)),
        elements=st.sampled_from([0, 1, 2, 200]),
    )
)
def test_any_label_images_come_back(tmp_path_factory: pytest.TempPathFactory, labels) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    ids = np.unique(labels[labels > 0]).tolist()
    yolo.write(folder, of_images(labels, names={i: f"n{i}" for i in ids}))
    back = np.zeros_like(labels)
    for t in range(len(labels)):
        for kind, mask in read(folder / "labels" / f"{t:05d}.txt", labels.shape[1:]):
            back[t][mask] = ids[kind]
    np.testing.assert_array_equal(back, labels)


def test_without_objects_there_are_empty_files_and_no_classes(tmp_path: Path) -> None:
    write_result(tmp_path / "set", of_masklets(grey_clip((2, 4, 8)), []), "yolo")
    assert yaml.safe_load((tmp_path / "set" / "data.yaml").read_text())["names"] == {}
    sizes = {f.name: f.stat().st_size for f in (tmp_path / "set" / "labels").iterdir()}
    assert sizes == {"00000.txt": 0, "00001.txt": 0}


def test_labels_are_called_as_the_images_of_a_data_set_of_videos(tmp_path: Path) -> None:
    movie = tmp_path / "bear"
    movie.mkdir()
    for number in (0, 5):
        Image.new("L", (6, 5)).save(movie / f"{number:05d}.jpg")
    result = of_masklets(grey_clip((2, 5, 6), source=str(movie)), [masklet(1, RING, RING)])
    write_result(tmp_path / "set", result, "yolo")
    names = sorted(f.name for f in (tmp_path / "set" / "labels").iterdir())
    assert names == ["00000.txt", "00005.txt"]


def test_images_that_somebody_put_into_the_folder_stay(tmp_path: Path) -> None:
    result = of_masklets(grey_clip((2, 5, 6)), [masklet(1, RING, RING)])
    write_result(tmp_path / "set", result, "yolo")
    image = tmp_path / "set" / "images" / "00000.png"
    image.parent.mkdir()
    image.write_bytes(b"mine")
    shorter = of_masklets(grey_clip((1, 5, 6)), [masklet(1, PARTS)])
    write_result(tmp_path / "set", shorter, "yolo", overwrite=True)
    assert image.read_bytes() == b"mine"
    assert [f.name for f in (tmp_path / "set" / "labels").iterdir()] == ["00000.txt"]


def test_seventy_thousand_objects_take_seconds(tmp_path: Path) -> None:
    start = perf_counter()
    write_result(tmp_path / "set", of_images(seventy_thousand()), "yolo")
    assert perf_counter() - start < 30
    with (tmp_path / "set" / "labels" / "00000.txt").open() as file:
        assert sum(1 for _ in file) == 70_000

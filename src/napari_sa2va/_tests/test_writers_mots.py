"""KITTI MOTS: lines that pycocotools decodes to masks of which no two share a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from napari_sa2va._tests.made_results import of_images, of_masks
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.write import write_result

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools
LEFT, RIGHT = np.zeros((2, 2, 3, 5), bool)
LEFT[:, :, :3] = True
RIGHT[1:, :, 2:] = True


def test_a_line_is_frame_id_class_size_and_code(tmp_path: Path) -> None:
    write_result(tmp_path / "0001.txt", of_masks({1: LEFT, 7: RIGHT}), "mots")
    lines = (tmp_path / "0001.txt").read_text().splitlines()
    assert [line.split(" ")[:5] for line in lines] == [
        ["0", "2001", "2", "3", "5"],
        ["1", "2001", "2", "3", "5"],
        ["1", "2007", "2", "3", "5"],
    ]
    # The mask of frame 0: no pixel of background, then three columns of three.
    assert (
        lines[0].split(" ")[5]
        == coco_masks.encode(np.asfortranarray(LEFT[0], np.uint8))["counts"].decode()
    )


@pytest.mark.parametrize(("overlap", "areas"), [("last", [6, 9]), ("first", [9, 6])])
def test_masks_do_not_overlap(overlap: str, areas: list[int], tmp_path: Path) -> None:
    """The two share a column of three pixels on frame 1."""
    write_result(tmp_path / "a.txt", of_masks({1: LEFT, 7: RIGHT}, overlap=overlap))
    codes = [
        {"size": [3, 5], "counts": line.split(" ")[5].encode()}
        for line in (tmp_path / "a.txt").read_text().splitlines()
        if line.startswith("1 ")
    ]
    assert coco_masks.area(codes).tolist() == areas
    assert coco_masks.area(coco_masks.merge(codes, intersect=True)) == 0


def test_an_object_that_is_hidden_has_no_line_there(tmp_path: Path) -> None:
    write_result(tmp_path / "a.txt", of_masks({1: RIGHT, 2: RIGHT | LEFT}), "mots")
    tracks = [line.split(" ")[:2] for line in (tmp_path / "a.txt").read_text().splitlines()]
    assert tracks == [["0", "2002"], ["1", "2002"]]


def test_an_id_that_would_be_one_of_another_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="ids up to 999, and there is 1000"):
        write_result(tmp_path / "a.txt", of_images(np.full((1, 2, 2), 1000)), "mots")

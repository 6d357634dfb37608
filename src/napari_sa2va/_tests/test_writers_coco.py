"""COCO JSON is read by pycocotools, which finds the same masks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_sa2va._tests.made_results import (
    HARD_NAME,
    glioblastoma,
    grey_clip,
    masklet,
    of_images,
    real_cells,
    seventy_thousand,
)
from napari_sa2va.writers import coco
from napari_sa2va.writers.result import of_masklets
from napari_sa2va.writers.write import write_result

LEFT = np.array([[1, 1, 0], [1, 0, 0]], bool)
MIDDLE = np.array([[0, 1, 1], [0, 0, 0]], bool)


def test_pycocotools_reads_every_mask_back_where_objects_overlap(tmp_path: Path) -> None:
    objects = [
        masklet(3, LEFT, ~LEFT & False, name=HARD_NAME, text="the cells"),
        masklet(7, MIDDLE, LEFT, score=np.nan, name="b", text="the cells"),
        masklet(9, MIDDLE & False, MIDDLE, name="c"),
    ]
    result = of_masklets(grey_clip((2, 2, 3)), objects, parents={9: [3]})
    assert write_result(tmp_path / "a.json", result).warnings == ()

    read = COCO(tmp_path / "a.json")
    assert {c["id"]: c["name"] for c in read.cats.values()} == {1: "the cells", 2: "c"}
    found = {}
    for entry in read.loadAnns(read.getAnnIds()):
        frame = read.imgs[entry["image_id"]]["frame_id"]
        found[frame, entry["track_id"]] = entry
    assert list(found) == [(0, 3), (0, 7), (1, 7), (1, 9)]
    for (t, object_id), entry in found.items():
        [mask] = [m.mask(t) for m in objects if m.object_id == object_id]
        np.testing.assert_array_equal(read.annToMask(entry), mask)
        assert entry["area"] == mask.sum()
    assert found[0, 3]["bbox"] == [0, 0, 2, 2]  # x, y, width, height
    assert found[0, 7]["bbox"] == [1, 0, 2, 1]
    assert found[0, 3]["score"] == 0.5
    assert "score" not in found[0, 7], "it is not known"
    assert [found[key]["category_id"] for key in ((0, 3), (0, 7), (1, 9))] == [1, 1, 2]
    tracks = {track["id"]: track for track in read.dataset["tracks"]}
    assert tracks[3]["name"] == HARD_NAME
    assert tracks[9]["parents"] == [3]


def test_the_clip_is_described(tmp_path: Path) -> None:
    clip = grey_clip((3, 8, 6), name="a clip", pixel_size_um=(0.5, 0.25), frame_interval_s=2.0)
    write_result(tmp_path / "a.json", of_masklets(clip.crop(1, 2, 5, 6), []))
    data = json.loads((tmp_path / "a.json").read_bytes())
    assert data["videos"] == [
        {
            "id": 1, "name": "a clip", "width": 4, "height": 4, "length": 3,
            "pixel_size_yx_um": [0.5, 0.25], "frame_interval_s": 2.0,
            "box_in_source_px": [1, 2, 5, 6],
        }
    ]  # fmt: skip
    assert [image["file_name"] for image in data["images"]] == [
        "a clip/00000.png", "a clip/00001.png", "a clip/00002.png"
    ]  # fmt: skip
    assert data["annotations"] == data["tracks"] == data["categories"] == []
    COCO(tmp_path / "a.json")


def test_images_are_called_as_those_of_a_data_set_of_videos(tmp_path: Path) -> None:
    """DAVIS, MeViS and YouTube-VOS number theirs, and the last one leaves numbers out."""
    movie = tmp_path / "bear"
    movie.mkdir()
    for number in (0, 5, 10):
        Image.new("L", (3, 2)).save(movie / f"{number:05d}.jpg")
        (movie / f"{number:05d}.json").touch()  # as programs for annotation put them there
    clip = grey_clip((3, 2, 3), name="bear", source=str(movie))
    write_result(tmp_path / "a.json", of_masklets(clip, []))
    names = [image["file_name"] for image in COCO(tmp_path / "a.json").imgs.values()]
    assert names == ["bear/00000.jpg", "bear/00005.jpg", "bear/00010.jpg"]


def test_the_evaluation_of_coco_finds_them_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    objects = [masklet(i, *rng.random((4, 30, 40)) > 0.6, name="a kind") for i in (1, 2, 3)]
    write_result(tmp_path / "a.json", of_masklets(grey_clip((4, 30, 40)), objects))
    truth = COCO(tmp_path / "a.json")
    found = COCOeval(truth, truth.loadRes(truth.dataset["annotations"]), "segm")
    found.evaluate()
    found.accumulate()
    found.summarize()
    assert found.stats[0] == 1  # mean precision over all thresholds


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        np.int32,
        st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
        elements=st.sampled_from([0, 0, 1, 2, 70_000]),
    )
)
def test_any_label_images_come_back(tmp_path_factory: pytest.TempPathFactory, labels) -> None:
    path = tmp_path_factory.mktemp("coco") / "a.json"
    coco.write(path, of_images(labels))
    read = COCO(path)
    assert [c["name"] for c in read.cats.values()] == ["object"] * bool(labels.any())
    back = np.zeros_like(labels)
    for entry in read.anns.values():
        back[entry["image_id"] - 1][read.annToMask(entry) > 0] = entry["track_id"]
    np.testing.assert_array_equal(back, labels)


def test_seventy_thousand_objects_of_one_pixel_come_back(tmp_path: Path) -> None:
    labels = seventy_thousand()
    write_result(tmp_path / "a.json", of_images(labels))
    read = COCO(tmp_path / "a.json")
    assert len(read.anns) == 70_000
    [last] = read.loadAnns([70_000])
    np.testing.assert_array_equal(read.annToMask(last) > 0, labels[0] == 70_000)


def test_only_one_frame_is_asked_for_at_a_time(tmp_path: Path) -> None:
    """Every frame once, in their order: nothing is gone back to, so nothing has to be kept."""
    result = of_masklets(grey_clip((4, 2, 3)), [masklet(1, LEFT, MIDDLE, LEFT, MIDDLE)])
    asked: list[int] = []

    def frame(t: int):
        asked.append(t)
        return result.frame(t)

    coco.write(tmp_path / "a.json", replace(result, frame=frame))
    assert asked == [0, 1, 2, 3]


@real_cells
def test_real_cells_come_back(tmp_path: Path) -> None:
    labels, result = glioblastoma()
    write_result(tmp_path / "a.json", result)
    read = COCO(tmp_path / "a.json")
    back = np.zeros_like(labels)
    for entry in read.anns.values():
        back[entry["image_id"] - 1][read.annToMask(entry) > 0] = entry["track_id"]
    np.testing.assert_array_equal(back, labels)
    assert len(read.dataset["tracks"]) == 36

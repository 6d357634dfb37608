"""Submissions of referring segmentation: a folder per expression, white where its object is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from vos_benchmark.evaluator import Evaluator

from napari_sa2va._tests.made_results import of_masks
from napari_sa2va.writers.result import Subject
from napari_sa2va.writers.write import write_result

LEFT, RIGHT = np.zeros((2, 2, 4, 6), bool)
LEFT[:, :, :4] = True
RIGHT[1:, :, 3:] = True


def test_every_object_has_a_folder_and_a_mask_on_every_frame(tmp_path: Path) -> None:
    """Two objects that overlap, and one that was looked for and not found."""
    result = of_masks({2: LEFT, 5: RIGHT})
    result = replace(
        result, subjects=(*result.subjects, Subject(9, text="the cell that is not there"))
    )
    write_result(tmp_path / "0ab4afe7fb46", result, "mevis")
    folder = tmp_path / "0ab4afe7fb46"
    expected = {"0": LEFT, "1": RIGHT, "2": np.zeros_like(LEFT)}
    assert {p.name for p in folder.iterdir()} == set(expected)
    for number, masks in expected.items():
        assert {p.name for p in (folder / number).iterdir()} == {"00000.png", "00001.png"}
        for f, mask in enumerate(masks):
            image = Image.open(folder / number / f"{f:05d}.png")
            assert image.mode == "L"
            np.testing.assert_array_equal(np.array(image), np.where(mask, 255, 0))


def test_an_expression_is_scored_as_its_own_object(tmp_path: Path) -> None:
    write_result(tmp_path / "video", of_masks({1: LEFT, 2: RIGHT}), "mevis")
    evaluator = Evaluator()
    for f, truth in enumerate(RIGHT):
        found = np.array(Image.open(tmp_path / "video" / "1" / f"{f:05d}.png"))
        evaluator.feed_frame(found, truth * np.uint8(255))
    assert evaluator.conclude()[0] == {255: 100}

"""One object on one frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.project.cells import UNKNOWN, Cell


def test_a_cell_is_present_if_its_mask_has_a_pixel() -> None:
    nothing = np.zeros((3, 4), bool)
    corner = nothing.copy()
    corner[0, 0] = True
    assert not UNKNOWN.present
    assert not Cell(rle.encode(nothing)).present
    assert Cell(rle.encode(corner)).present
    # Runs of length 0, as other programs write them.
    assert not Cell(rle.from_json({"size": [3, 4], "counts": [12, 0]})).present
    assert not Cell(rle.from_json({"size": [3, 4], "counts": [5, 0, 7]})).present


def test_another_mask_is_looked_at_anew() -> None:
    cell = Cell(rle.encode(np.ones((3, 4), bool)))
    assert cell.present
    assert not replace(cell, code=rle.empty(3, 4)).present

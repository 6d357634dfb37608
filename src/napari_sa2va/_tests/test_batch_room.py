"""Room on the disk, before a batch begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.made_units import made_unit
from napari_sa2va._tests.typed_batches import write_broken
from napari_sa2va.batch import room
from napari_sa2va.batch.disk import foretold_bytes, free_bytes, shortage
from napari_sa2va.batch.room import lack_of_room
from napari_sa2va.batch.unit import Unit


def _movies(folder: Path, number: int, num_sentences: int = 1) -> list[Unit]:
    """Movies of 10 frames of 4 x 4 px."""
    units = []
    for index in range(number):
        path = folder / f"m{index}.tif"
        tifffile.imwrite(path, np.zeros((10, 4, 4), np.uint8), metadata={"axes": "TYX"})
        units.append(made_unit(f"u{index:02d}", path, sentences=("the cell",) * num_sentences))
    return units


def test_what_is_less_than_is_needed_is_said_with_both_numbers() -> None:
    assert shortage(2_000_000_000, 2_000_000_000) == []
    (problem,) = shortage(2_000_000_000, 1_000_000_000)
    assert "2.0 GB will be written" in problem.message
    assert "1.0 GB are free" in problem.message


def test_some_movies_tell_how_much_all_of_them_will_write(tmp_path: Path) -> None:
    units = _movies(tmp_path, 20, num_sentences=100_000)
    write_broken(Path(units[0].path))  # tells nothing, and keeps nothing from being found out
    assert lack_of_room(units[:2], tmp_path / "night") == []
    each = foretold_bytes(units[1], num_frames=10, height=4, width=4)
    assert each > 100_000_000
    # As many of the units as fill the disk, and some more.
    many = units * (free_bytes([tmp_path]) // (each * len(units)) + 2)
    (problem,) = lack_of_room(many, tmp_path / "night")
    assert "will be written" in problem.message
    assert problem.unit_ids == ()


@pytest.mark.parametrize("every", [2, 8, 20])
def test_what_is_broken_in_regular_places_does_not_hide_the_rest(
    tmp_path: Path, monkeypatch, every: int
) -> None:
    units = _movies(tmp_path, every)
    write_broken(Path(units[0].path))
    monkeypatch.setattr(room, "free_bytes", lambda places: 1)
    # Of so many, every nth that an even spacing would open is the broken one.
    (problem,) = lack_of_room(units * 16, tmp_path / "night")
    assert "will be written" in problem.message


def test_movies_of_which_none_opens_say_nothing_of_the_disk(tmp_path: Path) -> None:
    (unit,) = _movies(tmp_path, 1)
    write_broken(Path(unit.path))
    assert lack_of_room([unit], tmp_path) == []
    assert lack_of_room([], tmp_path) == []

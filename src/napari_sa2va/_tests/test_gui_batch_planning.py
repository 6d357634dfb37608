"""What is planned of movies that are named in the panel, with what their batch has already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.made_units import SETTINGS
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.planning.changes import bring_up_to_date
from napari_sa2va.batch.remove import remove
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.batch.survey import look
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.batch.planning import Plan, Planned
from napari_sa2va.gui.batch.setup import SetUp

SETUP = SetUp(("the cell",), settings=SETTINGS)


def write_movie(path: Path, num_frames: int = 20) -> Path:
    frames = np.random.default_rng(num_frames).integers(0, 255, (num_frames, 16, 16), np.uint8)
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


def planned(folder: BatchFolder, study: Path, setup: SetUp = SETUP) -> Planned:
    *_, found = Plan((str(study),), frozenset(), setup, folder.path).run(CancelToken())
    assert isinstance(found, Planned)
    assert not found.problems
    return found


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    return tmp_path / "study"


@pytest.fixture
def folder(tmp_path: Path, study: Path) -> BatchFolder:
    """Of one movie, which was split."""
    write_movie(study / "a.tif")
    folder = BatchFolder.create(tmp_path / "night", BatchHead())
    found = planned(folder, study)
    (whole,) = found.units.values()
    units = split(whole, look(whole, SETTINGS), SETTINGS, SplitSettings(window_frames=10))
    bring_up_to_date(folder, units, found.settings, known=found.known)
    assert list(folder.units()) == ["0001-a-part-1", "0001-a-part-2", "0001-a"]
    return folder


def test_a_movie_that_was_split_is_in_the_batch_already(folder: BatchFolder, study: Path) -> None:
    write_movie(study / "b.tif")
    found = planned(folder, study)
    assert list(found.units) == ["0002-b"]
    assert found.notes == ("1 of these movies are in the batch already.",)


def test_a_movie_that_was_split_stays_so_with_outputs_of_another_format(
    folder: BatchFolder, study: Path
) -> None:
    found = planned(folder, study, replace(SETUP, kinds=("geff",)))
    changes = bring_up_to_date(folder, found.units.values(), found.settings, known=found.known)
    assert changes.changed == ("0001-a",)
    whole = folder.units()["0001-a"]
    assert (whole.parts, whole.outputs[0].kind) == (("0001-a-part-1", "0001-a-part-2"), "geff")


@pytest.mark.parametrize("what", ["file", "settings"])
def test_a_movie_that_was_split_and_is_another_now_is_told_of_and_left_alone(
    folder: BatchFolder, study: Path, what: str
) -> None:
    setup = SETUP
    if what == "file":
        write_movie(study / "a.tif", 30)
    else:
        setup = replace(SETUP, settings=SETTINGS.model_copy(update={"view": "picture"}))
    found = planned(folder, study, setup)
    assert not found.units
    (note,) = found.notes
    assert note.startswith("1 of these movies were split in this batch")


def test_a_split_movie_that_was_taken_out_comes_back_whole(
    folder: BatchFolder, study: Path
) -> None:
    remove(folder, ["0001-a"])
    (unit,) = planned(folder, study).units.values()
    assert (unit.unit_id, unit.parts) == ("0001-a", ())

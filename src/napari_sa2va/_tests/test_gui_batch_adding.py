"""Movies of the panel that are put into a batch folder to which others add as well."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va._tests.made_batches import write_movies
from napari_sa2va._tests.made_units import made_folder, made_unit
from napari_sa2va._tests.test_gui_batch_draft import Bench, IdleProcess, bench
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.gui.batch import controller

__all__ = ["bench"]


def test_movies_that_others_have_added_meanwhile_make_those_here_be_planned_anew(
    bench: Bench, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(controller, "BatchProcess", IdleProcess)
    first, second = write_movies(tmp_path, 2)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(first, second)
    # Somebody else makes the same batch folder, and gives an id and a name that are planned here.
    other = made_unit("0001-cells-1", tmp_path / "day2" / "cells-1.tif", sentences=("the cell",))
    made_folder(tmp_path / f"{first.stem}_batch", other)
    bench.parts.start_button.click()
    bench.until(lambda: "Somebody else has added movies" in bench.said)
    bench.rest()
    assert len(bench.batch.movies.draft.planned.units) == 2
    bench.parts.start_button.click()
    bench.until(lambda: bench.states == ["waiting"] * 3)
    units = BatchFolder.open(tmp_path / f"{first.stem}_batch").units()
    assert [unit.path for unit in units.values()] == [other.path, str(first), str(second)]
    assert [unit_id[:4] for unit_id in units] == ["0001", "0002", "0003"]
    assert len({output.path for unit in units.values() for output in unit.outputs}) == 2

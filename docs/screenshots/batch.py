"""The pictures of docs/batch.md: a batch that is set up, runs, and is looked through."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from screenshots.stage import Stage, check, settle, wait

_SENTENCES = "the blue cell\nthe large yellow cell"
_NUM_MOVIES, _NUM_FRAMES = 7, 12
_BROKEN_BYTES = 300_000  # that are left of the last movie
_DOCK_PX = 430


def main() -> None:
    """Take all pictures."""
    # A place of the same name in every run, for it is seen in the pictures.
    home = Path(tempfile.gettempdir()) / "microscope"
    home.mkdir()
    try:
        write_movies(home / "study")
        stage = Stage()
        stage.dock.sentences.setPlainText(_SENTENCES)
        batch = open_batch(stage)
        set_up(stage, batch, home / "study")
        run(stage, batch)
        review(stage, batch)
    finally:
        shutil.rmtree(home)


def write_movies(folder: Path) -> None:
    """Parts of the generated movie; the last file is cut off."""
    import tifffile

    from napari_sa2va.plugin.samples import generated_movie

    (movie, _, _), _ = generated_movie()
    folder.mkdir()
    for part in range(_NUM_MOVIES):
        path = folder / f"day1-well-{'ABCDEFG'[part]}.tif"
        frames = np.ascontiguousarray(movie[2 * part : 2 * part + _NUM_FRAMES])
        tifffile.imwrite(path, frames, photometric="rgb", metadata={"axes": "TYXS"})
    path.write_bytes(path.read_bytes()[:_BROKEN_BYTES])


def open_batch(stage: Stage) -> Any:
    """Open the dock, as wide as a person would drag it."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDockWidget

    from napari_sa2va.gui.batch.dock import BatchDock

    batch = BatchDock(stage.viewer)
    stage.viewer.window.add_dock_widget(batch, name="Batch over many movies", tabify=True)
    place: Any = batch
    while not isinstance(place, QDockWidget):
        place = place.parentWidget()
    stage.window.resizeDocks([place], [_DOCK_PX], Qt.Orientation.Horizontal)
    settle()
    return batch


def set_up(stage: Stage, batch: Any, movies: Path) -> None:
    """Movies that were dropped and checked; one of them is damaged."""
    panel = batch.movies
    panel.add([str(movies)])
    wait(lambda: len(panel.parts.model.rows) == _NUM_MOVIES)
    panel.parts.check_button.click()
    wait(lambda: not panel.draft.busy)
    states = [row.state for row in panel.parts.model.rows]
    check(states == ["planned"] * (_NUM_MOVIES - 1) + ["faulty"], f"one has a problem: {states}")
    panel.parts.table.choose(panel.parts.model.rows[-1].unit_id)
    panel.parts.setup.outputs.button.setChecked(True)
    settle()
    stage.take_part(batch, "batch-set-up.png")
    panel.parts.setup.outputs.button.setChecked(False)


def run(stage: Stage, batch: Any) -> None:
    """The batch on its way, and at its end."""
    panel = batch.movies
    model = panel.parts.model
    panel.parts.start_button.click()
    wait(lambda: any(row.state == "done" for row in model.rows))
    done = next(row for row in model.rows if row.state == "done")
    panel.parts.table.choose(done.unit_id)
    wait(lambda: panel.parts.details.picture.isVisible())
    check(not _is_over(panel), "it is still at work")
    stage.take_part(batch, "batch-running.png")
    wait(lambda: _is_over(panel) and not panel.controller.is_here)
    states = [row.state for row in model.rows]
    check(states == ["done"] * (_NUM_MOVIES - 1) + ["failed"], f"one has failed: {states}")
    wait(lambda: panel.parts.report_button.isVisible())
    stage.take_part(batch, "batch-over.png")


def review(stage: Stage, batch: Any) -> None:
    """The results, one after the other."""
    panel = batch.review
    batch.movies.parts.review_button.click()
    for _ in range(2):
        number = panel.controller.at
        wait(lambda: panel.controller.result is not None)
        settle()
        panel.accept()
        wait(lambda number=number: panel.controller.at > number)
    wait(lambda: panel.controller.result is not None)
    settle()
    stage.take("batch-review.png")


def _is_over(panel: Any) -> bool:
    seen = panel.controller.seen
    return seen is not None and seen.total > 0 and seen.ended == seen.total

"""Reviews for tests: a batch that is done, and a dock in a viewer that looks through it."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_sa2va._tests.made_batches import NUM_FRAMES, finish
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.journal import About, Journal
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.verdicts import Verdicts
from napari_sa2va.core import rle
from napari_sa2va.gui.batch.dock import BatchDock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.settings import RunSettings
from napari_sa2va.writers.result import Subject

WAIT_MS = 240_000  # the machine may be busy with other things
SIZE = 16, 24
"""Of a frame, in pixels."""
CELLS_1, CELLS_2, CELLS_3 = "0001-cells-1", "0002-cells-2", "0003-cells-3"

A, D, N, R = Qt.Key.Key_A, Qt.Key.Key_D, Qt.Key.Key_N, Qt.Key.Key_R


def reviewed_batch(path: Path) -> BatchFolder:
    """Three movies as workers leave them: a cell was found in two, and nothing in the last.

    The cell is on rows 2 to 5 and columns 3 to 8 of every frame.
    """
    folder = BatchFolder.create(path, BatchHead())
    digest = digest_of(RunSettings())
    cell = np.zeros(SIZE, bool)
    cell[2:6, 3:9] = True
    for unit_id in (CELLS_1, CELLS_2, CELLS_3):
        movie = path.parent / f"{unit_id[5:]}.tif"
        frames = np.stack([np.where(cell, 200, 50).astype(np.uint8)] * NUM_FRAMES)
        tifffile.imwrite(movie, frames, photometric="minisblack", metadata={"axes": "TYX"})
        unit = Unit(
            unit_id=unit_id,
            movie=movie.stem,
            path=str(movie),
            sentences=("the cell",),
            settings=digest,
            key=f"key of {unit_id}",
        )
        folder.add([unit], {digest: RunSettings()})
        is_there = unit_id != CELLS_3
        about = About(
            key=unit.key,
            num_frames=NUM_FRAMES,
            height=SIZE[0],
            width=SIZE[1],
            subjects=(Subject(1, "the cell", "the cell"),),
        )
        with Journal(folder.work_of(unit_id), 1, about) as journal:
            for frame in range(NUM_FRAMES if is_there else 0):
                journal.write(frame, [1], cell[np.newaxis], np.array([0.75]))
        if is_there:
            finish(folder, unit_id)
        else:
            finish(folder, unit_id, "nothing", frames=0)
    return folder


class Review:
    """A viewer with the dock, in which a review may be on.

    Attributes
    ----------
    asked : list of str
        Questions that were asked.
    answers : list of str
        Words on the buttons to be clicked then, one after the other.
    """

    def __init__(self, viewer, batch: BatchDock, qtbot) -> None:
        self.viewer: Viewer = viewer
        self.batch = batch
        self._qtbot = qtbot
        self.panel = batch.review
        self.parts = batch.review.parts
        self.asked: list[str] = []
        self.answers: list[str] = []
        self._clicks = QTimer(batch)
        self._clicks.timeout.connect(self._answer)
        self._clicks.start(10)

    def wait(self, is_so) -> None:
        self._qtbot.waitUntil(is_so, timeout=WAIT_MS)

    def begin(self, folder: BatchFolder) -> None:
        """Begin as a person does, and wait for the first result."""
        self.batch.movies.open(folder.path)
        button = self.batch.movies.parts.review_button
        self.wait(lambda: button.isVisibleTo(self.batch.movies))
        button.click()
        self.wait(lambda: self.on_show != "")

    def press(self, key: Qt.Key, *, shift: bool = False) -> None:
        """Press a key where a person looks at the masks."""
        held = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        canvas = self.viewer.window._qt_window._qt_viewer.canvas.native
        canvas.setFocus()
        QTest.keyClick(canvas, key, held)

    @property
    def on_show(self) -> str:
        """The result that is on show; empty while it is read."""
        result = self.panel.controller.result
        return "" if result is None else result.unit_id

    def wait_for(self, unit_id: str) -> None:
        self.wait(lambda: self.on_show == unit_id)
        self.wait(lambda: not self.panel.controller._errands._unwritten)

    def edit(self) -> None:
        """Begin to edit, and paint."""
        self.press(D)
        self.wait(self.parts.edit_bar.isVisible)
        self.paint()

    def paint(self) -> None:
        """Paint a corner of frame 1."""
        mask = np.zeros(SIZE, bool)
        mask[:3, :5] = True
        self.panel.stage.workspace.do(Paint(frame=1, masks={1: rle.encode(mask)}))

    def corner(self) -> bool:
        """Whether the corner is painted, in the viewer."""
        return bool(np.asarray(self.viewer.layers[-1].data)[1, 0, 0])

    def close(self) -> None:
        """Let go of everything."""
        self._clicks.stop()
        self.__dict__.clear()

    def _answer(self) -> None:
        """Answer a question that is on the screen, as a person with the mouse does."""
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            self.asked.append(box.text())
            word = self.answers.pop(0) if self.answers else "Go on editing"
            next(button for button in box.buttons() if button.text() == word).click()


def given(folder: BatchFolder) -> dict[str, str]:
    """What was said of each result."""
    return {unit: v.verdict for unit, v in Verdicts(folder).read().items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """See `reviewed_batch`."""
    folder = tmp_path_factory.mktemp("study")
    reviewed_batch(folder / "night")
    return folder


@pytest.fixture
def night(made: Path, tmp_path: Path) -> BatchFolder:
    """A copy of the batch, on which nothing was said yet."""
    shutil.copytree(made / "night", tmp_path / "night")
    return BatchFolder.open(tmp_path / "night")


@pytest.fixture(scope="module")
def viewer(qapp) -> Iterator[Viewer]:
    """A window for all tests of a file; to open one takes longer than most of them."""
    made = Viewer(show=True)
    yield made
    gc.unfreeze()
    made.close()


@pytest.fixture
def review(viewer, qtbot) -> Iterator[Review]:
    """The dock, in view; nothing is reviewed yet."""
    batch = BatchDock(viewer)
    viewer.window.add_dock_widget(batch, name="Batch over many movies")
    made = Review(viewer, batch, qtbot)
    # napari collects garbage with every layer that goes; what is there already is none.
    gc.freeze()
    yield made
    made.answers = ["Discard"]
    viewer.window.remove_dock_widget("all")
    viewer.layers.clear()
    made.close()

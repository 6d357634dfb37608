"""Which result of a unit a review reads, and that what is said is of the one that was read. No Qt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.made_batches import batch_by_hand, finish
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.journal import About, Journal
from napari_sa2va.batch.verdicts import ResultChanged, Verdicts
from napari_sa2va.gui.review.book import Book
from napari_sa2va.gui.review.result import Result, open_result
from napari_sa2va.project.project import Project
from napari_sa2va.writers.result import Subject

UNIT = "0001"


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    """A unit that is done: its one object was found on both frames."""
    made = batch_by_hand(tmp_path / "night", 1)
    draw(made, 1, frames=(0, 1))
    finish(made, UNIT)
    return made


def draw(folder: BatchFolder, generation: int, frames: tuple[int, ...]) -> None:
    """Let a generation of the work draw as many pixels as it has a number."""
    about = About(
        key=folder.units()[UNIT].key, num_frames=2, height=8, width=8, subjects=(Subject(1),)
    )
    masks = np.zeros((1, 8, 8), bool)
    masks[0, 0, :generation] = True
    with Journal(folder.work_of(UNIT), generation, about) as journal:
        for frame in frames:
            journal.write(frame, [1], masks, np.ones(1))
        journal.end(frames, {})


def areas(result: Result) -> list[int]:
    """Of the object, on each frame."""
    return [int(result.project.state.mask(1, frame).sum()) for frame in (0, 1)]


def test_masks_from_before_a_redo_are_not_shown_for_a_unit_in_which_nothing_was_found(folder):
    assert areas(open_result(folder, UNIT)) == [1, 1]
    Verdicts(folder).set(UNIT, "redo")
    draw(folder, 2, frames=())
    finish(folder, UNIT, "nothing", frames=0)
    assert areas(open_result(folder, UNIT)) == [0, 0]


def test_while_a_unit_is_done_again_the_masks_from_before_are_shown(folder):
    Verdicts(folder).set(UNIT, "redo")
    assert areas(open_result(folder, UNIT)) == [1, 1]
    folder.runs.take(UNIT, 2, claim_here("w", key=folder.units()[UNIT].key))
    draw(folder, 2, frames=(0,))
    result = open_result(folder, UNIT)
    assert (areas(result), result.seen.outcome.generation) == ([1, 1], 1)


def test_what_is_said_of_a_result_that_was_done_again_meanwhile_does_not_count(folder):
    book = Book.open(folder.path)
    seen = book.read(UNIT).seen
    Verdicts(folder).set(UNIT, "redo", who="Berta")
    finish(folder, UNIT)
    before = Verdicts(folder).read()
    assert book.judge(seen, "accept", "") is None
    with pytest.raises(ResultChanged):
        book.note(seen, "blurry")
    with pytest.raises(ResultChanged, match="has changed since it was shown") as caught:
        book.save(seen, Project((2, 8, 8)), {}, "")
    assert "save them as a project" in caught.value.hint
    assert not (folder.path / "edits").exists()
    assert Verdicts(folder).read() == before


def test_of_a_newer_result_nobody_has_said_yet_what_it_is_worth(folder):
    Verdicts(folder).set(UNIT, "accept", "fine")
    book = Book.open(folder.path)
    assert book.entries[0].word == "accept"
    folder.retry([UNIT])
    draw(folder, 2, frames=())
    finish(folder, UNIT, "nothing", frames=0)
    book.bring_up_to_date(book.read(UNIT).seen)
    (entry,) = book.entries
    assert (entry.word, entry.note, entry.found) == (None, "", 0)

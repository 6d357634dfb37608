"""Correcting results in a review: what was painted is saved, or given up, and never lost unasked."""

from __future__ import annotations

import pytest
from napari import Viewer

from napari_sa2va._tests import reviews
from napari_sa2va._tests.made_batches import finish
from napari_sa2va._tests.reviews import CELLS_1, CELLS_2, A, D, N, Review, given, reviewed_batch
from napari_sa2va.batch.verdicts import Verdicts
from napari_sa2va.gui.batch.dock import BatchDock
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.review.edit_bar import SAVE, EditBar
from napari_sa2va.project.folder import open_project

made, night, viewer, review = reviews.made, reviews.night, reviews.viewer, reviews.review

QUESTION = "The masks of cells-1 were edited, and are not saved."


def saved_corner(folder) -> bool:
    """Whether the painted corner is in the project that the verdict names."""
    said = Verdicts(folder).read()[CELLS_1]
    return bool(open_project(folder.path / said.project).state.mask(1, 1)[0, 0])


def test_edited_masks_are_saved_as_a_project_and_come_again(night, review) -> None:
    review.begin(night)
    review.press(D)
    dock = review.batch.window().findChild(SentenceDock)
    assert dock.tabs.tabText(dock.tabs.currentIndex()) == "Correct"
    workspace = dock.bench.workspace
    assert workspace.layer.unique_id == review.viewer.layers[1].unique_id
    assert not review.panel.keys.are_taken, "D, N and the others are for whoever paints"
    assert given(night) == {}, "nothing was edited yet"
    review.paint()
    review.parts.note.setText("a corner")
    review.parts.edit_bar.save_button.click()
    review.wait_for(CELLS_2)
    review.wait(lambda: review.panel.keys.are_taken)
    said = Verdicts(night).read()[CELLS_1]
    assert (said.verdict, said.note) == ("edit", "a corner")
    project = open_project(night.path / said.project)
    assert project.state.mask(1, 1)[0, 0]
    assert project.footage is not None
    assert project.state.card(1).name == "the cell"
    # Whoever comes back sees what was corrected, and accepts that.
    review.press(N, shift=True)
    review.wait_for(CELLS_1)
    assert review.corner()
    assert "edited" in review.parts.words.text()
    review.press(A)
    review.wait_for(CELLS_2)
    assert given(night) == {CELLS_1: "accept"}
    assert saved_corner(night), "the line still names the masks that were accepted"
    assert review.asked == []


@pytest.mark.parametrize("way", ["End", "another batch", "the dock closes"])
def test_painted_masks_are_saved_before_a_review_ends(night, review, tmp_path, way) -> None:
    review.begin(night)
    review.paint()
    review.answers = ["Save"]
    if way == "End":
        review.parts.begin_button.click()
    elif way == "another batch":
        review.batch.movies.open(reviewed_batch(tmp_path / "day").path)
    else:
        review.viewer.window.remove_dock_widget(review.batch)
    review.wait(lambda: not review.panel.controller.is_on)
    assert review.asked == [QUESTION]
    assert given(night) == {CELLS_1: "edit"}
    assert saved_corner(night)
    assert not review.viewer.layers


def test_painted_masks_that_are_given_up_are_not_said_to_be_edited(night, review) -> None:
    review.begin(night)
    review.edit()
    review.answers = ["Discard", "Discard"]
    review.parts.next_button.click()
    review.wait_for(CELLS_2)
    review.paint()
    review.parts.begin_button.click()
    review.wait(lambda: not review.panel.controller.is_on)
    assert review.asked == [QUESTION, QUESTION.replace("cells-1", "cells-2")]
    assert given(night) == {}
    assert not (night.path / "edits").exists()


def test_whoever_goes_on_editing_has_lost_nothing(night, review, tmp_path) -> None:
    review.begin(night)
    review.edit()
    controller = review.panel.controller
    review.parts.begin_button.click()
    review.parts.next_button.click()
    assert review.asked == [QUESTION] * 2
    review.batch.movies.open(reviewed_batch(tmp_path / "day").path)
    review.wait(lambda: len(review.asked) == 3)
    assert (review.on_show, given(night)) == (CELLS_1, {})
    assert controller.editing.is_on
    assert review.corner()
    review.parts.edit_bar.save_button.click()
    review.wait(lambda: not controller.is_on)  # the other batch is on show already
    assert saved_corner(night)
    assert "The review of night has ended" in review.parts.message.text()
    assert len(review.asked) == 3


def test_a_dock_that_closes_leaves_painted_masks_in_the_viewer(night, review) -> None:
    review.begin(night)
    review.paint()
    review.answers = ["Go on editing"]
    review.viewer.window.remove_dock_widget(review.batch)
    assert review.asked == [QUESTION]
    assert not review.panel.controller.is_on
    assert review.corner()
    assert given(night) == {}


def test_a_window_does_not_close_over_painted_masks(night, qtbot) -> None:
    other = Viewer(show=True)
    batch = BatchDock(other)
    other.window.add_dock_widget(batch, name="Batch over many movies")
    review = Review(other, batch, qtbot)
    review.begin(night)
    review.paint()
    window = batch.window()
    window.close()
    assert window.isVisible()
    assert review.corner()
    assert review.asked == [QUESTION]
    review.parts.edit_bar.save_button.click()
    window.close()  # at once
    assert not window.isVisible()
    assert review.asked == [QUESTION]
    assert saved_corner(night), "it was saved before the window closed"
    review.close()
    other.close()  # napari lets go of a window whose viewer is closed


def test_whoever_paints_without_a_word_edits(night, review) -> None:
    review.begin(night)
    review.paint()
    review.press(A)
    assert review.on_show == CELLS_1
    review.wait(review.parts.edit_bar.isVisible)
    assert not review.parts.accept_button.isVisible()
    assert not review.panel.keys.are_taken
    review.answers = ["Discard"]
    review.parts.edit_bar.stop_button.click()
    review.wait(lambda: review.on_show == CELLS_1 and not review.corner())
    assert review.asked == [QUESTION]
    assert review.parts.accept_button.isEnabled()
    assert given(night) == {}


def test_an_edit_in_which_nothing_was_changed_is_left_without_a_question(night, review) -> None:
    review.begin(night)
    review.press(D)
    review.parts.edit_bar.stop_button.click()
    review.wait_for(CELLS_1)
    review.wait(lambda: review.panel.keys.are_taken)
    review.press(D)
    review.parts.next_button.click()
    review.wait_for(CELLS_2)
    assert (review.asked, given(night)) == ([], {})


def test_masks_under_edit_that_were_removed_are_shown_again_as_they_were_painted(
    night, review
) -> None:
    review.begin(night)
    review.edit()
    review.viewer.layers.clear()
    review.wait(review.parts.again_button.isVisible)
    assert "The masks were removed from the viewer." in review.parts.words.text()
    assert not review.parts.edit_bar.save_button.isEnabled()
    assert given(night) == {}
    review.parts.again_button.click()
    assert review.corner()
    review.parts.edit_bar.save_button.click()
    review.wait_for(CELLS_2)
    assert saved_corner(night)


def test_masks_that_cannot_be_saved_are_edited_still(night, review) -> None:
    (night.path / "edits").write_text("a file where a folder should be")
    review.begin(night)
    review.paint()
    review.parts.edit_bar.save_button.click()
    review.wait(lambda: review.parts.message.text() != "")
    assert review.on_show == CELLS_1
    assert review.corner()
    assert given(night) == {}
    (night.path / "edits").unlink()
    review.parts.edit_bar.save_button.click()
    review.wait_for(CELLS_2)
    assert saved_corner(night)


def test_edited_masks_of_an_earlier_result_are_not_shown_for_the_next(night, review) -> None:
    review.begin(night)
    review.paint()
    review.parts.edit_bar.save_button.click()
    review.wait_for(CELLS_2)
    review.press(N, shift=True)
    review.wait_for(CELLS_1)
    assert review.corner()
    review.parts.redo_button.click()
    review.wait_for(CELLS_2)
    review.press(N, shift=True)
    review.wait_for(CELLS_1)
    assert not review.corner()


def test_where_to_save_is_seen_beside_the_tools_too(night, review) -> None:
    review.begin(night)
    review.press(D)
    dock = review.batch.window().findChild(SentenceDock)
    (bar,) = dock.findChildren(EditBar)
    assert bar.save_button.text() == SAVE
    assert "You edit cells-1" in bar.words.text()
    assert SAVE in review.viewer.status
    review.paint()
    bar.save_button.click()
    review.wait_for(CELLS_2)
    assert saved_corner(night)
    assert dock.findChildren(EditBar) == []
    assert SAVE not in review.viewer.status


def test_edited_masks_of_a_result_that_is_not_there_any_more_are_not_saved_for_the_new_one(
    night, review
) -> None:
    review.begin(night)
    review.paint()
    night.retry([CELLS_1])
    finish(night, CELLS_1, "nothing", frames=0)
    review.parts.edit_bar.save_button.click()
    review.wait(lambda: "cells-1 has changed since it was shown" in review.parts.message.text())
    assert "save them as a project" in review.parts.message.text()
    assert (review.corner(), given(night)) == (True, {})
    assert not (night.path / "edits").exists()
    review.answers = ["Discard"]
    review.parts.edit_bar.stop_button.click()
    review.wait(lambda: review.on_show == CELLS_1 and not review.corner())
    review.paint()
    review.parts.edit_bar.save_button.click()
    review.wait_for(CELLS_2)
    assert saved_corner(night)

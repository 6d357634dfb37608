"""Looking through the results of a batch with keys, in a real viewer."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import tifffile
from napari.layers import Image, Labels
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget

from napari_sa2va._tests import reviews
from napari_sa2va._tests.made_batches import (
    NOT_THERE,
    NUM_FRAMES,
    batch_by_hand,
    done_batch,
    finish,
    write_movies,
)
from napari_sa2va._tests.reviews import CELLS_1, CELLS_2, CELLS_3, A, D, N, R, given
from napari_sa2va.batch.found import masks_of
from napari_sa2va.batch.verdicts import Verdicts
from napari_sa2va.core import rle
from napari_sa2va.gui.batch.model import PROGRESS, STATE
from napari_sa2va.gui.dock import SentenceDock

made, night, viewer, review = reviews.made, reviews.night, reviews.viewer, reviews.review


def test_results_are_opened_one_after_the_other_with_keys(night, review) -> None:
    review.begin(night)
    assert review.on_show == CELLS_1
    review.parts.note.setText("well done")
    review.press(A)
    assert review.on_show == ""
    review.press(A)  # at once: nobody can judge what is not on show yet
    review.wait_for(CELLS_2)
    assert [layer.name for layer in review.viewer.layers] == ["cells-2", "cells-2 – the cell"]
    review.press(N)
    review.wait_for(CELLS_3)
    assert "0 of 1 objects found" in review.parts.words.text()
    review.press(N, shift=True)
    review.wait_for(CELLS_2)
    review.press(N)
    review.wait_for(CELLS_3)
    review.press(R)
    review.wait(lambda: "cells-3 will be done again." in review.parts.message.text())
    assert "press Start under Movies" in review.parts.message.text()
    assert "last result" in review.parts.title.text()
    assert not review.viewer.layers
    assert given(night) == {CELLS_1: "accept", CELLS_3: "redo"}
    assert Verdicts(night).read()[CELLS_1].note == "well done"
    assert night.standings()[CELLS_3].state == "waiting", "a worker may take it up again"
    review.wait(lambda: "2 of 3" in review.parts.summary.text())
    assert "2 of 3 results were judged: 1 accepted, 1 to be done again." in (
        review.parts.summary.text()
    )


def test_keys_are_the_reviews_only_while_it_is_on(night, review) -> None:
    theirs = {str(key) for kind in (Labels, Image) for key in kind.class_keymap}
    assert theirs >= {"P", "E", "B"}
    assert not theirs & {"A", "R", "D", "N", "Shift+N"}, "a layer's keys come first"
    review.begin(night)
    pressed = []
    review.viewer.bind_key("Q", lambda v: pressed.append("Q"), overwrite=True)
    review.press(reviews.Qt.Key.Key_Q)
    assert pressed == ["Q"], "other keys are left alone"
    review.parts.begin_button.click()  # End
    assert not review.viewer.layers
    for key in "ARDN":
        review.viewer.bind_key(key, lambda v: pressed.append("mine"))  # refused if it were bound
    review.press(A)
    assert pressed == ["Q", "mine"]
    review.parts.begin_button.click()
    review.wait_for(CELLS_1)
    review.press(A)
    review.wait_for(CELLS_2)
    assert pressed == ["Q", "mine"]
    review.parts.begin_button.click()
    review.press(A)
    assert pressed == ["Q", "mine", "mine"], "what was bound before is bound again"
    for key in "ARDNQ":
        review.viewer.bind_key(key, None)


def test_keys_are_not_the_reviews_where_nobody_sees_it_or_somebody_types(night, review) -> None:
    review.begin(night)
    tabs, keys = review.batch.tabs, review.panel.keys
    review.wait(lambda: keys.are_taken)
    tabs.setCurrentIndex(0)
    review.press(A)  # at once
    review.wait(lambda: not keys.are_taken)
    tabs.setCurrentIndex(1)
    review.wait(lambda: keys.are_taken)
    dock = review.batch.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    dock.hide()
    review.wait(lambda: not keys.are_taken)
    dock.show()
    review.wait(lambda: keys.are_taken)
    other = review.viewer.window.add_dock_widget(
        SentenceDock(review.viewer), name="Segment by sentence", tabify=True
    )
    other.raise_()  # Qt calls the one behind it visible
    review.wait(lambda: not keys.are_taken)
    dock.raise_()
    review.wait(lambda: keys.are_taken)
    review.parts.note.activateWindow()
    review.parts.note.setFocus()
    review.wait(review.parts.note.hasFocus)
    QTest.keyClicks(review.parts.note, "a ran note")
    review.wait(lambda: not keys.are_taken)
    assert review.parts.note.text() == "a ran note"
    assert (review.on_show, given(night)) == (CELLS_1, {})


def test_a_note_is_kept_without_a_verdict(night, review) -> None:
    review.begin(night)
    review.parts.note.setText("blurry at the end")
    review.parts.next_button.click()
    review.wait_for(CELLS_2)
    review.parts.note.setText("two cells?")
    review.parts.begin_button.click()  # End
    review.wait(lambda: len(given(night)) == 2)
    assert {u: (v.verdict, v.note) for u, v in Verdicts(night).read().items()} == {
        CELLS_1: ("", "blurry at the end"),
        CELLS_2: ("", "two cells?"),
    }
    review.parts.begin_button.click()
    review.wait_for(CELLS_2)
    assert review.parts.note.text() == "two cells?"
    assert "nobody has said yet what it is worth" in review.parts.words.text()
    assert "0 of 3 results were judged." in review.parts.summary.text()
    review.parts.only_new_box.setChecked(True)  # a note alone judges nothing
    review.press(N, shift=True)
    review.wait_for(CELLS_1)
    assert review.parts.note.text() == "blurry at the end"


def test_what_is_not_in_the_viewer_cannot_be_judged_until_it_is_shown_again(night, review) -> None:
    review.begin(night)
    del review.viewer.layers[1]  # the masks; the movie stays
    for key in (A, R, D):
        review.press(key)
    review.wait(review.parts.again_button.isVisible)
    assert "What nobody sees cannot be judged." in review.parts.words.text()
    assert not review.parts.accept_button.isEnabled()
    assert (review.on_show, given(night)) == (CELLS_1, {})
    assert not review.panel.controller.editing.is_on
    review.parts.again_button.click()
    assert [layer.name for layer in review.viewer.layers] == ["cells-1", "cells-1 – the cell"]
    review.press(A)
    review.wait_for(CELLS_2)
    assert given(night) == {CELLS_1: "accept"}


def test_a_review_goes_on_where_it_was_left(night, review) -> None:
    review.begin(night)
    review.press(A)
    review.wait_for(CELLS_2)
    review.parts.begin_button.click()
    assert not review.viewer.layers, "what the review has opened goes with it"
    review.parts.begin_button.click()
    review.wait_for(CELLS_2)
    assert "1 of 3 results were judged: 1 accepted." in review.parts.summary.text()
    review.parts.only_new_box.setChecked(True)
    review.press(N, shift=True)  # the first one was judged
    assert review.on_show == CELLS_2


def test_a_dock_that_closes_takes_its_layers_and_gives_the_keys_back(night, review) -> None:
    review.begin(night)
    review.wait(lambda: review.panel.keys.are_taken)
    review.viewer.window.remove_dock_widget(review.batch)
    assert not review.viewer.layers
    assert not {"A", "R", "D", "N"} & {str(key) for key in review.viewer.keymap}


def test_results_that_were_looked_at_are_let_go(night, review) -> None:
    review.begin(night)
    own = review.viewer.add_image(np.zeros((8, 8)), name="mine")
    shown = review.panel.stage.workspace, review.panel.controller.result.project
    gone = [weakref.ref(one) for one in shown]
    del shown
    review.parts.next_button.click()
    review.wait_for(CELLS_2)

    def are_gone() -> bool:
        gc.collect()
        return all(ref() is None for ref in gone)

    review.wait(are_gone)
    assert own in review.viewer.layers, "layers of others stay"
    assert len(review.viewer.layers) == 3


def test_masks_are_shown_without_their_movie(night, review) -> None:
    unit = night.units()[CELLS_1]
    night.add([unit.model_copy(update={"path": "/nowhere/cells-1.tif"})], {})
    review.begin(night)
    (labels,) = review.viewer.layers
    assert isinstance(labels, Labels)
    assert np.asarray(labels.data).any()
    assert "The movie cannot be shown" in review.parts.message.text()


def test_a_review_begins_where_there_is_something_to_review(tmp_path, review) -> None:
    begin = review.parts.begin_button
    assert not begin.isEnabled()
    assert "open a batch folder under Movies" in begin.toolTip()
    folder = batch_by_hand(tmp_path / "night")
    review.batch.movies.open(folder.path)
    review.wait(begin.isEnabled)
    begin.click()
    review.wait(lambda: "There are no results" in review.parts.message.text())
    assert not review.panel.controller.is_on


def test_of_a_movie_in_which_nothing_was_found_no_share_is_said_to_be_done(night, review) -> None:
    review.batch.movies.open(night.path)
    model = review.batch.movies.parts.model
    review.wait(lambda: model.rowCount() == 3)
    told = [[model.index(row, column).data() for column in (STATE, PROGRESS)] for row in (0, 2)]
    assert told == [["done", "100%"], ["nothing found", ""]]


def test_masks_are_shown_as_a_worker_left_them(tmp_path, review) -> None:
    folder = done_batch(tmp_path / "night", write_movies(tmp_path, 2))
    review.begin(folder)
    image, labels = review.viewer.layers
    assert isinstance(image, Image)
    assert isinstance(labels, Labels)
    found = masks_of(folder.work_of(CELLS_1))
    for frame in range(NUM_FRAMES):
        for object_id, code in found.frame(frame).codes.items():
            mask = np.asarray(labels.data[frame]) == object_id
            np.testing.assert_array_equal(mask, rle.decode(code))
    movie = tifffile.imread(folder.units()[CELLS_1].path)
    np.testing.assert_array_equal(np.asarray(image.data[2]), movie[2])
    review.press(N)
    review.wait_for(CELLS_2)
    assert review.parts.objects.topLevelItem(0).text(0) == NOT_THERE
    assert not np.asarray(review.viewer.layers[1].data).any(), "nothing was found"


def test_what_is_said_of_a_result_that_is_not_there_any_more_brings_the_new_one(
    night, review
) -> None:
    review.begin(night)
    Verdicts(night).set(CELLS_1, "redo", "cut in two", who="Berta")
    finish(night, CELLS_1, "nothing", frames=0)
    review.parts.note.setText("well done")
    review.press(A)
    review.wait(lambda: "does not count" in review.parts.message.text())
    review.wait_for(CELLS_1)
    assert "cells-1 has changed since it was shown" in review.parts.message.text()
    assert given(night) == {CELLS_1: "redo"}
    assert "0 of 1 objects found; nobody has said yet" in review.parts.words.text()
    assert review.parts.note.text() == ""
    assert not np.asarray(review.viewer.layers[1].data).any(), "the masks are those of the new one"
    review.press(A)
    review.wait_for(CELLS_2)
    assert given(night) == {CELLS_1: "accept"}

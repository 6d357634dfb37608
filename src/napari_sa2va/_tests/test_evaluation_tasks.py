"""Scores of the tasks: what counts as true, and the table with its bars."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_sa2va.core.grounding import Grounding
from napari_sa2va.evaluation.task_report import TASK_BARS, TaskReport, TaskScore
from napari_sa2va.evaluation.tasks import Scenery, _Asker, held_out_sceneries
from napari_sa2va.training.attributes import Facts
from napari_sa2va.training.dialogues import Dialogue, Turn


def score(task: str, *values: float) -> TaskScore:
    return TaskScore(task, "picture", "?", "", "", values)


def test_each_task_has_its_own_mean_and_bar():
    report = TaskReport(
        "t", [score("counting", 1), score("counting", 0), score("caption", 0.5, 0.75)]
    )
    assert report.mean("counting") == 0.5
    assert report.mean("caption", 1) == 0.75
    assert math.isnan(report.mean("region"))
    table = str(report)
    assert "counting       2  0.500   0.70  numbers that are right" in table
    assert "caption        1  0.750   0.60  J of the phrases' masks" in table
    assert "region" not in table
    assert set(report.to_json()["tasks"]) == {"counting", "caption"}


def left_and_right() -> Scenery:
    """A red cell at the left and a green one at the right, 40 x 40 px."""
    masks = np.zeros((2, 1, 40, 40), bool)
    masks[0, 0, 15:25, 2:12] = True
    masks[1, 0, 15:25, 28:38] = True
    words = [
        {"noun": "cell", "colour": "red", "place": "left"},
        {"noun": "cell", "colour": "green", "place": "right"},
    ]
    frames = np.zeros((1, 40, 40, 3), np.uint8)
    looks = [frozenset({"cell", "red", "round"}), frozenset({"cell", "green"})]
    return Scenery("x", "image", frames, masks, Facts({}, words), [], looks)


class Drawing(_Asker):
    """Draws the objects that an answer's embeddings name by their numbers."""

    def __init__(self, scenery: Scenery) -> None:
        self.scenery = scenery

    def _masks(self, grounding: Grounding) -> np.ndarray:
        ids = grounding.embeddings[:, 0].astype(int)
        return self.scenery.masks[ids - 1] if len(ids) else np.zeros((1, 1, 40, 40), bool)


def answer(text: str, *ids: int) -> Grounding:
    none = np.zeros(0, np.int64)
    return Grounding(f"{text}<|im_end|>", np.array(ids, float).reshape(-1, 1), none, none, 1)


CAPTION = Turn("<image>\nx", "The picture shows ...", ((1,), (2,)))
RED, GREEN = "<p> a red cell at the left </p> [SEG]", "<p> a green cell at the right </p> [SEG]"


@pytest.mark.parametrize(
    ("text", "ids", "true", "overlap"),
    [
        (f"The picture shows {RED} and {GREEN}.", (1, 2), 1.0, 1.0),
        (f"The picture shows {GREEN} and {RED}.", (2, 1), 1.0, 1.0),  # any order is as true
        (f"The picture shows {GREEN} and {RED}.", (1, 2), 0.0, 1.0),  # of the wrong masks
        (f"The picture shows {RED}.", (1,), 0.5, 0.5),  # one is left out
        (f"The picture shows {RED}, {RED} and {GREEN}.", (1, 1, 2), 2 / 3, 2 / 3),  # one twice
        ("The picture shows <p> a cell at the left </p> [SEG] and " + GREEN, (1, 2), 0.5, 1.0),
        (RED.replace("left", "top") + GREEN, (1, 2), 0.5, 1.0),
        (RED.replace("red", "round red") + GREEN, (1, 2), 1.0, 1.0),  # true, though not asked for
        (RED + GREEN.replace("green", "round green"), (1, 2), 0.5, 1.0),
        ("It is a cell.", (), 0.0, 0.0),
    ],
)
def test_a_phrase_is_true_if_it_tells_the_look_and_place_of_what_its_mask_covers(
    text, ids, true, overlap
):
    scored = Drawing(left_and_right())._score("caption", CAPTION, answer(text, *ids))
    assert scored.values == pytest.approx((true, overlap))


def test_an_answer_is_right_if_it_is_one_of_the_true_ones():
    asker = Drawing(left_and_right())
    turn = Turn("x", "It is at the left.", about=(1,),
                truths=("It is at the left.", "It is at the top left."))  # fmt: skip
    for said, right in (("It is at the top left.", 1), ("It is at the top.", 0)):
        assert asker._score("question", turn, answer(said)).values == (right,)


def test_of_a_count_the_number_is_judged():
    asker = Drawing(left_and_right())
    two = Turn("x", "One at the left, one at the right: two cells.", about=(1, 2),
               truths=("two cells.",), listed=True)  # fmt: skip
    none = Turn("x", "There are no blue cells.", truths=("There are no blue cells.",))
    for turn, said, right in (
        (two, "One at the top, one at the right: two objects.", 1),
        (two, "One at the left: one cell.", 0),
        (two, "There are no cells.", 0),
        (none, "There are no blue objects.", 1),
        (none, "One at the left: one blue cell.", 0),
    ):
        assert asker._score("counting", turn, answer(said)).values == (right,)


def test_a_region_is_right_if_its_look_is_whatever_its_place_is():
    asker = Drawing(left_and_right())
    turn = Turn("x", "It is a red cell at the left.", about=(1,), truths=("It is ...",))
    for said, right in (("It is a red cell at the top.", 1), ("It is a large red cell.", 0)):
        assert asker._score("region", turn, answer(said)).values == (right,)


def test_masks_and_their_absence_are_scored_apart():
    asker = Drawing(left_and_right())
    there = Turn("x", "Sure, it is the red cell, [SEG].", ((1,),))
    assert asker._score("follow-up", there, answer("[SEG].", 1)).values == (1.0,)
    assert asker._score("follow-up", there, answer("[SEG].", 2)).values[0] < 0.05
    assert asker._score("follow-up", there, answer("There is none.")).values[0] < 0.05
    absent = asker._score("referring", Turn("x", "There is no blue cell."), answer("[SEG].", 1))
    assert (absent.task, absent.values) == ("not there", (0.0,))


def test_pictures_and_movies_take_turns_and_every_task_occurs():
    sceneries = list(held_out_sceneries(3))
    assert [s.mode for s in sceneries] == ["image", "video"] * 3
    tasks = {dialogue.task for scenery in sceneries for dialogue in scenery.dialogues}
    assert tasks == {"referring", "caption", "counting", "question", "follow-up", "region"}
    assert all(isinstance(d, Dialogue) for d in sceneries[0].dialogues)
    assert set(TASK_BARS) - {"not there"} == tasks

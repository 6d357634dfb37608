"""Talks of the generator: everything said is true, and the same in every process."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from napari_sa2va.training.attributes import facts_of
from napari_sa2va.training.dialogues import BACKGROUND, TASKS, Teller
from napari_sa2va.training.expressions import NUMBERS
from napari_sa2va.training.stills import SIZES, Mark, draw_still, mark_mask, still_of
from napari_sa2va.training.synth import draw_scene

COLOURS = ("red", "green", "blue", "yellow")


def pictures(count: int, task: str):
    """Talks about pictures, each with the scene it is about."""
    for seed in range(count):
        still = draw_still(seed)
        teller = Teller(still.shown, still.facts, "image", np.random.default_rng(seed))
        dialogue = teller.draw(task)
        if dialogue:
            yield still, dialogue


def movies(count: int, task: str):
    for seed in range(count):
        scene, _ = draw_scene(seed)
        teller = Teller(scene, facts_of(scene), "video", np.random.default_rng(seed))
        dialogue = teller.draw(task)
        if dialogue:
            yield scene, dialogue


@pytest.mark.parametrize("task", TASKS)
def test_answers_point_at_objects_that_exist_and_nothing_in_a_picture_moves(task):
    found = 0
    for still, dialogue in pictures(40, task):
        found += 1
        ids = {o.object_id for o in still.shown.objects}
        assert dialogue.task == task
        assert dialogue.turns[0].question.startswith("<image>")
        for number, turn in enumerate(dialogue.turns):
            assert turn.answer.count("[SEG]") == len(turn.segs)
            assert all(set(look) <= ids for look in turn.looks)
            assert ("<image>" in turn.question) == (number == 0)
            assert not re.search(r"mov|still|enters|leaves|appears|divides|video", turn.answer)
            told = turn.answer.rpartition(": ")[2] if turn.listed else turn.answer
            assert told == (turn.truths or (turn.answer,))[0]
    assert found > 20


def test_numbers_are_counted():
    checked = 0
    for still, dialogue in pictures(80, "counting"):
        answer = dialogue.turns[0].answer
        listed, _, told = answer.rpartition(": ")
        number, *looks, thing = told.removeprefix("There are ").rstrip(".").split()
        said = 0 if number == "no" else NUMBERS.index(number)
        if looks and looks[0] in COLOURS:
            right = [o for o in still.shown.objects if o.colour == looks[0]]
        elif not looks:
            noun = {"cavities": "cavity"}.get(thing, thing.rstrip("s"))
            right = [o for o in still.shown.objects if noun in ("object", o.noun)]
        else:
            continue
        assert said == len(right) == listed.lower().count("one at the "), answer
        checked += 1
    assert checked > 30


def test_a_movie_in_which_something_comes_or_goes_is_not_counted():
    scenes = [scene for scene, _ in movies(60, "counting")]
    assert scenes
    assert not any(thing.event for scene in scenes for thing in scene.objects)


def test_yes_and_no_are_right_about_colours():
    seen = set()
    for still, dialogue in pictures(200, "question"):
        turn = dialogue.turns[0]
        named = [c for c in COLOURS if c in turn.question]
        if turn.answer.startswith(("Yes, there", "No, there")) and named:
            there = any(o.colour == named[0] for o in still.shown.objects)
            assert there == turn.answer.startswith("Yes")
            seen.add(there)
    assert seen == {True, False}


def test_what_something_does_is_what_it_does():
    checked = set()
    for seed in range(150):
        scene, _ = draw_scene(seed)
        teller = Teller(scene, facts_of(scene), "video", np.random.default_rng(seed))
        dialogue = teller.draw("question")
        turn = dialogue.turns[0] if dialogue else None
        if turn is None or len(turn.about) != 1:
            continue
        thing = scene.objects[turn.about[0] - 1]
        centres, visible = scene.positions(turn.about[0] - 1)
        y, x = centres[visible][-1] - centres[visible][0]
        if turn.answer in ("It moves left.", "Yes, it moves left."):
            assert x < -0.2
        elif turn.answer in ("It moves down.", "Yes, it moves down."):
            assert y > 0.2
        elif turn.answer in ("It keeps still.", "No, it keeps still."):
            assert max(abs(x), abs(y)) < 0.05
        elif turn.answer == "It divides in two.":
            assert thing.event == "divides"
        elif "moving" in turn.answer and "Which" in turn.question:
            path = [
                np.ptp(c[v], axis=0).max()
                for c, v in map(scene.positions, range(len(scene.objects)))
            ]
            assert np.argmax(path) == turn.about[0] - 1
        else:
            continue
        checked.add(turn.answer)
    assert len(checked) > 4


def test_a_caption_names_everything_once_from_left_to_right():
    for still, dialogue in pictures(40, "caption"):
        turn = dialogue.turns[0]
        ids = [i for (i,) in turn.segs]
        assert sorted(ids) == [o.object_id for o in still.shown.objects]
        columns = [still.shown.positions(i - 1)[0][0, 1] for i in ids]
        assert columns == sorted(columns)
        assert turn.answer.count("<p>") == turn.answer.count("</p> [SEG]") == len(ids)
        phrases = re.findall("<p>(.*?)</p>", turn.answer)
        for phrase, i in zip(phrases, ids, strict=True):
            thing = still.shown.objects[i - 1]
            assert thing.noun in phrase
            assert (thing.colour or "") in phrase


def test_the_one_to_its_left_is_the_only_one_there():
    checked = 0
    for still, dialogue in pictures(250, "follow-up"):
        for before, turn in zip(dialogue.turns, dialogue.turns[1:], strict=False):
            if not re.search(r"(to|on) its left|to the left of it", turn.question):
                continue
            anchor = before.looks[0][0]
            columns = [still.shown.positions(i)[0][0, 1] for i in range(len(still.shown.objects))]
            there = [i + 1 for i, x in enumerate(columns) if x < columns[anchor - 1]]
            assert list(turn.segs[0] if turn.segs else ()) == there
            checked += 1
    assert checked > 5


def test_them_and_it_are_what_was_spoken_of_last():
    checked = 0
    for _, dialogue in pictures(250, "follow-up"):
        for before, turn in zip(dialogue.turns, dialogue.turns[1:], strict=False):
            if re.search(r"segment (it|them|those|that one) in", turn.question):
                assert turn.segs == (before.focus,) or {*turn.segs[0]} == {*before.focus}
                checked += 1
    assert checked > 5


def test_a_marked_region_shows_what_is_said_of_it():
    seen = set()
    for still, dialogue in pictures(150, "region"):
        _, masks = still.render()
        turn = dialogue.turns[0]
        number = int(re.search(r"region(\d)\?", turn.question)[1])
        mark = dialogue.marks[number - 1]
        region = mark_mask(mark, masks, 7)
        if turn.answer == BACKGROUND:
            assert not (region & masks.any(0)).any()
        else:
            assert turn.about == (mark.object_id,)
            assert (region is None) or (region & masks[mark.object_id - 1]).any()
        seen.add(turn.answer == BACKGROUND)
    assert seen == {True, False}


def test_a_region_that_no_token_sees_is_grown():
    masks = np.zeros((1, 70, 70), bool)
    masks[0, 12:17, 12:17] = True  # between the cells' corners, at 10 and 20
    assert mark_mask(Mark(1), masks, 7).sum() > 25
    masks[0, 10:17, 10:17] = True
    assert mark_mask(Mark(1), masks, 7).sum() == 49


def test_everything_in_a_picture_is_whole():
    for seed in range(60):
        still = draw_still(seed)
        _, masks = still.render()
        assert masks.shape[0] == len(still.shown.objects) > 0
        assert masks.any((1, 2)).all()
        assert still.shown.num_frames == 1
    scene = draw_still(0).scene
    for frame in range(scene.num_frames):
        still = still_of(scene, frame)
        for i, thing in enumerate(scene.objects):
            if still is not None and i not in still.kept:
                assert not any(b.strength[frame] > 0.5 and (b.centres[frame] > 0).all()
                               and (b.centres[frame] < (scene.height, scene.width)).all()
                               for b in thing.blobs)  # fmt: skip


def test_shapes_are_not_spoken_of_where_squashing_changes_them():
    long = 0
    for seed in range(60):
        still = draw_still(seed)
        if max(still.shown.height, still.shown.width) > 1.2 * min(
            still.shown.height, still.shown.width
        ):
            long += 1
            assert not any("shape" in words for words in still.facts.words)
            assert not any(value in ("round", "elongated") for _, value in still.facts.table)
    assert 5 < long < 30
    assert sum(share for share, _, _ in SIZES) == pytest.approx(1)


def test_a_talk_is_the_same_in_every_process():
    code = (
        "import numpy as np\n"
        "from napari_sa2va.training.dialogues import TASKS, Teller\n"
        "from napari_sa2va.training.stills import draw_still\n"
        "for seed in range(6):\n"
        "    still = draw_still(seed)\n"
        "    teller = Teller(still.shown, still.facts, 'image', np.random.default_rng(seed))\n"
        "    print([teller.draw(task) for task in TASKS])\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_a_later_turn_may_be_about_something_else():
    later = [t for _, d in pictures(60, "follow-up") for t in d.turns[1:]]
    assert any(t.listed for t in later), "counts"
    assert any("no yellow" in t.answer for t in later), "asks for what was never spoken of"
    assert not any("<image>" in t.question for t in later)


def test_small_things_are_called_small():
    found = [
        turn.question
        for task in ("counting", "question", "follow-up")
        for _, dialogue in pictures(60, task)
        for turn in dialogue.turns
        if "sm" in turn.question
    ]
    assert found
    assert all(re.search(r"small|smear", question) for question in found)
    assert not any("smthe" in question for question in found)

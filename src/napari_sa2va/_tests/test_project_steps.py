"""Every step: what it changes, what it leaves alone, that it can be undone and written as JSON."""

from __future__ import annotations

import inspect
import json
import pkgutil
from importlib import import_module

import numpy as np
import pytest

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.presets import preset
from napari_sa2va.project import LockedFrame, Project, State, steps
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.steps import STEPS, EditStep, ModelStep, Step, read_step
from napari_sa2va.project.steps.absent import Absent
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.carry import Carry, conditions_of
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.given import Given, GivenObject
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.merge import Merge
from napari_sa2va.project.steps.name import Recolor, Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.review import Review
from napari_sa2va.project.steps.reword import Reword
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.project.steps.split import Split
from napari_sa2va.project.steps.strokes import Strokes

NUM_FRAMES, SIZE = 5, (8, 10)
SETTINGS = preset("sa2va-i")


def square(y: int, x: int, side: int = 2) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def project_with(**masks: dict[int, np.ndarray]) -> Project:
    """A project with objects 1, 2 ... by name, and their masks by frame, as a model made them."""
    project = Project((NUM_FRAMES, *SIZE))
    objects = [
        GivenObject(
            object_id=number,
            name=name,
            masks={t: rle.encode(mask) for t, mask in of.items()},
            scores=dict.fromkeys(of, 0.5),
        )
        for number, (name, of) in enumerate(masks.items(), 1)
    ]
    project.do(Given(source="a test", objects=tuple(objects)))
    return project


def two_squares() -> Project:
    """One square moves right, the other stays in its place."""
    return project_with(
        mover={t: square(1, t) for t in range(NUM_FRAMES)},
        stayer=dict.fromkeys(range(NUM_FRAMES), square(5, 7)),
    )


def picture_of(state: State) -> dict:
    """All that a state says, to be compared."""
    return {
        "cards": dict(state.cards),
        "reviewed": set(state.reviewed),
        "cells": {
            (i, t): (
                None if (c := state.cell(i, t)).code is None else rle.decode(c.code).tolist(),
                None if c.score != c.score else c.score,
                c.origin,
                c.locked,
            )
            for i in state.cards
            for t in range(state.num_frames)
        },
    }


ALL_FRAMES = Span(first=0, last=NUM_FRAMES - 1)

EDITS: tuple[EditStep, ...] = (
    Paint(frame=1, masks={1: rle.encode(square(3, 3)), 7: rle.encode(square(0, 0))}),
    Strokes(strokes=tuple(Paint(frame=t, masks={1: rle.encode(square(3, 3))}) for t in (1, 2, 4))),
    Absent(object_ids=(1, 2), span=Span(first=1, last=2)),
    Lock(object_ids=(1, 2), span=ALL_FRAMES),
    Review(span=Span(first=0, last=3)),
    Add(object_id=3, name="new"),
    Rename(object_id=1, name="another"),
    Recolor(object_id=1, color=(1, 2, 3)),
    Merge(object_ids=(1, 2)),
    Split(object_id=2, frame=0, new_ids=(3,)),
    Divide(parent=1, daughters=(2,)),
    Remove(object_ids=(1, 2)),
    Given(
        source="elsewhere",
        objects=(GivenObject(object_id=5, name="given", masks={0: rle.encode(square(0, 0))}),),
    ),
)

MODEL_STEPS: tuple[ModelStep, ...] = (
    Run(sentences=(Sentence(object_id=3, name="cell", text="the cell"),), settings=SETTINGS),
    Carry(conditions={1: (0, 2)}, span=ALL_FRAMES, settings=SETTINGS),
    Click(object_id=1, frame=2, points=((1.5, 2.0, True),), refine=True, settings=SETTINGS),
    Reword(object_id=1, frame=2, text="the other cell", settings=SETTINGS, masks_taken=1),
)


def splittable() -> Project:
    """Object 2 has two parts on every frame."""
    return project_with(
        mover={t: square(1, t) for t in range(NUM_FRAMES)},
        pair=dict.fromkeys(range(NUM_FRAMES), square(5, 1, 3) | square(5, 7)),
    )


def test_each_step_of_the_room_is_on_the_list_and_tried_here():
    found = set()
    for module in pkgutil.iter_modules(steps.__path__):
        members = vars(import_module(f"{steps.__name__}.{module.name}")).values()
        found |= {m for m in members if inspect.isclass(m) and issubclass(m, Step)}
    concrete = {cls for cls in found if "kind" in cls.model_fields}
    assert concrete == set(STEPS)
    assert {type(step) for step in (*EDITS, *MODEL_STEPS)} == set(STEPS)


@pytest.mark.parametrize("step", [*EDITS, *MODEL_STEPS], ids=lambda step: step.kind)
def test_a_step_goes_through_json_and_says_what_it_does(step):
    written = json.loads(step.model_dump_json())
    again = read_step.validate_python(written)
    assert type(again) is type(step)
    assert json.loads(again.model_dump_json()) == written
    assert again.title == step.title
    assert step.title[0].isupper() or step.title[0] == "'"


@pytest.mark.parametrize("step", EDITS, ids=lambda step: step.kind)
def test_an_edit_is_undone_and_redone_exactly(step):
    project = splittable()
    before = picture_of(project.state)
    project.do(step)
    after = picture_of(project.state)
    assert after != before
    assert project.undo().step is step
    assert picture_of(project.state) == before
    assert project.redo().step is step
    assert picture_of(project.state) == after


@pytest.mark.parametrize("step", EDITS, ids=lambda step: step.kind)
def test_an_edit_done_twice_to_the_same_state_gives_the_same(step):
    one, two = splittable(), splittable()
    one.do(step)
    two.do(read_step.validate_json(step.model_dump_json()))
    assert picture_of(one.state) == picture_of(two.state)


def test_undo_goes_back_through_everything_and_a_new_step_ends_redo():
    project = two_squares()
    first = picture_of(project.state)
    for name in ("a", "b", "c"):
        project.do(Rename(object_id=1, name=name))
    for _ in range(3):
        project.undo()
    assert picture_of(project.state) == first
    project.redo()
    assert project.state.card(1).name == "a"
    project.do(Rename(object_id=1, name="d"))
    assert project.redo() is None
    assert [step.title for step in project.steps][-2:] == ["Rename to 'a'", "Rename to 'd'"]


def test_a_step_that_changes_nothing_leaves_no_trace():
    project = two_squares()
    count = len(project.history.done)
    assert project.do(Rename(object_id=1, name="mover")) is None
    assert len(project.history.done) == count


def test_undo_costs_no_more_than_the_codes_that_changed():
    project = two_squares()
    change = project.do(Paint(frame=3, masks={1: rle.encode(square(0, 0))}))
    assert set(change.cells) == {(1, 3)}
    assert change.frames == {3}


def test_painting_takes_the_mask_over_and_leaves_all_else():
    project = two_squares()
    before = picture_of(project.state)["cells"]
    project.do(Paint(frame=2, masks={1: rle.encode(square(4, 4, 3))}))
    np.testing.assert_array_equal(project.state.mask(1, 2), square(4, 4, 3))
    assert project.state.cell(1, 2).corrected
    after = picture_of(project.state)["cells"]
    assert {key for key in after if after[key] != before[key]} == {(1, 2)}


def test_a_brush_with_a_new_label_makes_an_object():
    project = two_squares()
    project.do(Paint(frame=2, masks={9: rle.encode(square(0, 0))}))
    assert project.state.card(9).name == "object 9"
    assert project.state.next_id == 10


def test_a_locked_frame_cannot_be_changed_and_the_whole_step_is_taken_back():
    project = two_squares()
    project.do(Lock(object_ids=(2,), span=Span.of(2)))
    before = picture_of(project.state)
    both = {1: rle.encode(square(3, 3)), 2: rle.encode(square(0, 0))}
    with pytest.raises(LockedFrame, match="'stayer' is locked on frame 2"):
        project.do(Paint(frame=2, masks=both))
    assert picture_of(project.state) == before
    for step in (Merge(object_ids=(1, 2)), Remove(object_ids=(2,))):
        with pytest.raises(LockedFrame, match="the first is 2"):
            project.do(step)
        assert picture_of(project.state) == before
    project.do(Lock(object_ids=(2,), span=Span.of(2), locked=False))
    assert project.do(Paint(frame=2, masks=both))


def test_a_lock_holds_known_masks_only():
    project = project_with(seen={1: square(0, 0)})
    project.do(Lock(object_ids=(1,), span=ALL_FRAMES))
    assert project.state.frames_where(1, locked=True) == [1]


def test_absence_is_said_of_a_range_and_spares_what_is_locked():
    project = two_squares()
    project.do(Lock(object_ids=(1,), span=Span.of(2)))
    project.do(Absent(object_ids=(1,), span=Span(first=1, last=3)))
    assert project.state.masklet(1).frames_present == [0, 2, 4]
    assert project.state.cell(1, 1).corrected
    assert project.state.cell(1, 1).score == 0.0


def test_merged_objects_are_one_on_every_frame():
    project = project_with(
        left={0: square(0, 0), 1: square(0, 1)}, right={1: square(0, 2), 2: square(0, 3)}
    )
    project.do(Merge(object_ids=(1, 2)))
    assert list(project.state.cards) == [1]
    for t, expected in enumerate((square(0, 0), square(0, 1) | square(0, 2), square(0, 3))):
        np.testing.assert_array_equal(project.state.mask(1, t), expected)
    assert project.state.cell(1, 3).code is None


def test_split_parts_keep_their_object_over_time():
    # Two squares are apart on frames 2 and 3, and touch on all others.
    shapes = {
        0: square(2, 3) | square(2, 5),
        1: square(2, 3) | square(2, 5),
        2: square(2, 1, 3) | square(2, 6),
        3: square(2, 1, 3) | square(2, 7),
        4: square(2, 3, 3) | square(2, 6),
    }
    project = project_with(pair=shapes)
    project.do(Split(object_id=1, frame=2, new_ids=(2,)))
    np.testing.assert_array_equal(project.state.mask(1, 3), square(2, 1, 3))
    np.testing.assert_array_equal(project.state.mask(2, 3), square(2, 7))
    for t in range(NUM_FRAMES):  # nothing is lost, and no pixel has two owners
        one, two = project.state.mask(1, t), project.state.mask(2, t)
        assert not (one & two).any()
        assert one.any()
        assert two.any()
        np.testing.assert_array_equal(one | two, shapes[t])
    assert project.state.mask(1, 0)[2, 4]
    assert project.state.mask(2, 0)[2, 5]


def test_what_divides_is_whole_before_its_parts_come_apart():
    # One square becomes two, which touch on frame 2, are apart on frame 3 and touch again on frame 4.
    shapes = {
        0: square(2, 3, 3),
        1: square(2, 3, 3),
        2: square(2, 2, 3) | square(2, 5),
        3: square(2, 1, 3) | square(2, 6),
        4: square(2, 2, 3) | square(2, 5),
    }
    project = project_with(cell=shapes)
    project.do(Paint(frame=0, masks={1: rle.encode(shapes[1])}))
    project.do(Split(object_id=1, frame=3, new_ids=(2,), divides=True))
    for t in (0, 1, 2):
        np.testing.assert_array_equal(project.state.mask(1, t), shapes[t])
        assert not project.state.mask(2, t).any()
    # Nobody has corrected the daughter, and there is no score of what is not there.
    assert project.state.cell(1, 0).corrected
    assert not project.state.cell(2, 0).corrected
    assert np.isnan(project.state.cell(2, 1).score)
    assert project.state.cell(2, 1).final
    np.testing.assert_array_equal(project.state.mask(1, 3), square(2, 1, 3))
    np.testing.assert_array_equal(project.state.mask(2, 3), square(2, 6))
    np.testing.assert_array_equal(project.state.mask(2, 4), square(2, 5))
    assert project.state.card(2).parents == (1,)
    assert project.steps[-1].title == "Divide into 2 parts"
    project.undo()
    assert list(project.state.cards) == [1]
    # It matters: without it, the square is cut in two on all frames.
    project.do(Split(object_id=1, frame=3, new_ids=(2,)))
    assert project.state.mask(2, 0).any()
    assert project.state.card(2).parents == ()


def test_a_division_is_found_from_a_frame_long_after_it():
    # Apart from frame 2 on; the mother lay nearer to one of them, and under both.
    shapes = {0: square(2, 2, 4), 1: square(2, 2, 4)}
    shapes |= {t: square(2, 1, 3) | square(2, 5) for t in (2, 3, 4)}
    project = project_with(cell=shapes)
    project.do(Split(object_id=1, frame=4, new_ids=(2,), divides=True))
    assert [bool(project.state.mask(2, t).any()) for t in range(NUM_FRAMES)] == [False] * 2 + [
        True
    ] * 3
    np.testing.assert_array_equal(project.state.mask(1, 1), shapes[1])


def test_what_divides_on_several_planes_is_refused():
    project = Project((4, *SIZE), planes=2)
    parts = square(1, 1) | square(5, 5)
    given = GivenObject(object_id=1, name="cell", masks=dict.fromkeys(range(4), rle.encode(parts)))
    project.do(Given(source="a test", objects=(given,)))
    with pytest.raises(RequestError, match="several planes"):
        project.do(Split(object_id=1, frame=3, new_ids=(2,), divides=True))


def test_a_piece_that_overlaps_nothing_goes_to_the_nearest_part():
    shapes = {0: square(0, 0) | square(0, 6), 1: square(5, 1) | square(5, 8)}
    project = project_with(pair=shapes)
    project.do(Split(object_id=1, frame=0, new_ids=(2,)))
    np.testing.assert_array_equal(project.state.mask(1, 1), square(5, 1))
    np.testing.assert_array_equal(project.state.mask(2, 1), square(5, 8))


def test_what_is_one_piece_cannot_be_split():
    project = two_squares()
    with pytest.raises(RequestError, match="has 1 connected parts on frame 0, not 2"):
        project.do(Split(object_id=1, frame=0, new_ids=(3,)))


def test_a_division_links_daughters_and_none_comes_from_itself():
    project = project_with(mother={0: square(0, 0)}, one={1: square(0, 0)}, two={1: square(4, 4)})
    project.do(Divide(parent=1, daughters=(2, 3)))
    assert project.state.card(2).parents == project.state.card(3).parents == (1,)
    with pytest.raises(RequestError, match="cannot come from itself"):
        project.do(Divide(parent=3, daughters=(1,)))
    project.do(Divide(parent=1, daughters=()))
    assert project.state.card(2).parents == ()


def test_ids_are_not_given_twice():
    project = two_squares()
    project.do(Remove(object_ids=(2,)))
    assert project.state.next_id == 3
    with pytest.raises(RequestError, match="id 2 has been used"):
        project.do(Add(object_id=2, name="late"))


@pytest.mark.parametrize(
    "step",
    [
        Rename(object_id=9, name="x"),
        Review(span=Span(first=3, last=9)),
        Review(span=Span(first=3, last=2)),
        Lock(object_ids=(9,), span=ALL_FRAMES),
        Paint(frame=NUM_FRAMES, masks={1: rle.encode(square(0, 0))}),
        Divide(parent=9, daughters=(1,)),
    ],
    ids=lambda step: step.kind,
)
def test_what_is_not_there_is_refused(step):
    project = two_squares()
    before = picture_of(project.state)
    with pytest.raises(RequestError):
        project.do(step)
    assert picture_of(project.state) == before


def test_absence_is_not_said_of_an_object_that_was_taken_away():
    project = two_squares()
    project.do(Remove(object_ids=(1,)))
    with pytest.raises(RequestError, match="no object 1"):
        project.do(Absent(object_ids=(1,), span=ALL_FRAMES))


def test_corrections_condition_first_then_locks_the_nearest_first():
    project = two_squares()
    project.do(Lock(object_ids=(1,), span=Span(first=3, last=4)))
    project.do(Paint(frame=1, masks={1: rle.encode(square(0, 0))}))
    span = Span(first=0, last=2)
    assert conditions_of(project.state, 1, span, None) == (1, 3, 4)
    assert conditions_of(project.state, 1, span, 2) == (1, 2, 3, 4)


def test_there_is_a_bound_to_how_many_frames_condition(monkeypatch):
    monkeypatch.setattr("napari_sa2va.project.steps.carry.MOST_CONDITIONS", 2)
    project = two_squares()
    project.do(Lock(object_ids=(1,), span=ALL_FRAMES))
    assert conditions_of(project.state, 1, Span.of(4), 4) == (3, 4)


def test_labels_are_painted_in_the_order_of_the_ids():
    project = project_with(under={0: square(0, 0, 3)}, over={0: square(2, 2, 3)})
    assert project.state.labels(0)[2, 2] == 2
    assert project.state.labels(0, "first")[2, 2] == 1
    assert project.state.labels(0, without=(2,))[2, 2] == 1
    assert Cell().code is None

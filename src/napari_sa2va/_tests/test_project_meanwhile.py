"""What a person does while the network works: as if the work had been whole before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_project_jobs import ALL_FRAMES, NUM_FRAMES, SETTINGS, ask, drive
from napari_sa2va._tests.test_project_jobs import fresh as fresh_project
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import RequestError
from napari_sa2va.project import Project
from napari_sa2va.project.replay import replay
from napari_sa2va.project.steps.absent import Absent
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.base import ModelStep
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.merge import Merge
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.run import Run
from napari_sa2va.project.steps.spans import Span

Deed = Callable[[Project], object]


def corner(size: int = 2) -> rle.Rle:
    mask = np.zeros((16, 20), bool)
    mask[:size, :size] = True
    return rle.encode(mask)


def work(
    project: Project,
    step: ModelStep,
    deeds: Mapping[int, Deed],
    *,
    stop_after: int | None = None,
) -> None:
    """Do a step of the network, and something else after so many of its messages."""
    job = project.begin(step)
    cancel = CancelToken()
    for number, message in enumerate(job.events(project.footage, cancel, FakeModel())):
        if number in deeds:
            deeds[number](project)
        job.take(message)
        if job.masks_taken == stop_after:
            cancel.cancel()
    project.end(job, complete=not cancel.cancelled)


def check_replay(project: Project) -> None:
    """The log says what the state is, also after each undo and each redo."""
    states = []
    for _ in range(len(project.history.done)):
        assert picture_of(replay(project, model=FakeModel()).project.state) == picture_of(
            project.state
        )
        states.append(picture_of(project.state))
        project.undo()
    assert picture_of(project.state) == picture_of(fresh_project().state)
    while states:
        project.redo()
        assert picture_of(project.state) == states.pop()


# Planned is message 0, then come the answers, five key frames, and six frames.
BEFORE_THE_ANSWER, BEFORE_KEYS, BEFORE_FRAMES = 1, 2, 7


@pytest.mark.parametrize(
    ("text", "when"),
    [
        *(("the red one", when) for when in (0, BEFORE_THE_ANSWER, BEFORE_KEYS, BEFORE_FRAMES, 10)),
        *(("the elephant", when) for when in (0, BEFORE_THE_ANSWER, 2)),
    ],
)
def test_what_is_done_while_a_run_goes_on_comes_after_it(text: str, when: int) -> None:
    project = fresh_project()

    def deed(project: Project) -> None:
        project.do(Paint(frame=4, masks={1: corner()}))
        project.do(Absent(object_ids=(1,), span=Span.of(5)))
        project.do(Rename(object_id=1, name="mother"))

    work(project, ask(text), {when: deed})
    assert rle.same(project.state.cell(1, 4).code, corner())
    assert project.state.card(1).name == "mother"
    assert project.state.card(1).answer
    check_replay(project)


def test_the_mask_that_a_run_found_is_there_when_the_paint_over_it_is_undone() -> None:
    project = fresh_project()
    work(project, ask("the red one"), {8: lambda p: p.do(Paint(frame=5, masks={1: corner()}))})
    project.undo()
    assert project.state.mask(1, 5).sum() == 16


def test_a_stroke_that_was_undone_while_a_run_went_on_is_redone_over_the_runs_masks() -> None:
    project = fresh_project()

    def deed(project: Project) -> None:
        project.do(Paint(frame=5, masks={1: corner()}))
        project.undo()

    work(project, ask("the red one"), {8: deed})
    assert project.state.mask(1, 5).sum() == 16
    project.redo()
    assert rle.same(project.state.cell(1, 5).code, corner())
    project.undo()
    assert project.state.mask(1, 5).sum() == 16


def test_an_object_that_comes_back_has_what_a_run_found_meanwhile() -> None:
    project = fresh_project()
    work(project, ask("the red one", "the blue one"), {9: lambda p: p.do(Remove(object_ids=(1,)))})
    assert list(project.state.cards) == [2]
    check_replay(project)
    project.undo()
    assert project.state.masklet(1).frames_present == list(range(NUM_FRAMES))


def test_a_frame_that_is_painted_while_a_click_is_drawn_stays_as_painted() -> None:
    project = fresh_project()
    drive(project, ask("the red one"))
    step = Click(object_id=1, frame=2, points=((7.0, 3.0, True),), settings=SETTINGS)
    work(project, step, {1: lambda p: p.do(Paint(frame=2, masks={1: corner()}))})
    assert rle.same(project.state.cell(1, 2).code, corner())
    check_replay(project)


def test_what_is_painted_while_a_correction_is_carried_stays() -> None:
    project = fresh_project()
    drive(project, ask("the red one"))
    step = Carry(conditions={1: (0,)}, span=ALL_FRAMES, settings=SETTINGS)

    def deed(project: Project) -> None:
        project.do(Paint(frame=1, masks={1: corner()}))
        project.do(Absent(object_ids=(1,), span=Span(first=4, last=5)))

    work(project, step, {4: deed})
    assert rle.same(project.state.cell(1, 1).code, corner())
    check_replay(project)


def test_objects_that_are_being_drawn_are_not_locked_or_merged_and_others_are() -> None:
    project = fresh_project()
    drive(project, ask("the red one", "the green one"))
    carry = Carry(conditions={1: (0,)}, span=ALL_FRAMES, settings=SETTINGS)

    def deed(project: Project) -> None:
        for step in (
            Lock(object_ids=(1,), span=Span.of(4)),
            Lock(object_ids=(1,), span=Span.of(4), locked=False),
            Merge(object_ids=(1, 2)),
        ):
            with pytest.raises(RequestError, match="'the red one' is being drawn"):
                project.do(step)
        assert project.do(Lock(object_ids=(2,), span=ALL_FRAMES))

    work(project, carry, {3: deed})
    check_replay(project)


def test_what_was_painted_in_an_object_keeps_it_although_the_run_was_stopped_at_once() -> None:
    project = fresh_project()
    job = project.begin(ask("the red one", "the green one", "the blue one"))
    project.do(Paint(frame=3, masks={1: corner()}))
    project.do(Rename(object_id=1, name="mother"))
    project.do(Divide(parent=2, daughters=(1,)))
    project.end(job, complete=False)
    assert project.state.card(1).name == "mother"
    assert list(project.state.cards) == [1, 2]
    assert project.state.masklet(1).frames_present == [3]
    check_replay(project)


def test_a_run_that_was_stopped_before_its_first_mask_leaves_only_what_it_did_not_find() -> None:
    project = fresh_project()
    job = project.begin(ask("the elephant", "the red one", "the blue one"))
    messages = job.events(project.footage, None, FakeModel())
    while job.answers_taken < 2:
        job.take(next(messages))
    messages.close()
    project.end(job, complete=False)
    assert [card.name for card in project.state.cards.values()] == ["the elephant"]
    check_replay(project)
    project.do(Add(object_id=project.state.next_id, name="x"))
    check_replay(project)


def test_a_stopped_run_is_continued_although_one_of_its_objects_is_nowhere() -> None:
    project = fresh_project()
    drive(project, ask("the red one", "the blue one"), stop_after=7)
    for t in range(NUM_FRAMES):
        if project.state.cell(2, t).code is not None:
            project.do(Paint(frame=t, masks={2: rle.empty(16, 20)}))
    step = project.continuation()
    assert step is not None
    drive(project, step)
    assert project.state.masklet(1).frames_present == list(range(NUM_FRAMES))
    assert project.continuation() is None


def test_an_id_that_no_label_image_holds_is_refused() -> None:
    project = fresh_project()
    for number in (0, -1, 65536):
        with pytest.raises(RequestError, match="1 to 65535"):
            project.do(Paint(frame=0, masks={number: corner()}))
    assert project.do(Paint(frame=0, masks={65535: corner()}))
    with pytest.raises(RequestError, match="1 to 65535"):
        project.do(Add(object_id=project.state.next_id, name="one more"))


def test_an_object_that_was_not_found_is_found_by_another_sentence() -> None:
    from napari_sa2va.project.steps.reword import Reword

    project = fresh_project()
    drive(project, ask("the elephant"))
    drive(project, Reword(object_id=1, frame=2, text="the blue one", settings=SETTINGS))
    assert project.state.card(1).found


def test_a_run_says_which_objects_it_draws() -> None:
    step = ask("the red one", "the blue one", first_id=4)
    assert isinstance(step, Run)
    assert step.drawn_ids == (4, 5)
    assert Carry(conditions={3: (0,)}, span=ALL_FRAMES, settings=SETTINGS).drawn_ids == (3,)

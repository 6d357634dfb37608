"""Steps that run the network: what they change, how they end, and that they give the same again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.test_pipeline_planes import NUM_FRAMES as STACK_FRAMES
from napari_sa2va._tests.test_pipeline_planes import PLANES, across, clip_of, stack
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import RequestError
from napari_sa2va.pipeline.events import Answered
from napari_sa2va.presets import preset
from napari_sa2va.project import Drawn, Job, LockedFrame, Project
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.replay import replay
from napari_sa2va.project.steps.absent import Absent
from napari_sa2va.project.steps.base import ModelStep
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.reword import Reword
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.range import Range
from napari_sa2va.sampling.manual import Manual

SETTINGS = preset("sa2va-i")
NUM_FRAMES = 6
ALL_FRAMES = Span(first=0, last=NUM_FRAMES - 1)


def ask(*texts: str, first_id: int = 1, settings=SETTINGS, **more) -> Run:
    sentences = tuple(
        Sentence(object_id=i, name=text, text=text) for i, text in enumerate(texts, first_id)
    )
    return Run(sentences=sentences, settings=settings, **more)


def drive(project: Project, step: ModelStep, *, stop_after: int | None = None, model=None):
    """Do a model step from its beginning to its end, or until so many masks were taken."""
    job = project.begin(step)
    cancel = CancelToken()
    for message in job.events(project.footage, cancel, model or FakeModel()):
        job.take(message)
        if job.masks_taken == stop_after:
            cancel.cancel()
    return project.end(job, complete=not cancel.cancelled)


def fresh() -> Project:
    return Project.of(colour_clip(NUM_FRAMES))


def truth(channel: int) -> np.ndarray:
    """Where the square of a colour is, bool (T, Y, X)."""
    clip = colour_clip(NUM_FRAMES)
    return np.stack([clip.rgb(t)[..., channel] > 100 for t in range(NUM_FRAMES)])


def masks(project: Project, object_id: int) -> np.ndarray:
    return np.stack([project.state.mask(object_id, t) for t in range(NUM_FRAMES)])


def test_a_run_makes_objects_with_masks_scores_and_answers():
    project = fresh()
    drive(project, ask("the red one", "the elephant", "the blue one"))
    np.testing.assert_array_equal(masks(project, 1), truth(0))
    np.testing.assert_array_equal(masks(project, 3), truth(2))
    absent = project.state.card(2)
    assert not absent.found
    assert absent.answer == "There is no such thing."
    assert project.state.masklet(2).frames_present == []
    assert all(project.state.cell(2, t).final for t in range(NUM_FRAMES))
    assert project.state.cell(1, 1).score in (0.5, 0.75)
    assert project.records[0]["finished"] == "done"


def test_one_undo_takes_back_a_whole_run_and_redo_brings_it_again():
    project = fresh()
    drive(project, ask("the red one"))
    after = picture_of(project.state)
    project.undo()
    assert project.state.cards == {}
    project.redo()
    assert picture_of(project.state) == after


def test_a_second_run_adds_objects_and_leaves_the_first_alone():
    project = fresh()
    drive(project, ask("the red one"))
    before = masks(project, 1)
    drive(project, ask("the blue one", first_id=project.state.next_id))
    np.testing.assert_array_equal(masks(project, 1), before)
    np.testing.assert_array_equal(masks(project, 2), truth(2))


def stopped_run(settings=SETTINGS, stop_after: int = 7) -> Project:
    """A run that drew its five key frames and two frames of the sweep, and was then cancelled."""
    project = fresh()
    drive(project, ask("the red one", "the blue one", settings=settings), stop_after=stop_after)
    return project


def test_a_cancelled_run_keeps_its_frames_and_says_where_it_stopped():
    project = stopped_run()
    assert project.steps[0].masks_taken == 7
    assert [cell.origin for cell in project.state.cells(1)] == [
        "model", "model", "key", "key", "", "key",
    ]  # fmt: skip


def test_continuing_does_what_is_missing_and_nothing_else():
    project = stopped_run()
    step = project.continuation()
    assert step.only_missing
    assert (step.span.first, step.span.last) == (1, 5)
    before = [project.state.cell(1, t) for t in (0, 1)]
    model = FakeModel()
    drive(project, step, model=model)
    assert not any(call[0] in ("look", "ground") for call in model.calls)  # nobody is asked again
    np.testing.assert_array_equal(masks(project, 1), truth(0))
    np.testing.assert_array_equal(masks(project, 2), truth(2))
    assert [project.state.cell(1, t) for t in (0, 1)] == before
    assert all(cell.final for cell in project.state.cells(1))
    assert project.continuation() is None


def test_a_continuation_that_was_stopped_can_be_continued():
    project = stopped_run()
    step = project.continuation()
    drive(project, step, stop_after=len(step.conditions[1]) + 2)
    again = project.continuation()
    assert again.span.first > step.span.first
    drive(project, again)
    np.testing.assert_array_equal(masks(project, 1), truth(0))


def test_a_run_in_both_directions_is_continued_in_both():
    tracking = SETTINGS.tracking.model_copy(update={"propagation": Both()})
    update = {"tracking": tracking, "sampling": Manual(frames=(3,))}
    project = stopped_run(SETTINGS.model_copy(update=update), stop_after=3)  # 3 drawn, then 3 and 4
    step = project.continuation()
    assert step.direction == "both"
    drive(project, step)
    np.testing.assert_array_equal(masks(project, 1), truth(0))


def test_a_run_without_an_answer_leaves_nothing_behind():
    project = fresh()
    job = project.begin(ask("the red one"))
    cancel = CancelToken()
    cancel.cancel()
    for message in job.events(project.footage, cancel, FakeModel()):
        job.take(message)
    assert project.end(job, complete=False) is None
    assert project.state.cards == {}
    assert project.steps == []


def test_a_correction_is_carried_one_way_and_touches_no_other_object():
    project = fresh()
    drive(project, ask("the red one", "the blue one"))
    before = masks(project, 1), masks(project, 2)
    # The person points the first object at the green square instead, on frame 2.
    project.do(Paint(frame=2, masks={1: rle.encode(truth(1)[2])}))
    drive(
        project,
        Carry(
            conditions={1: (2,)},
            span=Span(first=2, last=4),
            direction="forward",
            settings=SETTINGS,
        ),
    )
    np.testing.assert_array_equal(masks(project, 1)[2:5], truth(1)[2:5])
    np.testing.assert_array_equal(masks(project, 1)[[0, 1, 5]], before[0][[0, 1, 5]])
    np.testing.assert_array_equal(masks(project, 2), before[1])
    assert project.state.cell(1, 2).origin == "hand"  # what the person painted stays as painted


def test_carrying_backward_and_both_ways():
    for direction, changed in (("backward", range(1, 4)), ("both", range(1, 6))):
        project = fresh()
        drive(project, ask("the red one"))
        project.do(Paint(frame=3, masks={1: rle.encode(truth(1)[3])}))
        drive(
            project,
            Carry(
                conditions={1: (3,)},
                span=Span(first=1, last=5),
                direction=direction,
                settings=SETTINGS,
            ),
        )
        for t in range(NUM_FRAMES):
            expected = truth(1)[t] if t in changed else truth(0)[t]
            np.testing.assert_array_equal(project.state.mask(1, t), expected)


def test_locked_and_corrected_frames_stay_whatever_is_carried_over_them():
    project = fresh()
    drive(project, ask("the red one"))
    project.do(Lock(object_ids=(1,), span=Span.of(4)))
    corner = np.zeros((16, 20), bool)
    corner[:2, :2] = True
    project.do(Paint(frame=3, masks={1: rle.encode(corner)}))
    project.do(Paint(frame=2, masks={1: rle.encode(truth(1)[2])}))
    locked, painted = project.state.cell(1, 4), project.state.cell(1, 3)
    drive(project, Carry(conditions={1: (2,)}, span=ALL_FRAMES, settings=SETTINGS))
    assert project.state.cell(1, 4) is locked
    assert project.state.cell(1, 3) is painted
    np.testing.assert_array_equal(project.state.mask(1, 5), truth(1)[5])
    with pytest.raises(LockedFrame):
        project.begin(Click(object_id=1, frame=4, points=((2, 2, True),), settings=SETTINGS))
    with pytest.raises(LockedFrame):
        project.begin(Reword(object_id=1, frame=4, text="the blue one", settings=SETTINGS))


def test_an_absent_frame_conditions_too_but_not_alone():
    project = fresh()
    drive(project, ask("the red one"))
    project.do(Absent(object_ids=(1,), span=Span.of(5)))
    with pytest.raises(RequestError, match="no mask that could be carried"):
        project.begin(Carry(conditions={1: (5,)}, span=ALL_FRAMES, settings=SETTINGS))
    drive(project, Carry(conditions={1: (0, 5)}, span=ALL_FRAMES, settings=SETTINGS))
    assert not project.state.mask(1, 5).any()


def test_clicks_draw_an_object_on_one_frame_only():
    project = fresh()
    drive(project, ask("the red one"))
    before = masks(project, 1)
    drive(project, Click(object_id=1, frame=2, points=((7.0, 3.0, True),), settings=SETTINGS))
    np.testing.assert_array_equal(project.state.mask(1, 2), truth(1)[2])
    assert project.state.cell(1, 2).origin == "clicks"
    rest = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(masks(project, 1)[rest], before[rest])
    drive(
        project,
        Click(object_id=2, name="new", frame=4, points=((12.0, 5.0, True),), settings=SETTINGS),
    )
    np.testing.assert_array_equal(project.state.mask(2, 4), truth(2)[4])
    assert project.state.masklet(2).frames_present == [4]


def test_another_sentence_draws_an_object_anew_on_one_frame():
    project = fresh()
    drive(project, ask("the red one"))
    drive(project, Reword(object_id=1, frame=3, text="the blue one", settings=SETTINGS))
    np.testing.assert_array_equal(project.state.mask(1, 3), truth(2)[3])
    np.testing.assert_array_equal(project.state.mask(1, 2), truth(0)[2])
    assert project.state.cell(1, 3).origin == "words"


def test_a_sentence_that_finds_nothing_leaves_the_mask_as_it_was():
    project = fresh()
    drive(project, ask("the red one"))
    before = picture_of(project.state)
    drive(project, Reword(object_id=1, frame=3, text="the elephant", settings=SETTINGS))
    assert picture_of(project.state) == before


def test_there_is_one_job_at_a_time_and_it_is_not_undone_half_way():
    project = fresh()
    job = project.begin(ask("the red one"))
    with pytest.raises(RequestError, match="on its way"):
        project.begin(ask("the blue one", first_id=2))
    with pytest.raises(RequestError, match="on its way"):
        project.undo()
    for message in job.events(project.footage, None, FakeModel()):
        job.take(message)
    project.end(job, complete=True)
    assert project.undo() is not None


def messages(job: Job, project: Project) -> Iterator:
    yield from job.events(project.footage, None, FakeModel())


def test_what_a_person_paints_while_a_run_goes_on_stays_and_is_undone_first():
    project = fresh()
    job = project.begin(ask("the red one"))
    corner = np.zeros((16, 20), bool)
    corner[:2, :2] = True
    seen = 0
    for message in messages(job, project):
        job.take(message)
        if isinstance(message, Drawn):
            seen += 1
            if seen == 6:  # five key frames and frame 0: frame 5 is still to come
                project.do(Paint(frame=0, masks={1: rle.encode(corner)}))
                project.do(Paint(frame=5, masks={1: rle.encode(corner)}))
    project.end(job, complete=True)
    np.testing.assert_array_equal(project.state.mask(1, 0), corner)
    np.testing.assert_array_equal(project.state.mask(1, 5), corner)
    assert [step.kind for step in project.steps] == ["run", "paint", "paint"]
    project.undo()
    project.undo()
    np.testing.assert_array_equal(project.state.mask(1, 0), truth(0)[0])


def test_an_object_that_is_taken_away_while_it_is_drawn_stays_away():
    project = fresh()
    job = project.begin(ask("the red one", "the blue one"))
    for message in messages(job, project):
        job.take(message)
        if isinstance(message, Drawn) and 1 in project.state.cards:
            project.do(Remove(object_ids=(1,)))
    project.end(job, complete=True)
    assert list(project.state.cards) == [2]


def test_doing_the_steps_again_gives_the_same_masks():
    project = stopped_run()
    drive(project, project.continuation())
    project.do(Paint(frame=2, masks={1: rle.encode(truth(1)[2])}))
    drive(project, Carry(conditions={1: (2,)}, span=ALL_FRAMES, settings=SETTINGS))
    project.do(Lock(object_ids=(2,), span=ALL_FRAMES))
    again = fresh()
    for step in project.steps:
        if isinstance(step, ModelStep):
            stop = step.masks_taken if step.masks_taken >= 0 else None
            drive(again, step, stop_after=stop)
        else:
            again.do(step)
    assert picture_of(again.state) == picture_of(project.state)


def test_only_the_region_is_looked_at_and_its_masks_lie_in_the_whole_frame():
    project = fresh()
    drive(project, ask("the red one", "the blue one", region=(0, 0, 8, 20)))
    np.testing.assert_array_equal(masks(project, 1), truth(0))
    assert not masks(project, 2)[:, 8:].any()  # blue lies below the region
    project = fresh()
    model = FakeModel()
    step = Click(
        object_id=1, name="x", frame=2, points=((7.0, 3.0, True),), region=(5, 1, 12, 20),
        settings=SETTINGS,
    )  # fmt: skip
    drive(project, step, model=model)
    assert ("prompt_points", 2, 1, [[2.0, 2.0]], None) in model.calls
    expected = truth(1)[2].copy()
    expected[:, 0] = False
    np.testing.assert_array_equal(project.state.mask(1, 2), expected)


def stack_project() -> Project:
    clip = clip_of(0)
    project = Project((PLANES * STACK_FRAMES, clip.height, clip.width), PLANES)
    project.footage = Footage(PLANES, clip_of, across)
    return project


def test_of_several_planes_each_has_its_own_frames_and_one_id():
    project = stack_project()
    drive(project, ask("the red one", begin_near=STACK_FRAMES + 1))
    red = stack()[..., 0] > 100  # (T, Z, Y, X)
    for z in range(PLANES):
        for t in range(STACK_FRAMES):
            mask = project.state.mask(1, z * STACK_FRAMES + t)
            np.testing.assert_array_equal(mask, red[t, z])
    # A click, another sentence and a carry act on the plane of their frame.
    before = {f: project.state.cell(1, f) for f in range(project.state.num_frames)}
    frame = STACK_FRAMES + 2
    drive(project, Reword(object_id=1, frame=frame, text="the blue one", settings=SETTINGS))
    blue = stack()[..., 2] > 100
    np.testing.assert_array_equal(project.state.mask(1, frame), blue[2, 1])
    span = Span(first=frame, last=frame + 1)
    drive(project, Carry(conditions={1: (frame,)}, span=span, settings=SETTINGS))
    np.testing.assert_array_equal(project.state.mask(1, frame + 1), blue[3, 1])
    untouched = [f for f in before if f not in (frame, frame + 1)]
    assert all(project.state.cell(1, f) is before[f] for f in untouched)
    span = Span(first=frame, last=frame + 3)
    with pytest.raises(RequestError, match="two planes"):
        project.begin(Carry(conditions={1: (frame,)}, span=span, settings=SETTINGS))


@pytest.mark.parametrize("stop_after", [1, 5, 9, 12])
def test_a_run_over_planes_that_was_stopped_is_continued(stop_after: int):
    step = ask("the red one", "the blue one", begin_near=STACK_FRAMES + 1)
    whole, project = stack_project(), stack_project()
    drive(whole, step)
    drive(project, step, stop_after=stop_after)
    known = {
        (i, f): project.state.cell(i, f)
        for i in (1, 2)
        for f in range(project.state.num_frames)
        if project.state.cell(i, f).final
    }
    more = project.continuation()
    assert isinstance(more, Run)
    drive(project, more)
    assert picture_of(project.state) == picture_of(whole.state)
    assert all(project.state.cell(*key) is cell for key, cell in known.items())
    assert project.continuation() is None
    again = replay(project, model=FakeModel())
    assert again.same


def test_previews_of_key_frames_are_not_locked():
    project = stopped_run()
    project.do(Lock(object_ids=(1,), span=ALL_FRAMES))
    assert project.state.frames_where(1, locked=True) == [0, 1]


def test_key_frames_outside_of_the_range_that_was_asked_for_get_no_masks():
    tracking = SETTINGS.tracking.model_copy(
        update={"propagation": Range(first_frame=2, last_frame=3)}
    )
    project = fresh()
    drive(project, ask("the red one", settings=SETTINGS.model_copy(update={"tracking": tracking})))
    assert project.state.masklet(1).frames_present == [2, 3]


def test_a_run_that_was_stopped_between_two_answers_stops_there_again():
    project = fresh()
    job = project.begin(ask("the elephant", "the red one", "the blue one"))
    cancel = CancelToken()
    for message in job.events(project.footage, cancel, FakeModel()):
        job.take(message)
        if isinstance(message, Answered):
            cancel.cancel()
    project.end(job, complete=False)
    step = project.steps[0]
    assert (step.masks_taken, step.answers_taken) == (0, 1)
    replayed = replay(project, model=FakeModel())
    assert picture_of(replayed.project.state) == picture_of(project.state)

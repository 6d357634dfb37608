"""Doing everything again gives the same masks; where it does not, it says where and by how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip
from napari_sa2va._tests.made_projects import NUM_FRAMES, SETTINGS, ask, corner, work_on
from napari_sa2va._tests.test_pipeline_planes import NUM_FRAMES as STACK_FRAMES
from napari_sa2va._tests.test_pipeline_planes import PLANES, across, clip_of, stack
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import ClipError, ModelError
from napari_sa2va.models.zoo import find
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.events import FrameMasks
from napari_sa2va.project import Project
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.replay import do_step, replay
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.reword import Reword
from napari_sa2va.project.steps.run import Run
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.project.steps.split import Split
from napari_sa2va.readers.open import open_clip

ALL_FRAMES = Span(first=0, last=NUM_FRAMES - 1)


def alter(project: Project, object_id: int, frame: int, code: rle.Rle | None) -> None:
    """Change a saved mask behind the project's back."""
    cell = project.state.cell(object_id, frame)
    project.state.set_cell(object_id, frame, replace(cell, code=code))


def test_a_replay_gives_the_same_masks_and_changes_nothing():
    project = work_on(colour_clip(NUM_FRAMES))
    before = picture_of(project.state)
    replayed = replay(project, model=FakeModel())
    assert replayed.same
    assert replayed.complete
    assert [m.object_id for m in replayed.objects] == [1, 3, 9]
    assert all(m.same and m.mean_jaccard == 1 for m in replayed.objects)
    assert picture_of(replayed.project.state) == before == picture_of(project.state)
    assert [s.model_dump_json() for s in replayed.project.steps] == [
        s.model_dump_json() for s in project.steps
    ]


def test_each_kind_of_step_for_the_network_is_replayed():
    project = Project.of(colour_clip(NUM_FRAMES))
    for step in (
        ask("the red one", region=(0, 0, 8, 20)),
        Click(object_id=2, name="new", frame=1, points=((7.0, 3.0, True),), settings=SETTINGS),
        Reword(object_id=1, frame=3, text="the blue one", settings=SETTINGS),
        Carry(conditions={2: (1,)}, span=ALL_FRAMES, settings=SETTINGS),
    ):
        do_step(project, step, model=FakeModel())
    assert replay(project, model=FakeModel()).same


def test_masks_that_differ_are_named_with_their_overlap():
    project = work_on(colour_clip(NUM_FRAMES))
    half = project.state.mask(3, 2).copy()
    half[:, :4] = False  # of columns 2 to 5, half is left
    alter(project, 3, 2, rle.encode(half))
    alter(project, 3, 4, rle.empty(16, 20))
    alter(project, 3, 5, None)
    replayed = replay(project, model=FakeModel())
    assert not replayed.same
    match = replayed.objects[1]
    assert match.frames_differ == (2, 4, 5)
    assert match.jaccard == (0.5, 0.0, 0.0)
    assert match.mean_jaccard == pytest.approx(3.5 / 6)
    assert replayed.objects[0].same


def test_an_object_that_only_one_side_has_differs_on_all_frames():
    project = work_on(colour_clip(NUM_FRAMES))
    project.state.set_card(3, None)
    replayed = replay(project, model=FakeModel())
    assert [(m.object_id, len(m.frames_differ)) for m in replayed.objects] == [
        (1, 0), (3, NUM_FRAMES), (9, 0),
    ]  # fmt: skip
    assert replayed.objects[1].mean_jaccard == 0


@pytest.mark.parametrize("stop_after", [0, 1, 5, 7])
def test_a_run_that_was_stopped_is_stopped_at_the_same_mask(stop_after):
    project = Project.of(colour_clip(NUM_FRAMES))
    run = ask("the red one", "the blue one")
    assert do_step(project, run.model_copy(update={"masks_taken": stop_after}), model=FakeModel())
    (step,) = project.steps
    assert isinstance(step, Run)
    assert step.masks_taken == stop_after
    known = [cell.code is not None for cell in project.state.cells(1)]
    assert sum(known) == min(stop_after, 5)  # five key frames come first
    do_step(project, Paint(frame=0, masks={1: corner()}))
    replayed = replay(project, model=FakeModel())
    assert replayed.same
    assert picture_of(replayed.project.state) == picture_of(project.state)


def test_a_replay_that_is_stopped_keeps_what_was_done():
    project = work_on(colour_clip(NUM_FRAMES))
    cancel = CancelToken()
    seen: list[int] = []

    def on_event(event):
        if isinstance(event, FrameMasks):
            seen.append(event.frame)
            if len(seen) == 6:
                cancel.cancel()

    replayed = replay(project, model=FakeModel(), cancel=cancel, on_event=on_event)
    assert not replayed.complete
    assert not replayed.same
    assert (replayed.steps_done, replayed.num_steps) == (0, 8)
    assert len(seen) == 6
    (step,) = replayed.project.steps
    assert step.masks_taken == 6
    assert replayed.project.state.masklet(1).frames_present


def test_cancelling_after_the_last_frame_leaves_a_whole_step():
    project = Project.of(colour_clip(NUM_FRAMES))
    cancel = CancelToken()
    seen = []

    def on_event(event):
        seen.append(event)
        if isinstance(event, FrameMasks) and len([e for e in seen if type(e) is FrameMasks]) == 6:
            cancel.cancel()

    assert do_step(project, ask("the red one"), model=FakeModel(), cancel=cancel, on_event=on_event)
    assert project.steps[0].masks_taken == -1


def test_a_step_that_cannot_be_done_again_is_told_and_the_others_are_done():
    project = Project.of(colour_clip(NUM_FRAMES))
    do_step(project, ask("the red one"), model=FakeModel())
    far = np.zeros((16, 20), bool)
    far[14:, 17:] = True
    do_step(
        project,
        Paint(frame=2, masks={1: rle.union([project.state.cell(1, 2).code, rle.encode(far)])}),
    )
    do_step(project, Split(object_id=1, frame=2, new_ids=(2,)))
    do_step(project, Lock(object_ids=(1,), span=ALL_FRAMES))
    # As if the network itself had drawn two pieces, and another one draws one.
    project.history.done.pop(1)
    replayed = replay(project, model=FakeModel())
    assert [number for number, _ in replayed.refused] == [2]
    assert "has 1 connected parts" in replayed.refused[0][1]
    assert (replayed.steps_done, replayed.num_steps) == (2, 3)
    assert replayed.complete
    assert not replayed.same
    assert replayed.project.state.frames_where(1, locked=True) == list(range(NUM_FRAMES))


def test_another_network_or_device_is_taken_for_all_steps(monkeypatch):
    project = work_on(colour_clip(NUM_FRAMES))
    asked = []

    def load(settings):
        asked.append((settings.name, settings.device))
        return FakeModel()

    monkeypatch.setattr(loaded, "load", load)
    other = str(find("nano").folder)
    replayed = replay(project, model=other, device="cpu")
    assert set(asked) == {(other, "cpu")}
    assert len(asked) == 2  # the run and the carry
    assert replayed.project.steps[0].settings.model.name == other
    asked.clear()
    replay(project)
    assert set(asked) == {("nano", "auto")}


def test_a_network_that_fails_or_is_not_there_is_an_error(monkeypatch):
    project = work_on(colour_clip(NUM_FRAMES))

    def load(settings):
        raise ModelError("It is not here.", "Get it.")

    with monkeypatch.context() as patch:
        patch.setattr(loaded, "load", load)
        with pytest.raises(ModelError):
            replay(project)

    def track(self, *args, **kwargs):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(FakeTracker, "track", track)
    again = Project.of(colour_clip(NUM_FRAMES))
    with pytest.raises(ZeroDivisionError):
        do_step(again, ask("the red one"), model=FakeModel())
    (step,) = again.steps
    assert step.masks_taken == 9  # five key frames, and frames 0 to 3 of the sweep
    assert not again.history.done[0].is_open


def test_without_pixels_there_is_no_replay():
    project = work_on(colour_clip(NUM_FRAMES))
    project.footage = None
    with pytest.raises(ClipError, match="not at hand"):
        replay(project)
    with pytest.raises(ClipError, match="not at hand"):
        do_step(project, ask("the green one", first_id=10))
    assert len(project.steps) == 8


@pytest.mark.parametrize("where", ["array", "file"])
def test_a_project_of_several_planes_is_replayed_after_it_was_opened_again(tmp_path: Path, where):
    project = Project((PLANES * STACK_FRAMES, 16, 20), PLANES)
    project.footage = Footage(PLANES, clip_of, across)
    if where == "file":
        path = tmp_path / "stack.tif"
        tifffile.imwrite(path, stack(), photometric="rgb", metadata={"axes": "TZYXS"})
        project.footage = Footage(
            PLANES, lambda z: open_clip(path, z=z), lambda t: open_clip(stack()[t], axes="ZYXS")
        )
    do_step(
        project, ask("the red one", "the blue one", begin_near=STACK_FRAMES + 1), model=FakeModel()
    )
    do_step(
        project,
        Click(object_id=3, name="x", frame=9, points=((7.0, 6.0, True),), settings=SETTINGS),
        model=FakeModel(),
    )
    assert project.state.masklet(3).frames_present == [9]
    save(project, tmp_path / "p")
    assert (tmp_path / "p" / "clip.ome.tif").exists() == (where == "array")
    again = open_project(tmp_path / "p")
    assert again.state.planes == PLANES
    replayed = replay(again, model=FakeModel())
    assert replayed.same
    np.testing.assert_array_equal(
        replayed.project.state.mask(1, STACK_FRAMES), stack()[0, 1, ..., 0] > 100
    )

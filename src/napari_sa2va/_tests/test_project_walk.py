"""Random walks over everything that can be done: undo, redo, replay and saving all agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.made_projects import movie_in
from napari_sa2va._tests.test_pipeline_planes import PLANES, across, clip_of
from napari_sa2va._tests.test_project_jobs import SETTINGS
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.masklet import label_frame
from napari_sa2va.pipeline.events import Finished
from napari_sa2va.project import Project
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.replay import replay
from napari_sa2va.project.steps import EditStep, ModelStep, read_step
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
from napari_sa2va.project.steps.split import Split, parts_on
from napari_sa2va.propagation.both import Both
from napari_sa2va.readers.open import open_clip

TEXTS = ("the red one", "the green one", "the blue one", "the elephant")
NAMES = ("mother", "<b>bold</b> & 'quoted' \"twice\"", "zwei\nZeilen", "ä" * 300)


class Walker:
    """Does one thing after the other to a project, as chance will have it."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project = project
        self.random = np.random.default_rng(seed)
        self.refused = 0
        self._work(self._run(), may_stop=False)

    @property
    def state(self):
        return self.project.state

    def step(self, *, during_job: bool = False) -> None:
        """Do anything; what is refused must have changed nothing."""
        before = picture_of(self.state)
        try:
            self._anything(during_job)
        except RequestError:
            self.refused += 1
            assert picture_of(self.state) == before

    def _anything(self, during_job: bool) -> None:
        kind = self.random.random()
        if kind < 0.08:
            self.project.undo()
        elif kind < 0.14:
            self.project.redo()
        elif kind < 0.4 and not during_job:
            self._work(self._model_step())
        else:
            step = self._edit()
            self.project.do(_as_read_again(step))

    def _work(self, step: ModelStep | None, *, may_stop: bool = True) -> None:
        if step is None:
            return
        stops = may_stop and self._chance(0.3)
        stop_after = int(self.random.integers(0, 14)) if stops else None
        job = self.project.begin(_as_read_again(step))
        cancel, is_whole = CancelToken(), False
        try:
            for number, message in enumerate(job.events(self._footage(), cancel, FakeModel())):
                job.take(message)
                is_whole = isinstance(message, Finished) and message.reason == "done"
                if number == stop_after:
                    cancel.cancel()
                if self._chance(0.25):
                    self.step(during_job=True)
        finally:
            self.project.end(job, complete=is_whole)

    def _footage(self) -> Footage:
        assert self.project.footage is not None
        return self.project.footage

    def _chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def _one_of(self, things):
        return things[int(self.random.integers(len(things)))]

    def _id(self) -> int:
        """Mostly an object that is there."""
        there = list(self.state.cards)
        return self._one_of(there) if there and self._chance(0.95) else 99

    def _ids(self) -> tuple[int, ...]:
        return tuple(sorted({self._id() for _ in range(int(self.random.integers(1, 4)))}))

    def _frame(self) -> int:
        return int(self.random.integers(self.state.num_frames))

    def _span(self) -> Span:
        """Within one plane."""
        count = self.state.frames_per_plane
        first, last = sorted(self.random.integers(count, size=2).tolist())
        begin = int(self.random.integers(self.state.planes)) * count
        return Span(first=begin + first, last=begin + last)

    def _mask(self) -> rle.Rle:
        mask = np.zeros(self.state.shape[1:], bool)
        for _ in range(int(self.random.integers(0, 3))):
            y, x = (int(self.random.integers(0, n - 2)) for n in mask.shape)
            mask[y : y + 4, x : x + 4] = True
        return rle.encode(mask)

    def _region(self) -> tuple[int, int, int, int] | None:
        return (0, 0, 11, 20) if self._chance(0.3) else None

    def _model_step(self) -> ModelStep | None:
        makers: list[Callable[[], ModelStep | None]] = [
            self._run, self._run, self._carry, self._carry, self._click, self._reword,
            self.project.continuation, self.project.continuation,
        ]  # fmt: skip
        return self._one_of(makers)()

    def _run(self) -> Run:
        texts = [self._one_of(TEXTS) for _ in range(int(self.random.integers(1, 4)))]
        settings = SETTINGS
        if self._chance(0.5):
            tracking = settings.tracking.model_copy(update={"propagation": Both()})
            settings = settings.model_copy(update={"tracking": tracking})
        first = self.state.next_id
        return Run(
            sentences=tuple(
                Sentence(object_id=i, name=text, text=text) for i, text in enumerate(texts, first)
            ),
            settings=settings,
            begin_near=self._frame() if self._chance(0.5) else -1,
            region=self._region(),
        )

    def _carry(self) -> Carry:
        span = self._span()
        direction = self._one_of(("both", "forward", "backward"))
        conditions = {}
        for i in self._ids():
            here = conditions_of(self.state, i, span, span.first)
            if here:
                conditions[i] = here
        if not conditions:
            raise RequestError("Nothing to carry.")
        return Carry(
            conditions=conditions,
            span=span,
            direction=direction,
            only_missing=self._chance(0.2),
            settings=SETTINGS,
            region=self._region(),
        )

    def _click(self) -> Click:
        is_new = self._chance(0.3)
        y, x = float(self.random.integers(0, 11)), float(self.random.integers(0, 20))
        return Click(
            object_id=self.state.next_id if is_new else self._id(),
            name="clicked" if is_new else "",
            frame=self._frame(),
            points=((y, x, True),),
            refine=not is_new and self._chance(0.5),
            settings=SETTINGS,
            region=self._region(),
        )

    def _reword(self) -> Reword:
        return Reword(
            object_id=self._id(),
            frame=self._frame(),
            text=self._one_of(TEXTS),
            settings=SETTINGS,
            region=self._region(),
        )

    def _edit(self) -> EditStep:
        makers: list[Callable[[], EditStep]] = [
            lambda: Paint(frame=self._frame(), masks={self._id(): self._mask()}),
            lambda: Paint(
                frame=self._frame(),
                masks={self._id(): self._mask(), self.state.next_id: self._mask()},
            ),
            lambda: Absent(object_ids=self._ids(), span=self._span()),
            lambda: Lock(object_ids=self._ids(), span=self._span(), locked=self._chance(0.4)),
            lambda: Review(span=self._span(), reviewed=self._chance(0.6)),
            lambda: Add(object_id=self.state.next_id, name=self._one_of(NAMES)),
            lambda: Rename(object_id=self._id(), name=self._one_of(NAMES)),
            lambda: Recolor(object_id=self._id(), color=(1, 2, self._frame())),
            self._merge,
            self._split,
            lambda: Divide(parent=self._id(), daughters=self._ids()),
            lambda: Remove(object_ids=(self._id(),)) if len(self.state.cards) > 3 else self._none(),
            lambda: Given(
                source="elsewhere",
                objects=(
                    GivenObject(
                        object_id=self.state.next_id, name="given", masks={0: self._mask()}
                    ),
                ),
            ),
        ]
        return self._one_of(makers)()

    def _none(self) -> NoReturn:
        raise RequestError("There are too few objects.")

    def _merge(self) -> Merge:
        ids = self._ids()
        if len(ids) < 2 or len(self.state.cards) < 5:
            return self._none()
        return Merge(object_ids=ids)

    def _split(self) -> Split:
        object_id, frame = self._id(), self._frame()
        count = parts_on(self.state.mask(object_id, frame))
        new = range(self.state.next_id, self.state.next_id + max(count - 1, 1))
        divides = self.state.planes == 1 and self._chance(0.5)
        return Split(object_id=object_id, frame=frame, new_ids=tuple(new), divides=divides)


def _as_read_again(step):
    """Every step goes through the text that is kept of it."""
    return read_step.validate_json(step.model_dump_json())


def movie_project(clip: Clip) -> Project:
    return Project.of(clip)


def stack_project() -> Project:
    clip = clip_of(0)
    project = Project((PLANES * clip.num_frames, clip.height, clip.width), PLANES)
    project.footage = Footage(PLANES, clip_of, across)
    return project


def check(project: Project, folder: Path) -> None:
    """Whatever way leads to the state of a project leads to the same state."""
    now = picture_of(project.state)
    again = replay(project, model=FakeModel())
    assert not again.refused
    assert again.same
    assert picture_of(again.project.state) == now
    save(project, folder)
    opened = open_project(folder)
    assert picture_of(opened.state) == now
    assert [step.model_dump_json() for step in opened.steps] == [
        step.model_dump_json() for step in project.steps
    ]
    check_labels(project)
    seen = [now]
    while project.undo():
        opened.undo()
        seen.append(picture_of(project.state))
        assert picture_of(opened.state) == seen[-1]
    assert not project.state.cards
    assert not project.state.reviewed
    for picture in reversed(seen[:-1]):
        project.redo()
        opened.redo()
        assert picture_of(project.state) == picture
        assert picture_of(opened.state) == picture


def check_labels(project: Project) -> None:
    """The layer in the window shows what the writers write."""
    if not project.masklets:
        return
    for overlap in ("first", "last"):
        for t in range(project.state.num_frames):
            np.testing.assert_array_equal(
                project.state.labels(t, overlap), label_frame(project.masklets, t, overlap)
            )


@pytest.mark.parametrize("seed", range(8))
def test_all_ways_to_a_project_lead_to_the_same_masks(seed: int, tmp_path: Path) -> None:
    num_frames = 1 if seed == 0 else 6
    walker = Walker(movie_project(colour_clip(num_frames)), seed)
    for _ in range(40):
        walker.step()
    check(walker.project, tmp_path / "kept")
    assert len(walker.project.steps) > 8


@pytest.mark.parametrize("seed", range(3))
def test_all_ways_to_a_project_of_planes_lead_to_the_same_masks(seed: int, tmp_path: Path) -> None:
    walker = Walker(stack_project(), 100 + seed)
    for _ in range(25):
        walker.step()
    check(walker.project, tmp_path / "kept")


def test_a_walk_goes_on_after_a_project_was_opened_again(tmp_path: Path) -> None:
    clip = open_clip(movie_in(tmp_path))
    walker = Walker(movie_project(clip), 200)
    for number in range(3):
        for _ in range(8):
            walker.step()
        save(walker.project, tmp_path / "kept")
        opened = open_project(tmp_path / "kept")
        assert opened.footage is not None, number
        walker.project = opened
    assert replay(walker.project, model=FakeModel()).same

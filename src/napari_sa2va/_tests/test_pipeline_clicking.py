"""Clicks that put a mask right: what the tracker is given, and what becomes of the mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip, pretend_gpu
from napari_sa2va._tests.sam2_reference import reference_logits, reference_state
from napari_sa2va._tests.test_pipeline_marks import RED, events_of, final_masks, square
from napari_sa2va._tests.test_pipeline_reference import Case, nano_case, small_case
from napari_sa2va._tests.test_project_jobs import SETTINGS, ask, drive, fresh, truth
from napari_sa2va.core import rle
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.models.sam2.prediction import at_frame_size
from napari_sa2va.pipeline.clicking import inner_point
from napari_sa2va.pipeline.events import KeyMasks
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.regions import region_mask
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import preset
from napari_sa2va.project.steps.click import Click
from napari_sa2va.propagation import KeyFramesOnly, Range

ON = Point(2.0, 3.0)
OFF = Point(3.0, 2.0, positive=False)


def refined(*points: Point, frame: int = 2) -> Prompt:
    return Prompt(1, "cell", frame=frame, mask=square(RED, frame), points=points)


def prompts_of(model: FakeModel) -> list[tuple]:
    return [c for c in model.calls if c[0] in ("prompt_masks", "prompt_points", "forget")]


# -- what the tracker is given ----------------------------------------------------------------------


def test_the_mask_comes_first_and_the_clicks_refine_it_on_the_same_frame():
    events, model = events_of(refined(ON, OFF))
    assert prompts_of(model) == [
        ("prompt_masks", 2, (1,)),
        ("prompt_points", 2, 1, [[2.0, 3.0], [3.0, 2.0]], None),
    ]
    assert model.trackers[0].num_encoded == 4, "frames 2 to 5, each once"
    scores = {t: float(e.scores[0]) for t, e in final_masks(events).items()}
    assert scores[2] == pytest.approx(0.9), "the refined mask's, and not that of a given one"


def test_a_mask_alone_and_clicks_alone_are_prompted_as_before():
    _, model = events_of(Prompt(1, "cell", frame=2, mask=square(RED, 2)))
    assert [c[0] for c in prompts_of(model)] == ["prompt_masks"]
    _, model = events_of(Prompt(1, "cell", frame=2, points=(ON,)))
    assert [c[0] for c in prompts_of(model)] == ["prompt_points"]


def test_a_negative_click_alone_comes_with_a_positive_one_on_the_mask():
    _, model = events_of(refined(OFF))
    # The square is rows 1 to 4 and columns 2 to 5; the click on (3, 2) counts as its border.
    (_, _, _, points, _) = prompts_of(model)[1]
    assert points == [[2.0, 4.0], [3.0, 2.0]]
    _, model = events_of(Prompt(1, "cell", frame=2, points=(OFF,)))
    assert prompts_of(model)[0][3] == [[3.0, 2.0]], "without a mask there is nothing to click on"


def test_the_record_holds_the_mask_and_the_clicks():
    events, _ = events_of(refined(ON, OFF))
    record = RunRecord.model_validate_json(events[-1].record.model_dump_json())
    (mark,) = record.objects[0].marked
    assert mark["points"] == [[2.0, 3.0, True], [3.0, 2.0, False]]
    np.testing.assert_array_equal(rle.decode(rle.from_json(mark["mask"])), square(RED, 2))


def test_clicks_that_fail_for_want_of_memory_are_made_again_with_their_mask(monkeypatch):
    model = FakeModel()
    pretend_gpu(monkeypatch, model)
    kept, calls = FakeTracker.prompt_points, []

    def prompt_points(self, *args, **options):
        calls.append(args[0])
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return kept(self, *args, **options)

    monkeypatch.setattr(FakeTracker, "prompt_points", prompt_points)
    events = list(run(colour_clip(), PromptSet((refined(ON),)), preset("sa2va-i")))
    assert [c[0] for c in prompts_of(model)] == [
        "prompt_masks", "forget", "prompt_masks", "prompt_points",
    ]  # fmt: skip
    assert [e.frame for e in events if type(e) is KeyMasks] == [2]
    assert events[-1].record.finished == "done"


def test_a_region_that_is_clicked_right_goes_through_sam_2_too():
    model = FakeModel()
    np.testing.assert_array_equal(region_mask(colour_clip(), model, refined(ON)), square(RED, 2))
    assert [c[0] for c in prompts_of(model)] == ["prompt_masks", "prompt_points"]


def test_a_click_step_refines_the_mask_that_is_there_if_it_is_told_to():
    for refine, prompted in ((True, ["prompt_masks", "prompt_points"]), (False, ["prompt_points"])):
        project, model = fresh(), FakeModel()
        drive(project, ask("the red one"))
        step = Click(
            object_id=1, frame=2, points=((7.0, 3.0, True),), refine=refine, settings=SETTINGS
        )
        drive(project, step, model=model)
        assert [c[0] for c in prompts_of(model)] == prompted
        cell = project.state.cell(1, 2)
        assert (cell.origin, cell.score) == ("clicks", pytest.approx(0.9))
        np.testing.assert_array_equal(project.state.mask(1, 2), truth(1)[2])


# -- a point of the mask ----------------------------------------------------------------------------


def picture(*rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows])


def test_the_inner_point_is_farthest_from_the_border_of_mask_and_frame():
    mask = picture(
        "###...#",
        "###...#",
        "###....",
    )
    assert inner_point(mask) == Point(1.0, 1.0)


def test_a_part_with_a_negative_click_in_it_does_not_count_if_another_is_left():
    mask = picture(
        "###...",
        "###..#",
        "###...",
    )
    assert inner_point(mask) == Point(1.0, 1.0)
    assert inner_point(mask, (Point(0.4, 2.0, False),)) == Point(1.0, 5.0)


def test_a_negative_click_outside_of_the_mask_moves_nothing():
    mask = picture("###.", "###.", "###.")
    assert inner_point(mask, (Point(1.0, 3.0, False),)) == Point(1.0, 1.0)


def test_of_a_mask_that_is_clicked_off_altogether_some_pixel_is_taken():
    mask = picture("...", ".#.")
    assert inner_point(mask, (Point(1.0, 1.0, False),)) == Point(1.0, 1.0)


# -- what becomes of the mask -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Case:
    return small_case()


@pytest.fixture(scope="module")
def nano() -> Case:
    return nano_case()


@pytest.mark.parametrize(
    "points",
    [(Point(30.0, 20.0),), (Point(30.0, 20.0), Point(45.0, 30.0, False), Point(60.0, 90.0))],
    ids=["one", "three"],
)
def test_a_refined_mask_and_what_is_tracked_from_it_equal_the_reference(small: Case, points):
    mask = small.truth[0, 6]
    prompt = Prompt(3, "first", frame=6, mask=mask, points=points)
    found = small.found([prompt], Range(first_frame=6, last_frame=12))

    predictor, state = small.predictor, reference_state(small.predictor, small.frames)
    predictor.add_new_mask(state, 6, 3, mask)
    labels = [int(p.positive) for p in points]
    at_xy = [(p.x, p.y) for p in points]
    predictor.add_new_points_or_box(state, 6, 3, points=at_xy, labels=labels)
    for t, *_ in predictor.propagate_in_video(state, 6, 6):
        expected = (at_frame_size(reference_logits(state, [3], t), *mask.shape) > 0).numpy()
        assert (found[t] != expected).sum() <= 2, t
    # Neither the mask nor the clicks are for nothing.
    for other in ({"mask": mask}, {"points": points}):
        other_masks = small.found([Prompt(3, "first", frame=6, **other)], KeyFramesOnly())
        assert (other_masks[6] != found[6]).any()


def drawn(case: Case, **marks) -> np.ndarray:
    """The mask of one object on frame 6."""
    return case.found([Prompt(1, "cell", frame=6, **marks)], KeyFramesOnly())[6][0]


def share(part: np.ndarray, whole: np.ndarray) -> float:
    """How much of `whole` is covered by `part`."""
    return float((part & whole).sum() / whole.sum())


def test_a_positive_click_adds_the_part_of_the_object_that_the_mask_lacks(nano: Case):
    whole = nano.truth[0, 6]
    half = whole.copy()
    half[:, int(np.median(np.nonzero(whole)[1])) :] = False
    lacking = whole & ~half
    click = (inner_point(lacking),)
    found = drawn(nano, mask=half, points=click)
    assert share(found, lacking) > 0.8
    assert share(found, half) > 0.6
    assert (found != drawn(nano, points=click)).sum() > 10, "the mask is heard"


def test_a_negative_click_takes_away_what_is_not_the_object(nano: Case):
    whole = nano.truth[0, 6]
    both = whole | np.roll(whole, 14, axis=1)
    too_much = both & ~whole
    click = (replace(inner_point(too_much), positive=False),)
    found = drawn(nano, mask=both, points=click)
    assert share(found, too_much) < 0.3
    assert share(found, whole) > 0.6
    assert not drawn(nano, points=click).any(), "the mask is heard"

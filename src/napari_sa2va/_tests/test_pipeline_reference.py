"""A run over marks on several frames against `SAM2VideoPredictor` on the same modules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.sam2_reference import (
    FloatPredictor,
    moving_square,
    reference_logits,
    reference_state,
    small_predictor,
)
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.models import zoo
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sam2.build import Sam2Config, build_sam2
from napari_sa2va.models.sam2.prediction import at_frame_size
from napari_sa2va.models.sam2.tracker import Tracker
from napari_sa2va.pipeline.events import FrameMasks
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import preset
from napari_sa2va.propagation import KeyFramesOnly, Propagation, Range
from napari_sa2va.readers.open import open_clip

NUM_FRAMES = 24
HEIGHT, WIDTH = 90, 120


class SmallModel(FakeModel):
    """A network whose SAM 2 alone is real; nothing asks the rest."""

    def __init__(self, predictor: FloatPredictor) -> None:
        super().__init__()
        self.predictor, self.tuned_decoder = predictor, predictor.sam_mask_decoder

    def new_tracker(self, *, decoder, hide_absent, **how):
        return Tracker(self.predictor, suppress_absent=hide_absent, **how)


@dataclass
class Case:
    """A network, its reference, and a movie of two objects with their true masks."""

    model: FakeModel | Sa2VA
    predictor: FloatPredictor
    frames: np.ndarray  # uint8 (T, Y, X, 3)
    truth: np.ndarray  # bool (2, T, Y, X)

    @property
    def nothing(self) -> np.ndarray:
        return np.zeros_like(self.truth[0, 0])

    def found(self, prompts, order: Propagation, *, attended=0, **options):
        """Frame -> masks of the objects in their order, from a run, in its order."""
        settings = preset("sa2va-i")
        changed = {"propagation": order, "max_conditioning": attended}
        tracking = settings.tracking.model_copy(update=changed)
        events = run(
            open_clip(self.frames, axes="TYXS"),
            PromptSet(tuple(prompts)),
            settings.model_copy(update={"tracking": tracking}),
            model=self.model,
            **options,
        )
        return {e.frame: e.masks for e in events if type(e) is FrameMasks}

    def expected(self, prompts, *sweeps: tuple[int, int], attended=-1):
        """The same from the reference; a sweep goes from its first to its second frame."""
        predictor, state = self.predictor, reference_state(self.predictor, self.frames)
        ids = list(dict.fromkeys(p.object_id for p in prompts))
        for prompt in prompts:
            predictor.add_new_mask(state, prompt.frame, prompt.object_id, prompt.mask)
        predictor.max_cond_frames_in_attn = attended
        try:
            found = {}
            for start, stop in sweeps:
                steps = predictor.propagate_in_video(
                    state, start, abs(stop - start), reverse=stop < start
                )
                for t, *_ in steps:
                    logits = reference_logits(state, ids, t)
                    found[t] = (at_frame_size(logits, *self.nothing.shape) > 0).numpy()
        finally:
            predictor.max_cond_frames_in_attn = -1
        return found


def small_case() -> Case:
    predictor = small_predictor()
    first = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), dtype=bool)
    for t in range(NUM_FRAMES):
        first[t, 20:50, 5 + 3 * t : 35 + 3 * t] = True
    truth = np.stack([first, np.roll(first, 40, axis=1)])
    return Case(SmallModel(predictor), predictor, moving_square(NUM_FRAMES), truth)


def nano_case() -> Case:
    from napari_sa2va.training.synth import generate_movie

    model = Sa2VA.load(zoo.resolve("nano").folder, device="cpu", dtype="float32")
    config = Sam2Config.from_json(dict(model.config["sam2_config"]))
    predictor = build_sam2(config, cls=FloatPredictor)
    predictor.load_state_dict(model.sam2.state_dict())
    predictor.sam_mask_decoder.load_state_dict(model.original_decoder.state_dict())
    movie = generate_movie(31, num_frames=NUM_FRAMES, height=HEIGHT, width=WIDTH, style="colour")
    return Case(model, predictor, movie.frames, movie.masks[:2])


@pytest.fixture(scope="module", params=[small_case, nano_case], ids=["small", "nano"])
def case(request):
    return request.param()


def marks_of(case: Case) -> list[Prompt]:
    """Object 3 on two frames and gone on a third; object 8 on one between them."""
    mark = partial(Prompt, 3, "first")
    return [
        mark(frame=6, mask=case.truth[0, 6]),
        mark(frame=14, mask=case.truth[0, 14]),
        mark(frame=19, mask=case.nothing),
        Prompt(8, "second", frame=10, mask=case.truth[1, 10]),
    ]


def assert_equal(found, expected):
    assert list(found) == list(expected)
    different = np.array([(found[t] != expected[t]).sum(axis=(1, 2)) for t in expected])
    assert different.max() <= 2, f"pixels that differ, per frame and object: {different}"


def test_masks_on_several_frames_carry_between_and_after_them_as_in_the_reference(case):
    prompts = marks_of(case)
    found = case.found(prompts, Range(first_frame=2, last_frame=22))
    assert_equal(found, case.expected(prompts, (6, 22), (5, 2)))
    # The second mask is heard, ahead of it too.
    without = case.found([p for p in prompts if p.frame != 14], Range(first_frame=2, last_frame=22))
    assert any((found[t][0] != without[t][0]).any() for t in range(7, 14))
    assert any((found[t][0] != without[t][0]).any() for t in range(15, 19))


def test_marks_before_a_range_carry_into_it_as_in_the_reference(case):
    prompts = marks_of(case)
    found = case.found(prompts, Range(first_frame=15, last_frame=18))
    assert_equal(found, case.expected(prompts, (15, 18)))


def test_marks_after_a_range_carry_back_into_it_as_in_the_reference(case):
    prompts = marks_of(case)
    found = case.found(prompts, Range(first_frame=1, last_frame=5))
    assert_equal(found, case.expected(prompts, (5, 1)))


def test_a_limit_of_attended_frames_is_that_of_the_reference(case):
    times = (0, 3, 6, 11, 12, 20)
    prompts = [Prompt(3, "first", frame=t, mask=case.truth[0, t]) for t in times]
    order = Range(first_frame=3, last_frame=22)
    limited = case.found(prompts, order, attended=3)
    assert_equal(limited, case.expected(prompts, (3, 22), attended=3))
    free = case.found(prompts, order)
    assert any((limited[t] != free[t]).any() for t in limited)


@pytest.mark.parametrize("order", [Range(), KeyFramesOnly()], ids=lambda order: order.kind)
def test_the_frame_in_view_changes_no_pixel(case, order):
    # Near enough to each other that a tracked one would be remembered by the next.
    prompts = [
        Prompt(3, "first", frame=6, mask=case.truth[0, 6]),
        Prompt(8, "second", frame=7, mask=case.truth[1, 7]),
        Prompt(3, "first", frame=9, mask=case.truth[0, 9]),
    ]
    runs = {near: case.found(prompts, order, begin_near=near) for near in (None, 7, 20)}
    assert any(masks.any() for masks in runs[None].values())
    for near in (7, 20):
        assert runs[near].keys() == runs[None].keys()
        for t, masks in runs[None].items():
            np.testing.assert_array_equal(runs[near][t], masks)
    if order.kind == "none":
        assert [list(found) for found in runs.values()] == [[6, 7, 9], [7, 6, 9], [9, 7, 6]]


def test_key_frames_only_tracks_from_the_prompts_alone(case):
    prompts = marks_of(case)
    found = case.found(prompts, KeyFramesOnly())
    alone = {t: case.expected(prompts, (t, t))[t] for t in (6, 10, 14, 19)}
    assert_equal(found, alone)

"""Runs of the real nano that are stopped, and gone on with from a file, against undisturbed ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from napari_sa2va._tests.kept_points import (
    NUM_FRAMES,
    PROMPTS,
    SENTENCES,
    EveryPoint,
    From,
    account,
    assert_same,
    drawn,
    final,
    notes,
    on_frames,
    record_of,
    two_cells,
)
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.core.user_files import read
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.pipeline import rates
from napari_sa2va.pipeline.events import Answered, Event, FrameMasks
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.safe_point import SafePoint
from napari_sa2va.presets import PRESETS, preset
from napari_sa2va.propagation import Both, KeyFramesOnly, Range


class Passes:
    """How often parts of a network ran."""

    def __init__(self, network: Sa2VA) -> None:
        self.of_language = self.of_encoder = 0
        self._network = network

    @contextmanager
    def counted(self) -> Iterator[Passes]:
        def language(*_: object) -> None:
            self.of_language += 1

        def encoder(*_: object) -> None:
            self.of_encoder += 1

        hooks = (
            self._network.mllm.model.language_model.register_forward_pre_hook(language),
            self._network.sam2.image_encoder.register_forward_pre_hook(encoder),
        )
        yield self
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("name", PRESETS)
def test_a_run_stopped_at_any_point_goes_on_to_the_same_masks_and_repeats_nothing(
    name, nano, clip, tmp_path
):
    whole = Passes(nano)
    with whole.counted():
        undisturbed = list(run(clip, PROMPTS, preset(name), model=nano))
    assert any(event.masks.any() for event in final(undisturbed))
    assert not record_of(undisturbed).objects[0].found
    num_points = len(drawn(undisturbed)) + 1
    for stop in range(num_points):
        keeper = EveryPoint(tmp_path)
        before: list[Event] = []
        first, second = Passes(nano), Passes(nano)
        with first.counted():
            events = run(clip, PROMPTS, preset(name), model=nano, keeper=keeper)
            while len(keeper.paths) <= stop:
                before.append(next(events))
            # The event after the point is lost, as when the process is killed.
            lost = before.pop()
            encoded = first.of_encoder - (stop + 1 < num_points and is_encoded(lost, before))
            events.close()
        with second.counted():
            after = list(
                run(clip, PROMPTS, preset(name), model=nano, keeper=From(keeper.paths[stop]))
            )
        assert_same(drawn(before) + drawn(after), drawn(undisturbed))
        assert account(record_of(after)) == account(record_of(undisturbed))
        assert first.of_language == whole.of_language > 0
        assert second.of_language == 0
        assert encoded + second.of_encoder == whole.of_encoder == NUM_FRAMES


def is_encoded(event: Event, before: list[Event]) -> bool:
    """Whether its frame went through the encoder for it, and not for an event before."""
    assert isinstance(event, FrameMasks)
    return event.frame not in {one.frame for one in drawn(before)}


def mask_of(clip: Clip, y: int, x: int) -> np.ndarray:
    mask = np.zeros((clip.height, clip.width), bool)
    mask[y : y + 20, x : x + 20] = True
    return mask


def marks(clip: Clip) -> PromptSet:
    """Two objects marked in all ways on four frames, beside a sentence."""
    nothing = np.zeros((clip.height, clip.width), bool)
    corrected = (Point(30, 30), Point(2, 2, False))
    return PromptSet(
        (
            Prompt(1, "bright", text=SENTENCES[1]),
            Prompt(5, "clicked", frame=2, points=(Point(20, 20), Point(50, 60, False))),
            Prompt(5, "clicked", frame=5, box=(10, 10, 40, 44)),
            Prompt(3, "painted", frame=1, mask=mask_of(clip, 20, 20)),
            Prompt(3, "painted", frame=5, mask=mask_of(clip, 22, 22), points=corrected),
            Prompt(3, "painted", frame=6, mask=nothing),
        )
    )


UNION = {"output": preset("sa2va-i").output.model_copy(update={"several_masks": "union"})}
CASES = {
    # name: settings, prompts, and what else the run is given
    "both ways": (on_frames(4, 6, propagation=Both()), PROMPTS, {}),
    "a part": (on_frames(0, 5, propagation=Range(first_frame=2, last_frame=6)), PROMPTS, {}),
    "frames alone, nearest first": (on_frames(1, 4, propagation=KeyFramesOnly()), marks, {"begin_near": 5}),
    "marks": (on_frames(3, propagation=Both()), marks, {}),
    "few anchors": (on_frames(0, 3, 6, max_conditioning=1), PROMPTS, {}),
    "several tracks": (
        on_frames(2, 4, prompt_with="language", decoder="tuned").model_copy(update=UNION),
        PROMPTS,
        {"answers": ["It is [SEG] and [SEG].", "[SEG]", "None."]},
    ),
    "bfloat16": (
        on_frames(1, 3, propagation=Both()).model_copy(
            update={"memory": preset("sa2va").memory.model_copy(update={"sam2_dtype": "bfloat16"})}
        ),
        PROMPTS,
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_point_of_a_run_leads_to_its_masks(case, nano, clip, tmp_path):
    settings, asked, more = CASES[case]
    prompts = asked if isinstance(asked, PromptSet) else asked(clip)
    plain = list(run(clip, prompts, settings, model=nano, **more))
    keeper = EveryPoint(tmp_path)
    kept = list(run(clip, prompts, settings, model=nano, keeper=keeper, **more))
    assert_same(drawn(kept), drawn(plain))
    assert any(event.masks.any() for event in final(kept))
    assert len(keeper.paths) == len(drawn(kept)) + 1
    assert len({SafePoint.load(path).frames_done for path in keeper.paths}) == len(final(kept)) + 1
    for number, path in enumerate(keeper.paths):
        after = list(run(clip, prompts, settings, model=nano, keeper=From(path), **more))
        assert_same(drawn(after), drawn(kept)[number:])
        # Features that waited are no part of a point, so their frames are encoded once more.
        mine, theirs = record_of(after), record_of(kept)
        assert account(mine, "frames_encoded") == account(theirs, "frames_encoded")
        assert mine.frames_encoded >= theirs.frames_encoded


def test_a_picture_goes_on_after_its_answer(nano, tmp_path):
    clip, prompts = two_cells(1), PromptSet.from_texts(SENTENCES[1])
    keeper = EveryPoint(tmp_path)
    whole = list(run(clip, prompts, preset("sa2va-i"), model=nano, keeper=keeper))
    assert len(keeper.paths) == 3
    for number, path in enumerate(keeper.paths):
        after = list(run(clip, prompts, preset("sa2va-i"), model=nano, keeper=From(path)))
        assert_same(drawn(after), drawn(whole)[number:])


def test_a_run_that_goes_on_says_so_and_tells_the_answers_again(nano, clip, tmp_path):
    settings = preset("sa2va-i")
    keeper = EveryPoint(tmp_path)
    whole = list(run(clip, PROMPTS, settings, model=nano, keeper=keeper))
    said = []
    for place in (0, 2, 5 + 3):
        events = list(run(clip, PROMPTS, settings, model=nano, keeper=From(keeper.paths[place])))
        said += [note for note in notes(events) if note.startswith("The run goes on")]
        answered = [event for event in events if isinstance(event, Answered)]
        assert answered == [event for event in whole if isinstance(event, Answered)]
        # What was noted before stands in the record, and is not told again.
        missing = f"{SENTENCES[0]!r} was not found."
        assert sum(missing in note for note in record_of(events).notes) == 1
        assert not any(missing in note for note in notes(events))
    assert said == [
        "The run goes on after the answers.",
        "The run goes on after 2 prompted frames.",
        "The run goes on after 3 of 7 frames.",
    ]


def test_the_times_of_all_processes_add_up(nano, clip, tmp_path):
    settings = preset("sa2va-i")
    keeper = EveryPoint(tmp_path)
    list(run(clip, PROMPTS, settings, model=nano, keeper=keeper))
    before = SafePoint.load(keeper.paths[-3]).record
    after = record_of(list(run(clip, PROMPTS, settings, model=nano, keeper=From(keeper.paths[-3]))))
    assert after.timings_s["ground"] == before.timings_s["ground"] > 0
    assert after.timings_s["key_frames"] == before.timings_s["key_frames"] > 0
    assert after.timings_s["tracking"] > before.timings_s["tracking"] > 0
    assert after.timings_s["total"] > before.timings_s["total"]
    assert after.started == before.started


def test_half_a_run_is_not_kept_as_the_pace_of_a_whole_one(nano, clip, tmp_path):
    settings = preset("sa2va-i")
    keeper = EveryPoint(tmp_path)
    whole = run(clip, PROMPTS, settings, model=nano, keeper=keeper)
    list(rates.learning(whole))
    kept = read("rates")
    assert kept is not None
    half = run(clip, PROMPTS, settings, model=nano, keeper=From(keeper.paths[-3]))
    list(rates.learning(half))
    assert read("rates") == kept

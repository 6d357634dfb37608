"""How fast runs were is kept, and foretells the next; what teaches nothing is left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core import user_files
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.events import FrameMasks, KeyMasks, Resumed
from napari_sa2va.pipeline.file_keeper import FileKeeper
from napari_sa2va.pipeline.rates import (
    Counts,
    Pace,
    Rates,
    kind_of,
    learning,
    line_through,
    rates_of,
)
from napari_sa2va.pipeline.record import RunRecord, StepDown
from napari_sa2va.pipeline.resolve import resolve
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import PRESETS

SETTINGS = PRESETS["sa2va"]  # the first 5 of 6 frames are key frames
SENTENCES = ["the red square", "the elephant", "the blue square"]


def learn(sentences=SENTENCES, cancel=None, change=None) -> RunRecord:
    """Run to the end, with a look at every event."""
    prompts = PromptSet.from_texts(sentences)
    events = run(colour_clip(), prompts, SETTINGS, model=FakeModel(), cancel=cancel)
    record = None
    for event in learning(change(events) if change else events):
        record = getattr(event, "record", record)
    return record


def kept(record: RunRecord) -> tuple[Pace, ...]:
    return rates_of(kind_of(record.model_name, record.device, record.formats)).paces


def test_a_run_leaves_what_it_did_and_what_that_took() -> None:
    record = learn()
    (pace,) = kept(record)
    assert (pace.key_frames, pace.sentences) == (5, 3)
    assert pace.objects == 2, "the elephant was not found"
    assert (pace.drawn, pace.tracked, pace.pixels) == (5, 1, 16 * 20)
    times = record.timings_s
    assert (pace.look_s, pace.ground_s) == (times["look"], times["ground"])
    assert (pace.draw_s, pace.track_s) == (times["key_frames"], times["tracking"])
    assert pace.load_s is None, "the network was there"
    assert pace.rest_s == pytest.approx(times["total"] - sum(times.values()) + times["total"])


def test_what_a_plan_holds_is_what_its_run_does() -> None:
    clip = colour_clip()
    plan = resolve(clip, PromptSet.from_texts(SENTENCES), SETTINGS)
    counts = Counts.of(plan, clip.height, clip.width)
    (pace,) = kept(learn(["the red square", "the green square", "the blue square"]))
    for name in ("key_frames", "sentences", "objects", "drawn", "tracked", "pixels", "is_picture"):
        assert getattr(pace, name) == getattr(counts, name), name


def test_a_run_that_finds_nothing_teaches_only_how_long_it_looked() -> None:
    (pace,) = kept(learn(["the elephant"]))
    assert pace.look_s is not None
    assert pace.ground_s is not None
    assert (pace.draw_s, pace.track_s, pace.rest_s) == (None, None, None)


def test_a_cancelled_run_teaches_what_it_came_to() -> None:
    cancel = CancelToken()

    def stop_after_two(events):
        seen = 0
        for event in events:
            seen += type(event) is FrameMasks
            if seen == 2:
                cancel.cancel()
            yield event

    record = learn(cancel=cancel, change=stop_after_two)
    assert record.finished == "cancelled"
    (pace,) = kept(record)
    assert pace.drawn == 5
    assert (pace.tracked, pace.track_s) == (0, None), "both frames were key frames"


def test_a_run_that_stepped_down_or_failed_teaches_nothing() -> None:
    def short_of_memory(events):
        for event in events:
            if hasattr(event, "record"):
                event.record.step_downs = [StepDown(step="look", rung="cpu", because="full")]
            yield event

    def failing(events):
        yield from (next(events) for _ in range(3))
        raise ValueError("a frame is damaged")

    learn(change=short_of_memory)
    with pytest.raises(ValueError, match="damaged"):
        learn(change=failing)
    assert user_files.read("rates") is None


def test_a_run_put_together_of_several_teaches_nothing() -> None:
    def plane_after_plane(events):
        for event in events:
            yield replace(event, frame=event.frame + 6) if type(event) is FrameMasks else event

    learn(change=plane_after_plane)
    assert user_files.read("rates") is None


def test_a_run_that_went_on_where_an_earlier_one_stopped_teaches_nothing(tmp_path) -> None:
    clip, prompts = colour_clip(), PromptSet.from_texts(SENTENCES)

    def first_events(stop_at: type, file: str) -> None:
        cancel = CancelToken()
        keeper = FileKeeper(tmp_path / file)
        for event in run(clip, prompts, SETTINGS, model=FakeModel(), cancel=cancel, keeper=keeper):
            if type(event) is stop_at:
                keeper.keep_now()
                cancel.cancel()

    # After a key frame no frame is done, so that all of them are seen here.
    for stop_at in (KeyMasks, FrameMasks):
        first_events(stop_at, stop_at.__name__)
        keeper = FileKeeper(tmp_path / stop_at.__name__)
        events = list(learning(run(clip, prompts, SETTINGS, model=FakeModel(), keeper=keeper)))
        assert any(isinstance(event, Resumed) for event in events)
        assert events[-1].record.finished == "done"
    assert user_files.read("rates") is None


def test_events_may_come_wrapped() -> None:
    @dataclass
    class Wrapped:
        event: FrameMasks

    def wrapping(events):
        for event in events:
            yield Wrapped(event) if isinstance(event, FrameMasks) else event

    (pace,) = kept(learn(change=wrapping))
    assert (pace.drawn, pace.tracked) == (5, 1)


def test_every_plane_is_followed_through_all_frames() -> None:
    clip = colour_clip()
    plan = resolve(clip, PromptSet.from_texts(SENTENCES), SETTINGS)
    assert Counts.of(plan, 16, 20, planes=4).tracked == 1 + 3 * 6


def test_closing_the_listener_closes_the_run() -> None:
    closed = []

    def events():
        try:
            yield from run(
                colour_clip(), PromptSet.from_texts(SENTENCES), SETTINGS, model=FakeModel()
            )
        finally:
            closed.append(True)

    listening = learning(events())
    next(listening)
    assert not closed
    listening.close()
    assert closed


def test_only_the_latest_runs_are_kept() -> None:
    for _ in range(23):
        record = learn(["the red square"])
    last = learn(["the red square", "the blue square"])
    assert len(kept(record)) == 20
    assert kept(last)[-1].sentences == 2


@pytest.mark.parametrize(
    "content", [[], {"version": 99, "kinds": {}}, {"version": 1, "kinds": {"k": [{"drawn": -1}]}}]
)
def test_a_file_that_makes_no_sense_counts_as_empty_and_is_replaced(content) -> None:
    user_files.change("rates", lambda before: content)
    assert rates_of("k").paces == ()
    record = learn()
    assert len(kept(record)) == 1


def test_kinds_of_runs_are_kept_apart() -> None:
    formats = {"language": "float32"}
    assert kind_of("nano", "cpu", formats) != kind_of("sa2va-4b", "cpu", formats)
    assert kind_of("nano", "cpu", formats) != kind_of("nano", "mps", formats)
    assert kind_of("nano", "cpu", formats) != kind_of("nano", "cpu", {"language": "bfloat16"})


def pace(**changed) -> Pace:
    usual = Pace(
        key_frames=5, sentences=2, objects=2, drawn=5, tracked=10, pixels=100, look_s=1.0,
        ground_s=4.0, draw_s=5.0, track_s=20.0, rest_s=1.5, load_s=3.0,
    )  # fmt: skip
    return usual.model_copy(update=changed)


def counts(**changed) -> Counts:
    usual = Counts(key_frames=10, sentences=3, objects=2, drawn=10, tracked=30, pixels=100)
    return replace(usual, **changed)


def test_twice_as_much_takes_twice_as_long() -> None:
    rates = Rates((pace(),))
    assert rates.load_s() == 3.0
    assert rates.look_s(counts()) == pytest.approx(2.0)  # 0.2 s per key frame
    assert rates.ground_s(counts()) == pytest.approx(6.0)  # 2 s per sentence
    assert rates.draw_s(counts()) == pytest.approx(10.0)  # 1 s per frame
    assert rates.track_s(counts()) == pytest.approx(60.0)  # 2 s per frame
    assert rates.rest_s(counts()) == pytest.approx(4.0)  # 0.1 s per frame


def test_of_what_no_run_has_done_nothing_is_known() -> None:
    rates = Rates((pace(load_s=None, track_s=None),))
    assert rates.load_s() is None
    assert rates.track_s(counts()) is None
    assert Rates().look_s(counts()) is None
    assert Rates().rest_s(counts()) == 0.0


def test_one_slow_run_does_not_decide() -> None:
    rates = Rates((pace(), pace(look_s=500.0), pace()))
    assert rates.look_s(counts()) == pytest.approx(2.0)


def test_objects_share_the_pass_of_a_frame() -> None:
    """10 frames took 20 s with 2 objects and 40 s with 6: 1 s per frame and 0.5 s per object."""
    rates = Rates((pace(objects=2), pace(objects=6, track_s=40.0)))
    assert rates.track_s(counts(objects=4, tracked=1)) == pytest.approx(3.0)


def test_runs_with_one_number_of_objects_are_shared_out_as_in_the_published_network() -> None:
    # A quarter of a frame with one object is that object's.
    assert line_through([(1, 4.0)]) == pytest.approx((3.0, 1.0))
    assert line_through([(5, 8.0), (5, 8.0)]) == pytest.approx((3.0, 1.0))


def test_a_line_never_promises_less_than_nothing() -> None:
    assert line_through([(1, 5.0), (3, 1.0)])[1] == 0.0, "more objects were faster by chance"
    base, each = line_through([(1, 0.1), (3, 9.0)])
    assert base == 0.0
    assert each == pytest.approx(1.55)  # halfway between 0.1 and 9 / 3


def test_runs_on_frames_of_another_size_count_only_where_there_are_no_others() -> None:
    small, large = pace(), pace(pixels=10_000, track_s=200.0)
    assert Rates((small, large)).track_s(counts(tracked=1)) == pytest.approx(2.0)
    assert Rates((large,)).track_s(counts(tracked=1)) == pytest.approx(20.0)


def test_a_picture_in_tiles_tells_nothing_of_a_movie() -> None:
    picture = pace(is_picture=True, key_frames=1, look_s=9.0)
    assert Rates((picture,)).look_s(counts()) is None
    assert Rates((picture, pace())).look_s(counts()) == pytest.approx(2.0)

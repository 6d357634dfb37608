"""What the parts of a movie found becomes the masks of the movie."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sa2va._tests.made_units import SETTINGS, anywhere, made_folder, made_unit
from napari_sa2va.batch.found import Found, masks_of
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.journal import About, FrameCodes, Journal
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.merge import Merging
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.part import course_of, open_part, open_whole
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.batch.survey import look
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.work import work
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core import rle
from napari_sa2va.core.errors import OutputError
from napari_sa2va.pipeline.record import ObjectRecord, RunRecord
from napari_sa2va.propagation.backward import Backward
from napari_sa2va.propagation.both import Both
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings
from napari_sa2va.writers.result import Subject

# ---- parts that somebody has done


def rectangles(*corners: Sequence[int], num_frames: int, size: tuple[int, int]) -> np.ndarray:
    """One rectangle (y0, x0, y1, x1) per object, (T, N, Y, X), which moves right by a px per frame."""
    masks = np.zeros((num_frames, len(corners), *size), bool)
    for i, (y0, x0, y1, x1) in enumerate(corners):
        for t in range(num_frames):
            masks[t, i, y0:y1, x0 + t : x1 + t] = True
    return masks


class Parts:
    """A batch of one movie that was split, whose parts are filled in by hand.

    `masks`, (T, N, Y, X), is what the run on the whole movie would have drawn; object i answers to
    sentence i.
    """

    def __init__(
        self,
        path: Path,
        masks: np.ndarray,
        chosen: SplitSettings,
        settings: RunSettings = SETTINGS,
        **more: object,
    ) -> None:
        self.masks = masks
        path.mkdir(parents=True, exist_ok=True)
        np.save(
            path / "movie.npy", np.random.default_rng(0).integers(0, 255, masks[:, 0].shape, "u1")
        )
        sentences = [f"the {word} cell" for word in ("red", "blue", "green")[: masks.shape[1]]]
        unit = made_unit(
            "u1", path / "movie.npy", sentences=sentences, settings=digest_of(settings),
            arguments={"axes": "TYX"}, **more,
        )  # fmt: skip
        self.settings = settings
        *self.parts, self.whole = split(unit, look(unit, settings), settings, chosen)
        self.folder = made_folder(path / "night")
        self.folder.add([*self.parts, self.whole], {digest_of(settings): settings})

    def fill(
        self, part: Unit, masks: np.ndarray | None = None, *, generation: int = 1, **more: object
    ) -> None:
        """Do a part, as if a network had drawn these masks of the whole movie."""
        masks = self.masks if masks is None else masks
        clip, place = open_part(part), part.part
        assert place is not None
        y0, x0, y1, x1 = place.box or (0, 0, clip.height, clip.width)
        objects = [
            ObjectRecord(object_id=i, name=text, text=text, answer=f"Here is {text}.", found=True)
            for i, text in enumerate(part.sentences, start=1)
        ]
        record = RunRecord(settings=self.settings, objects=objects, frames_encoded=7)
        about = About(
            key=part.key, num_frames=clip.num_frames, height=clip.height, width=clip.width,
            subjects=tuple(Subject(o.object_id, o.name, o.text) for o in objects),
        )  # fmt: skip
        course = course_of(self.settings, clip.num_frames)
        assert course is not None
        course = course.between(place.first_frame, place.last_frame)
        with Journal(self.folder.work_of(part.unit_id), generation, about) as journal:
            frames = range(course.first, course.last + 1)
            for t in frames:
                inside = masks[t, :, y0:y1, x0:x1]
                ids = [o.object_id for o in objects]
                journal.write(t, ids, inside, np.full(len(ids), 0.5 + 0.1 * len(part.unit_id)))
            journal.end(frames, record.model_copy(update=more).model_dump(mode="json"))

    def fill_all(self) -> Parts:
        for part in self.parts:
            self.fill(part)
        return self

    def merge(self, generation: int = 1, **more: object) -> Outcome:
        return work(Task(self.whole, self.settings, self.folder, generation, **more))

    @property
    def merged(self) -> Found:
        return masks_of(self.folder.work_of("u1"), self.whole.key)

    def assert_as_the_whole(self) -> None:
        found = self.merged
        assert found.is_complete
        assert found.frames_done == tuple(range(len(self.masks)))
        for t, masks in enumerate(self.masks):
            codes = found.on(t).codes
            assert sorted(codes) == [*range(1, len(masks) + 1)]
            for i, mask in enumerate(masks, start=1):
                assert rle.same(codes[i], rle.encode(mask))


MOVING = rectangles((2, 1, 9, 6), (20, 18, 29, 28), num_frames=12, size=(32, 40))
WINDOWS = SplitSettings(window_frames=5, overlap_frames=2)
TILES = SplitSettings(tile_px=24, tile_overlap_px=4)
BOTH = SplitSettings(window_frames=5, overlap_frames=2, tile_px=24, tile_overlap_px=4)


@pytest.mark.parametrize(("chosen", "count"), [(WINDOWS, 3), (TILES, 4), (BOTH, 12)])
def test_parts_of_what_a_run_would_draw_are_put_together_to_that(tmp_path, chosen, count):
    output = {"path": str(tmp_path / "masks.tif"), "kind": "ome-tiff"}
    batch = Parts(tmp_path, MOVING, chosen, outputs=[output])
    assert len(batch.parts) == count
    outcome = batch.fill_all().merge()
    assert (outcome.state, outcome.cause) == ("done", "")
    batch.assert_as_the_whole()
    labels = MOVING[:, 0] + 2 * MOVING[:, 1].astype(np.uint16)
    np.testing.assert_array_equal(tifffile.imread(output["path"]).squeeze(), labels)
    assert [(o.name, o.sentence, o.frames_present) for o in outcome.objects] == [
        ("the red cell", "the red cell", 12),
        ("the blue cell", "the blue cell", 12),
    ]


@st.composite
def splits(draw) -> tuple[np.ndarray, SplitSettings, RunSettings]:
    num_frames, height, width = draw(st.integers(1, 9)), *draw(st.tuples(*[st.integers(6, 20)] * 2))
    corners = []
    for _ in range(draw(st.integers(1, 3))):
        y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        corners.append(
            (y0, x0, draw(st.integers(y0 + 1, height)), draw(st.integers(x0 + 1, width)))
        )
    overlap = draw(st.integers(1, 3))
    chosen = SplitSettings(
        window_frames=draw(st.integers(1, 9)),
        overlap_frames=draw(st.integers(0, 12)),
        tile_px=overlap + draw(st.integers(6, 20)),
        tile_overlap_px=overlap,
    )
    tracking = SETTINGS.tracking.model_copy(update={"propagation": Both()})
    sampling = Manual(frames=(draw(st.integers(0, num_frames - 1)),))
    changed = {"sampling": sampling, "tracking": tracking}
    masks = rectangles(*corners, num_frames=num_frames, size=(height, width))
    return masks, chosen, SETTINGS.model_copy(update=changed)


@settings(deadline=None, max_examples=25)
@given(case=splits())
def test_however_a_movie_is_cut_its_masks_come_out_whole(case, tmp_path_factory):
    masks, chosen, choices = case
    batch = Parts(tmp_path_factory.mktemp("cut"), masks, chosen, choices)
    if not batch.parts:
        return
    batch.fill_all()
    task = Task(batch.whole, choices, batch.folder)
    merging = Merging(task, open_whole(batch.parts[0]))
    with Journal(task.work, 1, merging.about) as journal:
        assert merging.write(journal) is not None
    batch.assert_as_the_whole()


def test_a_vast_frame_is_never_held_while_its_tiles_are_merged(tmp_path):
    side = 30_000
    zarr.create_array(
        tmp_path / "movie.zarr", shape=(2, side, side), chunks=(1, 1024, 1024), dtype="uint8"
    )
    unit = made_unit(
        "u1", tmp_path / "movie.zarr", sentences=("the cell",),
        arguments={"axes": "TYX", "limits": (0, 255)},
    )  # fmt: skip
    *parts, whole = split(unit, look(unit, SETTINGS), SETTINGS, SplitSettings(tile_px=16_000))
    folder = made_folder(tmp_path / "night", *parts, whole)
    record = RunRecord(settings=SETTINGS, objects=[ObjectRecord(object_id=1, name="a", text="a")])
    for part in parts:
        clip = open_part(part)
        about = About(
            key=part.key, num_frames=2, height=clip.height, width=clip.width,
            subjects=(Subject(1),),
        )  # fmt: skip
        # 100 px of every column of the tile's last 3000 rows.
        starts = np.arange(clip.width, dtype=np.int64) * clip.height + clip.height - 3000
        code = rle.of_runs(starts, starts + 100, clip.height, clip.width)
        with Journal(folder.work_of(part.unit_id), 1, about) as journal:
            journal.keep(1, FrameCodes({1: code}, {1: 1.0}))
            journal.end([1], record.model_dump(mode="json"))
    task = Task(whole, SETTINGS, folder)
    tracemalloc.start()
    merging = Merging(task, open_whole(parts[0]))
    with Journal(task.work, 1, merging.about) as journal:
        merging.write(journal)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    shown = masks_of(task.work).on(1).codes
    assert sorted(shown) == [1, 2]  # the upper two meet, and the lower two
    assert {rle.area(code) for code in shown.values()} == {100 * side}
    assert peak < 50e6  # a mask of the frame has 900 MB


# ---- seams


def test_an_overlap_frame_is_taken_from_the_window_that_tracked_more_frames_before_it(tmp_path):
    batch = Parts(tmp_path, MOVING, WINDOWS)
    assert [(p.part.first_frame, p.part.last_frame) for p in batch.parts] == [
        (0, 3),
        (2, 7),
        (6, 11),
    ]
    for nth, part in enumerate(batch.parts):
        batch.fill(
            part, np.roll(MOVING, nth, axis=-2)
        )  # each draws a row lower than the one before
    batch.merge()
    rows = [int(rle.decode(batch.merged.on(t).codes[1]).any(1).argmax()) for t in range(12)]
    assert rows == [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]


def test_going_back_in_time_the_later_window_is_the_warmer_one(tmp_path):
    tracking = SETTINGS.tracking.model_copy(update={"propagation": Backward()})
    changed = {"tracking": tracking, "sampling": Manual(frames=(11,))}
    batch = Parts(tmp_path, MOVING, WINDOWS, SETTINGS.model_copy(update=changed))
    assert [(p.part.first_frame, p.part.last_frame) for p in batch.parts] == [
        (0, 5),
        (4, 9),
        (8, 11),
    ]
    for nth, part in enumerate(batch.parts):
        batch.fill(part, np.roll(MOVING, nth, axis=-2))
    batch.merge()
    rows = [int(rle.decode(batch.merged.on(t).codes[1]).any(1).argmax()) for t in range(12)]
    assert rows == [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]


def test_windows_that_disagree_where_they_meet_are_told_of(tmp_path):
    batch = Parts(tmp_path, MOVING, WINDOWS)
    higher = MOVING.copy()
    higher[:, 0] = np.roll(MOVING[:, 0], 3, axis=-2)  # 4 of 7 rows remain, of 10 in all
    for part, masks in zip(batch.parts, (MOVING, higher, higher), strict=True):
        batch.fill(part, masks)
    (told,) = [w for w in batch.merge().warnings if "meet" in w]
    assert "frame 3" in told
    assert "'the red cell' agree by 40%" in told


def test_what_only_one_window_shows_and_what_none_shows(tmp_path):
    masks = MOVING.copy()
    masks[:9, 0] = False
    masks[:, 1] = False
    batch = Parts(tmp_path, masks, WINDOWS).fill_all()
    first, second = batch.merge().objects
    assert (first.frames_present, first.found) == (3, True)
    assert (second.frames_present, second.found) == (0, True)
    batch.assert_as_the_whole()


def test_objects_of_a_sentence_that_never_meet_get_names_and_ids_of_their_own(tmp_path):
    masks = rectangles((1, 1, 4, 4), num_frames=4, size=(24, 60))
    masks |= rectangles((1, 40, 9, 50), num_frames=4, size=(24, 60))
    output = {"path": str(tmp_path / "masks.tif"), "kind": "ome-tiff"}
    batch = Parts(tmp_path, masks, SplitSettings(tile_px=40, tile_overlap_px=4), outputs=[output])
    outcome = batch.fill_all().merge()
    assert [(o.object_id, o.name, o.sentence) for o in outcome.objects] == [
        (1, "the red cell", "the red cell"),  # the larger one
        (2, "the red cell (2)", "the red cell"),
    ]
    labels = tifffile.imread(output["path"]).squeeze()
    assert labels[0, 2, 45] == 1
    assert labels[0, 2, 2] == 2
    # Done again, as after a kill, it has the same ids and nothing has to be merged.
    (tmp_path / "masks.tif").unlink()
    again = batch.merge(generation=2)
    assert [o.name for o in again.objects] == ["the red cell", "the red cell (2)"]
    np.testing.assert_array_equal(tifffile.imread(output["path"]).squeeze(), labels)


def test_a_sentence_that_finds_nothing_in_any_tile_stays_in_the_results(tmp_path):
    batch = Parts(tmp_path, np.zeros((3, 2, 32, 40), bool), TILES)
    for nth, part in enumerate(batch.parts):
        no = ObjectRecord(
            object_id=1, name="the red cell", text="the red cell", answer=f"No {nth}.", found=False
        )
        yes = ObjectRecord(
            object_id=2, name="the blue cell", text="the blue cell", answer="Yes.", found=nth == 2
        )
        batch.fill(part, objects=[no, yes])
    outcome = batch.merge()
    assert outcome.state == "nothing"
    assert [(o.answer, o.found) for o in outcome.objects] == [("No 0.", False), ("Yes.", True)]


# ---- what is said of the whole


def test_the_record_is_that_of_one_run(tmp_path):
    batch = Parts(tmp_path, MOVING, BOTH)
    for nth, part in enumerate(batch.parts):
        notes = ["The model is small.", f"Only part {nth}."]
        batch.fill(part, notes=notes, timings_s={"tracking": 2.0})
    batch.merge()
    said = json.loads((batch.folder.work_of("u1") / "record.json").read_text())
    record = RunRecord.model_validate(said)
    assert record.settings == SETTINGS
    assert (record.frames_planned, record.frames_done, record.frames_encoded) == (12, 12, 84)
    assert record.timings_s == {"tracking": 24.0}
    assert record.clip["height"] == 32
    assert record.notes == [
        "The model is small.",
        "12 parts of the movie were tracked apart and put together.",
    ]
    assert record.of(1).frames_present == [*range(12)]
    assert record.of(1).answer == "Here is the red cell."
    assert record.of(1).mean_score == pytest.approx(1.6, abs=0.2)


# ---- what goes wrong


def test_a_part_that_failed_keeps_the_rest_and_is_named(tmp_path):
    batch = Parts(tmp_path, MOVING, WINDOWS)
    first, second, third = batch.parts
    batch.fill(first)
    batch.fill(third)
    held = batch.folder.runs.take(second.unit_id, 1, claim_here("w"))
    failed = Outcome(
        unit_id=second.unit_id, generation=1, state="failed", key=second.key, cause="It burnt."
    )
    held.finish(failed)
    outcome = batch.merge()
    assert outcome.state == "failed"
    assert "(part 2 of 3) is not done. It burnt." in outcome.cause
    batch.fill(second)
    assert batch.merge(generation=2).state == "done"
    batch.assert_as_the_whole()


def test_workers_merge_when_all_parts_are_at_their_end_and_again_after_a_retry(tmp_path):
    batch = Parts(tmp_path, MOVING, BOTH)
    batch.folder.change_head(attempts=1)
    broken, done = {"u1-part-07"}, []

    def do(task: Task) -> Outcome:
        done.append(task.unit.unit_id)
        if task.unit.parts:
            return work(task)
        if task.unit.unit_id in broken:
            raise OutputError("The disk was full.")
        batch.fill(task.unit)
        about = {"unit_id": task.unit.unit_id, "generation": task.generation, "key": task.unit.key}
        return Outcome.model_validate({**about, "state": "done"})

    Worker(batch.folder, "w", do=do, fits=anywhere, idle_s=0).run()
    assert sorted(done[:-1]) == [part.unit_id for part in batch.parts]
    assert done[-1] == "u1"
    assert "(part 7 of 12) is not done. The disk was full." in batch.folder.standings()["u1"].cause
    broken.clear()
    asked = batch.folder.retry(
        [i for i, s in batch.folder.standings().items() if s.state == "failed"]
    )
    assert asked == ["u1-part-07", "u1"]
    Worker(batch.folder, "w2", do=do, fits=anywhere, idle_s=0).run()
    assert done[-2:] == ["u1-part-07", "u1"]
    batch.assert_as_the_whole()


def test_what_was_merged_and_not_written_is_merged_again_when_a_part_is_asked_for_again(tmp_path):
    table = tmp_path / "out.csv"
    batch = Parts(tmp_path, MOVING, WINDOWS, outputs=[{"path": str(table), "kind": "table"}])
    *_, last = batch.parts
    drawn, stop_at = MOVING.copy(), "writing"

    def do(task: Task) -> Outcome:
        def tell(stage: str, done: int, planned: int) -> None:
            if stage == stop_at:
                task.cancel.cancel()

        if task.unit.parts:
            return work(replace(task, tell=tell))
        batch.fill(task.unit, drawn, generation=task.generation)
        about = {"unit_id": task.unit.unit_id, "generation": task.generation, "key": task.unit.key}
        return Outcome.model_validate({**about, "state": "done"})

    worker = Worker(batch.folder, "w", do=do, fits=anywhere, idle_s=0)
    for _ in range(4):
        assert worker.step()
    assert batch.merged.is_complete
    assert batch.folder.standings()["u1"].was_stopped
    assert batch.folder.retry([last.unit_id]) == [last.unit_id]
    drawn[8:], stop_at = False, ""
    worker.run()
    assert {s.state for s in batch.folder.standings().values()} == {"done"}
    with table.open(newline="") as file:
        areas = {int(row["frame"]): row["area_px"] for row in csv.DictReader(file)}
    assert (areas[7] != "0", areas.get(11, "0")) == (True, "0")


def test_masks_of_a_part_that_was_asked_for_again_and_failed_are_not_merged(tmp_path):
    batch = Parts(tmp_path, MOVING, WINDOWS)
    part = batch.parts[1]

    def do(task: Task) -> Outcome:
        if task.unit.parts:
            return work(task)
        about = {"unit_id": task.unit.unit_id, "generation": task.generation, "key": task.unit.key}
        if task.generation > 1:
            return Outcome.model_validate(
                {**about, "state": "failed", "certain": True, "cause": "It burnt."}
            )
        batch.fill(task.unit)
        return Outcome.model_validate({**about, "state": "done"})

    Worker(batch.folder, "w", do=do, fits=anywhere, idle_s=0).run()
    assert batch.folder.retry([part.unit_id]) == [part.unit_id, "u1"]
    Worker(batch.folder, "w2", do=do, fits=anywhere, idle_s=0).run()
    whole = batch.folder.standings()["u1"]
    assert whole.state == "failed"
    assert "(part 2 of 3) is not done. It burnt." in whole.cause


@pytest.mark.parametrize("frames", [0, 1, 7])
def test_a_merge_that_was_stopped_begins_again(tmp_path, frames):
    batch = Parts(tmp_path, MOVING, BOTH).fill_all()
    task = Task(batch.whole, SETTINGS, batch.folder)

    def tell(stage: str, done: int, planned: int) -> None:
        if stage == "merging" and done == frames:
            task.cancel.cancel()

    object.__setattr__(task, "tell", tell)
    assert work(task).state == "stopped"
    assert not batch.merged.is_complete
    assert batch.merge(generation=2).state == "done"
    batch.assert_as_the_whole()


def test_a_merge_that_was_killed_in_a_write_begins_again(tmp_path):
    batch = Parts(tmp_path, MOVING, BOTH).fill_all()
    batch.merge()
    segment = batch.folder.work_of("u1") / "masks-1.log"
    whole = segment.read_bytes()
    for generation, kept in enumerate(range(0, len(whole), len(whole) // 9), start=2):
        segment.write_bytes(whole[:kept])
        assert not batch.merged.is_complete
        assert batch.merge(generation=generation).state == "done"
        batch.assert_as_the_whole()
        (segment.parent / f"masks-{generation}.log").unlink()

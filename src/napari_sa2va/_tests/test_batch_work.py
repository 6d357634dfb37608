"""The work on one unit: what it leaves, how it goes on, and what is said when it cannot."""

from __future__ import annotations

import csv
import gc
import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip, write_colours, write_rgb
from napari_sa2va._tests.made_dicom import PATIENT, write_dicom
from napari_sa2va._tests.made_units import SETTINGS, anywhere, made_folder, made_unit
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.found import masks_of
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.output_log import OutputLog, Writing
from napari_sa2va.batch.planning.identity import identity_of
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.work import work
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.models import device as devices
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.rates import kind_of, rates_of
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.sinks import MaskletSink
from napari_sa2va.presets import preset
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers import coco
from napari_sa2va.writers.result import Result, of_masklets
from napari_sa2va.writers.write import write_result

SENTENCES = ("the red one", "the blue one")

pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Coloured squares that wander, 8 frames of 16 x 20 px of 0.5 um, every 2 s."""
    return write_colours(tmp_path / "movie.ome.tif")


def _unit(path: Path, /, *kinds: str, **more: object) -> Unit:
    """A unit on a movie that writes "out.<kind>" beside it in each of some formats."""
    outputs = [{"path": str(path.parent / f"out.{kind}"), "kind": kind} for kind in kinds]
    given = {"identity": identity_of(str(path)), "sentences": SENTENCES, "outputs": outputs}
    return made_unit("u1", path, **{**given, **more})


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    return made_folder(tmp_path / "night")


def _stopping_after(frames: int, task: Task) -> Task:
    """The same task, which is cancelled when so many frames are done."""

    def tell(stage: str, done: int, planned: int) -> None:
        if done == frames:
            task.cancel.cancel()

    return replace(task, tell=tell)


def _rows(folder: BatchFolder) -> list[dict[str, str]]:
    with (folder.work_of("u1") / "objects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_unit_leaves_the_same_files_as_a_run_of_its_own(movie: Path, folder: BatchFolder) -> None:
    done = work(Task(_unit(movie, "coco", "table", "yolo"), SETTINGS, folder))
    assert done.state == "done"
    assert (done.frames, done.resumed_at, done.device) == (8, 0, "cpu")
    assert done.peak_bytes > 10_000_000
    clip = open_clip(movie)
    prompts = PromptSet.from_texts(SENTENCES)
    sink = MaskletSink(clip, prompts)
    for event in run(clip, prompts, SETTINGS):
        sink.take(event)
    for path in done.outputs:
        written = Path(path)
        other = written.with_name(f"other{written.suffix}")
        write_result(other, of_masklets(clip, [*sink.masklets.values()]), written.suffix[1:])
        assert _content(written, written) == _content(other, written)
    record = RunRecord.model_validate_json((folder.work_of("u1") / "record.json").read_text())
    assert record.finished == "done"
    assert [entry.frames_present for entry in record.objects] == [[*range(8)]] * 2


def _content(path: Path, named: Path) -> dict[str, bytes]:
    """All bytes of a file or folder; times and the record of a run are no part of masks."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    content = {str(p.relative_to(path)): p.read_bytes() for p in files}
    if named.suffix == ".coco":
        content["."] = json.dumps(_without_info(content["."])).encode()
    return content


def test_its_objects_are_told_by_number(movie: Path, folder: BatchFolder) -> None:
    done = work(Task(_unit(movie, sentences=("the red one", "the dog")), SETTINGS, folder))
    red, dog = done.objects
    # A square of 4 x 4 px that wanders by a pixel per frame.
    assert (red.name, red.found, red.frames_present, red.mean_area_px) == (
        "the red one", True, 8, 16.0
    )  # fmt: skip
    assert red.answer == "It is ."
    # Five key frames, of which the fake says 0.75, and three that are tracked, of which it says 0.5.
    assert red.mean_score == pytest.approx((5 * 0.75 + 3 * 0.5) / 8)
    assert (dog.found, dog.frames_present, dog.mean_area_px) == (False, 0, None)
    assert dog.answer == "There is no such thing."
    assert any("'the dog' was not found" in warning for warning in done.warnings)


@pytest.mark.parametrize(("other", "frames"), [("the red square", 8), ("the blue one", 0)])
def test_frames_on_which_masks_cover_each_other_are_counted(
    movie: Path, folder: BatchFolder, other: str, frames: int
) -> None:
    done = work(Task(_unit(movie, sentences=("the red one", other)), SETTINGS, folder))
    assert done.overlap_frames == frames


def test_the_table_has_a_row_per_object_and_frame_also_where_it_is_absent(
    tmp_path: Path, folder: BatchFolder
) -> None:
    frames = np.zeros((3, 16, 20, 3), np.uint8)
    frames[0, 2:6, 3:7, 0] = 200  # red, and gone on the other frames
    frames[:, 9:13, 3:7, 2] = 150
    path = write_rgb(tmp_path / "m.ome.tif", frames, pixel_height_um=0.25)
    done = work(Task(_unit(path, sentences=("the red one", "the dog")), preset("sa2va"), folder))
    assert done.state == "done"
    rows = _rows(folder)
    assert list(rows[0]) == [
        "object", "name", "sentence", "frame", "time_s", "area_px", "area_um2", "centroid_y_px",
        "centroid_x_px", "centroid_y_um", "centroid_x_um", "mean_intensity_red",
        "mean_intensity_green", "mean_intensity_blue", "score", "present",
    ]  # fmt: skip
    assert [(row["frame"], row["object"]) for row in rows] == [
        ("0", "1"), ("0", "2"), ("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")
    ]  # fmt: skip
    there, dog, gone = rows[0], rows[1], rows[4]
    assert {c: there[c] for c in ("area_px", "area_um2", "centroid_y_px", "centroid_x_px")} == {
        "area_px": "16", "area_um2": "2.0", "centroid_y_px": "3.5", "centroid_x_px": "4.5"
    }  # fmt: skip
    assert (there["centroid_y_um"], there["centroid_x_um"]) == ("0.875", "2.25")
    assert (there["mean_intensity_red"], there["present"]) == ("200.0", "1")
    assert (gone["name"], gone["time_s"], gone["present"]) == ("the red one", "4.0", "0")
    assert (gone["area_px"], gone["area_um2"], gone["centroid_y_px"]) == ("0", "0", "")
    assert float(gone["score"]) > 0  # what the fake says whether or not it sees something
    # Of the object as a whole, only the frames on which it is.
    assert done.objects[0].mean_score == pytest.approx(float(there["score"]))
    assert (dog["area_px"], dog["score"], dog["present"]) == ("0", "0.0", "0")


def test_pictures_are_left_for_those_who_look_on(movie: Path, folder: BatchFolder) -> None:
    work(Task(_unit(movie), SETTINGS, folder))
    with Image.open(folder.work_of("u1") / "last.png") as last:
        assert max(last.size) <= 320
        assert len(np.unique(np.asarray(last).reshape(-1, 3), axis=0)) > 10
    with Image.open(folder.work_of("u1") / "sheet.png") as sheet:
        assert sheet.size[0] > 800


def test_stages_are_told_in_their_order(movie: Path, folder: BatchFolder) -> None:
    told: list[tuple[str, int, int]] = []
    work(Task(_unit(movie), SETTINGS, folder, tell=lambda *said: told.append(said)))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == [
        "opening", "loading", "answering", "drawing", "tracking", "writing"
    ]  # fmt: skip
    assert [done for stage, done, _ in told if stage == "tracking"] == [*range(1, 9)]
    assert {planned for stage, _, planned in told if stage != "opening"} == {8}


def test_a_unit_that_is_stopped_goes_on_where_it_was(
    movie: Path, folder: BatchFolder, model: FakeModel
) -> None:
    task = Task(_unit(movie, "coco"), SETTINGS, folder)
    first = work(_stopping_after(3, task))
    assert (first.state, first.frames, first.outputs) == ("stopped", 3, ())
    assert not Path(task.unit.outputs[0].path).exists()
    before = {f: masks_of(task.work).on(f).scores for f in range(3)}
    visits = len(_visited(model))
    second = work(Task(task.unit, SETTINGS, folder, 2))
    assert (second.state, second.frames, second.resumed_at) == ("done", 8, 3)
    # No frame is done twice, and nothing is asked again.
    assert sum(call[0] == "ground" for call in model.calls) == len(SENTENCES)
    assert len(_visited(model)) - visits == 5 - sum(f >= 3 for f in _prompted(model))
    assert {f: masks_of(task.work).on(f).scores for f in range(3)} == before
    assert not (task.work / "safe.safetensors").exists()
    undisturbed = work(
        Task(task.unit, SETTINGS, made_folder(folder.path.with_name("other"), overwrite=True))
    )
    assert undisturbed.objects == second.objects


def _visited(model: FakeModel) -> list[int]:
    return [call[1] for call in model.calls if call[0] == "track"]


def _prompted(model: FakeModel) -> set[int]:
    return {call[1] for call in model.calls if call[0] == "prompt_masks"}


def test_a_run_that_goes_on_teaches_nothing_about_speed(movie: Path, folder: BatchFolder) -> None:
    kind = kind_of(
        "fake", "cpu", devices.pick_formats("auto", devices.pick_device("cpu")).describe()
    )
    task = Task(_unit(movie), SETTINGS, folder)
    work(_stopping_after(3, task))
    stopped = len(rates_of(kind).paces)
    work(Task(task.unit, SETTINGS, folder, 2))
    assert len(rates_of(kind).paces) == stopped == 1


def test_a_safe_point_whose_masks_are_gone_is_not_used(movie: Path, folder: BatchFolder) -> None:
    task = Task(_unit(movie), SETTINGS, folder)
    work(_stopping_after(5, task))
    (task.work / "masks-1.log").unlink()
    again = work(Task(task.unit, SETTINGS, folder, 2))
    assert (again.state, again.frames, again.resumed_at) == ("done", 8, 0)


def test_a_safe_point_after_a_frame_that_was_damaged_is_not_used(
    movie: Path, folder: BatchFolder
) -> None:
    task = Task(_unit(movie), SETTINGS, folder)
    work(_stopping_after(3, task))
    point = (task.work / "safe.safetensors").read_bytes()
    work(_stopping_after(6, replace(task, generation=2, cancel=CancelToken())))
    # As if the second worker had been killed: it had drawn frames 3 to 5, and kept no point.
    (task.work / "safe.safetensors").write_bytes(point)
    path, offset = masks_of(task.work).places[1]
    data = bytearray(path.read_bytes())
    data[offset + 14] ^= 1
    path.write_bytes(data)
    # More frames than the point needs, but not those.
    assert masks_of(task.work).frames_done == (0, 3, 4, 5)
    again = work(replace(task, generation=3, cancel=CancelToken()))
    assert (again.state, again.frames, again.resumed_at) == ("done", 8, 0)


def test_masks_of_an_earlier_request_are_not_gone_on_with(movie: Path, folder: BatchFolder) -> None:
    task = Task(_unit(movie), SETTINGS, folder)
    work(_stopping_after(5, task))
    changed = task.unit.model_copy(update={"key": "changed", "sentences": ("the green one",)})
    again = work(Task(changed, SETTINGS, folder, 2))
    assert (again.state, again.frames, again.resumed_at) == ("done", 8, 0)
    assert [entry.name for entry in again.objects] == ["the green one"]


def test_a_unit_with_all_its_masks_needs_no_network(
    movie: Path, folder: BatchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = work(Task(_unit(movie, "coco"), SETTINGS, folder))
    content = Path(first.outputs[0]).read_bytes()
    Path(first.outputs[0]).unlink()

    def load(settings: object) -> FakeModel:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(loaded, "load", load)
    again = work(Task(_unit(movie, "coco", "table"), SETTINGS, folder, 2))
    assert (again.state, again.frames, again.resumed_at) == ("done", 8, 8)
    assert again.objects == first.objects
    assert again.warnings == first.warnings
    assert Path(again.outputs[0]).read_bytes() == content
    assert Path(again.outputs[1]).exists()


def test_an_output_that_was_put_right_by_hand_stays_when_another_is_added(
    movie: Path, folder: BatchFolder
) -> None:
    first = work(Task(_unit(movie, "coco"), SETTINGS, folder))
    Path(first.outputs[0]).write_text("by hand")
    again = work(Task(_unit(movie, "coco", "table"), SETTINGS, folder, 2))
    assert again.outputs == (*first.outputs, str(movie.parent / "out.table"))
    assert Path(first.outputs[0]).read_text() == "by hand"


def test_a_unit_that_a_person_asks_for_again_is_drawn_anew(
    movie: Path, folder: BatchFolder, model: FakeModel
) -> None:
    made = _unit(movie, "coco")
    folder.add([made], {})
    Worker(folder, "first", fits=anywhere, idle_s=0).run()
    before = Path(made.outputs[0].path).read_bytes()
    Path(made.outputs[0].path).write_text("by hand")
    asked = len(model.calls)
    assert folder.retry(["u1"]) == ["u1"]
    Worker(folder, "second", fits=anywhere, idle_s=0).run()
    outcome = folder.standings()["u1"].outcome
    assert outcome is not None
    assert (outcome.generation, outcome.state, outcome.resumed_at) == (2, "done", 0)
    assert sum(call[0] == "ground" for call in model.calls[asked:]) == len(SENTENCES)
    # Asked for in so many words, so that what was done by hand may go.
    assert _without_info(Path(made.outputs[0].path).read_bytes()) == _without_info(before)


def test_what_was_asked_for_again_is_drawn_anew_also_when_that_fails_once(
    movie: Path, folder: BatchFolder, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(settings: object) -> FakeModel:
        raise ZeroDivisionError("once")

    made = made_folder(folder.path.with_name("once"), _unit(movie, "table"), attempts=1)
    Worker(made, "first", fits=anywhere, idle_s=0).run()
    made.retry(["u1"])
    with monkeypatch.context() as patched:
        patched.setattr(loaded, "load", fail)
        Worker(made, "second", fits=anywhere, idle_s=0).run()
    assert made.standings()["u1"].state == "failed"
    asked = len(model.calls)
    made.retry(["u1"])
    Worker(made, "third", fits=anywhere, idle_s=0).run()
    outcome = made.standings()["u1"].outcome
    assert outcome is not None
    assert (outcome.generation, outcome.state, outcome.resumed_at) == (3, "done", 0)
    assert sum(call[0] == "ground" for call in model.calls[asked:]) == len(SENTENCES)


def _without_info(coco: bytes) -> dict[str, object]:
    said: dict[str, object] = json.loads(coco)
    del said["info"]
    return said


def test_a_unit_that_failed_and_is_tried_again_goes_on_where_it_was(
    movie: Path, folder: BatchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.add([_unit(movie)], {})
    track = FakeTracker.track

    def fail_once(self: FakeTracker, t: int, *args: object, **more: object) -> object:
        if t == 6:
            raise ZeroDivisionError("once")
        return track(self, t, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(FakeTracker, "track", fail_once)
        Worker(folder, "first", fits=anywhere, idle_s=0).step()
    assert len(masks_of(folder.work_of("u1")).frames_done) == 6
    folder.runs.forgive("u1", 1)
    Worker(folder, "second", fits=anywhere, idle_s=0).run()
    assert folder.standings()["u1"].state == "done"
    outcome = folder.standings()["u1"].outcome
    assert outcome is not None
    assert any("The run goes on" in warning for warning in outcome.warnings)


def test_an_output_of_other_masks_is_replaced(movie: Path, folder: BatchFolder) -> None:
    first = work(Task(_unit(movie, "table"), SETTINGS, folder))
    before = Path(first.outputs[0]).read_bytes()
    changed = _unit(movie, "table", key="changed", sentences=("the green one",))
    again = work(Task(changed, SETTINGS, folder, 2))
    assert again.state == "done"
    assert b"the green one" in Path(again.outputs[0]).read_bytes() != before


def test_a_file_of_somebody_else_is_not_replaced_and_no_work_is_done_for_it(
    movie: Path, folder: BatchFolder, model: FakeModel
) -> None:
    task = Task(_unit(movie, "coco"), SETTINGS, folder)
    place = Path(task.unit.outputs[0].path)
    place.write_text("of somebody else")
    refused = work(task)
    assert (refused.state, refused.error, refused.certain) == ("failed", "OutputError", False)
    assert "is there already" in refused.cause
    assert model.calls == []
    assert place.read_text() == "of somebody else"
    other = made_folder(folder.path.with_name("replacing"), overwrite=True)
    assert work(Task(task.unit, SETTINGS, other)).state == "done"
    assert place.read_text() != "of somebody else"


def test_what_a_killed_worker_was_about_to_write_may_be_replaced(
    movie: Path, folder: BatchFolder
) -> None:
    task = Task(_unit(movie, "coco"), SETTINGS, folder, 2)
    path = task.unit.outputs[0].path
    task.work.mkdir(parents=True)
    with OutputLog(task.work, 1) as log:
        log.note(Writing(path=path, kind="coco", key=task.unit.key, choices=""))
    Path(path).write_text("written, and killed before that could be noted")
    assert work(task).state == "done"
    assert json.loads(Path(path).read_text())["annotations"]


def test_one_output_that_cannot_be_written_does_not_keep_the_others(
    movie: Path, folder: BatchFolder
) -> None:
    task = Task(_unit(movie, "coco", "table"), SETTINGS, folder)
    blocked = Path(task.unit.outputs[0].path)

    def tell(stage: str, done: int, planned: int) -> None:
        if stage == "writing":
            blocked.write_text("of somebody else")  # meanwhile

    outcome = work(Task(task.unit, SETTINGS, folder, 1, tell=tell))
    assert (outcome.state, outcome.frames) == ("failed", 8)
    assert outcome.outputs == (task.unit.outputs[1].path,)
    assert blocked.read_text() == "of somebody else"
    assert _rows(folder)
    blocked.unlink()
    assert work(Task(task.unit, SETTINGS, folder, 2)).state == "done"


def test_what_somebody_puts_in_the_place_of_an_output_while_it_is_written_stays_theirs(
    movie: Path, folder: BatchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(_unit(movie, "coco"), SETTINGS, folder)
    place = Path(task.unit.outputs[0].path)
    write = coco.write

    def write_meanwhile(path: Path, result: Result) -> None:
        write(path, result)
        place.write_text("of somebody else")

    with monkeypatch.context() as patched:
        patched.setattr(coco, "write", write_meanwhile)
        assert "is there already" in work(task).cause
    assert "is there already" in work(replace(task, generation=2)).cause
    assert place.read_text() == "of somebody else"


@pytest.mark.parametrize(("name", "kind"), [("out.csv", "table"), ("out.ome.zarr", "ome-zarr")])
def test_folders_of_outputs_are_made(
    movie: Path, folder: BatchFolder, name: str, kind: str
) -> None:
    path = movie.parent / "new" / "deep" / name
    made = work(Task(_unit(movie, outputs=[{"path": str(path), "kind": kind}]), SETTINGS, folder))
    assert made.outputs == (str(path),)
    assert path.exists()


def test_a_cancel_while_outputs_are_written_leaves_the_rest_for_later(
    movie: Path, folder: BatchFolder
) -> None:
    task = Task(_unit(movie, "coco"), SETTINGS, folder)

    def tell(stage: str, done: int, planned: int) -> None:
        if stage == "writing":
            task.cancel.cancel()

    stopped = work(Task(task.unit, SETTINGS, folder, 1, task.cancel, tell))
    assert (stopped.state, stopped.frames, stopped.outputs) == ("stopped", 8, ())
    assert work(Task(task.unit, SETTINGS, folder, 2)).state == "done"


def test_a_unit_that_finds_nothing_is_done_and_writes_empty_outputs(
    movie: Path, folder: BatchFolder
) -> None:
    task = Task(_unit(movie, "ome-tiff", sentences=("the dog",)), SETTINGS, folder)
    nothing = work(task)
    assert nothing.state == "nothing"
    assert nothing.is_complete
    assert not tifffile.imread(nothing.outputs[0]).any()
    assert [row["present"] for row in _rows(folder)] == ["0"] * 8
    assert work(Task(task.unit, SETTINGS, folder, 2)).state == "nothing"


@pytest.mark.parametrize(
    ("more", "error", "certain"),
    [
        ({"path": "/nowhere/m.tif", "identity": ""}, "ClipError", False),
        ({"identity": "another"}, "RequestError", True),
        ({"arguments": {"axes": "QQ"}}, "AxesError", True),
        ({"arguments": {"series": 7}}, "SeriesError", True),
        ({"arguments": {"box": (0, 0, 99, 99)}}, "RequestError", True),
        ({"outputs": [{"path": "/nowhere/a.x", "kind": "unheard of"}]}, "RequestError", True),
    ],
)
def test_what_is_wrong_with_a_unit_is_told_with_whether_to_try_again(
    more: dict[str, object], error: str, certain: bool, movie: Path, folder: BatchFolder
) -> None:
    failed = work(Task(_unit(movie, **more), SETTINGS, folder))
    assert (failed.state, failed.error, failed.certain) == ("failed", error, certain)
    assert failed.cause
    assert failed.hint
    assert failed.generation == 1


def test_a_movie_that_has_changed_since_it_was_planned_is_not_done(
    movie: Path, folder: BatchFolder, model: FakeModel
) -> None:
    task = Task(_unit(movie), SETTINGS, folder)
    tifffile.imwrite(movie, np.zeros((4, 16, 20), np.uint8) + np.arange(20, dtype=np.uint8))
    failed = work(task)
    assert "is not the movie that was planned" in failed.cause
    assert model.calls == []


def _changing_after(frames: int, task: Task, change: Callable[[], None]) -> Task:
    """The same task, in which something happens when so many frames are done."""

    def tell(stage: str, done: int, planned: int) -> None:
        if stage == "tracking" and done == frames:
            change()

    return replace(task, tell=tell)


def test_a_movie_that_is_changed_while_it_is_worked_on_has_no_result(
    movie: Path, folder: BatchFolder
) -> None:
    content, times = movie.read_bytes(), movie.stat()

    def rewrite() -> None:
        movie.write_bytes(content)
        os.utime(movie, ns=(times.st_atime_ns, times.st_mtime_ns + 10**9))

    task = Task(_unit(movie, "coco"), SETTINGS, folder)
    failed = work(_changing_after(3, task, rewrite))
    assert (failed.state, failed.error, failed.certain) == ("failed", "BatchError", False)
    assert "was changed while it was worked on" in failed.cause
    assert (failed.frames, failed.outputs) == (0, ())
    assert not Path(task.unit.outputs[0].path).exists()
    again = work(Task(task.unit, SETTINGS, folder, 2))
    assert "is not the movie that was planned" in again.cause
    # Put back as it was, it is done from the beginning: some of those masks were of the other one.
    os.utime(movie, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = work(Task(task.unit, SETTINGS, folder, 3))
    assert (done.state, done.frames, done.resumed_at) == ("done", 8, 0)


def _write_frames(path: Path, number: int) -> None:
    frames = np.stack([colour_clip(8).rgb(t) for t in range(number)])
    tifffile.imwrite(path, frames, photometric="rgb", metadata={"axes": "TYXS"})


def test_a_movie_that_grows_may_do_so_while_it_is_worked_on(
    movie: Path, folder: BatchFolder
) -> None:
    task = Task(_unit(movie, "coco", arguments={"growing": True}), SETTINGS, folder)
    done = work(_changing_after(3, task, lambda: os.utime(movie, (1, 1))))
    assert (done.state, done.frames) == ("done", 8)


def test_a_movie_that_has_grown_since_its_masks_were_drawn_is_drawn_anew(
    tmp_path: Path, folder: BatchFolder
) -> None:
    movie = tmp_path / "growing.tif"
    _write_frames(movie, 5)
    unit = _unit(movie, "coco", "table", arguments={"growing": True, "axes": "TYXS"})
    coco = Path(unit.outputs[0].path)
    task = Task(unit, SETTINGS, folder)

    def stop_when_one_is_written() -> None:
        if coco.exists():
            task.cancel.cancel()

    stopped = work(replace(task, check=stop_when_one_is_written))
    assert (stopped.state, stopped.frames, stopped.outputs[0]) == ("stopped", 5, str(coco))
    _write_frames(movie, 8)
    stopped = work(_stopping_after(6, Task(unit, SETTINGS, folder, 2)))
    assert (stopped.state, stopped.frames) == ("stopped", 6)
    done = work(Task(unit, SETTINGS, folder, 3))
    assert (done.state, done.frames, done.resumed_at) == ("done", 8, 6)
    assert len(json.loads(coco.read_text())["images"]) == 8


def test_a_movie_whose_drive_is_away_is_worth_another_try(movie: Path, folder: BatchFolder) -> None:
    task = Task(_unit(movie), SETTINGS, folder)
    movie.rename(movie.with_name("away"))
    failed = work(task)
    assert (failed.error, failed.certain) == ("ClipError", False)
    assert "There is no file" in failed.cause


def test_a_movie_that_is_damaged_and_stays_so_is_not_tried_again(
    movie: Path, folder: BatchFolder
) -> None:
    movie.write_bytes(movie.read_bytes()[:-100])
    task = Task(_unit(movie), SETTINGS, folder)
    failed = work(task)
    assert (failed.error, failed.certain) == ("ClipError", True)
    assert "truncated" in failed.cause


def test_a_model_that_is_not_known_is_told_before_anything_is_run(
    movie: Path, folder: BatchFolder
) -> None:
    unknown = SETTINGS.model_copy(
        update={"model": SETTINGS.model.model_copy(update={"name": "no-such-model"})}
    )
    failed = work(Task(_unit(movie), unknown, folder))
    assert (failed.state, failed.error, failed.certain) == ("failed", "ModelError", True)


def test_frames_before_a_damaged_one_are_kept(tmp_path: Path, folder: BatchFolder) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    for t in range(8):
        Image.fromarray(colour_clip(8).rgb(t)).save(source / f"f{t:02d}.png")
    whole = (source / "f05.png").read_bytes()
    (source / "f05.png").write_bytes(whole[: len(whole) // 2])
    settings = preset("sa2va")  # the model sees frames 0 to 4
    task = Task(_unit(source, identity=""), settings, folder)
    failed = work(task)
    assert (failed.state, failed.error, failed.certain) == ("failed", "ClipError", False)
    assert failed.frames == 5
    assert json.loads((task.work / "record.json").read_text())["finished"] == "failed"
    (source / "f05.png").write_bytes(whole)
    again = work(Task(task.unit, settings, folder, 2))
    assert (again.state, again.frames) == ("done", 8)
    assert [entry.frames_present for entry in again.objects] == [8, 8]


def test_an_error_of_a_library_is_told_with_where_it_was_raised(
    movie: Path,
    folder: BatchFolder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def track(self: FakeTracker, *args: object, **more: object) -> None:
        raise ZeroDivisionError("a layer without channels")

    monkeypatch.setattr(FakeTracker, "track", track)
    failed = work(Task(_unit(movie), SETTINGS, folder))
    assert (failed.state, failed.error, failed.certain) == ("failed", "ZeroDivisionError", False)
    assert failed.cause == "ZeroDivisionError: a layer without channels"
    assert "napari_sa2va/_tests/test_batch_work.py:" in failed.hint
    assert "(track)" in failed.hint
    assert str(Path.home()) not in failed.hint
    (logged,) = caplog.messages
    assert logged.startswith("u1 failed:\nTraceback")


def test_a_unit_that_runs_out_of_memory_is_unfit(
    movie: Path, folder: BatchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def track(self: FakeTracker, *args: object, **more: object) -> None:
        raise MemoryShortage("cpu ran out of memory.", "Take less.")

    monkeypatch.setattr(FakeTracker, "track", track)
    alone = SETTINGS.model_copy(
        update={"memory": SETTINGS.memory.model_copy(update={"step_down": False})}
    )
    unfit = work(Task(_unit(movie), alone, folder))
    assert (unfit.state, unfit.error, unfit.hint) == ("unfit", "MemoryShortage", "Take less.")


def test_a_unit_that_cannot_fit_is_not_begun(
    movie: Path, folder: BatchFolder, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda device: -(10**15))
    unfit = work(Task(_unit(movie), SETTINGS, folder))
    assert (unfit.state, unfit.error) == ("unfit", "MemoryShortage")
    assert "It needs" in unfit.cause
    assert model.calls == []


def test_no_word_about_a_patient_is_in_what_is_told_unless_asked_for(
    tmp_path: Path, folder: BatchFolder
) -> None:
    source = tmp_path / "MUSTER_Erika.dcm"
    write_dicom(source, **PATIENT)
    bad = _unit(source, movie="MUSTER_Erika", identity="another")
    told = work(Task(bad, SETTINGS, folder))
    assert "(PatientName)" in told.cause
    assert not _names(told)
    asked = SETTINGS.model_copy(
        update={"output": SETTINGS.output.model_copy(update={"patient_data": True})}
    )
    assert _names(work(Task(bad, asked, folder, 2)))
    good = _unit(source, "coco", movie="MUSTER_Erika", sentences=("the dog",))
    done = work(Task(good, SETTINGS, folder, 3))
    assert done.state == "nothing"
    assert not _names(done)
    for file in folder.work_of("u1").iterdir():
        assert b"muster" not in file.read_bytes().lower(), file.name


def _names(outcome: Outcome) -> bool:
    return "muster" in outcome.model_dump_json().lower()


def test_memory_does_not_grow_over_fifty_units(tmp_path: Path, folder: BatchFolder) -> None:
    movie = tmp_path / "short.tif"
    frames = np.stack([colour_clip(2).rgb(t) for t in range(2)])
    tifffile.imwrite(movie, frames, photometric="rgb", metadata={"axes": "TYXS"})

    def do(generations: range) -> None:
        for generation in generations:
            changed = _unit(movie, "coco", key=f"key {generation}")
            task = Task(changed, SETTINGS, folder, generation)
            assert work(task).state == "done"
            loaded.load(SETTINGS.model).calls.clear()
            loaded.load(SETTINGS.model).trackers.clear()
            loaded.load(SETTINGS.model).histories.clear()

    do(range(1, 6))
    gc.collect()
    clips = _count(Clip)
    tracemalloc.start()
    try:
        do(range(6, 11))
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        do(range(11, 51))
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 200_000  # of 40 units; bounded caches of dask fill up
    assert _count(Clip) == clips


def _count(kind: type) -> int:
    return sum(type(one) is kind for one in gc.get_objects())

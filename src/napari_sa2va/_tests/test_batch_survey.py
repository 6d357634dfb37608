"""What is found out about a batch before the first minute of work: facts, problems, sums."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, perf_counter, sleep

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.movies import cut
from napari_sa2va._tests.ngff_stores import write_hollow
from napari_sa2va.batch.disk import foretold_bytes, size_of, written_bytes
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.forecast import Forecast, forecast
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.host import here
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.preflight import preflight
from napari_sa2va.batch.problem import Problem, gathered
from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.survey import look, shortages, survey, survey_folder
from napari_sa2va.batch.surveyor import surveying
from napari_sa2va.batch.unit import Facts, Output, Part, Unit
from napari_sa2va.batch.worker import Worker
from napari_sa2va.models import hub
from napari_sa2va.presets import preset
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import ModelSettings, RunSettings
from napari_sa2va.training.synth import generate_movie

SETTINGS = preset("sa2va-i")
DIGEST = digest_of(SETTINGS)


def stack(path: Path, num_frames: int = 5, size: tuple[int, int] = (32, 40)) -> Path:
    """A 16-bit TIFF of noise, with 2 s between frames."""
    frames = np.random.default_rng(0).integers(0, 4000, (num_frames, *size)).astype(np.uint16)
    about = {"axes": "TYX", "TimeIncrement": 2.0, "TimeIncrementUnit": "s"}
    tifffile.imwrite(path, frames, metadata=about, ome=True)
    return path


def unit_of(path: Path | str, unit_id: str = "u1", **fields) -> Unit:
    given = {"movie": Path(path).stem, "sentences": ("the cell",), "settings": DIGEST, "key": "k"}
    return Unit(unit_id=unit_id, path=str(path), **(given | fields))


def settings_of(unit: Unit) -> RunSettings:
    return SETTINGS


# Facts


def test_looking_at_a_movie_tells_its_size_and_what_it_will_take(tmp_path):
    facts = look(unit_of(stack(tmp_path / "a.ome.tif")), SETTINGS, thorough=True)
    assert (facts.num_frames, facts.height, facts.width, facts.num_channels) == (5, 32, 40, 1)
    assert facts.frame_interval_s == 2.0
    assert facts.problem == ""
    assert facts.seconds > 0
    assert facts.need_bytes > 1e6
    longer = look(unit_of(stack(tmp_path / "b.ome.tif", 50)), SETTINGS)
    assert longer.seconds > 2 * facts.seconds  # no part of it is loading the network
    assert longer.disk_bytes > facts.disk_bytes


def test_the_time_of_a_unit_does_not_hold_that_of_loading_the_network(tmp_path):
    from napari_sa2va.pipeline.estimate import foretell

    alone = foretell(SETTINGS, num_frames=5, height=32, width=40, is_new=True)
    facts = look(unit_of(stack(tmp_path / "a.ome.tif")), SETTINGS)
    assert alone.load_s > 0
    assert facts.seconds == pytest.approx(alone.seconds - alone.load_s, rel=0.5)


def test_a_worker_loads_the_network_although_whoever_looks_has_it(tmp_path):
    from napari_sa2va.pipeline.loaded import is_loaded, load

    load(SETTINGS.model)
    assert is_loaded(SETTINGS.model)
    facts = look(unit_of(stack(tmp_path / "a.ome.tif", 6)), SETTINGS)
    assert facts.load_s > 0


def test_a_run_on_this_machine_corrects_what_the_next_survey_says(tmp_path):
    folder = BatchFolder.create(tmp_path / "night", BatchHead())
    unit = unit_of(stack(tmp_path / "a.ome.tif", 7))
    folder.add([unit], {DIGEST: SETTINGS})
    (before,) = survey([unit], settings_of)
    Worker(folder, "test").run()
    (after,) = survey([unit], settings_of)
    assert after.seconds != before.seconds


def test_a_part_of_a_movie_takes_what_its_frames_and_its_box_take(tmp_path):
    path = stack(tmp_path / "a.ome.tif", 40)
    part = Part(first_frame=10, last_frame=19, box=(0, 0, 16, 20))
    facts = look(unit_of(path, part=part), SETTINGS)
    assert (facts.num_frames, facts.height, facts.width) == (10, 16, 20)
    whole = look(unit_of(path, arguments=OpenArguments(box=(0, 0, 16, 20))), SETTINGS)
    assert facts.seconds == pytest.approx(whole.seconds / 4)


def test_a_unit_that_merges_others_needs_no_network(tmp_path):
    facts = look(unit_of(stack(tmp_path / "a.ome.tif"), parts=("p1", "p2")), SETTINGS)
    assert (facts.seconds, facts.need_bytes) == (0.0, 0)


@pytest.mark.parametrize("frame", [0, 4])
def test_a_thorough_look_finds_a_first_or_last_frame_that_cannot_be_unpacked(tmp_path, frame):
    path = tmp_path / "movie.tif"
    frames = np.random.default_rng(0).integers(0, 99, (5, 32, 40)).astype(np.uint8)
    tifffile.imwrite(path, frames, compression="zlib", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as file:
        (offset,), (length,) = file.pages[frame].dataoffsets, file.pages[frame].databytecounts
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(b"\xff" * length)
    assert look(unit_of(path), SETTINGS).problem == ""
    assert look(unit_of(path), SETTINGS, thorough=True).problem


def test_a_tile_of_a_frame_larger_than_the_memory_is_looked_at(tmp_path):
    side = 2**20  # 1 TB per frame
    store = write_hollow(tmp_path / "slide.zarr", (1, side, side), (1, 1024, 1024))
    whole = unit_of(store)
    assert "of memory are free" in look(whole, SETTINGS, thorough=True).problem
    tile = whole.model_copy(
        update={"part": Part(first_frame=0, last_frame=0, box=(0, 0, 512, 256))}
    )
    facts = look(tile, SETTINGS, thorough=True)
    assert (facts.height, facts.width, facts.problem) == (512, 256, "")
    assert look(whole.model_copy(update={"parts": ("a", "b")}), SETTINGS).problem == ""


def broken_movies(folder: Path) -> dict[str, Path]:
    """One file for each way in which a movie cannot be used."""
    (folder / "notes.tif").write_text("no pixels at all")
    (folder / "empty.tif").touch()
    (folder / "locked.tif").symlink_to(folder / "locked.tif")
    return {
        "cut off": cut(stack(folder / "cut.ome.tif")),
        "no image": folder / "notes.tif",
        "empty": folder / "empty.tif",
        "missing": folder / "nowhere.tif",
        "a link to itself": folder / "locked.tif",
    }


def test_every_unreadable_movie_is_found_with_its_reason_and_what_to_do(tmp_path):
    movies = broken_movies(tmp_path)
    units = [unit_of(path, f"u{n}") for n, path in enumerate(movies.values())]
    good = unit_of(stack(tmp_path / "good.ome.tif"), "good")
    seen = {f.unit_id: f for f in survey([*units, good], settings_of, thorough=True)}
    assert len(seen) == len(units) + 1
    assert seen["good"].problem == ""
    for unit in units:
        assert seen[unit.unit_id].problem, unit.path
        assert Path(unit.path).name in seen[unit.unit_id].problem


def test_a_file_of_several_series_of_which_none_was_chosen_is_a_problem_that_names_them(tmp_path):
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for _ in range(2):
            file.write(np.eye(16, dtype=np.uint8)[None].repeat(3, 0), metadata={"axes": "TYX"})
    facts = look(unit_of(path), SETTINGS)
    assert "holds 2 series" in facts.problem
    for words in ("--series", "--every-series", "column series"):
        assert words in facts.hint, words
    assert look(unit_of(path, arguments=OpenArguments(series=1)), SETTINGS).problem == ""


def test_settings_that_do_not_fit_a_movie_are_a_problem_of_that_movie(tmp_path):
    settings = SETTINGS.model_copy(update={"sampling": Manual(frames=(0, 9))})
    facts = look(unit_of(stack(tmp_path / "a.ome.tif", 5)), settings)
    assert "9" in facts.problem
    assert look(unit_of(stack(tmp_path / "b.ome.tif", 12)), settings).problem == ""


def test_a_format_that_cannot_hold_the_objects_is_a_problem_before_the_run(tmp_path):
    path = stack(tmp_path / "a.ome.tif")
    davis = Output(path=str(tmp_path / "out"), kind="davis")
    many = tuple(f"cell {n}" for n in range(300))
    facts = look(unit_of(path, sentences=many, outputs=(davis,)), SETTINGS)
    assert "DAVIS" in facts.problem
    assert look(unit_of(path, outputs=(davis,)), SETTINGS).problem == ""


def test_units_are_looked_at_in_their_order_and_few_of_them_ahead(tmp_path):
    path = stack(tmp_path / "a.ome.tif")
    asked = []

    def units():
        for n in range(200):
            asked.append(n)
            yield unit_of(path, f"u{n}")

    seen = survey(units(), settings_of)
    first = [next(seen).unit_id for _ in range(3)]
    assert first == ["u0", "u1", "u2"]
    assert len(asked) < 40
    seen.close()


def test_facts_of_a_folder_are_kept_and_not_looked_for_twice(tmp_path):
    folder = BatchFolder.create(tmp_path / "night", BatchHead())
    paths = [stack(tmp_path / f"{name}.ome.tif") for name in "ab"]
    units = [unit_of(path, path.name[0]) for path in paths]
    folder.add(units, {DIGEST: SETTINGS})
    survey_folder(folder)
    assert {i: f.num_frames for i, f in folder.facts().items()} == {"a": 5, "b": 5}
    paths[0].unlink()
    survey_folder(folder)
    assert folder.facts()["a"].problem == ""
    # Changed, it is another unit of which nothing is known.
    folder.add([units[0].model_copy(update={"key": "other"})], {DIGEST: SETTINGS})
    survey_folder(folder)
    assert "a.ome.tif" in folder.facts()["a"].problem


def test_beside_the_workers_a_process_looks_at_the_movies_and_at_those_that_come_later(tmp_path):
    folder = BatchFolder.create(tmp_path / "night", BatchHead())

    def are_known(*unit_ids: str) -> bool:
        end = monotonic() + 120
        while set(folder.facts()) != set(unit_ids) and monotonic() < end:
            sleep(0.1)
        return set(folder.facts()) == set(unit_ids)

    folder.add([unit_of(stack(tmp_path / "a.ome.tif"), "a")], {DIGEST: SETTINGS})
    with folder.watching(), surveying(folder):
        assert are_known("a")
        folder.add([unit_of(stack(tmp_path / "b.ome.tif"), "b")], {DIGEST: SETTINGS})
        assert are_known("a", "b")


def test_a_unit_that_needs_more_memory_than_is_free_is_told_with_both_numbers():
    units = [unit_of("/data/a.tif", "a"), unit_of("/data/b.tif", "b")]
    known = {
        "a": Facts(unit_id="a", key="k", need_bytes=10**15),
        "b": Facts(unit_id="b", key="k", need_bytes=10**6),
    }
    settings = RunSettings(model=ModelSettings(device="cpu"))
    (problem,) = shortages(units, lambda unit: settings, known)
    assert problem.unit_ids == ("a",)
    assert "1000000.0 GB" in problem.message


# Problems that need no look at a movie


def test_problems_alike_are_told_once_with_all_their_units():
    problems = [Problem("no disk", "mount it", ("a",)), Problem("other"),
                Problem("no disk", "mount it", ("b", "a"))]  # fmt: skip
    assert gathered(problems) == [Problem("no disk", "mount it", ("a", "b")), Problem("other")]


@pytest.mark.parametrize("first", [True, False])
def test_what_keeps_a_batch_from_beginning_does_so_however_else_it_was_found(first):
    problems = [Problem("gone", unit_ids=("a",), fails_alone=alone) for alone in (first, not first)]
    assert [p.fails_alone for p in gathered(problems)] == [False]
    assert gathered(problems[:1])[0].fails_alone == first


def test_missing_movies_are_found_and_addresses_and_patterns_are_not_asked_for(tmp_path):
    units = [
        unit_of(stack(tmp_path / "a.ome.tif"), "there"),
        unit_of(tmp_path / "b.tif", "missing"),
        unit_of("https://somewhere.org/a.zarr", "address"),
        unit_of(tmp_path / "frame_*.png", "pattern"),
    ]
    (problem,) = preflight(units, {DIGEST: SETTINGS})
    assert problem.unit_ids == ("missing",)


def test_a_model_that_nobody_knows_or_that_may_not_be_fetched_is_found(tmp_path):
    path = stack(tmp_path / "a.ome.tif")
    unknown = RunSettings(model=ModelSettings(name="sa3va"))
    far = RunSettings(model=ModelSettings(name="sa2va-i-1b"))
    settings = {"one": unknown, "two": far, DIGEST: SETTINGS}
    units = [unit_of(path, d, settings=d) for d in settings]
    with hub.offline():
        problems = {p.unit_ids: p.message for p in preflight(units, settings)}
    assert "sa3va" in problems["one",]
    assert "sa2va-i-1b is not on this machine" in problems["two",]
    assert len(problems) == 2


def an_output(path: Path, kind: str = "ome-tiff") -> tuple[Output, ...]:
    return (Output(path=str(path), kind=kind),)


def test_a_name_that_two_units_share_and_one_that_is_a_movie_are_found(tmp_path):
    a, b = stack(tmp_path / "a.ome.tif"), stack(tmp_path / "b.ome.tif")
    units = [
        unit_of(a, "u1", outputs=an_output(tmp_path / "masks.ome.tif")),
        unit_of(b, "u2", outputs=an_output(tmp_path / "masks.ome.tif")),
        unit_of(b, "u3", outputs=an_output(a)),
    ]
    problems = preflight(units, {DIGEST: SETTINGS}, overwrite=True)
    assert [p.unit_ids for p in problems] == [("u1", "u2"), ("u3",)]
    assert "2 times" in problems[0].message
    assert "would overwrite the movie" in problems[1].message


def test_an_output_where_nobody_may_write_is_found_also_if_its_folder_is_still_to_be_made(tmp_path):
    a = stack(tmp_path / "a.ome.tif")
    (tmp_path / "file").touch()
    units = [
        unit_of(a, "u1", outputs=an_output(Path("/proc/nothing/x.ome.tif"))),
        unit_of(a, "u2", outputs=an_output(tmp_path / "file" / "x.ome.tif")),
        unit_of(a, "u3", outputs=an_output(tmp_path / "new" / "deep" / "x.ome.tif")),
        unit_of(a, "u4", outputs=an_output(tmp_path / "new" / "x.ome.zarr", "ome-zarr")),
    ]
    found = {i for p in preflight(units, {DIGEST: SETTINGS}) for i in p.unit_ids}
    assert found == {"u1", "u2"}
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_is_a_problem_unless_the_unit_wrote_it_or_it_may_go(tmp_path):
    a = stack(tmp_path / "a.ome.tif")
    there = tmp_path / "there.ome.tif"
    there.touch()
    units = [unit_of(a, outputs=an_output(there))]
    settings = {DIGEST: SETTINGS}
    (problem,) = preflight(units, settings)
    assert "is there already" in problem.message
    assert preflight(units, settings, overwrite=True) == []
    assert preflight(units, settings, lambda unit: frozenset([str(there)])) == []


def test_ten_thousand_units_are_checked_within_seconds(tmp_path):
    a = stack(tmp_path / "a.ome.tif")
    units = [
        unit_of(a, f"u{n}", outputs=an_output(tmp_path / f"{n}.ome.tif")) for n in range(10_000)
    ]
    begin = perf_counter()
    assert preflight(units, {DIGEST: SETTINGS}) == []
    assert perf_counter() - begin < 10


# Sums


def facts_of(unit_id: str, seconds: float, **fields) -> Facts:
    return Facts(
        unit_id=unit_id, key="k", num_frames=10, seconds=seconds, disk_bytes=1000, **fields
    )


def three_units() -> dict[str, Unit]:
    return {i: unit_of(f"/data/{i}.tif", i) for i in "abc"}


def finished(unit_id: str, seconds: float, **fields) -> Standing:
    outcome = Outcome(
        unit_id=unit_id, generation=1, state="done", key="k", seconds=seconds, **fields
    )
    return Standing(unit_id, "done", generation=1, outcome=outcome)


def test_what_is_left_is_the_sum_for_one_worker_and_at_least_the_longest_for_many():
    facts = {i: facts_of(i, s, need_bytes=7) for i, s in (("a", 10), ("b", 20), ("c", 60))}
    left = forecast(three_units(), facts, {})
    assert (left.num_units, left.num_left, left.num_unseen) == (3, 3, 0)
    assert (left.seconds, left.longest_s) == (90, 60)
    assert [left.seconds_with(n) for n in (0, 1, 2, 9)] == [None, 90, 60, 60]
    assert (left.basis, left.most_bytes, left.disk_bytes) == ("guessed", 7, 3000)


def test_what_loading_takes_is_waited_for_once_and_is_no_part_of_a_unit(tmp_path):
    path = stack(tmp_path / "a.ome.tif")
    facts = look(unit_of(path), SETTINGS)
    assert facts.load_s > 0
    units = {i: unit_of(path, i) for i in "ab"}
    known = {i: facts.model_copy(update={"unit_id": i, "seconds": 3.0}) for i in "ab"}
    left = forecast(units, known, {})
    assert (left.seconds, left.load_s) == (6, facts.load_s)


def test_units_that_nobody_has_looked_at_are_taken_to_be_like_the_others():
    left = forecast(three_units(), {"a": facts_of("a", 10), "b": facts_of("b", 20)}, {})
    assert (left.num_unseen, left.seconds, left.disk_bytes) == (1, 45, 3000)
    assert forecast(three_units(), {}, {}).seconds is None


def test_units_that_are_done_correct_the_time_of_the_others():
    facts = {i: facts_of(i, 10) for i in "abc"}
    left = forecast(three_units(), facts, {"a": finished("a", 40)})
    assert (left.num_left, left.seconds, left.basis) == (2, 80, "this batch")


def test_a_unit_in_work_counts_with_what_is_left_of_it_and_one_that_cannot_be_done_not_at_all():
    facts = {"a": facts_of("a", 10), "b": Facts(unit_id="b", key="k", problem="cut off"),
             "c": facts_of("c", 10)}  # fmt: skip
    claim = Claim(worker="w", host=here(), frames_done=3, frames_planned=10)
    left = forecast(three_units(), facts, {"a": Standing("a", "running", claim=claim)})
    assert left.num_left == 3
    assert left.seconds == pytest.approx(7 + 10)
    assert left.disk_bytes == 2000


def test_the_size_of_units_that_are_done_corrects_that_of_the_others(tmp_path):
    folder = BatchFolder.create(tmp_path / "night", BatchHead())
    folder.work_of("a").mkdir(parents=True)
    (folder.work_of("a") / "masks-1.log").write_bytes(b"\0" * 1500)
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "sub" / "0.png").write_bytes(b"\0" * 2500)
    facts = {i: facts_of(i, 10) for i in "abc"}
    standings = {"a": finished("a", 10, outputs=(str(out),))}
    assert forecast(three_units(), facts, standings, folder).disk_bytes == 8000


def test_the_disk_that_masks_take_is_foretold_within_a_factor_of_four(tmp_path):
    import dask.array as da

    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import of_labels
    from napari_sa2va.writers.write import write_result

    side, num_frames = 128, 40
    y, x = np.mgrid[:side, :side]
    clip = Clip(da.zeros((num_frames, side, side), dtype="uint8", chunks=(1, -1, -1)))

    def labels(t: int) -> np.ndarray:
        return ((y - 64) ** 2 + (x - 30 - t) ** 2 < 20**2).astype(np.uint16)

    for kind in ("ome-tiff", "coco", "trackmate", "yolo"):
        path = write_result(tmp_path / kind, of_labels(clip, labels, names={1: ""}), kind).path
        with_it, without = (
            foretold_bytes(
                unit_of("/data/a.tif", outputs=outputs),
                num_frames=num_frames, height=side, width=side,
            )
            for outputs in (an_output(path, kind), ())
        )  # fmt: skip
        assert 0.25 < size_of(path) / (with_it - without) < 4, kind


@pytest.mark.parametrize("size", [(64, 80), (480, 640)])
def test_what_a_unit_leaves_is_foretold_within_a_factor_of_three(tmp_path, size):
    height, width = size
    frames = generate_movie(54, num_frames=8, height=height, width=width, style="colour").frames
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames, photometric="rgb", metadata={"axes": "TYXS"})
    names = {"ome-tiff": "a.ome.tif", "overlay-sheet": "a.png"}
    outputs = tuple(Output(path=str(tmp_path / "out" / n), kind=k) for k, n in names.items())
    folder = BatchFolder.create(tmp_path / "night", BatchHead())
    folder.add([unit_of(path, outputs=outputs)], {DIGEST: SETTINGS})
    Worker(folder, "test").run()
    outcome = folder.standings()["u1"].outcome
    assert outcome.state == "done"
    written = written_bytes(folder.work_of("u1"), outcome)
    foretold = look(folder.units()["u1"], SETTINGS).disk_bytes
    assert written / 3 < foretold < 3 * written


def test_nothing_left_takes_no_time():
    left = forecast({}, {}, {})
    assert left == Forecast(num_units=0, num_left=0, seconds=0)

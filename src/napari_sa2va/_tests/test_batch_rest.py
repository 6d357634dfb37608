"""Failures that lie in the surroundings: a disk that is full, a drive that is away."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
import zarr

from napari_sa2va._tests.batch_hands import until
from napari_sa2va._tests.light_units import numbered, outcome, unit
from napari_sa2va._tests.made_units import anywhere, made_folder, made_unit
from napari_sa2va.batch.failing import failure_of
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.planning.identity import identity_of
from napari_sa2va.batch.rest import Rest
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core.errors import ClipError, OutputError
from napari_sa2va.core.privacy import NOBODY
from napari_sa2va.readers.open import open_clip

FULL = Path("/dev/full")
has_full_disk = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a disk that is full")


def _disk_error(path: Path = FULL) -> OSError:
    """What a full disk says when something is written to it."""
    with pytest.raises(OSError, match="No space") as caught, path.open("wb", buffering=0) as file:
        file.write(b"x")
    return caught.value


def _came(unit: Unit, state: str = "done", **more: object) -> Outcome:
    return Outcome.model_validate(
        {"unit_id": unit.unit_id, "generation": 1, "key": unit.key, "state": state, **more}
    )


@has_full_disk
def test_a_full_disk_is_one_cause_whatever_file_was_written() -> None:
    error = _disk_error()
    wrapped = OutputError("/a/sheet.png could not be written (No space left on device).")
    wrapped.__cause__ = error
    plain, through_writer = failure_of(error, NOBODY), failure_of(wrapped, NOBODY)
    assert plain.cause == through_writer.cause == "The disk is full (No space left on device)."
    assert plain.hint == through_writer.hint
    assert plain.passing
    assert through_writer.passing
    assert not failure_of(ClipError("This is no movie."), NOBODY).passing


@has_full_disk
def test_while_the_disk_is_full_no_unit_uses_up_its_tries(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(3), attempts=1)
    disk = tmp_path / "disk"
    disk.symlink_to(FULL)

    def do(task: Task) -> Outcome:
        with disk.open("wb", buffering=0) as file:
            file.write(b"mask")
        return outcome(task)

    worker = Worker(BatchFolder.open(folder.path), "w", do=do, fits=anywhere, idle_s=0.0)
    thread = Thread(target=worker.run)
    thread.start()
    until(lambda: any(s.outcome is not None for s in folder.standings().values()), 30)
    standings = folder.standings().values()
    assert {(s.state, s.attempts) for s in standings} == {("waiting", 0)}
    assert [s.cause for s in standings if s.cause] == [
        "The disk is full (No space left on device)."
    ]
    disk.unlink()  # somebody makes room while the worker rests
    disk.touch()
    thread.join(60)
    assert {s.state for s in folder.standings().values()} == {"done"}


def with_a_bad_sector(path: Path) -> Path:
    """A movie of which the system cannot read a frame."""
    movie = zarr.create_array(
        path, shape=(4, 16, 16), chunks=(1, 16, 16), dtype="u1", dimension_names=["t", "y", "x"]
    )
    movie[:] = 7
    frame = path / "c" / "2" / "0" / "0"
    frame.unlink()
    frame.symlink_to("/proc/self/mem")  # whose first byte nobody can read
    return path


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has such a file")
def test_a_movie_with_bad_sectors_is_not_waited_for_as_if_its_drive_were_away(
    tmp_path: Path,
) -> None:
    movie = with_a_bad_sector(tmp_path / "a.zarr")
    one = made_unit("a", movie, sentences=("the cell",), identity=identity_of(str(movie)))
    folder = made_folder(tmp_path / "b", one, attempts=2)
    worker = Worker(folder, "w", fits=anywhere, idle_s=0.0)
    while worker.step():
        pass
    standing = folder.standings()["a"]
    assert "Input/output error" in standing.cause
    assert (standing.state, standing.generation) == ("failed", 2)

    with pytest.raises(ClipError) as caught:
        open_clip(movie).rgb(2)
    error = caught.value
    assert not failure_of(error, NOBODY, is_as_planned=True).passing
    assert failure_of(error, NOBODY).passing  # nobody can see the movie
    written = OutputError("The results could not be written.")
    written.__cause__ = error.__cause__
    assert failure_of(written, NOBODY, is_as_planned=True).passing


def test_what_passes_is_tried_after_the_others(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(3))
    order: list[str] = []

    def do(task: Task) -> Outcome:
        order.append(task.unit.unit_id)
        first = task.unit.unit_id == "u002" and task.generation == 1
        return outcome(task, *(("failed",) if first else ()), passing=first)

    worker = Worker(BatchFolder.open(folder.path), "w", do=do, fits=anywhere, idle_s=0.0)
    while worker.step():
        pass
    assert order == ["u002", "u001", "u000", "u002"]  # the longest first


def test_a_failure_counts_once_others_went_well_or_resting_is_of_no_use() -> None:
    bad, good = unit("bad"), unit("good")
    failed = _came(bad, "failed", passing=True)

    rest = Rest()
    assert rest.see(bad, failed).passing
    assert rest.see(good, _came(good)) == _came(good)
    assert not rest.see(bad, failed).passing  # the disk takes what others write

    patient = Rest()
    excused = []
    while patient.see(bad, failed).passing:
        assert patient.seconds > 0
        excused.append(patient.seconds)
        assert len(excused) < 100
    assert excused == [5, 20, 80, 300, 300]
    assert patient.seconds == 0


def test_a_file_in_the_way_is_rested_for_and_counts() -> None:
    rest, one = Rest(), unit("a")
    came = rest.see(one, _came(one, "failed", error="OutputError"))
    assert rest.seconds == 5
    assert not came.passing

"""`napari-sa2va batch` as processes with the real nano: stopped, gone on with, by hand, watching."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
import tifffile

from napari_sa2va._tests.typed_batches import batch, units_of
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.found import masks_of
from napari_sa2va.training.synth import generate_movie

SENTENCE = ("-p", "the large cell")
LONG = 300
# A guard against hanging only.
PATIENCE_S = 600.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start(programs: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a command in a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [programs / "napari-sa2va", "batch", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def write_cells(path: Path, num_frames: int) -> Path:
    frames = generate_movie(5, num_frames=num_frames, height=64, width=64).frames
    is_ome = ".ome" in path.name
    tifffile.imwrite(path, frames, photometric="rgb", metadata={"axes": "TYXS"}, ome=is_ome)
    return path


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = monotonic() + PATIENCE_S
    while not is_so():
        assert process.poll() is None, process.stderr.read()
        assert monotonic() < end, "it took too long"
        sleep(0.1)


def frames_done(place: Path) -> int:
    """Of the only unit, as its journal has them: every frame at once, and not about once a second."""
    if not BatchFolder.is_one(place):
        return 0
    folder = BatchFolder.open(place)
    return sum(len(masks_of(folder.work_of(unit_id)).frames_done) for unit_id in folder.units())


@pytest.mark.parametrize(
    ("engine", "number"), [("here", signal.SIGTERM), ("local", signal.SIGINT)],
    ids=["end-of-a-job", "ctrl-c"],
)  # fmt: skip
def test_a_batch_that_is_stopped_goes_on_where_it_was(folder, start, capsys, engine, number):
    write_cells(folder / "long.tif", LONG)
    night = folder / "night"
    process = start("long.tif", *SENTENCE, "--into", "night", "--engine", engine)
    wait_for(lambda: frames_done(night) > 3, process)
    process.send_signal(number)
    printed, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, said
    assert "1 waiting" in printed
    assert f"Go on:   napari-sa2va batch {night}" in printed
    assert list(units_of(night).values()) == ["waiting"]
    if engine == "here":
        process = start("night", "--engine", "here")
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode in (0, 1), said
        (standing,) = BatchFolder.open(night).standings().values()
        assert standing.outcome.resumed_at > 0
        assert standing.outcome.frames == LONG


def test_workers_that_are_started_by_hand_share_the_units(folder, start):
    (folder / "movies").mkdir()
    for number in range(4):
        write_cells(folder / "movies" / f"{number}.tif", 4)
    script = ("--engine", "slurm", "--write-script", "job.sh")
    assert batch("movies", *SENTENCE, "--into", "night", *script) == 0
    workers = [start("work", "night", "--name", name) for name in ("ann", "ben")]
    for worker in workers:
        _, said = worker.communicate(timeout=PATIENCE_S)
        assert worker.returncode == 0, said
    standings = BatchFolder.open("night").standings().values()
    assert all(standing.is_at_end for standing in standings)
    assert {s.outcome.worker for s in standings} == {"ann", "ben"}
    # The last of them wrote it, as there is no client.
    assert Path("night/report.html").exists()
    assert len(Path("night/log.jsonl").read_text().splitlines()) == 4


def test_a_watched_folder_gives_its_movies_to_the_batch_as_they_are_finished(folder, start):
    (folder / "scope").mkdir()
    write_cells(folder / "scope" / "first.ome.tif", 4)
    process = start("scope", *SENTENCE, "--into", "night", "--engine", "here", "--watch")

    def are_done(number: int) -> bool:
        if not BatchFolder.is_one("night"):
            return False
        return sum(state in ("done", "nothing") for state in units_of("night").values()) == number

    wait_for(lambda: are_done(1), process)
    write_cells(folder / "scope" / "part.ome.tmp", 4).rename(folder / "scope" / "second.ome.tif")
    wait_for(lambda: are_done(2), process)
    assert BatchFolder.open("night").is_watching
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, 1), said
    assert not BatchFolder.open("night").is_watching
    assert "new      0002-second" in said

"""Kills workers: `python -m napari_sa2va._tests.killed_workers FOLDER SEED KILLS`.

A generated movie is segmented with the network that comes with the package: once undisturbed, and then
by workers that are killed at random moments, each going on where the one before was. When one comes to
its end, the batch is begun anew, until enough have been killed. After each kill all that lies under a
final name is compared. What is printed is JSON: a line per worker.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sa2va._tests.fakes import colour_clip
from napari_sa2va._tests.made_units import anywhere, made_folder, made_unit
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.found import Found, masks_of
from napari_sa2va.batch.planning.identity import identity_of
from napari_sa2va.batch.segment import records_of
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.worker import Worker
from napari_sa2va.training.synth import generate_movie

FRAMES = 12
KINDS = ("davis", "ome-tiff", "coco", "table")
UNIT = "movie"
# Nobody waits longer for a worker that is to be killed, or to end.
_MOST_S = 120.0
_POLL_S = 0.01
MASKS = 3  # kind of the records with masks


@dataclass(frozen=True)
class Moment:
    """When a worker is killed: some time after it began, or when a number of frames are done, or
    before it changes the disk for the n-th time."""

    what: str
    number: float


def main(root: Path, seed: int, kills: int) -> None:
    """Do the batch undisturbed, then disturbed, and compare."""
    movie, sentences = _movie(root / "movie.tif")
    # In this process: its children then have all modules, and the network.
    _work_on(_batch(root / "first", movie, sentences))
    whole = _batch(root / "whole", movie, sentences)
    begun = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(started(whole), 0)[1]) == 0
    seconds = time.monotonic() - begun
    chance = random.Random(seed)
    number = 0
    while kills:
        number += 1
        killed = _batch(root / f"killed-{number}", movie, sentences)
        while kills:
            moment = _drawn(chance, seconds, killed)
            was_killed = _kill(killed, moment)
            frames = len(_compared(killed, whole))
            print(json.dumps({**vars(moment), "killed": was_killed, "frames": frames}), flush=True)
            kills -= was_killed
            if not was_killed and _is_done(killed):
                break
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(started(killed), 0)[1]) == 0
        assert len(_compared(killed, whole)) == FRAMES
        assert alike(left(killed), left(whole))
        assert not hidden_files(killed)
        print(json.dumps({"first_frames": _first_frames(killed)}), flush=True)


def _movie(path: Path) -> tuple[Path, tuple[str, ...]]:
    made = generate_movie(5, num_frames=FRAMES, height=64, width=64)
    tifffile.imwrite(path, made.frames, photometric="rgb", metadata={"axes": "TYXS"})
    return path, tuple(expression.text for expression in made.expressions[:2])


def _batch(path: Path, movie: Path, sentences: tuple[str, ...]) -> BatchFolder:
    outputs = [{"path": str(path / "results" / f"out-{kind}"), "kind": kind} for kind in KINDS]
    about = {"identity": identity_of(str(movie)), "outputs": outputs, "sentences": sentences}
    return made_folder(path, made_unit(UNIT, movie, **about), attempts=10_000)


def _is_done(folder: BatchFolder) -> bool:
    return all(standing.is_at_end for standing in folder.standings().values())


def _first_frames(folder: BatchFolder) -> list[int]:
    """The first frame that each worker has drawn, of those that came so far."""
    segments = sorted(folder.work_of(UNIT).glob("masks-*.log"))
    masks = [[r.number for r in records_of(path) if r.kind == MASKS] for path in segments]
    return [frames[0] for frames in masks if frames]


def _work_on(folder: BatchFolder) -> None:
    Worker(folder, f"worker-{os.getpid()}", fits=anywhere, idle_s=0.0).run()


def started(folder: BatchFolder, before: Callable[[], None] = lambda: None) -> int:
    """A worker in a process of its own, which does `before` first."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            before()
            _work_on(BatchFolder.open(folder.path))
            status = 0
        finally:
            os._exit(status)
    return child


def small_movie(folder: Path, num_frames: int) -> Path:
    """Coloured squares that wander, for the network that is no network."""
    source = folder / "movie.tif"
    frames = np.stack([colour_clip(num_frames).rgb(t) for t in range(num_frames)])
    tifffile.imwrite(source, frames, photometric="rgb", metadata={"axes": "TYXS"})
    return source


def small_unit(folder: Path, source: Path, **more: object) -> Unit:
    """A unit whose outputs are a folder and a file among the batch's results."""
    results = folder / "results"
    outputs = [{"path": str(results / f"out-{k}"), "kind": k} for k in ("davis", "table")]
    return made_unit(UNIT, source, **{"sentences": ("the red one",), "outputs": outputs, **more})


def hidden_files(folder: BatchFolder) -> list[Path]:
    """What is half-written in the places of a unit."""
    return [p for place in (folder.results, folder.work_of(UNIT)) for p in place.rglob(".*")]


def _drawn(chance: random.Random, seconds: float, folder: BatchFolder) -> Moment:
    done = _frames_done(folder)
    what = chance.choice(
        ("seconds", "change") if done == FRAMES else ("seconds", "frames", "frames", "change")
    )
    if what == "seconds":
        return Moment(what, chance.uniform(0, seconds))
    if what == "change":
        return Moment(what, chance.randint(1, 150))
    return Moment(what, chance.randint(done + 1, FRAMES))


def _kill(folder: BatchFolder, moment: Moment) -> bool:
    """Start a worker and kill it; False if it came to its end before."""

    def before() -> None:
        if moment.what == "change":
            die_before_change(int(moment.number))

    child = started(folder, before)
    begun = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        elapsed = time.monotonic() - begun
        if ended:
            break
        is_due = (moment.what == "seconds" and elapsed >= moment.number) or (
            moment.what == "frames" and _frames_done(folder) >= moment.number
        )
        if is_due:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            break
        assert elapsed < _MOST_S, f"a worker hangs that was to be killed at {moment}"
        time.sleep(_POLL_S)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def die_before_change(number: int) -> None:
    """Let this process be killed before it changes the disk for the n-th time.

    Changes are files that are opened to be written, renamed or removed, and folders.
    """
    left = [number]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link")
        if event == "open" and isinstance(arguments[2], int):
            changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if changes:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _frames_done(folder: BatchFolder) -> int:
    return len(masks_of(folder.work_of(UNIT)).places)


def _compared(folder: BatchFolder, whole: BatchFolder) -> tuple[int, ...]:
    """Frames that are there, which must be the first ones, and like those of the undisturbed batch;
    as must be every file that bears a final name."""
    found, expected = (masks_of(f.work_of(UNIT)) for f in (folder, whole))
    assert found.frames_done == expected.frames_done[: len(found.frames_done)]
    for frame in found.frames_done:
        assert alike(drawn(found, frame), drawn(expected, frame)), f"frame {frame} is another"
    shown, expected_files = final_files(folder), final_files(whole)
    for path in shown:
        assert alike(content(shown[path]), content(expected_files[path])), f"{path} is broken"
    return found.frames_done


def final_files(folder: BatchFolder) -> dict[str, Path]:
    """What a unit shows to others, by name, as far as it is there."""
    outputs = [Path(output.path) for output in folder.units()[UNIT].outputs]
    files = [folder.work_of(UNIT) / name for name in ("objects.csv", "sheet.png")]
    return {path.name: path for path in (*outputs, *files) if path.exists()}


def drawn(found: Found, frame: int) -> list[tuple[int, float, bytes]]:
    """All that is kept of a frame."""
    on = found.on(frame)
    return [(i, on.scores[i], on.codes[i]["counts"].tobytes()) for i in on.codes]


def content(path: Path) -> object:
    """What is in a file or folder, but for times.

    Pictures, and images of labels, byte by byte; texts with their numbers as such.
    """
    if path.is_dir():
        return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*.*")}
    if path.name.endswith("-ome-tiff"):
        return tifffile.imread(path).tobytes()
    if path.name.endswith("-coco"):
        said = json.loads(path.read_bytes())
        del said["info"]
        return said
    if path.name.endswith((".csv", "-table")):
        with path.open(encoding="utf-8", newline="") as file:
            return [[_number(cell) for cell in row] for row in csv.reader(file)]
    return path.read_bytes()


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell


def alike(one: object, other: object) -> bool:
    """Whether values are equal, numbers up to rounding: where in memory its matrices lie decides the
    last bit of what a processor makes of them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=1e-5)
    return one == other


def left(folder: BatchFolder) -> dict[str, object]:
    """What a unit has left at its end, but for times and restarts."""
    record = json.loads((folder.work_of(UNIT) / "record.json").read_text(encoding="utf-8"))
    for name in ("started", "timings_s", "notes", "frames_encoded"):
        del record[name]
    outcome = folder.standings()[UNIT].outcome
    assert outcome is not None
    about = outcome.model_dump(include={"state", "key", "frames", "objects"})
    files = {name: content(path) for name, path in final_files(folder).items()}
    return {"record": record, "outcome": about, "files": files}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

"""What a batch costs beside the work itself, and what more workers bring.

    python benchmarks/batch_engine.py [--share 1.0]

Units of nano are real movies; all others sleep, so that what is left is the engine. Ratios are of one
run. The simulated cluster is as many processes on this machine as it has workers, on one folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep, time
from typing import ClassVar

import numpy as np
import psutil
import sleepers
import tifffile

from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.engines import Dask, Engine, Here, Local
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.unit import Unit
from napari_sa2va.presets import preset

# The unit of which the engine may take a share, in s.
LONG_S = 30.0
FRAMES, SIDE = 24, 256


class _HereAsleep(Here):
    pull: ClassVar[str] = sleepers.CALL


class _LocalAsleep(Local):
    pull: ClassVar[str] = sleepers.CALL


class _DaskAsleep(Dask):
    pull: ClassVar[str] = sleepers.CALL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers of units")
    share = parser.parse_args().share
    # Workers find the module of the sleepers there.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        more_workers(root / "workers", round(40 * share))
        overhead(root / "overhead", round(60 * share))
        queue(root / "queue", round(10_000 * share))
        cluster(root / "cluster", round(64 * share), 20)


def more_workers(root: Path, number: int) -> None:
    """Movies of nano through one process and through two."""
    print(f"{number} movies of {FRAMES} frames of {SIDE} x {SIDE} px, nano, one sentence")
    print(f"from the first claim on; {os.cpu_count()} cores")
    movies = write_movies(root, number)
    engines: list[tuple[str, Engine]] = [
        ("serial, in this process", Here()),
        ("1 worker process", Local(workers=1)),
        ("2 worker processes", Local(workers=2)),
        ("dask.distributed, 2 processes", Dask(workers=2)),
    ]
    serial = 0.0
    for place, (words, engine) in enumerate(engines):
        seconds = seconds_of(folder_of(root / f"b{place}", movies), engine)
        serial = serial or seconds
        print(
            f"  {words:32s}{3600 * number / seconds:8.0f} units per hour"
            f"{serial / seconds:8.2f} times serial"
        )


def overhead(root: Path, number: int) -> None:
    """Units that sleep, through each engine."""
    print(f"\n{number} units that sleep 0.5 s, one worker: what a unit takes beside its sleep")
    engines: list[tuple[str, Engine]] = [
        ("in this process", _HereAsleep()),
        ("1 worker process", _LocalAsleep(workers=1)),
        ("dask.distributed, 1 process", _DaskAsleep(workers=1)),
    ]
    for place, (words, engine) in enumerate(engines):
        folder = asleep(root / f"b{place}", number, 500)
        seconds = seconds_of(folder, engine) / number - 0.5
        print(
            f"  {words:32s}{1000 * seconds:8.1f} ms{100 * seconds / LONG_S:8.2f} % of {LONG_S:.0f} s"
        )


def queue(root: Path, number: int) -> None:
    """A client with many units: its memory, and how long until work begins."""
    print(f"\n{number} files in a folder, one worker process; the command line does the rest")
    movies = root / "movies"
    movies.mkdir(parents=True)
    first = write_movies(root, 1)[0].read_bytes()
    for i in range(number):
        (movies / f"m{i:05d}.tif").write_bytes(first)
    before = resident(subprocess.Popen([sys.executable, "-c", IMPORTS], stdin=subprocess.PIPE))
    place = root / "batch"
    words = ["batch", str(movies), "-p", "the cell", "--into", str(place), "--workers", "1"]
    begin = time()
    client = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from napari_sa2va.cli.main import entry_point; entry_point()",
            *words,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process = psutil.Process(client.pid)
    most, claimed = 0, 0.0
    until = monotonic() + 600
    while monotonic() < until and client.poll() is None:
        most = max(most, process.memory_info().rss)
        if not claimed and (claims := claims_of(place)):
            claimed = claims[0].since
            until = monotonic() + 60  # its memory while the first units are done
        sleep(0.05)
    client.terminate()
    client.wait()
    print(f"  time until the first unit is in work  {claimed - begin:6.1f} s")
    print(f"  memory of the client, at most         {most / 1e6:6.0f} MB")
    print(f"  of that its libraries                 {before / 1e6:6.0f} MB")


def cluster(root: Path, num_workers: int, waves: int) -> None:
    """Many workers on one folder."""
    number, seconds = num_workers * waves, 3
    folder = asleep(root, number, 1000 * seconds)
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(root), f"w{i}"])
        for i in range(num_workers)
    ]
    for worker in workers:
        worker.wait()
    standings = folder.standings().values()
    assert all(s.state == "done" and s.generation == 1 for s in standings)
    took = wall_s(folder)
    ideal = waves * seconds
    print(
        f"\nsimulated cluster: {num_workers} workers, {number} units that sleep {seconds} s\n"
        f"  {took:.1f} s from the first claim to the last end; {ideal} s of sleep per worker\n"
        f"  {100 * ideal / took:.0f} % of the time asleep; each unit done once"
    )


# Prints nothing; holds what the command line holds before it has any unit.
IMPORTS = """
import sys
import napari_sa2va.cli.batch.command, napari_sa2va.batch.conduct, napari_sa2va.batch.survey
sys.stdin.read()
"""
WORKER = "import sys; from sleepers import sleep_through; sleep_through(sys.argv[1], sys.argv[2])"


def resident(process: subprocess.Popen[bytes]) -> int:
    """Resident bytes of a process that waits, when they no longer grow."""
    watched, last = psutil.Process(process.pid), -1
    while (now := watched.memory_info().rss) != last or now < 10_000_000:
        last = now
        sleep(1.0)
    process.communicate()
    return last


def seconds_of(folder: BatchFolder, engine: Engine) -> float:
    """From the first claim of a unit to the end of the last: the start of processes is left out."""
    for _ in conduct(folder, engine, every_s=0.2):
        pass
    states = {standing.state for standing in folder.standings().values()}
    assert states <= {"done", "nothing"}, states
    return wall_s(folder)


def wall_s(folder: BatchFolder) -> float:
    """The same, of what was done."""
    ends = [path.stat().st_mtime for path in (folder.path / "runs").glob("*.json")]
    return max(ends) - min(claim.since for claim in claims_of(folder.path))


def claims_of(place: Path) -> list[Claim]:
    """All claims that were ever made, also those that have ended."""
    return [
        Claim.model_validate_json(text)
        for path in (place / "runs").glob("*.claim")
        if (text := path.read_text(encoding="utf-8"))
    ]


def asleep(root: Path, number: int, milliseconds: int) -> BatchFolder:
    """A batch of units that sleep."""
    return _batch(root, number, lambda i: {"path": f"/nowhere/{i}", "num_bytes": milliseconds})


def folder_of(root: Path, movies: list[Path]) -> BatchFolder:
    """A batch of movies, one sentence each and no output but what every unit leaves."""
    return _batch(root, len(movies), lambda i: {"path": str(movies[i])})


def _batch(root: Path, number: int, about: Callable[[int], dict[str, object]]) -> BatchFolder:
    settings = preset("sa2va-i")
    digest = digest_of(settings)
    folder = BatchFolder.create(root, BatchHead())
    common = {"sentences": ("the cell",), "settings": digest, "key": "0"}
    units = [
        Unit.model_validate({"unit_id": f"u{i:05d}", "movie": f"u{i:05d}", **common, **about(i)})
        for i in range(number)
    ]
    folder.add(units, {digest: settings})
    return folder


def write_movies(root: Path, number: int) -> list[Path]:
    """Bright discs that move over noise."""
    root.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    paths = [root / f"m{i:03d}.tif" for i in range(number)]
    for path in paths:
        start, way = generator.uniform(60, SIDE - 60, 2), generator.uniform(-2, 2, 2)
        frames = generator.integers(0, 60, (FRAMES, SIDE, SIDE))
        for t, frame in enumerate(frames):
            centre = start + t * way
            frame[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 24**2] += 150
        tifffile.imwrite(path, frames.astype(np.uint8), metadata={"axes": "TYX"})
    return paths


if __name__ == "__main__":
    main()

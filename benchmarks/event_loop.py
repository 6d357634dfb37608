"""How long the window stands still while a run is on: the longest pauses of the event loop.

    xvfb-run -a -s "-screen 0 1920x1080x24" python benchmarks/event_loop.py [--runs 3]

A timer that should tick every 5 ms tells, in a real viewer with both docks. A pause is the longest
gap between two ticks, less the time in which other programs had the processors; what it was by the
clock stands beside it. Two things are told apart. napari takes a layer into its window in one go
("layer"), which a run does once; what the same takes for a layer that is added by hand is in the
last block. And Python walks through all that it holds now and then, which no run can shorten; while
a run is on it is put off.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va._tests.heartbeat import Heartbeat
    from napari_sa2va.gui.dock import SentenceDock

NANO = "nano, 24 frames of 256 x 256, 3 sentences"
LARGE = "frames as fast as they come, 40 of 1024 x 1024, 5 objects"
LONG = "frames as fast as they come, 1,500 of 96 x 96, 5 objects"

Row = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="Of each; the longest pause counts.")
    parser.add_argument("--scene", choices=SCENES, help="Only this one, as JSON lines.")
    options = parser.parse_args()
    if options.scene:
        for label, row in SCENES[options.scene](options.runs):
            print(json.dumps([label, row]), flush=True)
        # A viewer that is closed while its canvas is drawn can take long to go.
        os._exit(0)
    import qtpy

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"napari {version('napari')}, {qtpy.API_NAME} {qtpy.QT_VERSION}, torch {version('torch')}, "
        f"{cores} cores, the longest pause in ms of {options.runs} runs"
    )
    for scene in SCENES:
        print(f"\n{scene:60}{'pause':>7}{'clock':>7}{'layer':>7}")
        for label, row in _apart(scene, options.runs):
            layer = f"{row['layer']:7.0f}" if "layer" in row else ""
            clock = f"{row['clock']:7.0f}" if "clock" in row else ""
            pause = f"{row['pause']:7.0f}" if "pause" in row else " " * 7
            print(f"  {label:58}{pause}{clock or ' ' * 7}{layer}".rstrip())


def _apart(scene: str, runs: int) -> Iterator[tuple[str, Row]]:
    """Play a scene in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--scene", scene, "--runs", str(runs)],
            capture_output=True,
            text=True,
            # Whoever runs this keeps preferences, prompts and known speeds.
            env={**os.environ, "NAPARI_CONFIG": "", _folder_variable(): folder},
        )
    if done.returncode:
        sys.exit(done.stderr)
    for line in done.stdout.splitlines():
        if line.startswith("["):
            label, row = json.loads(line)
            yield label, row


def nano(runs: int) -> Iterator[tuple[str, Row]]:
    """The network that ships, on the sample movie."""
    from napari import Viewer

    from napari_sa2va._tests import responsive_scenes as scenes
    from napari_sa2va._tests.heartbeat import rest

    viewer = Viewer()
    dock = scenes.open_docks(viewer)
    scenes.open_sample(viewer)
    rest(3.0)
    yield (
        "the first run of a process, which loads the libraries",
        _worst(lambda: scenes.watched_run(dock), 1),
    )
    yield "a run", _worst(lambda: scenes.watched_run(dock), runs)
    yield from _after_a_run(dock, runs)
    gap = max((scenes.watched_layer(viewer) for _ in range(runs)), key=lambda g: g.frozen_ms)
    yield "a layer of labels that is added by hand", {"clock": gap.wall_ms, "layer": gap.frozen_ms}
    begin = time.perf_counter()
    gc.collect()
    yield (
        "a full garbage collection, which Python makes now and then",
        {"clock": (time.perf_counter() - begin) * 1e3},
    )


def disks(name: str) -> Callable[[int], Iterator[tuple[str, Row]]]:
    """A network that takes no time, on a movie of disks."""

    def play(runs: int) -> Iterator[tuple[str, Row]]:
        from napari import Viewer

        from napari_sa2va._tests import responsive_scenes as scenes
        from napari_sa2va._tests.heartbeat import Heartbeat, rest

        movie = {"large": scenes.LARGE, "long": scenes.LONG}[name]
        viewer = Viewer()
        dock = scenes.open_docks(viewer, movie.run)
        scenes.open_disks(viewer, movie)
        rest(3.0)
        with Heartbeat() as idle:
            rest(1.0)
        scenes.watched_run(dock, movie.sentences)  # the first one loads things
        yield "a run", _worst(lambda: scenes.watched_run(dock, movie.sentences), runs)
        yield from _after_a_run(dock, runs)
        yield "an idle window", {"pause": idle.longest.frozen_ms, "clock": idle.longest.wall_ms}

    return play


def _after_a_run(dock: SentenceDock, runs: int) -> Iterator[tuple[str, Row]]:
    from napari_sa2va._tests import responsive_scenes as scenes

    undone, redone = [], []
    for _ in range(runs):
        undone.append(_row(scenes.watched_undo(dock)))
        redone.append(_row(scenes.watched_redo(dock)))
    yield "undoing a run", _longest(undone)
    yield "redoing it", _longest(redone)
    yield (
        "carrying its masks",
        _worst(
            lambda: scenes.watched_carry(dock),
            runs,
        ),
    )


def _worst(play: Callable[[], Heartbeat], runs: int) -> Row:
    return _longest([_row(play()) for _ in range(runs)])


def _longest(rows: list[Row]) -> Row:
    worst = max(rows, key=lambda row: row["pause"])
    layers = [row["layer"] for row in rows if "layer" in row]
    return worst | ({"layer": max(layers)} if layers else {})


def _row(beat: Heartbeat) -> Row:
    from napari_sa2va._tests.heartbeat import COLLECTION
    from napari_sa2va._tests.responsive_scenes import LAYER

    gap, layer = beat.longest_without({LAYER, COLLECTION}), beat.longest_with(LAYER)
    row = {"pause": gap.frozen_ms, "clock": gap.wall_ms}
    return row if layer is None else row | {"layer": layer.frozen_ms}


def _folder_variable() -> str:
    from napari_sa2va.core.user_files import FOLDER_VARIABLE

    return FOLDER_VARIABLE


SCENES: dict[str, Callable[[int], Iterator[tuple[str, Row]]]] = {
    NANO: nano,
    LARGE: disks("large"),
    LONG: disks("long"),
}

if __name__ == "__main__":
    main()

"""How much memory scrubbing through a movie of 10,000 frames takes.

    python benchmarks/scrubbing.py

Each program is a process of its own: it loads its libraries, opens the movie, reads all frames from
the first to the last, the last 200 backward, and 100 in any order. What counts is the highest
resident size, less what the process had before it opened the movie. Who takes longer than a minute
is stopped, and the number of frames that were read stands beside it. Linux and macOS only.
Packages: the dependency group "bench".
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil
from reading import FOR_MOVIES, OURS, installed, write_movie

NUM_FRAMES, HEIGHT, WIDTH = 10_000, 240, 320
MOST_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", help="Only this one, in this process, as JSON.")
    parser.add_argument("--movies", nargs=2, type=Path, help="The movie, and a short one.")
    options = parser.parse_args()
    if options.program:
        print(json.dumps(scrub(options.program, *options.movies)))
        return
    print(f"mp4, H.264, {NUM_FRAMES} frames of {HEIGHT} x {WIDTH}, a key frame every 250")
    print(f"{'':52}{'memory, MB':>12}{'x ours':>8}{'frames read':>13}")
    with tempfile.TemporaryDirectory() as folder:
        size = {"height": HEIGHT, "width": WIDTH, "gop": 250}
        long = write_movie(Path(folder) / "long.mp4", NUM_FRAMES, **size)
        short = write_movie(Path(folder) / "short.mp4", 20, **size)
        ours_mb = 0.0
        for program in installed(FOR_MOVIES):
            done = subprocess.run(
                [sys.executable, __file__, "--program", program.name, "--movies", long, short],
                capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                print(f"  {program.name:50}  fails: {done.stderr.strip().splitlines()[-1][:60]}")
                continue
            grown_mb, num_read = json.loads(done.stdout.splitlines()[-1])
            ours_mb = grown_mb if program.name == OURS else ours_mb
            print(f"  {program.name:50}{grown_mb:12.0f}{grown_mb / ours_mb:8.2f}{num_read:13}")


def scrub(name: str, long: Path, short: Path) -> tuple[float, int]:
    """Growth of this process in MB, and how many frames were read."""
    program = next(p for p in FOR_MOVIES if p.name == name)
    with closing(program.open(short)) as opened:  # loads what has to be loaded
        opened.frame(0)
    before = psutil.Process().memory_info().rss
    chance = random.Random(0)
    order = [*range(NUM_FRAMES), *range(NUM_FRAMES - 1, NUM_FRAMES - 201, -1)]
    order += [chance.randrange(NUM_FRAMES) for _ in range(100)]
    begin, num_read = time.monotonic(), 0
    with closing(program.open(long)) as opened:
        for t in order:
            opened.frame(t)
            num_read += 1
            if time.monotonic() - begin > MOST_S:
                break
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return (peak - before) / 1e6, num_read


if __name__ == "__main__":
    main()

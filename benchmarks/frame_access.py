"""Reading frames one after the other and in any order, beside what one would otherwise take.

    python benchmarks/frame_access.py [--repeats 5]

All programs read the same files in turn, in one process; the median of the repeats counts. The
frames bear their numbers: a frame that is another one than was asked for is counted as wrong. Frames
are asked for one by one, as a viewer does. Packages: the dependency group "bench".
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reading import (
    FOR_MOVIES,
    FOR_STACKS,
    OURS,
    Opened,
    Program,
    installed,
    number_of,
    write_movie,
    write_stack,
)

NUM_FRAMES = 600
# In each of so many parts, so many frames in a row are read, and of all so many in any order.
NUM_PARTS, NUM_IN_A_ROW, NUM_JUMPS = 4, 50, 40
# So long one program may take for one part.
MOST_S = 0.3


@dataclass
class Row:
    """What was measured of one program on one file."""

    in_a_row_ms: list[float] = field(default_factory=list)
    jumps_ms: list[float] = field(default_factory=list)
    num_wrong: int = 0
    num_read: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print("ms per frame, the median of", options.repeats, "turns, and times as long as ours")
    with tempfile.TemporaryDirectory() as folder:
        for title, path, programs in files(Path(folder)):
            print(f"\n{title:52}{'in a row':>16}{'in any order':>18}{'wrong':>8}")
            rows = compare(path, installed(programs), options.repeats)
            for name, row in rows.items():
                print(line(name, row, rows[OURS]))


def files(folder: Path) -> Iterator[tuple[str, Path, tuple[Program, ...]]]:
    """The files that are read, one after the other."""
    for gop in (12, 60, 250):
        title = f"mp4, H.264, 640 x 480, a key frame every {gop}"
        yield title, write_movie(folder / f"{gop}.mp4", NUM_FRAMES, gop=gop), FOR_MOVIES
    title = "avi, JPEG pictures, 640 x 480"
    yield title, write_movie(folder / "jpeg.avi", NUM_FRAMES), FOR_MOVIES
    for compression in (None, "zlib", "lzw"):
        title = f"TIFF, 512 x 512, 16 bits, {compression or 'not compressed'}"
        path = folder / f"{compression}.tif"
        yield title, write_stack(path, NUM_FRAMES, compression), FOR_STACKS


def compare(path: Path, programs: list[Program], repeats: int) -> dict[str, Row]:
    """Let the programs read a file in turn, a part each time, so that all share the bad moments."""
    rows = {program.name: Row() for program in programs}
    for repeat in range(repeats):
        chance = random.Random(repeat)
        jumps = [chance.randrange(NUM_FRAMES) for _ in range(NUM_JUMPS)]
        files = {program.name: begun(program, path) for program in programs}
        for part in range(NUM_PARTS):
            begin = 1 + part * NUM_IN_A_ROW
            going_on = range(begin, begin + NUM_IN_A_ROW)
            for name, file in chance.sample(list(files.items()), len(files)):
                timed(file, going_on, rows[name], rows[name].in_a_row_ms)
        for part in range(NUM_PARTS):
            for name, file in chance.sample(list(files.items()), len(files)):
                timed(file, jumps[part::NUM_PARTS], rows[name], rows[name].jumps_ms)
        for file in files.values():
            file.close()
    return rows


def begun(program: Program, path: Path) -> Opened:
    """A file that was opened, and of which the first frame was read."""
    opened = program.open(path)
    opened.frame(0)
    return opened


def timed(opened: Opened, order: Sequence[int], row: Row, times_ms: list[float]) -> None:
    """Add the time per frame in ms; what comes out is looked at outside of the time."""
    spent_s, num_read = 0.0, 0
    for t in order:
        begin = time.perf_counter()
        frame = opened.frame(t)
        spent_s += time.perf_counter() - begin
        num_read += 1
        row.num_wrong += number_of(frame) != t
        if spent_s > MOST_S:
            break
    row.num_read += num_read
    times_ms.append(spent_s / num_read * 1e3)


def line(name: str, row: Row, ours: Row) -> str:
    """One line of the table."""
    cells = ""
    for times, our_times in ((row.in_a_row_ms, ours.in_a_row_ms), (row.jumps_ms, ours.jumps_ms)):
        median, our_median = statistics.median(times), statistics.median(our_times)
        cells += f"{median:10.2f}{median / our_median:7.2f}"
    wrong = f"{row.num_wrong / row.num_read:.0%}" if row.num_wrong else "none"
    return f"  {name:50}{cells}{wrong:>8}"


if __name__ == "__main__":
    main()

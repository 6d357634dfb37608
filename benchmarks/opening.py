"""How long opening takes: an OME-Zarr image shaped like 100 GB, and a movie of one hour.

    python benchmarks/opening.py [--repeats 15]

All programs open the same file in turn, in one process that has loaded their libraries; the median
of the repeats counts. The zarr store has all its metadata and no chunks, which opening does not read.
Packages: the dependency group "bench", and ome-zarr of the group "test".
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from reading import FOR_MOVIES, OURS, Program, installed, write_movie

# 500 time points of 12 planes and two channels; 50 GB per channel.
SHAPE, CHUNKS = (500, 2, 12, 2048, 2048), (1, 1, 1, 1024, 1024)
NUM_LEVELS = 3
NUM_COPIES = 150  # of a movie of 600 frames
# Programs that take longer take part less often, or in the first turn only.
MOST_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    print("ms, the median of", repeats, "turns, and times as long as ours")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = empty_image(folder / "image.ome.zarr")
        sizes = " x ".join(map(str, SHAPE))
        print(f"\nOME-Zarr 0.4, T x C x Z x Y x X = {sizes}, 16 bits, {NUM_LEVELS} levels")
        openers = installed(FOR_ZARR)
        table({p.name: partial(p.open, store) for p in openers}, repeats)
        movie = long_movie(folder)
        programs = installed(FOR_MOVIES)
        megabytes = movie.stat().st_size // 10**6
        print(f"\nmp4, H.264, one hour, {600 * NUM_COPIES} frames, {megabytes} MB: the first frame")
        table({p.name: partial(first, p, movie, 0) for p in programs}, repeats)
        print("\nthe same, and the frame in its middle")
        table({p.name: partial(first, p, movie, 300 * NUM_COPIES) for p in programs}, repeats)


def empty_image(path: Path) -> Path:
    """An image of which only the metadata were written."""
    import numpy as np
    import zarr
    from ome_zarr.format import FormatV04
    from ome_zarr.writer import write_multiscales_metadata

    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    datasets = []
    for level in range(NUM_LEVELS):
        shape = (*SHAPE[:3], *(n >> level for n in SHAPE[3:]))
        group.create_array(
            str(level), shape=shape, chunks=CHUNKS, dtype=np.uint16,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )  # fmt: skip
        scale = [1.0, 1.0, 1.0, 0.2 * 2**level, 0.2 * 2**level]
        transformation = {"type": "scale", "scale": scale}
        datasets.append({"path": str(level), "coordinateTransformations": [transformation]})
    write_multiscales_metadata(group, datasets, fmt=FormatV04(), axes="tczyx")
    return path


def long_movie(folder: Path) -> Path:
    """The same 600 frames again and again, packed without encoding them again."""
    import av

    path = folder / "hour.mp4"
    with (
        av.open(str(write_movie(folder / "part.mp4", 600, gop=250)), "r") as source,
        av.open(str(path), "w") as target,
    ):
        video = source.streams.video[0]
        packets = [
            (bytes(p), p.pts or 0, p.dts or 0, p.is_keyframe, p.duration or 0)
            for p in source.demux(video)
            if p.size
        ]
        stream = target.add_stream_from_template(video)
        stream.time_base = video.time_base
        step = packets[0][4]
        for copy in range(NUM_COPIES):
            for data, pts, dts, is_key, duration in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(video.time_base or 0)
                packet.pts, packet.dts = pts + copy * 600 * step, dts + copy * 600 * step
                packet.is_keyframe, packet.duration = is_key, duration
                target.mux(packet)
    return path


def first(program: Program, path: Path, t: int) -> None:
    """Open a file, ask how many frames there are, and read one."""
    with closing(program.open(path)) as opened:
        opened.frame(t)


def _our_zarr(path: Path) -> Any:
    from napari_sa2va.readers.open import read_recording

    return read_recording(path).pyramid


def _dask(path: Path) -> Any:
    import dask.array as da

    return [da.from_zarr(str(path), component=str(level)) for level in range(NUM_LEVELS)]


def _ome_zarr(path: Path) -> Any:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    return next(iter(Reader(parse_url(str(path)))())).data


def _zarr(path: Path) -> Any:
    import zarr

    group = zarr.open_group(str(path), mode="r")
    return [group[str(level)].attrs for level in range(NUM_LEVELS)]


FOR_ZARR = (
    Program(OURS, (), _our_zarr),
    Program("dask.array.from_zarr, all levels", ("dask",), _dask),
    Program("ome-zarr-py's reader", ("ome_zarr",), _ome_zarr),
    Program("zarr alone: no lazy array", ("zarr",), _zarr),
)


def table(actions: dict[str, Callable[[], Any]], repeats: int) -> None:
    """Do them in turn, and print a line for each."""
    times_ms: dict[str, list[float]] = {name: [] for name in actions}
    alone_ms: dict[str, float] = {}
    for name, action in actions.items():
        begin = time.perf_counter()
        action()  # also what is loaded only once
        alone_ms[name] = (time.perf_counter() - begin) * 1e3
    for repeat in range(repeats):
        for name, action in random.Random(repeat).sample(list(actions.items()), len(actions)):
            if sum(times_ms[name]) + alone_ms[name] > MOST_S * 1e3:
                continue
            begin = time.perf_counter()
            action()
            times_ms[name].append((time.perf_counter() - begin) * 1e3)
    ours = statistics.median(times_ms[OURS])
    for name, spent in times_ms.items():
        median = statistics.median(spent or [alone_ms[name]])
        print(f"  {name:50}{median:10.1f}{median / ours:10.2f}", flush=True)


if __name__ == "__main__":
    main()

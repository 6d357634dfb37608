"""Movies and stacks whose frames bear their numbers, and the programs that read them.

What `frame_access.py`, `opening.py` and `scrubbing.py` have in common. Every program hands out what
a viewer shows: red, green, blue in uint8, or grey in the stored type.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NUM_BITS = 14


def numbered_frames(num_frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Textured frames that move, uint8 (Y, X, 3), with their number as white and black squares."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 200, (height // 8, width // 8, 3)).astype(np.uint8)
    texture = np.kron(small, np.ones((8, 8, 1), np.uint8))
    square = width // (2 * NUM_BITS)
    for t in range(num_frames):
        frame = np.roll(texture, (t, 2 * t), (0, 1))
        frame[: 2 * square] = 0
        for bit in range(NUM_BITS):
            if t >> bit & 1:
                frame[:square, 2 * bit * square : (2 * bit + 1) * square] = 255
        yield frame


def number_of(frame: np.ndarray) -> int:
    """The number that a frame bears, whatever its type."""
    square = frame.shape[1] // (2 * NUM_BITS)
    middle = np.asarray(frame)[square // 4 : 3 * square // 4].astype(float)
    half = 127.5 if frame.dtype == np.uint8 else 32767.5
    starts = range(square // 4, 2 * NUM_BITS * square, 2 * square)
    return sum(1 << b for b, x in enumerate(starts) if middle[:, x : x + square // 2].mean() > half)


def write_movie(
    path: Path, num_frames: int, *, gop: int = 0, height: int = 480, width: int = 640
) -> Path:
    """H.264 with three B-frames in mp4, or single JPEG pictures in avi."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if gop else "mjpeg", rate=25)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p" if gop else "yuvj420p"
        if gop:
            stream.gop_size = gop
            stream.options = {"bf": "3", "preset": "veryfast", "sc_threshold": "0"}
        for array in numbered_frames(num_frames, height, width):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_stack(path: Path, num_frames: int, compression: str | None) -> Path:
    """A TIFF of 16-bit pages of 512 x 512."""
    import tifffile

    pages = (
        frame[..., 0].astype(np.uint16) * 257 for frame in numbered_frames(num_frames, 512, 512)
    )
    shape = (num_frames, 512, 512)
    tifffile.imwrite(path, pages, shape=shape, dtype=np.uint16, compression=compression)
    return path


class Opened:
    """A file that a program has opened."""

    def __init__(self, frame: Callable[[int], Any], num_frames: int, keeps: object = None) -> None:
        self.frame = frame
        self.num_frames = num_frames
        self.keeps = keeps  # what must live, and is closed, with this one

    def close(self) -> None:
        """Close what can be closed."""
        with suppress(Exception):
            getattr(self.keeps, "close", lambda: None)()


@dataclass(frozen=True)
class Program:
    """A way to read frames: a name for people, the modules it needs, and how it opens a file."""

    name: str
    needs: tuple[str, ...]
    open: Callable[[Path], Opened]

    @property
    def missing(self) -> list[str]:
        """Modules that are not installed."""
        return [m for m in self.needs if importlib.util.find_spec(m) is None]


def _ours(path: Path) -> Opened:
    from napari_sa2va.readers.open import open_clip

    clip = open_clip(path)
    return Opened(clip.frame, clip.num_frames, clip)


def _opencv(path: Path) -> Opened:
    import cv2

    capture = cv2.VideoCapture(str(path))
    position = 0

    def frame(t: int) -> np.ndarray:
        nonlocal position
        if t != position:
            capture.set(cv2.CAP_PROP_POS_FRAMES, t)
        _, bgr = capture.read()
        position = t + 1
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    return Opened(frame, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))


def _opencv_tiff(path: Path) -> Opened:
    import cv2

    def frame(t: int) -> np.ndarray:
        return cv2.imreadmulti(str(path), start=t, count=1, flags=cv2.IMREAD_UNCHANGED)[1][0]

    return Opened(frame, cv2.imcount(str(path)))


def _imageio(plugin: str) -> Callable[[Path], Opened]:
    def opened(path: Path) -> Opened:
        iio: Any = importlib.import_module("imageio.v3")
        file = iio.imopen(path, "r", plugin=plugin)
        many = file.properties(index=...).shape[0]
        return Opened(lambda t: file.read(index=t), many if many and np.isfinite(many) else 0, file)

    return opened


def _imageio_tiff(path: Path) -> Opened:
    iio: Any = importlib.import_module("imageio.v3")
    file = iio.imopen(path, "r", plugin="tifffile")
    many = file.properties(index=..., page=...).n_images or 0
    return Opened(lambda t: file.read(index=..., page=t), many, file)


def _dask_image(path: Path) -> Opened:
    from dask_image.imread import imread

    frames = imread(str(path))
    return Opened(lambda t: frames[t].compute(scheduler="synchronous"), len(frames))


def _pims(path: Path) -> Opened:
    import pims

    frames = pims.open(str(path))
    return Opened(lambda t: np.asarray(frames[t]), len(frames), frames)


def _napari_video(path: Path) -> Opened:
    from napari_video.napari_video import VideoReaderNP

    frames = VideoReaderNP(str(path))
    return Opened(lambda t: frames[t], len(frames), frames)


def _tifffile(path: Path) -> Opened:
    import tifffile

    file = tifffile.TiffFile(path)
    return Opened(lambda t: file.asarray(key=t), len(file.pages), file)


OURS = "napari-sa2va"
FOR_MOVIES = (
    Program(OURS, (), _ours),
    Program("opencv", ("cv2",), _opencv),
    Program("imageio, pyav", ("imageio",), _imageio("pyav")),
    Program("imageio, ffmpeg", ("imageio", "imageio_ffmpeg"), _imageio("FFMPEG")),
    Program("dask-image", ("dask_image",), _dask_image),
    Program("napari-video", ("napari_video",), _napari_video),
    Program("pims", ("pims",), _pims),
)
FOR_STACKS = (
    Program(OURS, (), _ours),
    Program("opencv", ("cv2",), _opencv_tiff),
    Program("imageio", ("imageio",), _imageio_tiff),
    Program("dask-image", ("dask_image",), _dask_image),
    Program("pims", ("pims",), _pims),
    Program("tifffile", ("tifffile",), _tifffile),
)


def installed(programs: tuple[Program, ...]) -> list[Program]:
    """Those that can run; says which cannot."""
    for program in programs:
        if program.missing:
            print(f"  {program.name} is not installed here ({', '.join(program.missing)})")
    return [program for program in programs if not program.missing]

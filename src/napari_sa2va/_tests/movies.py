"""Movies for tests: every frame bears its number in its pixels, so that it can be recognised."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 64, 96


def numbered_frame(number: int) -> np.ndarray:
    """RGB uint8 (64, 96, 3): a number below 256 as eight white or black squares, and a box."""
    frame = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    for bit in range(8):
        frame[8:24, 8 + bit * 10 : 16 + bit * 10] = 255 if number >> bit & 1 else 0
    left = number * 3 % (WIDTH - 16)
    frame[32:56, left : left + 16] = (200, 80, 40)
    return frame


def number_of(frame: np.ndarray) -> int:
    """Read the number of a frame, grey or colour, after any lossy codec."""
    bright = frame.max() / 2
    return sum(1 << b for b in range(8) if frame[11:21, 11 + b * 10 : 13 + b * 10].mean() > bright)


def write_movie(
    path: Path,
    num_frames: int = 60,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 250,
    times_ms: list[int] | None = None,
    options: dict[str, str] | None = None,
    rate: int = 25,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Path:
    """Encode numbered frames; three B-frames per group unless `options` say otherwise."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
        stream.gop_size = gop
        if options is None:
            options = {"bf": "3", "crf": "15", "sc_threshold": "0"} if "264" in codec else {}
        stream.options = options
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.pts = number
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(path: Path, share: float = 0.6) -> Path:
    """A copy of a file that ends too early."""
    whole = path.read_bytes()
    short = path.with_name(f"cut_{path.name}")
    short.write_bytes(whole[: int(len(whole) * share)])
    return short


def turn_mp4(path: Path) -> None:
    """Set the flag of a phone held upright: the picture is to be turned clockwise by 90 degrees."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, HEIGHT * one, 0, 1 << 30)
    path.write_bytes(bytes(data))


def open_files(folder: Path) -> list[str]:
    """Files in a folder that this process holds open."""
    import psutil

    paths = (f.path for f in psutil.Process(os.getpid()).open_files())
    return [p for p in paths if p.startswith(str(folder.resolve()))]

"""A movie of a result: every frame with its masks, and a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import color_of
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.paint import faded, font, paint, scaled_size, wrapped

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import Result, Subject

FORMAT = WriteFormat(
    kind="overlay-movie",
    title="MP4 (overlay movie)",
    suffixes=(".mp4",),
    keeps="contours and a light fill in the objects' colours, their names, frame number and time; "
    "a picture to look at, no masks to measure",
    read_back_by="ffprobe and PyAV",
    overlaps=True,
    shows_movie=True,
)
_LEAST_PX, _MOST_PX = 640, 1920
_SLOWEST, _FASTEST, _UNKNOWN = 5.0, 30.0, 10.0
_GROUND, _TEXT, _QUIET = (18, 20, 25), (240, 242, 245), (150, 156, 166)
_ROW = 28
_MOST_ROWS = 12


def frames_per_second(frame_interval_s: float | None) -> Fraction:
    """Real time where a person can follow it: 5 to 30 frames per s, 10 if the rate is unknown."""
    rate = _UNKNOWN if frame_interval_s is None else 1 / frame_interval_s
    return Fraction(min(_FASTEST, max(_SLOWEST, rate))).limit_denominator(1001)


def write(path: Path, result: Result) -> None:
    """Encode the movie as H.264, yuv420p; small frames are enlarged, so that text can be read.

    Raises
    ------
    OutputError
        If this build of PyAV has no H.264 encoder.
    """
    import av

    clip = result.clip
    longer = max(clip.height, clip.width)
    size = scaled_size(clip.height, clip.width, min(_MOST_PX, max(_LEAST_PX, longer)))
    legend = _legend(result.subjects, size[1])
    # yuv420p holds colour for 2 x 2 px: both sides must be even.
    height = (size[0] + len(legend) + 1) // 2 * 2
    width = (size[1] + 1) // 2 * 2
    if "libx264" not in av.codecs_available:
        raise OutputError("This PyAV cannot encode H.264.", "Write a .png, or install av afresh.")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=frames_per_second(clip.frame_interval_s))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast"}
        canvas = np.empty((height, width, 3), np.uint8)
        for t in range(clip.num_frames):
            canvas[:] = _GROUND
            canvas[: size[0], : size[1]] = paint(clip.rgb(t), result.frame(t).codes, size)
            canvas[size[0] : size[0] + len(legend), : size[1]] = legend
            _stamp(canvas, clip, t, size)
            frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _legend(subjects: Sequence[Subject], width: int) -> np.ndarray:
    """Chips and names, one row per object, as a strip of pixels; of many objects the first."""
    from PIL import Image, ImageDraw

    named = subjects if len(subjects) <= _MOST_ROWS else subjects[: _MOST_ROWS - 1]
    rows = max(1, len(named) + (len(named) < len(subjects)))
    strip = Image.new("RGB", (width, 14 + _ROW * rows), _GROUND)
    pen = ImageDraw.Draw(strip)
    for row, subject in enumerate(named):
        y = 8 + _ROW * row
        color = color_of(subject.object_id)
        pen.rounded_rectangle((12, y + 2, 30, y + 20), 4, faded(color, 0.55, _GROUND), color, 2)
        line = wrapped(subject.name, font(16), width - 180, 1)
        pen.text((40, y + 1), line[0] if line else "", _TEXT, font(16))
    if len(named) < len(subjects):
        more = f"and {len(subjects) - len(named)} more"
        pen.text((40, 9 + _ROW * len(named)), more, _QUIET, font(16))
    return np.asarray(strip)


def _stamp(canvas: np.ndarray, clip: Clip, t: int, size: tuple[int, int]) -> None:
    """Frame number and time at the right end of the legend."""
    from PIL import Image, ImageDraw

    text = f"{t} / {clip.num_frames - 1}"
    if clip.frame_interval_s is not None:
        text = f"{t * clip.frame_interval_s:.2f} s    {text}"
    band = Image.fromarray(canvas[size[0] : size[0] + 8 + _ROW])
    ImageDraw.Draw(band).text((size[1] - 12, 9), text, _QUIET, font(14), anchor="ra")
    canvas[size[0] : size[0] + 8 + _ROW] = np.asarray(band)

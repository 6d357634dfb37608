"""From a decoded frame to an array: colours, depth, transparency and the way it is turned."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

_ORDER = "le" if sys.byteorder == "little" else "be"

# (turned over its diagonal, then rows reversed, then columns reversed)
Turn = tuple[bool, bool, bool]


def to_array(frame: VideoFrame, reformatter: VideoReformatter, turn: Turn) -> np.ndarray:
    """Pixels of a frame as it is meant to be seen.

    Parameters
    ----------
    frame : av.VideoFrame
    reformatter : av.video.reformatter.VideoReformatter
        Keeps its tables from frame to frame; one thread at a time.
    turn : tuple of bool
        See `turn_of`.

    Returns
    -------
    ndarray, shape (Y, X, 3) or (Y, X)
        Grey keeps its stored values, in uint8, or uint16 beyond 8 bits. Colours are full-range RGB,
        by the matrix and range that the frame names: uint8 up to 8 bits per colour, else uint16
        that spans all 16 bits. Transparent pixels lie on black.
    """
    layout = layout_of(frame.format.name)
    is_stored = frame.format.name == layout.name
    if not is_stored:
        # One thread: the decoder's threads are at work on the next frames meanwhile.
        frame = reformatter.reformat(frame, format=layout.name, **_one_thread())
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), layout.dtype).reshape(plane.height, -1)
    pixels = rows[:, : plane.width * layout.samples]  # less the rows' padding
    # What is handed out may be written to, and frames of the decoder may not.
    pixels = np.array(pixels) if is_stored else np.ascontiguousarray(pixels)
    if layout.samples > 1:
        pixels = pixels.reshape(plane.height, plane.width, layout.samples)
    if layout.samples == 4:
        most = np.iinfo(layout.dtype).max
        mixed = pixels[..., :3].astype(np.uint32) * pixels[..., 3:].astype(np.uint32) + most // 2
        pixels = (mixed // most).astype(layout.dtype)
    return turned(pixels, turn) if any(turn) else pixels


class Layout(NamedTuple):
    """How pixels of a format come out: FFmpeg's name of the packed format, and NumPy's view of it."""

    name: str
    dtype: type[np.uint8 | np.uint16]
    samples: int


@cache
def layout_of(name: str) -> Layout:
    """What a pixel format of FFmpeg is turned into.

    Examples
    --------
    >>> layout_of("yuv420p").name, layout_of("gray10le").samples
    ('rgb24', 1)
    """
    from av.video.format import VideoFormat

    parts = VideoFormat(name)
    bits = min(16, max(part.bits for part in parts.components))  # floats have 32
    is_deep = bits > 8
    # The colours of a palette may be transparent, each.
    has_alpha = parts.has_palette or any(part.is_alpha for part in parts.components)
    if name.startswith(("gray", "mono")):
        samples, packed = 1, f"gray{bits}" if is_deep else "gray"
    elif has_alpha:
        samples, packed = 4, "rgba64" if is_deep else "rgba"
    else:
        samples, packed = 3, "rgb48" if is_deep else "rgb24"
    return Layout(packed + _ORDER * is_deep, np.uint16 if is_deep else np.uint8, samples)


@cache
def _one_thread() -> dict[str, Any]:
    import av

    return {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}


def turn_of(frame: VideoFrame) -> Turn:
    """How the frame is to be turned and mirrored, from its display matrix.

    Returns
    -------
    tuple of bool
        Whether rows and columns change places, whether the rows are then reversed, whether the
        columns are. Angles between are taken for the nearest quarter turn.
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    # (x, y) of the frame is shown at (a x + c y, b x + d y).
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, b < 0, c < 0
    return False, d < 0, a < 0


def turned(pixels: np.ndarray, turn: Turn) -> np.ndarray:
    """Turn and mirror (Y, X) or (Y, X, S) as `turn_of` says."""
    if turn[0]:
        pixels = pixels.swapaxes(0, 1)
    step_y, step_x = (-1 if is_reversed else 1 for is_reversed in turn[1:])
    return np.ascontiguousarray(pixels[::step_y, ::step_x])

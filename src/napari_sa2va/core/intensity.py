"""Grey values to 8 bit, with limits that are fixed once per clip.

Limits taken frame by frame would hide bleaching and brightening, and make a static object flicker;
so they are found once, on a sample of frames, or given. 8-bit data keep their values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from napari_sa2va.core.errors import PixelError

Limits = tuple[float, float]

SAMPLED_FRAMES = 16
# Cells may fill less than 1 % of a dark field: the usual 1 % would saturate them away, while
# 0.1 % still keeps hot pixels and reflections from ruling the scale.
PERCENTILES = (0.1, 99.9)
_SAMPLED_PIXELS = 2**16
# Of a movie that looks flat so many frames are read to be sure; a store without a single chunk can
# promise millions.
_MOST_LOOKED_AT = 1000


def check_dtype(dtype: np.dtype) -> None:
    """Raise `PixelError` for a dtype that cannot be shown: complex numbers, text, objects."""
    if dtype.kind == "c":
        raise PixelError(
            f"The pixels are complex numbers ({dtype}).",
            "Take the absolute value or the phase first: numpy.abs(data), numpy.angle(data).",
        )
    if dtype.kind not in "biuf":
        raise PixelError(f"The pixels are of type {dtype}.", "Give numbers.")


def check_finite(frame: np.ndarray, t: int) -> None:
    """Raise `PixelError` naming the frame and the count if a pixel is NaN or infinite."""
    if frame.dtype.kind != "f" or np.isfinite(frame).all():
        return
    nans = int(np.isnan(frame).sum())
    infinite = int(np.isinf(frame).sum())
    raise PixelError(
        f"Frame {t} has {nans} NaN and {infinite} infinite pixels of {frame.size}.",
        "Replace them first, for example with numpy.nan_to_num(data, nan=0, posinf=..., neginf=0).",
    )


def sample_indices(num_frames: int, count: int = SAMPLED_FRAMES) -> list[int]:
    """At most `count` evenly spaced frame indices, first and last included."""
    if num_frames <= count:
        return list(range(num_frames))
    return [int(i) for i in np.linspace(0, num_frames - 1, count).round()]


def find_limits(
    read: Callable[[int], np.ndarray],
    num_frames: int,
    dtype: np.dtype,
    *,
    num_channels: int = 1,
    is_color: bool = False,
    given: Limits | Sequence[Limits] | None = None,
) -> tuple[Limits, ...]:
    """Limits of a clip, and a check of its pixels on the frames that are read on the way.

    Parameters
    ----------
    read : callable
        Frame index -> ndarray (Y, X) or (Y, X, C).
    num_frames : int
    dtype : numpy.dtype
    num_channels : int
        C, or 1 for (Y, X).
    is_color : bool
        Colour samples share their limits, so that the balance of colours stays.
    given : pair or sequence of pairs, optional
        Lower and upper limit for all channels or for each; then nothing is measured.

    Returns
    -------
    tuple of (float, float), length C
        8-bit data: (0, 255). bool: (0, 1). Colour in float within 0..1: (0, 1). Else the
        percentiles 0.1 and 99.9 of at most 16 evenly spaced frames (large ones thinned out).

    Raises
    ------
    PixelError
        On NaN or infinite pixels in a frame read, on a movie with one and the same value
        everywhere, on 64-bit integers too large to be told apart, or on limits that are no
        interval.
    """
    known = known_limits(dtype, num_channels, given)
    if known is not None:
        _check_contrast(read, num_frames)
        return known
    indices = sample_indices(num_frames)
    pixels = []
    low, high = np.inf, -np.inf
    for t in indices:
        frame = read(t)
        check_finite(frame, t)
        low, high = min(low, frame.min()), max(high, frame.max())
        pixels.append(_thinned(frame).reshape(-1, num_channels))
    if low == high:  # the sample is flat: only the whole clip can tell
        low, high = _range(read, num_frames)
        return ((float(low), float(high)),) * num_channels
    sample = np.concatenate(pixels).astype(np.float64)  # (pixels, C)
    if is_color:
        if dtype.kind == "f" and low >= 0 and high <= 1:
            return ((0.0, 1.0),) * num_channels
        return (_percentiles(sample, low, high),) * num_channels
    return tuple(_percentiles(sample[:, c], low, high) for c in range(num_channels))


def known_limits(
    dtype: np.dtype, num_channels: int, given: Limits | Sequence[Limits] | None
) -> tuple[Limits, ...] | None:
    """Limits for which no pixel has to be read; None if there are none.

    Raises
    ------
    PixelError
        On limits that are no interval, or a dtype that cannot be shown.
    """
    check_dtype(dtype)
    return check_limits(given, num_channels) if given is not None else _fixed(dtype, num_channels)


def is_fixed(dtype: np.dtype) -> bool:
    """Whether pixels of this dtype keep their values, so that no limits are measured."""
    return _fixed(dtype, 1) is not None


def _fixed(dtype: np.dtype, num_channels: int) -> tuple[Limits, ...] | None:
    if dtype == np.uint8:
        return ((0.0, 255.0),) * num_channels
    if dtype == np.bool_:
        return ((0.0, 1.0),) * num_channels
    return None


def check_limits(given: Limits | Sequence[Limits], num_channels: int) -> tuple[Limits, ...]:
    """Bring limits given by a person into one pair per channel."""
    try:
        pairs = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        pairs = np.empty(0)
    if pairs.shape == (2,):
        pairs = np.tile(pairs, (num_channels, 1))
    if pairs.shape != (num_channels, 2):
        raise PixelError(
            f"The limits {given!r} do not fit {num_channels} channel(s).",
            "Give (lower, upper), or one such pair per channel.",
        )
    for low, high in pairs:
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise PixelError(
                f"The limits ({low:g}, {high:g}) are no interval.", "Give lower < upper."
            )
    return tuple((float(low), float(high)) for low, high in pairs)


def _check_contrast(read: Callable[[int], np.ndarray], num_frames: int) -> None:
    """Read frames until two pixels differ; usually that is one frame."""
    low, high = np.inf, -np.inf
    for t in _until_sure(num_frames):
        frame = read(t)
        check_finite(frame, t)
        low, high = min(low, frame.min()), max(high, frame.max())
        if low < high:
            return
    raise _nothing_to_see(num_frames, low)


def _range(read: Callable[[int], np.ndarray], num_frames: int) -> tuple[float, float]:
    """Smallest and largest value of a movie that looks flat, which must differ."""
    low, high = np.inf, -np.inf
    for t in _until_sure(num_frames):
        frame = read(t)
        check_finite(frame, t)
        low, high = min(low, frame.min()), max(high, frame.max())
    if low == high:
        raise _nothing_to_see(num_frames, low)
    return low, high


def _until_sure(num_frames: int) -> list[int]:
    """Frames that tell whether there is anything to see, the sampled ones first."""
    first = sample_indices(num_frames)
    return [*first, *sorted(set(sample_indices(num_frames, _MOST_LOOKED_AT)) - set(first))]


def _nothing_to_see(num_frames: int, value: float) -> PixelError:
    looked_at = len(_until_sure(num_frames))
    which = f"all {num_frames}" if looked_at == num_frames else f"{looked_at} of {num_frames}"
    return PixelError(
        f"Every pixel of {which} frames has the value {float(value):g}.",
        "There is nothing to see in this clip; check the channel, the plane and the file.",
    )


def _thinned(frame: np.ndarray) -> np.ndarray:
    step = max(1, int(np.ceil(np.sqrt(frame.shape[0] * frame.shape[1] / _SAMPLED_PIXELS))))
    return frame[::step, ::step]


def _percentiles(values: np.ndarray, low: float, high: float) -> Limits:
    lower, upper = (float(v) for v in np.percentile(values, PERCENTILES))
    if lower == upper:  # a few bright spots on flat ground: less than 0.1 % of the pixels
        lower, upper = float(values.min()), float(values.max())
    if lower == upper:  # a flat channel beside others: show it in the range of the clip
        lower, upper = float(low), float(high)
    if lower == upper:
        raise PixelError(
            f"The values from {low} to {high} differ by less than a double-precision number holds.",
            "Subtract their smallest value first: data - data.min().",
        )
    return _rounded(lower, upper)


def _rounded(lower: float, upper: float) -> Limits:
    """Seven digits, which read better in a record, unless that is seen in the picture."""
    rounded = float(f"{lower:.7g}"), float(f"{upper:.7g}")
    # A small signal on a high ground needs more: 1e6 + 0.01 would become 1e6, and the range nothing.
    unseen = (upper - lower) / 512  # half a grey level
    if abs(rounded[0] - lower) > unseen or abs(rounded[1] - upper) > unseen:
        return lower, upper
    return rounded


def to_uint8(values: np.ndarray, limits: Limits) -> np.ndarray:
    """Scale values linearly so that the limits become 0 and 255; what lies outside is clipped.

    Parameters
    ----------
    values : ndarray of any real dtype
    limits : (float, float)
        Lower < upper.

    Returns
    -------
    ndarray of uint8, same shape
        `values` itself if it is uint8 and the limits are (0, 255).
    """
    if values.dtype == np.uint8 and limits == (0.0, 255.0):
        return values
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return _table(values.dtype.itemsize, limits)[values]
    return _scaled(values, limits)


@lru_cache(maxsize=16)
def _table(itemsize: int, limits: Limits) -> np.ndarray:
    """Result for every value of an 8- or 16-bit dtype: one look-up instead of float arithmetic."""
    return _scaled(np.arange(256**itemsize), limits)


def _scaled(values: np.ndarray, limits: Limits) -> np.ndarray:
    low, high = limits
    # In doubles before the difference: 32 bits of a small signal on a high ground must all count.
    share = (values.astype(np.float64) - low) / (high - low)
    return np.rint(np.clip(share, 0.0, 1.0) * 255.0).astype(np.uint8)

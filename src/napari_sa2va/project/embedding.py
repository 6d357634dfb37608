"""The pixels of a clip that no file holds, as a TIFF in the project folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import ClipError
from napari_sa2va.project.footage import Footage

NAMES = ("clip.ome.tif", "clip.tif")
"""What the file may be called; OME-TIFF knows no 64-bit integers and no half-precision numbers."""

_NOT_IN_OME = ("int64", "uint64", "float16")
# Differences of neighbours pack better; the codec knows them for these sizes only.
_LARGEST_PREDICTED = 4


def num_bytes(footage: Footage) -> int:
    """What the pixels take before they are compressed."""
    frames = footage.first.frames
    return footage.planes * math.prod(frames.shape) * int(frames.dtype.itemsize)


def embed(footage: Footage, folder: Path) -> Path:
    """Write the pixels in their own dtype, one frame in memory at a time.

    Parameters
    ----------
    footage : Footage
    folder : Path
        There must be no such file in it.

    Returns
    -------
    Path
        The file; axes TYX, with C before Y where there are channels, and Z before T where there
        are several planes. Lossless (deflate), BigTIFF where it may become too large for TIFF.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    OSError
        If the file cannot be written.
    """
    from tifffile import TiffWriter

    clip = footage.first
    dtype = np.dtype(clip.frames.dtype).newbyteorder("=")
    is_ome = dtype.name not in _NOT_IN_OME
    shape: tuple[int, ...] = (clip.height, clip.width)
    axes = "YX"
    if clip.frames.ndim == 4:
        shape, axes = (clip.num_channels, *shape), "C" + axes
    shape, axes = (clip.num_frames, *shape), "T" + axes
    if footage.planes > 1:
        shape, axes = (footage.planes, *shape), "Z" + axes
        # An OME file does not say that an axis of length 1 is there.
        is_ome = is_ome and clip.num_frames > 1
    path = folder / NAMES[0 if is_ome else 1]
    about: dict[str, Any] = {"axes": axes}
    if is_ome:
        about |= {"Name": clip.name} | _sizes(footage)
    try:
        with TiffWriter(path, ome=is_ome, bigtiff=num_bytes(footage) > 2**31) as tif:
            tif.write(
                _pages(footage, dtype),
                shape=shape,
                dtype=dtype,
                photometric="minisblack",
                compression="zlib",
                predictor=dtype.kind in "iu" and dtype.itemsize <= _LARGEST_PREDICTED,
                software="napari-sa2va",
                metadata=about,
            )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _pages(footage: Footage, dtype: np.dtype) -> Iterator[np.ndarray]:
    for plane in range(footage.planes):
        clip = footage.clip_of(plane)
        for t in range(clip.num_frames):
            frame = read_frame(clip, t)
            channels = [frame] if frame.ndim == 2 else np.moveaxis(frame, 2, 0)
            yield from (np.ascontiguousarray(channel, dtype) for channel in channels)


def read_frame(clip: Clip, t: int) -> np.ndarray:
    """Read a frame; that a disk fails is told apart from a failure to write.

    Raises
    ------
    ClipError
        If it cannot be read.
    """
    try:
        return clip.frame(t)
    except OSError as error:
        raise ClipError(f"Frame {t} cannot be read ({error.strerror or error}).") from error


def _sizes(footage: Footage) -> dict[str, float]:
    clip = footage.first
    sizes: dict[str, float] = {}
    if clip.pixel_size_um is not None:
        sizes["PhysicalSizeY"], sizes["PhysicalSizeX"] = clip.pixel_size_um
    if clip.z_step_um is not None and footage.planes > 1:
        sizes["PhysicalSizeZ"] = clip.z_step_um
    if clip.frame_interval_s is not None:
        sizes["TimeIncrement"] = clip.frame_interval_s
    return sizes

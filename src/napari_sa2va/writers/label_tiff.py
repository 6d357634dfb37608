"""Label images as OME-TIFF, streamed: one frame in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.writers.paths import replacing

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip

NAMESPACE = "napari-sa2va/objects"
"""Namespace of the OME map annotation that holds the objects' names by id."""


def write_labels_tiff(
    path: str | PathLike[str],
    clip: Clip,
    frames: Iterable[np.ndarray],
    *,
    names: Mapping[int, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write one label image per frame of a clip, with the clip's physical facts.

    Parameters
    ----------
    path : path
        Should end with .ome.tif, so that other programs look for the metadata.
    clip : Clip
        Gives the size, the axes, the pixel size and the frame interval.
    frames : iterable of ndarray of integers, shape (Y, X)
        One per frame, in order; 0 is background, other values are object ids up to 65535.
    names : mapping of int to str, optional
        Names of the objects, stored as an OME map annotation.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If the path cannot be written.
    ShapeMismatch
        If a frame has another size than the clip, or there are more or fewer of them.

    Notes
    -----
    Axes TYX (ZYX if z plays), uint16, deflate. The pixel size also goes into the resolution tags,
    for programs that read no OME-XML.
    """
    from tifffile import TiffWriter

    shape = (clip.num_frames, clip.height, clip.width)
    with (
        replacing(path, overwrite) as temporary,
        TiffWriter(temporary, ome=True, bigtiff=2 * math.prod(shape) > 2**31) as tif,
    ):
        remaining = iter(frames)
        tif.write(
            _checked(remaining, shape),
            shape=shape,
            dtype=np.uint16,
            photometric="minisblack",
            compression="zlib",
            software="napari-sa2va",
            metadata=_metadata(clip, names or {}),
            **_resolution(clip),
        )
        if next(remaining, None) is not None:  # tifffile stops asking at the header's count
            raise _wrong_count(f"more than {clip.num_frames}", clip.num_frames)


def _checked(frames: Iterator[np.ndarray], shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Pass frames on as uint16 after comparing them with what the header promises."""
    num_frames, *size = shape
    for count in range(num_frames):
        frame = next(frames, None)
        if frame is None:
            raise _wrong_count(str(count), num_frames)
        if frame.shape != tuple(size):
            raise ShapeMismatch(
                f"Labels of frame {count} have the shape {frame.shape}, the clip has {size}.",
                "Give one label image of the clip's size per frame.",
            )
        yield frame.astype(np.uint16, copy=False)


def _wrong_count(seen: str, num_frames: int) -> ShapeMismatch:
    return ShapeMismatch(
        f"There are {seen} label images for {num_frames} frames.", "Give one per frame."
    )


def _metadata(clip: Clip, names: Mapping[int, str]) -> dict[str, Any]:
    plays_z = clip.time_axis == "Z"
    about: dict[str, Any] = {"axes": "ZYX" if plays_z else "TYX", "Name": clip.name}
    # Micrometre and second are the units that the OME schema takes for granted.
    if clip.pixel_size_um is not None:
        about["PhysicalSizeY"], about["PhysicalSizeX"] = clip.pixel_size_um
    if plays_z and clip.z_step_um is not None:
        about["PhysicalSizeZ"] = clip.z_step_um
    if not plays_z and clip.frame_interval_s is not None:
        about["TimeIncrement"] = clip.frame_interval_s
    if names:
        about["MapAnnotation"] = {"Namespace": NAMESPACE} | {str(i): n for i, n in names.items()}
    return about


def _resolution(clip: Clip) -> dict[str, Any]:
    if clip.pixel_size_um is None:
        return {}
    y, x = clip.pixel_size_um
    return {"resolution": (1e4 / x, 1e4 / y), "resolutionunit": "CENTIMETER"}

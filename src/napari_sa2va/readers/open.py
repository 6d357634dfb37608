"""`open_clip`: a path or an array becomes a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from napari_sa2va.core.axes import ChannelRequest, relabel
from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.core.intensity import Limits
from napari_sa2va.core.recording import Recording
from napari_sa2va.core.region_box import Box, as_box
from napari_sa2va.core.tints import ColorRequest
from napari_sa2va.readers import READERS, REMOTE_READERS
from napari_sa2va.readers.format import first_bytes
from napari_sa2va.readers.layer import from_array


def open_clip(
    path_or_array: str | PathLike[str] | Any,
    *,
    axes: str | None = None,
    time: str | None = None,
    z: int | str | None = None,
    channels: ChannelRequest | None = None,
    limits: Limits | Sequence[Limits] | None = None,
    colors: ColorRequest | Sequence[ColorRequest] | None = None,
    box: Box | Sequence[int] | None = None,
    rgb: bool | None = None,
    series: int | str | None = None,
    growing: bool = False,
    name: str | None = None,
    look: bool = True,
) -> Clip:
    """Open a movie, a stack or an array as a clip, lazily.

    Parameters
    ----------
    path_or_array : path or array
        A file, a folder of numbered images, a pattern such as "run1/ch0_*.png", the address of an
        OME-Zarr image (https://..., s3://...), or a numpy, dask or zarr array.
    axes : str, optional
        One letter per dimension out of "TZCYXS" (S: RGB samples), where the file does not say or
        says it wrongly.
    time : {"T", "Z"}, optional
        Axis that plays. By default T, or Z where there is no T.
    z : int or {"max", "mean"}, optional
        Plane from 0, or a projection; must be given if there are both T and several z planes.
    channels : int, str or sequence of them, optional
        One to three positions or names, shown as red, green, blue; one alone is grey. Must be
        given if there are more than three. With `colors`, any number, and all by default.
    limits : (lower, upper) or one pair per channel, optional
        Values that become black and full brightness in all frames. By default those that the file
        says are to be shown (a DICOM window, the window of OME-Zarr); else 8-bit data keep their
        values and other data take percentiles 0.1 and 99.9 over a sample of 16 frames.
    colors : str, ndarray or sequence of them, optional
        The colour of every channel: a name such as "green" or "magenta", "#rrggbb", or a table of
        shape (256, 3) that turns brightness into RGB; "file" takes those that the file names.
        Channels are added up.
    box : Box or four numbers, optional
        Rows and columns y0, x0, y1, x1 to look at, in px; nothing else of a frame is in the clip.
    rgb : bool, optional
        Whether the last axis (or the channel axis) holds colour samples.
    series : int or str, optional
        Which of several series, positions or arrays of a file, by number or name.
    growing : bool, optional
        Whether the file or folder is still being written: frames that are not complete yet are
        left out, and a note says how many there are, instead of being refused as truncated.
    name : str, optional
        Name of the clip; by default the file's stem.
    look : bool
        Whether frames may be read now; see `napari_sa2va.core.clip.make_clip`.

    Returns
    -------
    Clip

    Raises
    ------
    RequestError
        If the path is an empty text, a colour is not known, or the box does not fit.
    SeriesError
        If there are several series and none was chosen; its `choices` lists them.
    ClipError
        If the file is missing, unknown, truncated or empty.
    AxesError
        If the request does not fit the axes of the data; the message names them.
    PixelError
        If there is nothing to see: NaN pixels, one value everywhere, a dtype that is no picture.

    Examples
    --------
    >>> import numpy as np
    >>> movie = np.arange(4 * 8 * 8, dtype=np.uint16).reshape(4, 8, 8)
    >>> clip = open_clip(movie)
    >>> clip.num_frames, clip.rgb(0).shape
    (4, (8, 8, 3))
    """
    if isinstance(path_or_array, str | PathLike):
        if not str(path_or_array).strip():
            raise RequestError("No input was given.", "Name a file or a folder of images.")
        recording = read_recording(path_or_array, series=series, growing=growing)
        recording = relabel(recording, axes, rgb)
    else:
        recording = from_array(path_or_array, axes, rgb=rgb)
        recording = relabel(recording, None, rgb)
    clip = make_clip(
        recording, time=time, z=z, channels=channels, limits=limits, colors=colors, box=box,
        name=name, look=look,
    )  # fmt: skip
    asked = {
        "axes": axes, "time": time, "z": z, "channels": channels, "limits": limits, "rgb": rgb,
        "series": series, "growing": growing or None,
        # Tables of colours would be long: the clip has them as short texts.
        "colors": clip.tints or None,
        "box": None if box is None else as_box(box).to_json(),
    }  # fmt: skip
    return replace(clip, opened_with={k: _plain(v) for k, v in asked.items() if v is not None})


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers and sequences into Python's, so that they can be written as JSON."""
    if isinstance(value, str):
        return value
    return [_plain(v) for v in value] if np.ndim(value) else getattr(value, "item", lambda: value)()


def read_recording(
    path: str | PathLike[str], *, series: int | str | None = None, growing: bool = False
) -> Recording:
    """Read a path or an address with the reader that `reader_of` finds.

    Parameters
    ----------
    path : path or str
    series : int or str, optional
        Which of several series, positions or arrays.
    growing : bool
        Whether it is still being written. Readers that can tell complete frames from others leave
        out the others; for those that cannot, it is a file like any other.

    Raises
    ------
    SeriesError
        If there are several series and none was chosen; its `choices` lists them.
    ClipError
        If there is no such file, no reader knows it, or it cannot be read.
    MissingPackage
        If its format needs a package that is not installed.
    """
    if is_url(path):
        url = str(path)
        recording: Recording = reader_of(url).read_url(url, series=series)
        return recording
    path = Path(fspath(path)).expanduser()
    reader = reader_of(path)
    read = getattr(reader, "read_growing", reader.read) if growing else reader.read
    recording = read(path, series=series)
    return recording


def reader_of(path: str | PathLike[str]) -> ModuleType:
    """The first reader that knows a file by its first bytes, or else accepts a path or an address.

    Raises
    ------
    ClipError
        If there is no such file, or no reader knows it.
    """
    if is_url(path):
        return _remote_reader(str(path))
    path = Path(fspath(path)).expanduser()
    is_pattern = any(c in path.name for c in "*?[") and not path.exists()
    if not is_pattern and not path.exists():
        raise ClipError(f"There is no file or folder {path}.", "Check the spelling.")
    if path.is_file() and path.stat().st_size == 0:
        raise ClipError(f"{path} is an empty file.", "It was probably never written to its end.")
    if path.is_file():
        # What a file begins with is to be believed before what it is called.
        head = first_bytes(path)
        for reader in READERS:
            if reader.FORMAT.begins(head):
                return reader
    for reader in READERS:
        if reader.accepts(path):
            return reader
    known = ", ".join(reader.FORMAT.said for reader in READERS)
    what = "no format known here"
    if path.is_dir():
        what = "a folder without images"
    raise ClipError(f"{path} is {what}.", f"These are read: {known}.")


def is_url(path: str | PathLike[str]) -> bool:
    """Whether this is the address of something that is not on this machine's disks."""
    return isinstance(path, str) and "://" in path


def _remote_reader(url: str) -> ModuleType:
    for reader in REMOTE_READERS:
        if reader.accepts_url(url):
            return reader
    known = ", ".join(reader.FORMAT.title for reader in REMOTE_READERS) or "nothing yet"
    raise ClipError(
        f"{url} cannot be read from where it is.",
        f"From an address these are read: {known}. Bring other files to this machine first.",
    )

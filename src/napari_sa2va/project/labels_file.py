"""Label images in a file, from wherever they come, as a result that can be written in any format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core import pixels
from napari_sa2va.core.errors import ClipError, SeriesError, ShapeMismatch
from napari_sa2va.project.label_subjects import box_of, subjects_of
from napari_sa2va.project.labels_clip import as_labels_say
from napari_sa2va.project.unseen_clip import unseen_clip
from napari_sa2va.readers.open import read_recording
from napari_sa2va.writers.result import Result, of_labels

if TYPE_CHECKING:
    import dask.array as da

    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.recording import Recording
    from napari_sa2va.core.region_box import Box


def result_of_labels(
    path: str | PathLike[str], *, clip: Clip | None = None, series: int | str | None = None
) -> Result:
    """The objects of a file of label images; all frames are looked at once, to know the ids.

    Parameters
    ----------
    path : path
        Any file or folder that is read here and holds whole numbers: 0 for the background, a number
        for each object.
    clip : Clip, optional
        The movie that the labels are of. What it does not say of sizes and times is taken from the
        labels, and of a movie that is larger the part that they are of (see `as_labels_say`).
        Without it formats that show pixels raise `OutputError`.
    series : int or str, optional
        Which of several images of the file. Of a folder with one file of labels among pictures, it
        is that one.

    Returns
    -------
    Result
        With names, sentences and parents where the file has them (see `label_subjects`). Planes of z
        over time are planes that were followed each on its own.

    Raises
    ------
    SeriesError
        If the file holds several images and none was chosen.
    ClipError
        If it cannot be read, or holds no labels.
    ShapeMismatch
        If the labels do not have the size of the clip.
    """
    path, recording = _open(path, series)
    stack, num_planes, plays = _stack(recording)
    num_frames = len(stack) // num_planes
    said = _clip_of(recording, num_frames, plays, box_of(path))
    clip = said if clip is None else as_labels_say(clip, said)
    wanted = (clip.num_frames, clip.height, clip.width)
    if (num_frames, *stack.shape[1:]) != wanted:
        raise ShapeMismatch(
            f"The labels in {path} are {(num_frames, *map(int, stack.shape[1:]))} (T, Y, X), the "
            f"clip is {wanted}.",
            "Give the movie that they are of, read as it was then (--z, --time, --box).",
        )

    def labels(f: int) -> np.ndarray:
        return pixels.read(stack[f])

    ids = ids_of(map(labels, range(len(stack))), str(path))
    result = of_labels(clip, labels, names=dict.fromkeys(ids, ""), num_planes=num_planes)
    return replace(result, subjects=subjects_of(path, ids))


def ids_of(frames: Iterable[np.ndarray], source: str) -> set[int]:
    """The labels that are on any frame.

    Parameters
    ----------
    frames : iterable of ndarray
        Label images.
    source : str
        What they are of, for messages.

    Raises
    ------
    ClipError
        If one of them is negative.
    """
    ids: set[int] = set()
    for f, frame in enumerate(frames):
        seen = np.unique(frame)
        if seen[0] < 0:
            raise ClipError(
                f"{source} has the value {seen[0]} on frame {f}.", "Labels are 0 and above."
            )
        ids.update(map(int, seen[seen > 0]))
    return ids


def _open(path: str | PathLike[str], series: int | str | None) -> tuple[Path, Recording]:
    """A file of labels, also where a folder is given and it lies in there."""
    place = Path(path)
    try:
        return _file_of(place, series), read_recording(path, series=series)
    except SeriesError as error:
        if series is not None or not place.is_dir():
            raise
        held = [choice for choice in error.choices if _holds_labels(place / str(choice[0]))]
        if len(held) != 1:
            raise SeriesError(error.message, error.hint, held or error.choices) from None
        key = held[0][0]
        return _file_of(place, key), read_recording(path, series=key)


def _file_of(path: Path, series: int | str | None) -> Path:
    file = path / str(series)
    return file if path.is_dir() and series is not None and file.is_file() else path


def _holds_labels(file: Path) -> bool:
    """Whether a choice is a file of labels, or something that is no single file."""
    if not file.is_file():
        return True
    try:
        _stack(read_recording(file))
    except ClipError:
        return False
    return True


def _stack(recording: Recording) -> tuple[da.Array, int, str | None]:
    """Frames of all planes (F, Y, X), the number of planes, and the axis that plays."""
    data, axes, source = recording.data, recording.axes, recording.source
    if data.dtype.kind not in "biu":
        raise ClipError(
            f"{source} holds {data.dtype} pixels, which are no labels.",
            "Labels are whole numbers: 0 for the background, a number for each object.",
        )
    if recording.size("C") > 1 or "S" in axes:
        raise ClipError(
            f"{source} has channels or colours ({recording.describe()}), and labels have none.",
            "Give a file of labels: 0 for the background, a number for each object.",
        )
    planes = recording.size("Z") if recording.size("T") > 1 else 1
    plays = next((axis for axis in "TZ" if recording.size(axis) > 1), None)
    if "C" in axes:
        data = data.squeeze(axes.index("C"))
        axes = axes.replace("C", "")
    there = [axis for axis in "ZTYX" if axis in axes]
    data = data.transpose([axes.index(axis) for axis in there])
    return data.reshape(-1, *data.shape[-2:]), planes, plays


def _clip_of(recording: Recording, num_frames: int, plays: str | None, box: Box | None) -> Clip:
    """What the file of labels says of the movie."""
    height, width = recording.size("Y"), recording.size("X")
    return replace(
        unseen_clip(num_frames, height, width, recording.name),
        pixel_size_um=recording.pixel_size_um,
        z_step_um=recording.z_step_um,
        frame_interval_s=recording.frame_interval_s if plays == "T" else None,
        variable_rate=recording.variable_rate,
        time_axis=plays,
        box=box if box is not None and (box.height, box.width) == (height, width) else None,
    )

"""A folder of numbered images or of videos, a pattern such as "run/ch0_*.png", or one image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers import tiff
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.frame_folder.file import (
    EXTENSIONS,
    ImageFiles,
    Look,
    is_tiff,
    look,
    pixels,
)
from napari_sa2va.readers.frame_folder.layouts import (
    images_in,
    is_ctc,
    is_zarr,
    keys_of,
    title_of,
    videos_below,
)
from napari_sa2va.readers.frame_folder.names import gaps, natural, series_of
from napari_sa2va.readers.frame_folder.stacks import StackFiles, first_of, is_movie
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.series import choose
from napari_sa2va.readers.tiff.layout import stamp_of
from napari_sa2va.readers.tiff.ome import COMPANION

FORMAT = ReadFormat(
    title="numbered images (DAVIS, MeViS, Ref-YouTube-VOS, Cell Tracking Challenge)",
    extensions=EXTENSIONS,
    axes="TYX, TYXS, TZYX, TCYX",
    facts="pixel size and z step of TIFF files, missing numbers",
    lazy="one image",
    tested_with="DAVIS, vocal folds, yeast; the other layouts as their documents describe them",
    folders=True,
)
_LOOKED_AT = 3


def accepts(path: Path) -> bool:
    """Whether this is a folder or pattern with images in it or below it, or one image file."""
    if path.is_dir():
        return not is_zarr(path) and (
            bool(images_in(path)) or next(videos_below(path), None) is not None
        )
    if path.is_file():
        return path.suffix.lower() in EXTENSIONS
    return bool(_matching(path))


def is_one_movie(folder: Path) -> bool:
    """Whether the images in a folder play in a row; else each of them is a movie, or there is none.

    The first and the last ones are looked at. One that is damaged says nothing.
    """
    files = images_in(folder)
    if not files:
        return False
    if _description(folder, files):
        return True
    return not any(_is_movie(file, files) for file in {*files[:_LOOKED_AT], *files[-_LOOKED_AT:]})


def _is_movie(file: Path, files: list[Path]) -> bool:
    try:
        return look(file).pages > 1 and is_movie(file, pages_are_z=is_ctc(files))
    except ClipError:
        return False


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open numbered images as a movie; reads the headers of all files.

    Parameters
    ----------
    path : Path
        A folder, a pattern or a single image; or a folder of folders with a video each. Files play
        in natural order (2 before 10).
    series : int or str, optional
        Which video of a folder of videos, by its name; or which of several series of images that
        lie in one folder, by a pattern such as "ch0_*.png"; or one file of a folder by its name.

    Returns
    -------
    Recording
        Axes TYX or TYXS (YX or YXS for a single image); with z or channels after T if the files are
        stacks. Alpha is dropped, palettes become RGB, integers of which zero is white (TIFF) are
        turned. Missing numbers are told in `notes`.

    Raises
    ------
    SeriesError
        If there are several videos or series and none was chosen, or there is no such one.
    ClipError
        If images differ in size or kind, or a file is damaged.
    """
    return _read(path, series, growing=False)


def read_growing(path: Path, *, series: int | str | None = None) -> Recording:
    """The same of a folder that is still being filled: without the last images if they are not whole.

    Raises
    ------
    ClipError
        As `read`; also if no image is whole.
    """
    return _read(path, series, growing=True)


def _read(path: Path, series: int | str | None, *, growing: bool) -> Recording:
    files = _files(path)
    if path.is_dir() and (description := _description(path, files)):
        opened = tiff.read_growing if growing else tiff.read
        return replace(opened(description, series=series), source=str(path))
    if path.is_dir() and (chosen := [file for file in files if file.name == series]):
        opened = tiff.read if is_tiff(chosen[0]) else read
        return replace(opened(chosen[0]), source=str(path))
    found = series_of(files) if files else _videos(path)
    choices = [(name, f"{name}: {len(of)} images") for name, of in found.items()]
    noun = "series of images" if files else "videos"
    files = list(found.values())[choose(path, choices, series, noun=noun)]
    notes: tuple[str, ...] = ()
    if growing:
        files, notes = _whole(files)
    recording = _recording(files)
    if path.is_file():
        recording = replace(recording, data=recording.data[0], axes=recording.axes[1:])
    return replace(
        recording,
        name=path.stem if path.is_file() else title_of(files[0].parent),
        source=str(path),
        notes=(*gaps(files), *notes),
    )


def _description(folder: Path, files: list[Path]) -> Path | None:
    """The file of a folder that describes all others as OME-TIFF, if there is such a one."""
    companions = [file for file in folder.iterdir() if file.name.lower().endswith(COMPANION)]
    if len(companions) == 1:
        return companions[0]
    if len(files) > 1 and is_tiff(files[0]):
        named = tiff.files_of_set(files[0])
        return files[0] if named.issuperset(file.name for file in files) else None
    return None


def _videos(root: Path) -> dict[str, list[Path]]:
    """Images of every video below a folder, by what they are asked for with."""
    folders = list(videos_below(root))
    if not folders:
        raise ClipError(f"{root} is a folder without images.", "Were they moved?")
    found = {}
    for key, folder in zip(keys_of(root, folders), folders, strict=True):
        series = series_of(images_in(folder))
        for name, files in series.items():
            found[key if len(series) == 1 else f"{key}/{name}"] = files
    return found


def _recording(files: list[Path]) -> Recording:
    first = look(files[0])
    stamp = stamp_of(map(str, files))
    names = tuple(map(str, files))
    if first.pages > 1:
        stack = first_of(files, pages_are_z=is_ctc(files))
        num_lead = sum(axis not in "YXS" for axis in stack.axes)
        lead = stack.data.shape[:num_lead]
        source = StackFiles(names, lead, stamp)
        shape = (len(files), *stack.data.shape)
        data = lazy_planes(source, shape, stack.data.dtype, 1 + num_lead, "folder")
        return replace(stack, data=data, axes="T" + stack.axes, pyramid=())
    for file in files[1:]:
        _check_like(first, files[0], look(file), file)
    data = lazy_planes(
        ImageFiles(names, stamp), (len(files), *first.shape), first.dtype, 1, "folder"
    )
    axes = "TYX" if len(first.shape) == 2 else "TYXS"
    return Recording(data, axes, **_facts(files[0]))


def _check_like(first: Look, first_file: Path, other: Look, file: Path) -> None:
    if other.shape != first.shape:
        raise ClipError(
            f"{file.name} is {other.describe()}, but {first_file.name} is {first.describe()}.",
            "All frames of a clip must have one size and be all grey or all colour.",
        )
    if other.dtype != first.dtype:
        raise ClipError(
            f"{file.name} has pixels of type {other.dtype}, {first_file.name} of {first.dtype}.",
            "All frames of a clip must have one type.",
        )
    if other.pages > 1:
        raise ClipError(
            f"{file} has {other.pages} pages, and {first_file.name} has one.",
            "Images in a folder have one page each; open this file by itself.",
        )


def _facts(file: Path) -> dict[str, Any]:
    """Physical facts of the first file, where it is a TIFF file."""
    if not is_tiff(file):
        return {}
    found = tiff.read(file)
    return {"pixel_size_um": found.pixel_size_um, "frame_interval_s": found.frame_interval_s}


def _whole(files: list[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """The files without the last ones that cannot be read yet, and a note about these."""
    num = len(files)
    while num:
        try:
            _read_all(files[num - 1])
            break
        except ClipError:
            num -= 1
    if not num:
        raise ClipError(
            f"{files[0].parent} has no complete image yet.", "Try again when more is written."
        )
    left_out = len(files) - num
    note = f"The folder is still being filled: {left_out} of its images cannot be read yet."
    return files[:num], (note,) if left_out else ()


def _read_all(file: Path) -> None:
    """Read an image, or the last page of a stack."""
    pixels(file)
    if is_tiff(file) and look(file).pages > 1:
        stack = tiff.read(file).data
        stack[(-1,) * (stack.ndim - 2)].compute(scheduler="synchronous")


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else images_in(path) or _matching(path)


def _matching(pattern: Path) -> list[Path]:
    if not any(c in pattern.name for c in "*?[") or not pattern.parent.is_dir():
        return []
    found = (f for f in pattern.parent.glob(pattern.name) if f.suffix.lower() in EXTENSIONS)
    return sorted((f for f in found if not f.name.startswith(".") and f.is_file()), key=natural)

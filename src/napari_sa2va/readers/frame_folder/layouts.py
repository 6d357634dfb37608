"""Folders of videos as data sets keep them: DAVIS, MeViS, Ref-YouTube-VOS, Cell Tracking Challenge.

A video is a folder of images. What lies beside it and is no movie, ground truth above all, is left
out: Annotations of DAVIS and YouTube-VOS; 01_GT, 01_ST, 01_RES of the Cell Tracking Challenge.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from napari_sa2va.readers.frame_folder.file import EXTENSIONS
from napari_sa2va.readers.frame_folder.names import natural

# DAVIS lies deepest: DAVIS/JPEGImages/480p/<video>, below the folder that was unpacked.
_DEEPEST = 4
# Of a folder in which there is no video, such as somebody's home, not all is looked through.
_MOST_WITHOUT = 2_000
_MOST_FOLDERS = 200_000
_NO_MOVIE = re.compile(r"annotations.*|imagesets|.*_(gt|st|res|err_seg)", re.IGNORECASE)
_ZARR = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_SEQUENCE = re.compile(r"\d{2}")
_CTC_FRAME = re.compile(r"t\d{3,}\.tiff?", re.IGNORECASE)


def images_in(folder: Path) -> list[Path]:
    """Image files in a folder in natural order; none if it is an array of Zarr."""
    if not folder.is_dir() or is_zarr(folder):
        return []
    with os.scandir(folder) as entries:
        found = [Path(e.path) for e in entries if _is_image(e)]
    return sorted(found, key=natural)


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a group or an array of Zarr."""
    return any((folder / name).exists() for name in _ZARR)


def videos_below(folder: Path) -> Iterator[Path]:
    """Folders of images below one that has none itself, in natural order."""
    visited, most = 0, _MOST_WITHOUT
    ahead = [(folder, 0)]
    while ahead and visited < most:
        here, depth = ahead.pop()
        visited += 1
        if depth and _has_images(here):
            most = _MOST_FOLDERS
            yield here
        elif depth < _DEEPEST and not is_zarr(here):
            ahead += [(sub, depth + 1) for sub in reversed(subfolders(here))]


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder that may hold movies, in natural order; none if it may not be read."""
    try:
        with os.scandir(folder) as entries:
            found = [
                Path(e.path)
                for e in entries
                if e.is_dir(follow_symlinks=False)
                and not e.name.startswith(".")
                and not _NO_MOVIE.fullmatch(e.name)
            ]
    except OSError:
        return []
    return sorted(found, key=natural)


def keys_of(root: Path, videos: list[Path]) -> list[str]:
    """Names by which videos are asked for: their paths below what they have in common."""
    common = Path(os.path.commonpath(videos)) if len(videos) > 1 else videos[0].parent
    below = common if common.is_relative_to(root) else root
    return [video.relative_to(below).as_posix() for video in videos]


def is_ctc(files: list[Path]) -> bool:
    """Whether these are frames of the Cell Tracking Challenge: 01/t000.tif, 01/t001.tif, ..."""
    return bool(files) and bool(
        _SEQUENCE.fullmatch(files[0].parent.name)
        and all(_CTC_FRAME.fullmatch(file.name) for file in files)
    )


def title_of(folder: Path) -> str:
    """What a video is called: a sequence that has only a number, after its data set too."""
    folder = folder.resolve()
    if _SEQUENCE.fullmatch(folder.name) and folder.parent.name:
        return f"{folder.parent.name} {folder.name}"
    return folder.name or "images"


def _is_image(entry: os.DirEntry[str]) -> bool:
    is_named = entry.name.lower().endswith(EXTENSIONS) and not entry.name.startswith(".")
    return is_named and entry.is_file()


def _has_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return not is_zarr(folder) and any(_is_image(e) for e in entries)
    except OSError:  # a folder that may not be read is no video
        return False

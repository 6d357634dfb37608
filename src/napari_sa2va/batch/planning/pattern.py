"""Movies that a pattern of paths names, such as "day*/**/*.tif"."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection
from functools import cache, lru_cache
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.folder_of_movies import (
    Movies,
    is_one_movie,
    is_ours,
    is_unfinished,
    label_images_among,
    movies_in,
    reader_of_file,
)
from napari_sa2va.readers.frame_folder.names import natural
from napari_sa2va.readers.open import is_url

_MAGIC = "*?["


def is_pattern(path: str) -> bool:
    """Whether a text is a pattern, and not the name of a file that only looks like one."""
    return not is_url(path) and any(c in path for c in _MAGIC) and not os.path.exists(path)


def matching(pattern: str, *, recursive: bool = False, leave_out: Collection[str] = ()) -> Movies:
    """The movies among the matches, and in the folders among them that hold movies.

    Parameters
    ----------
    pattern : str
        ``**`` stands for any number of folders.
    recursive, leave_out
        See `movies_in`.

    Notes
    -----
    What lies in a movie, such as the images of a folder that is one, is no movie of its own.
    """
    found = Movies()
    taken: dict[str, None] = {}
    folders: set[str] = set()
    num_ours = 0

    @cache
    def in_batch(folder: str) -> bool:
        above = os.path.dirname(folder)
        return BatchFolder.is_one(folder) or (above != folder and in_batch(above))

    # A folder comes before what lies in it.
    matches = sorted(map(os.path.normpath, glob.iglob(pattern, recursive=True)), key=_in_order)
    label_images = label_images_among(list(map(Path, matches)))
    for match in matches:
        above, name = os.path.split(match)
        if is_unfinished(name) or match in leave_out:
            continue
        if folders and any(str(folder) in folders for folder in Path(match).parents):
            continue
        is_folder = os.path.isdir(match)
        is_result = is_ours(name) or Path(match) in label_images
        if is_result or in_batch(match if is_folder else above):
            num_ours += 1
        elif is_folder and is_one_movie(Path(match), leave_out):
            taken[match] = None
            folders.add(match)
        elif is_folder:
            inside = movies_in(Path(match), recursive=recursive, leave_out=leave_out)
            taken |= dict.fromkeys(map(str, inside.paths))
            folders |= {str(path) for path in inside.paths if path.is_dir()}
            found.notes += inside.notes
        elif reader_of_file(Path(match)) is not None:
            taken[match] = None
    found.paths = [Path(path) for path in sorted(taken, key=_in_order)]
    if num_ours:
        found.notes.append(
            f"Results of this program that {pattern} names were left out ({num_ours})."
        )
    return found


def _in_order(path: str) -> list[list[tuple[int, int, str]]]:
    return [_part(part) for part in path.split(os.sep)]


@lru_cache(maxsize=65_536)
def _part(name: str) -> list[tuple[int, int, str]]:
    return natural(Path(name))

"""Micro-Manager's stacks and NDTiff folders, before tifffile believes their indexes.

An index names files and gives every plane a place; neither needs to be true.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.tiff.chain import MOST_PAGES, follow_chain
from napari_sa2va.readers.tiff.ome import inside

if TYPE_CHECKING:
    from tifffile import TiffFile

_SIZES = ("Channels", "Slices", "Frames", "Positions")
_PLACE_BYTES = 32


def check_index(path: Path, tif: TiffFile) -> None:
    """Look at what an index promises; of files without one nothing is done.

    Raises
    ------
    ClipError
        If there would be more planes than can be, or a file lies outside of the folder or has
        broken directories.
    """
    if tif.is_mmstack:
        about = tif.micromanager_metadata or {}
        reached = about["IndexMap"][:, :4].max(axis=0, initial=0)
        written = [int(about["Summary"].get(key, 1)) for key in _SIZES]
        _check_count(path, [max(int(r) + 1, w) for r, w in zip(reached, written, strict=True)])
    elif tif.is_ndtiff:
        entries = list(_entries(path.with_name("NDTiff.index")))
        axes = {axis for place, _ in entries for axis in place}
        _check_count(path, [_extent([place.get(axis) for place, _ in entries]) for axis in axes])
        for name in {name for _, name in entries}:
            file = path.with_name(inside(path, name))
            if file != path and file.is_file():
                follow_chain(file)


def _check_count(path: Path, sizes: list[int]) -> None:
    if math.prod(sizes) > MOST_PAGES:
        raise ClipError(
            f"{path} promises {' x '.join(map(str, sizes))} planes in its index.",
            "The index is damaged: copy the files again.",
        )


def _extent(values: list[object]) -> int:
    """How many positions there are from the first to the last, or of how many names."""
    numbers = [int(value) for value in values if isinstance(value, int)]
    names = {value for value in values if isinstance(value, str)}
    return max(1, max(numbers) - min(numbers) + 1 if numbers else 0, len(names))


def _entries(index: Path) -> Iterator[tuple[dict[str, object], str]]:
    """Where each plane belongs, and the file that it lies in."""
    data, at = index.read_bytes(), 0

    def text() -> str:
        nonlocal at
        (length,) = struct.unpack_from("<I", data, at)
        at += 4 + length
        if at > len(data):
            raise ClipError(
                f"{index} ends within an entry, at byte {len(data)}.",
                "Copy the folder again; of one that is still being written, wait for the end.",
            )
        return data[at - length : at].decode(errors="replace")

    while at + 4 <= len(data):
        place = json.loads(text())
        yield place if isinstance(place, dict) else {}, text()
        at += _PLACE_BYTES

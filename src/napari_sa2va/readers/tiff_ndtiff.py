"""NDTiff, the folders that Micro-Manager writes: the files that an index names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.readers.tiff_chain import follow_chain
from napari_sa2va.readers.tiff_ome import inside

if TYPE_CHECKING:
    from tifffile import TiffFile


def check_index(path: Path, tif: TiffFile) -> None:
    """Look at the index beside a file before tifffile opens what it names; else nothing is done.

    Raises
    ------
    ClipError
        If it names a file outside of the folder, or one with broken directories.
    """
    if not tif.is_ndtiff:
        return
    from tifffile.tifffile import read_ndtiff_index

    for name in {entry[1] for entry in read_ndtiff_index(path.with_name("NDTiff.index"))}:
        file = path.with_name(inside(path, name))
        if file != path and file.is_file():
            follow_chain(file)

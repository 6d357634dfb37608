"""Where the label images of a layer lie: in memory, or on disk where they would fill it.

Empty frames take no memory in either: what NumPy has not written to is not there yet, and neither
are chunks on disk. But a person who looks through a long movie of large frames writes to all.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.core.errors import OutputError
from napari_sa2va.gui.placement import Placement

# The first napari that paints into a zarr array.
_PAINTS = (0, 8)
_MB = 1_000_000


class MaskStore:
    """The label images of one layer.

    Parameters
    ----------
    data : ndarray, or array on disk
    folder : Path, optional
        Where the array is on disk. It is removed together with this object, and at the latest when
        the interpreter ends.
    note : str
        What a person should know of it.

    Attributes
    ----------
    data, folder, note
        As given.
    """

    def __init__(self, data: Any, folder: Path | None = None, note: str = "") -> None:
        self.data = data
        self.folder = folder
        self.note = note
        self._remove = weakref.finalize(self, _remove, folder)

    @property
    def is_on_disk(self) -> bool:
        """Whether it is."""
        return self.folder is not None

    def close(self) -> None:
        """Remove what is on disk; the array must not be used any more."""
        self._remove()


def make_store(
    placement: Placement,
    shape: tuple[int, int, int],
    *,
    above_mb: float,
    within: Path | None = None,
) -> MaskStore:
    """Make room for label images.

    Parameters
    ----------
    placement : Placement
    shape : tuple of int
        (F, Y, X) of the stack.
    above_mb : float
        In 10^6 bytes, of a byte per pixel. What takes more is kept on disk, with two bytes per pixel
        and a chunk per frame, in the order of the layer's dims.
    within : Path, optional
        Folder in which a folder for it is made; by default that of temporary files.

    Returns
    -------
    MaskStore
        In memory, with a note, where this napari cannot paint into an array on disk.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    megabytes = float(np.prod(shape, dtype=float)) / _MB
    if megabytes <= above_mb:
        return MaskStore(np.zeros(shape, np.uint8))
    if not paints_on_disk():
        note = (
            f"The masks of this movie take up to {megabytes:,.0f} MB of memory. napari "
            f"{version('napari')} cannot paint into arrays on disk; 0.8 and later can."
        )
        return MaskStore(np.zeros(shape, np.uint8), note=note)
    import zarr

    layer_shape = placement.layer_shape(shape)
    chunks = tuple(
        size if letter in "YX" else 1
        for letter, size in zip(placement.dims, layer_shape, strict=True)
    )
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="napari-sa2va-masks-", dir=within))
        data = zarr.create_array(
            store=folder / "labels.zarr",
            shape=layer_shape,
            chunks=chunks,
            dtype="uint16",
            fill_value=0,
        )
    except OSError as error:
        _remove(folder)
        raise OutputError(
            f"The masks of this movie take {megabytes:,.0f} MB, and cannot be kept on disk in "
            f"{within or tempfile.gettempdir()}: {error}.",
            "Make room there, or change in the preferences from which size on masks are kept on "
            "disk.",
        ) from error
    return MaskStore(data, folder)


def paints_on_disk() -> bool:
    """Whether this napari paints into zarr arrays."""
    numbers = version("napari").split(".")[:2]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in numbers) >= _PAINTS


def _remove(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)

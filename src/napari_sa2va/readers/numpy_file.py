"""NumPy's own files: .npy plane by plane, .npz as a whole."""

from __future__ import annotations

import math
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from napari_sa2va.core.axes import guess_axes
from napari_sa2va.core.errors import AxesError, ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.layer import plane_chunks
from napari_sa2va.readers.lazy import lazy_planes

EXTENSIONS = (".npy", ".npz")
FORMAT = ReadFormat(
    title="NumPy",
    extensions=EXTENSIONS,
    axes="TYX, TYXS; others are asked for",
    facts="nothing",
    lazy="one plane of .npy; all of .npz",
    tested_with="NumPy's writer",
)


def accepts(path: Path) -> bool:
    """Whether the name says NumPy, or the file begins with its magic."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        magic = file.read(6)
    return magic == b"\x93NUMPY" or path.suffix.lower() in EXTENSIONS


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open an array; object arrays (pickles) are refused.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Name or position of the array in an .npz with several.

    Returns
    -------
    Recording
        With guessed axes; where they cannot be guessed, letters that must be named by the user.

    Raises
    ------
    ClipError
        If the file is damaged, holds pickles, or holds several arrays and none was chosen.
    """
    try:
        if path.suffix.lower() == ".npz":
            array = _from_npz(path, series)
            axes = _axes(array.shape)
            native = array.astype(array.dtype.newbyteorder("="), copy=False)
            return Recording(plane_chunks(native, axes), axes, name=path.stem, source=str(path))
        if series not in (None, 0, "0"):
            raise ClipError(f"{path} has no series {series!r}.", "An .npy file holds one array.")
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        shape, dtype = mapped.shape, mapped.dtype
        del mapped
    except (ValueError, OSError, EOFError, BadZipFile, KeyError) as error:
        raise ClipError(
            f"{path} cannot be read as a NumPy file ({error}).",
            "It is truncated, or holds Python objects instead of numbers.",
        ) from error
    axes = _axes(shape)
    num_lead = max(0, min(axes.index(a) for a in "YX"))
    source = MappedPlanes(str(path), num_lead)
    data = lazy_planes(source, shape, dtype.newbyteorder("="), num_lead, "npy")
    return Recording(data, axes, name=path.stem, source=str(path))


def _axes(shape: tuple[int, ...]) -> str:
    try:
        return guess_axes(shape)
    except AxesError:
        if len(shape) < 2:
            raise
        return "Q" * (len(shape) - 2) + "YX"


def _from_npz(path: Path, series: int | str | None) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if series is None and len(names) == 1:
            series = names[0]
        if series is not None and str(series).isdecimal() and str(series) not in names:
            series = names[int(series)] if int(series) < len(names) else series
        if series not in names:
            raise ClipError(
                f"{path} holds {len(names)} arrays: {', '.join(names)}.", "Choose one: series=."
            )
        return archive[series]


class MappedPlanes:
    """Planes of an .npy file, mapped into memory for each read."""

    def __init__(self, path: str, num_lead: int) -> None:
        self.path = path
        self.num_lead = num_lead

    def read(self, index: int) -> np.ndarray:
        """Plane `index`, in native byte order."""
        mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
        lead = mapped.shape[: self.num_lead]
        position = np.unravel_index(index, lead) if math.prod(lead) and lead else ()
        plane = np.array(mapped[position])  # a copy: the mapping shall not outlive the read
        return plane.astype(plane.dtype.newbyteorder("="), copy=False)

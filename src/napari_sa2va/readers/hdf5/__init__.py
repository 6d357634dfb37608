"""HDF5: an image that is a data set of a file, read block by block.

The file is opened for each read (0.1 ms): its objects can neither be pickled nor be used by several
threads, and a file that stays open is locked against the program that is still writing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.extras import need
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.damage import as_clip_error
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.hdf5.facts import read_facts
from napari_sa2va.readers.hdf5.heaps import check_heaps
from napari_sa2va.readers.layer import plane_chunks
from napari_sa2va.readers.lazy import check_promise
from napari_sa2va.readers.series import choose

if TYPE_CHECKING:
    import h5py

EXTENSIONS = (".h5", ".hdf5", ".hdf", ".ilp")
FORMAT = ReadFormat(
    title="HDF5, ilastik",
    extensions=EXTENSIONS,
    axes="TZCYXS, as named by axistags, labels or scales; TYX, TYXS without names",
    magic=((0, b"\x89HDF\r\n\x1a\n"),),
    facts="pixel size, z step, frame interval, limits",
    lazy="the chunks that a plane touches",
    tested_with="h5py's writer, laid out as ilastik, Fiji and xarray do",
    extra="hdf5",
)
# Where an ilastik project keeps images of its own; other arrays of it are labels and settings.
_ILASTIK_IMAGES = "Input Data/local_data/"


def accepts(path: Path) -> bool:
    """Whether the name or the first eight bytes say HDF5."""
    return FORMAT.fits(path)


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open one data set of a file.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Path of the data set inside the file, such as "volume/data", or its position.

    Returns
    -------
    Recording
        Data sets count as images if they hold numbers in two dimensions or more. Those in other
        files (external links, virtual data sets) are not: nothing but `path` is ever read.

    Raises
    ------
    SeriesError
        If the file has several images and none was chosen.
    ClipError
        If it is damaged, has no image, or needs a filter that is not installed.
    MissingPackage
        Without h5py.
    """
    need("h5py", "hdf5", "read HDF5 files")
    series = series.strip("/") if isinstance(series, str) else series
    check_heaps(path)
    with _opened(path) as file:
        images = _images(path, file)
        name, dataset = images[choose(path, _choices(images), series, noun="data sets")]
        _check_stored_here(path, dataset)
        _check_filters(path, dataset)
        axes, facts = read_facts(dataset)
        stored = StoredDataset(str(path), name, dataset)
    _check_size(path, stored, axes)
    return Recording(
        plane_chunks(stored, axes), axes, name=path.stem, source=str(path),
        notes=_slow_chunks(stored, axes), **facts,
    )  # fmt: skip


@contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    import h5py

    hint = "Is it complete, really an HDF5 file, and not being written by another program?"
    with as_clip_error(path, "read as HDF5", hint), h5py.File(path, "r") as file:
        yield file


def _images(path: Path, file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    import h5py

    found: list[tuple[str, h5py.Dataset]] = []

    def look(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and len(item.shape or ()) >= 2 and item.size:
            try:
                is_number = item.dtype.kind in "biuf"
            except TypeError:  # a type that numpy does not have
                is_number = False
            if is_number:
                found.append((name, item))

    # Does not follow soft and external links.
    file.visititems(look)
    if path.suffix.lower() == ".ilp":
        found = [image for image in found if image[0].startswith(_ILASTIK_IMAGES)]
        if not found:
            raise ClipError(
                f"{path} is an ilastik project that refers to its images and does not hold them.",
                "Open the images themselves, or what ilastik exported.",
            )
    return found


def _choices(images: list[tuple[str, h5py.Dataset]]) -> list[tuple[int | str, str]]:
    choices: list[tuple[int | str, str]] = []
    for name, dataset in images:
        axes = read_facts(dataset)[0]
        sizes = ", ".join(f"{a}={n}" for a, n in zip(axes, dataset.shape, strict=True))
        choices.append((name, f"{name}: {sizes.replace('Q', '?')}, {dataset.dtype}"))
    return choices


def _check_stored_here(path: Path, dataset: h5py.Dataset) -> None:
    if dataset.is_virtual:
        elsewhere = sorted({source.file_name for source in dataset.virtual_sources()})
    else:
        elsewhere = [str(name) for name, _, _ in dataset.external or ()]
    if elsewhere:
        raise ClipError(
            f"{path}: the pixels of {dataset.name} lie elsewhere, in {', '.join(elsewhere[:4])}.",
            "Only data sets that hold their pixels are read: open those, or write it anew as one.",
        )


def _check_filters(path: Path, dataset: h5py.Dataset) -> None:
    import h5py

    created = dataset.id.get_create_plist()
    for position in range(created.get_nfilters()):
        number, _, _, title = created.get_filter(position)
        if not h5py.h5z.filter_avail(number):
            raise ClipError(
                f"{path}: {dataset.name} is packed with the filter {title.decode(errors='replace')!r} "
                f"(number {number}), and it is not here.",
                "Point HDF5_PLUGIN_PATH at it, or write the data set anew, packed with gzip.",
            )


class StoredDataset:
    """A data set as an array: opens its file for each read, and can be pickled."""

    def __init__(self, path: str, name: str, dataset: h5py.Dataset) -> None:
        self.path = path
        self.name = name
        self.shape: tuple[int, ...] = dataset.shape
        self.ndim = len(dataset.shape)
        self.dtype: np.dtype = dataset.dtype.newbyteorder("=")
        self.chunks: tuple[int, ...] | None = dataset.chunks

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        """A block, in native byte order."""
        with _opened(self.path) as file:
            block: np.ndarray = file[self.name][key]
        return block.astype(self.dtype, copy=False)


def _check_size(path: Path, stored: StoredDataset, axes: str) -> None:
    num_planes, num_pixels = 1, 1
    for axis, size in zip(axes, stored.shape, strict=True):
        if axis in "YXS":
            num_pixels *= size
        else:
            num_planes *= size
    # A chunk is unpacked as a whole.
    num_pixels = max(num_pixels, int(np.prod(stored.chunks or (0,), dtype=object)))
    check_promise(str(path), num_planes, num_pixels * stored.dtype.itemsize)


def _slow_chunks(stored: StoredDataset, axes: str) -> tuple[str, ...]:
    deep = [
        f"{length} along {axis}"
        for axis, length in zip(axes, stored.chunks or (), strict=False)
        if axis not in "YXS" and length > 1
    ]
    if not deep:
        return ()
    return (f"Its chunks hold several planes ({', '.join(deep)}), so each is unpacked many times.",)

"""OME-Zarr (NGFF) and plain Zarr arrays: folders, ZIP archives and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile

from napari_sa2va.core.axes import check_axes, guess_axes
from napari_sa2va.core.errors import AxesError, ClipError
from napari_sa2va.core.ngff import (
    OTHER,
    Multiscale,
    channels_of,
    letters,
    multiscale_of,
)
from napari_sa2va.core.ngff_layout import chosen, layout_of
from napari_sa2va.core.recording import Recording
from napari_sa2va.core.zarr_tree import METADATA, ZarrPlace, ZarrTree, archive_root
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.ome_zarr.pixels import lazy_array

if TYPE_CHECKING:
    import dask.array as da
    import zarr

FORMAT = ReadFormat(
    title="OME-Zarr 0.1 to 0.5",
    extensions=(".zarr", ".ome.zarr", ".ozx", ".zarr.zip"),
    axes="TZCYX in any order",
    facts="pixel size, z step, frame interval, names, colours, windows, pyramid",
    lazy="one plane, or the chunks of it that are needed",
    tested_with="images, plates and labels of ome-zarr-py; arrays of zarr (formats 2 and 3, sharded)",
    folders=True,
)
# Counting the files of so many chunks takes some seconds.
_MOST_COUNTED = 50_000
_ENDINGS = (".zarr", ".ozx", ".zarr.zip")


def accepts(path: Path) -> bool:
    """Whether this is a folder with Zarr metadata, or an archive of one."""
    if path.is_dir():
        return path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in METADATA)
    name = path.name.lower()
    if not path.is_file() or not name.endswith((*_ENDINGS, ".zip")):
        return False
    if name.endswith(_ENDINGS):
        return True
    try:
        with ZipFile(path) as archive:
            return any(n.split("/", 1)[-1] in METADATA for n in archive.namelist())
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def accepts_url(url: str) -> bool:
    """Whether an address may be that of a store: it has no other ending than those of Zarr."""
    parts = PurePosixPath(urlsplit(url).path).parts
    if any(part.lower().endswith(_ENDINGS) for part in parts):
        return True
    suffix = PurePosixPath(parts[-1]).suffix if parts else ""
    return suffix == "" or suffix[1:].isdecimal()  # a version, such as v0.4


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a store on disk; reads only metadata, however many chunks there are.

    Parameters
    ----------
    path : Path
        The folder or archive of an image, a plate, a well, or a group of images or arrays; also a
        group or array within a store.
    series : int or str, optional
        Which image, where there are several: its path in the store, such as "B/03/0", or its position.

    Returns
    -------
    Recording
        Axes in the order of the file. An array without NGFF metadata has guessed axes, or letters that
        must be named by the user.

    Raises
    ------
    SeriesError
        If there are several images and none was chosen.
    ClipError
        If the store is damaged, empty, or would lead out of itself.
    PixelError
        If the pixels are no numbers that can be shown.
    """
    place, root = _place(path)
    name = path.name.removesuffix(".zip").removesuffix(path.suffix)
    with ZarrTree(place, root) as tree:
        return _read(tree, name.removesuffix(".zarr").removesuffix(".ome"), series)


def read_url(url: str, *, series: int | str | None = None) -> Recording:
    """Open a store at an address that fsspec knows: https://, s3://, also of an archive.

    Raises
    ------
    SeriesError, ClipError, PixelError
        As `read`.
    MissingPackage
        If the address needs a package that is not installed.
    """
    name = PurePosixPath(urlsplit(url).path).name or "zarr"
    for ending in (".zip", ".ozx", ".zarr", ".ome"):
        name = name.removesuffix(ending)
    with ZarrTree(*_place(url)) as tree:
        return _read(tree, name, series)


def is_complete(path: Path) -> bool:
    """Whether all planes of an image are there: an archive, or a folder with a file for each of them.

    Nobody can say that of planes that share a file, which may be written again, and of chunks that
    were left out because they have one value.
    """
    try:
        place, root = _place(path)
        if place.kind == "zip":  # its directory is written last
            return True
        with ZarrTree(place, root) as tree:
            attributes = tree.attributes()
            if "multiscales" not in attributes:
                return False
            image = multiscale_of(attributes)
            return all(_has_all_planes(tree.array(p), image.axes) for p in image.paths)
    except ClipError:
        return False


def _has_all_planes(array: zarr.Array, axes: str) -> bool:
    lead = [n for axis, n in zip(axes, array.chunks, strict=True) if axis not in "YX"]
    if array.shards or any(n > 1 for n in lead) or array.nchunks > _MOST_COUNTED:
        return False
    return int(array.nchunks_initialized) == array.nchunks


def fields_of(path: str | Path) -> tuple[str, ...]:
    """The fields of view of a plate or a well, by their paths in it; none of any other store.

    Parameters
    ----------
    path : str or Path
        A folder, an archive, or an address.

    Returns
    -------
    tuple of str
        Such as "A/1/0" of a plate, or "0" of a well. Each is an image that can be opened by itself
        where the store is a folder or an address.

    Raises
    ------
    ClipError
        If a plate or a well is damaged.
    """
    place, root = _place(path)
    # Of a thousand images, their small documents are read faster than zarr opens them.
    if place.kind == "folder" and not any(
        word in document for document in _documents(Path(path)) for word in (b"plate", b"well")
    ):
        return ()
    with ZarrTree(place, root) as tree:
        if not {"plate", "well"} & set(tree.attributes()):
            return ()
        return layout_of(tree).paths


def _documents(folder: Path) -> Iterator[bytes]:
    for name in METADATA:
        with suppress(OSError):
            yield (folder / name).read_bytes()


def _place(path: str | Path) -> tuple[ZarrPlace, str]:
    """Where a store is, and the group or array in it that is meant."""
    if isinstance(path, str) and "://" in path:
        return ZarrPlace(path.rstrip("/"), "address"), ""
    if Path(path).is_file():
        return ZarrPlace(str(path), "zip"), archive_root(Path(path))
    return ZarrPlace(str(path), "folder"), ""


def _read(tree: ZarrTree, name: str, series: int | str | None) -> Recording:
    layout = layout_of(tree, series)
    path = chosen(tree, layout, series)
    if path and (len(layout.paths) > 1 or series is not None):
        name = f"{name}-{path.replace('/', '-')}"
    attributes = tree.attributes(path)
    if "multiscales" not in attributes:
        return _bare(tree, path, name)
    try:
        image = multiscale_of(attributes)
    except ClipError as error:
        raise tree.place.error(error.message, error.hint) from error
    return _image(tree, path, image, attributes, name)


def _image(tree: ZarrTree, path: str, image: Multiscale, attributes: Any, name: str) -> Recording:
    first, *lower = image.paths
    data, axes = _level(tree, path, first, image.axes)
    pyramid: list[da.Array] = []
    notes: list[str] = []
    for level in lower:
        try:
            smaller, _ = _level(tree, path, level, image.axes)
        except ClipError as error:
            notes.append(f"A smaller copy of the image cannot be read: {error.message}")
            continue
        if _is_smaller(smaller.shape, (pyramid or [data])[-1].shape, axes):
            pyramid.append(smaller)
    count = data.shape[axes.index("C")] if "C" in axes else None
    return Recording(
        data,
        axes,
        name=name,
        source=tree.place.address,
        pyramid=tuple(pyramid),
        notes=tuple(notes),
        **image.sizes(),
        **channels_of(attributes, count),
    )


def _level(tree: ZarrTree, path: str, level: str, axes: str) -> tuple[da.Array, str]:
    """One resolution of an image, and its axes, of which those without a name are gone."""
    array = tree.array(f"{path}/{level}" if path else level)
    if len(axes) != array.ndim:
        raise tree.place.error(
            f"the metadata name {len(axes)} axes, but the array {level!r} has {array.ndim} dimensions.",
            "Let the writer's validator look at this store.",
        )
    others = [n for a, n in zip(axes, array.shape, strict=True) if a == OTHER]
    if any(n != 1 for n in others):
        raise tree.place.error(
            f"an axis with {max(others)} positions is neither time, channel nor space.",
            "Cut out one position of it first.",
        )
    kept = axes.replace(OTHER, "")
    try:
        check_axes(kept, len(kept))
    except AxesError as error:
        raise tree.place.error(error.message, error.hint) from error
    data = lazy_array(tree.place, tree.path(f"{path}/{level}" if path else level), array, axes)
    if others:
        data = data[tuple(0 if a == OTHER else slice(None) for a in axes)]
    return data, kept


def _is_smaller(shape: tuple[int, ...], than: tuple[int, ...], axes: str) -> bool:
    """Whether only rows and columns became fewer."""
    pairs = list(zip(axes, shape, than, strict=True))
    return all(a <= b if axis in "YX" else a == b for axis, a, b in pairs) and shape != than


def _bare(tree: ZarrTree, path: str, name: str) -> Recording:
    """An array without NGFF metadata."""
    array = tree.array(path)
    axes = _bare_axes(array)
    data = lazy_array(tree.place, tree.path(path), array, axes)
    return Recording(data, axes, name=name, source=tree.place.address)


def _bare_axes(array: zarr.Array) -> str:
    """Letters of dimension names (zarr 3, or xarray's), a guess, or Q for what must be named."""
    named = getattr(array.metadata, "dimension_names", None)
    named = named or array.attrs.get("_ARRAY_DIMENSIONS")
    names = named if isinstance(named, list | tuple) else ()
    found = letters([str(name) for name in names])
    if (
        len(found) == array.ndim == len(set(found))
        and set(found) >= set("YX")
        and OTHER not in found
    ):
        return found
    try:
        return guess_axes(array.shape)
    except AxesError:
        if array.ndim < 2:
            raise
        return "Q" * (array.ndim - 2) + "YX"

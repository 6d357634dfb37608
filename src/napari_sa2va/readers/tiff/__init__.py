"""TIFF, OME-TIFF and ImageJ stacks, any compression that tifffile and imagecodecs decode."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.tiff import ome_xml
from napari_sa2va.readers.tiff.chain import Chain, Measured, WithoutTail, follow_chain
from napari_sa2va.readers.tiff.facts import read_facts
from napari_sa2va.readers.tiff.imagej import check_imagej
from napari_sa2va.readers.tiff.images import BY_LOOKS, TiffImage, choose_image
from napari_sa2va.readers.tiff.micromanager import check_index
from napari_sa2va.readers.tiff.ome import (
    COMPANION,
    OmeImage,
    choose_ome,
    images_of,
    whole_document,
)
from napari_sa2va.readers.tiff.planes import RAISED_BY_TIFFFILE
from napari_sa2va.readers.tiff.stack import no_frame_yet, recording_of, truncated

if TYPE_CHECKING:
    import numpy as np
    from tifffile import TiffFile

EXTENSIONS = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm", ".stk", COMPANION)
FORMAT = ReadFormat(
    title="TIFF, OME-TIFF, ImageJ, LSM, STK, Micro-Manager",
    extensions=EXTENSIONS,
    axes="TZCYXS",
    facts="pixel size, z step, frame interval, channel names and colours, display range, pyramid",
    magic=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
    lazy="one plane",
    tested_with="files by tifffile (OME, ImageJ, BigTIFF), Pillow, bioio-ome-tiff, ome-types; "
    "LSM, STK and Micro-Manager made by hand",
)
_NOT_DESCRIBED = (
    "The file is still being written: its pages are read in their order, because what they are may "
    "be written later."
)
_ALONE = (
    "This file belongs to a set, and what describes the set is not beside it: its pages are read "
    "in their order."
)
_OTHER_PAGES = "The OME-XML does not fit the pages: they are read in their order."
# What tifffile logs is read by whoever asks for it; without a handler Python prints it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def accepts(path: Path) -> bool:
    """Whether the name or the first four bytes say TIFF, or the name a description of OME-TIFF."""
    return FORMAT.fits(path)


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a TIFF file, or the set of files that an OME-XML describes; reads no pixels.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Position or name of one of several images, or position of one of several places that a
        microscope went to. Pictures of a slide's label, thumbnails and lower resolutions do not
        count.

    Returns
    -------
    Recording
        Axes as the file names them. One unnamed axis (plain multi-page files) is T. More than one
        unnamed axis keep tifffile's letters, which must then be named by the user. Where the file
        says that zero is white, integers are turned so that bright is large; palettes become RGB,
        unless they colour one of several channels.

    Raises
    ------
    SeriesError
        If there are several images and none was chosen, or no such one.
    ClipError
        If the file is no TIFF, is truncated, a part of the set is not there or lies elsewhere, or
        more is promised than it can hold.
    """
    return _read(path, series, growing=False)


def read_growing(path: Path, *, series: int | str | None = None) -> Recording:
    """The same of a file that is still being written: those frames of which all planes are there.

    Raises
    ------
    ClipError
        As `read`, but only if no frame is complete.
    """
    return _read(path, series, growing=True)


def is_complete(path: Path) -> bool:
    """Whether a file says how many planes it will have, and all are there: OME-TIFF and ImageJ.

    A last plane of zeros is not believed: some programs make room for all planes before the first.
    """
    try:
        if not path.name.lower().endswith(COMPANION) and not _promises(path):
            return False
        try:
            images = [read(path)]
        except SeriesError as error:
            images = [read(path, series=key) for key, _ in error.choices]
        return all(_last_plane(image).any() for image in images)
    except (ClipError, OSError, *RAISED_BY_TIFFFILE):
        return False


def _last_plane(image: Recording) -> np.ndarray:
    last = tuple(slice(None) if axis in "YXS" else -1 for axis in image.axes)
    plane: np.ndarray = image.data[last].compute(scheduler="synchronous")
    return plane


def _promises(path: Path) -> bool:
    """Whether a file says how many planes it has, and does not have less, as far as its pages go."""
    with _opened(path, _check(path, growing=False)) as tif:
        if tif.is_imagej:
            return len(tif.pages) >= (tif.imagej_metadata or {}).get("images", 1)
        return bool(tif.is_ome) and not tif.is_mmstack


def files_of_set(path: Path) -> set[str]:
    """Names of all files that the OME-XML of a TIFF file speaks of; empty if it has none."""
    try:
        with _opened(path, _check(path, growing=False)) as tif:
            root = ome_xml.parse(tif.ome_metadata or "", str(path)) if tif.is_ome else None
        found = None if root is None else whole_document(path, root)
        images = images_of(*found) if found else []
        return {path.name, *(name for image in images for name in image.files())}
    except (ClipError, *RAISED_BY_TIFFFILE):  # which is told when it is opened
        return set()


def _read(path: Path, wanted: int | str | None, *, growing: bool) -> Recording:
    try:
        if path.name.lower().endswith(COMPANION):
            root = ome_xml.parse(path.read_bytes(), str(path))
            if root is None:
                raise ClipError(f"{path} is no OME-XML.", "Is the file complete?")
            return _of_set(path, path, images_of(path, root), wanted, growing)
        return _of_file(path, wanted, growing)
    except RAISED_BY_TIFFFILE as error:
        raise ClipError(
            f"{path} cannot be read as TIFF ({error or type(error).__name__}).",
            "Is the file complete, and really a TIFF file?",
        ) from error


def _check(path: Path, growing: bool) -> Chain:
    """Refuse a file whose directories are broken, before tifffile reads it."""
    chain = follow_chain(path)
    if chain.missing_at is not None and not growing:
        raise truncated(path, chain.missing_at)
    if chain.missing_at is not None and not chain.num_pages:
        raise no_frame_yet(path)
    return chain


@contextmanager
def _opened(path: Path, chain: Chain, **how: Any) -> Iterator[TiffFile]:
    """Opened as a file and not by its name, of which tifffile would follow links to other folders."""
    from tifffile import TiffFile

    whole = chain.missing_at is None
    with (
        Measured(path) if whole else WithoutTail(path, chain) as file,
        TiffFile(file, **how) as tif,
    ):
        yield tif


def _of_file(path: Path, wanted: int | str | None, growing: bool) -> Recording:
    chain = _check(path, growing)
    notes: tuple[str, ...] = ()
    with _opened(path, chain) as tif:
        if tif.is_ome and not tif.is_mmstack:
            root = ome_xml.parse(tif.ome_metadata or "", str(path))
            found = None if root is None else whole_document(path, root)
            images = images_of(*found) if found else []
            if found and images:
                return _of_set(path, found[0], images, wanted, growing)
            if root is not None and found is None:
                notes = (_ALONE,)
    # What was refused above or found wanting, tifffile must not read and believe.
    with _opened(path, chain, is_ome=False) as tif:
        check_index(path, tif)
        image = choose_image(path, tif, wanted)
        if image.series.kind in BY_LOOKS:
            check_imagej(path, tif)
            if chain.missing_at is not None:
                notes = (_NOT_DESCRIBED,)
        recording = recording_of(path, tif, image, growing=growing)
        sizes = dict(zip(recording.axes, recording.data.shape, strict=True))
        facts = read_facts(tif, image.series, sizes)
    return replace(recording, notes=notes + recording.notes, **facts)


def _of_set(
    path: Path, document: Path, images: list[OmeImage], wanted: int | str | None, growing: bool
) -> Recording:
    """One image of an OME document, whose planes may lie in several files beside it."""
    image = choose_ome(path, images, wanted)
    missing = image.missing()
    others = [document.with_name(name) for name in image.files() if name not in missing]
    for file in others:
        _check(file, growing)
    is_tiff = document.suffix.lower() not in (".ome", ".xml")
    first = document if is_tiff else next(iter(others), path if path != document else None)
    if first is None or (missing and not growing and not image.is_renamed()):
        raise ClipError(
            f"{path} is a part of a set of files, and {', '.join(missing[:5]) or 'none of them'} "
            f"{'are' if len(missing) > 1 else 'is'} not beside it.",
            "Copy all files of the set into one folder.",
        )
    with _opened(first, _check(first, growing), omexml=image.alone()) as tif:
        series = tif.series[0]
        if series.kind != "ome" and (len(images) > 1 or others):
            raise ClipError(
                f"{path}: the pages are not those that the OME-XML describes of {image.name!r}.",
                "Save the file anew with the program it comes from.",
            )
        notes = () if series.kind == "ome" else (_OTHER_PAGES,)
        recording = recording_of(path, tif, TiffImage(series), growing=growing)
    # The samples of a colour picture are one channel of OME.
    num_channels = 0 if "S" in recording.axes else recording.size("C")
    facts = ome_xml.facts(image.pixels, num_channels)
    return replace(recording, notes=notes + recording.notes, **facts)

"""Which images a TIFF file holds beside each other, and which of its pages are none."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.flag_names import asked
from napari_sa2va.readers.series import choose
from napari_sa2va.readers.tiff.ome import BESIDE

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

# What tifffile calls tiles, positions, mosaics, columns and rows: places that a stage went to.
_PLACES = "RPMJK"
# tifffile compares every page with every other one where a file has several kinds.
_MOST_MIXED = 10_000
_MOST_PLACES = 20_000
# Kinds of series that tifffile finds by what the pages look like, and not by what a program said.
BY_LOOKS = ("generic", "uniform", "")


@dataclass(frozen=True, eq=False)
class TiffImage:
    """One series of pages, or what lies at one place of it.

    Attributes
    ----------
    series : tifffile.TiffPageSeries
    place : dict of str to int
        Index along each axis of the series that counts places.
    words : str
        Name and sizes, for people.
    """

    series: TiffPageSeries
    place: dict[str, int] = field(default_factory=dict)
    words: str = ""


def choose_image(path: Path, tif: TiffFile, wanted: int | str | None) -> TiffImage:
    """The image that is meant out of a file that has no OME-XML.

    Raises
    ------
    SeriesError
        If there are several and none was chosen, or there is no such one.
    ClipError
        If there are none, or it would take long to tell them apart.
    """
    if not tif.is_uniform and len(tif.pages) > _MOST_MIXED and not _has_program(tif):
        raise ClipError(
            f"{path} has {len(tif.pages)} pages of several kinds.",
            "Save those that belong together to a file of their own.",
        )
    images = [image for series in tif.series for image in _at_places(path, series)]
    choices = [(i, image.words) for i, image in enumerate(images)]
    if wanted is not None:
        names = [image.series.name for image in images]
        named = names.index(wanted) if isinstance(wanted, str) and wanted in names else wanted
        return images[choose(path, choices, named)]
    main = [c for c, image in zip(choices, images, strict=True) if not _is_beside(image.series)]
    if len(main) > 1 and all(image.series.kind in BY_LOOKS for image in images):
        sizes = Counter(tuple(page.shape[:2]) for page in tif.pages)
        seen = ", ".join(f"{n} of {h} x {w}" for (h, w), n in sizes.items())
        if len(sizes) > 1:
            raise SeriesError(
                f"{path} has pages of several sizes (y x x): {seen}.",
                f"Choose one of them, for example {asked('series', main[0][0])}.",
                main,
            )
    kept = main or choices
    number, _ = kept[choose(path, kept, None)]
    return images[number]


def _has_program(tif: TiffFile) -> bool:
    names = ("shaped", "lsm", "imagej", "mmstack", "ndtiff", "fluoview", "stk", "scanimage", "nih")
    return any(getattr(tif, f"is_{name}") for name in names)


def _at_places(path: Path, series: TiffPageSeries) -> list[TiffImage]:
    sizes = dict(zip(series.axes.upper(), (int(n) for n in series.shape), strict=True))
    places = [axis for axis in sizes if axis in _PLACES]
    said = ", ".join(f"{a}={n}" for a, n in sizes.items() if a not in places)
    name = series.name or "pages"
    if not places or len(places) == len(sizes):
        return [TiffImage(series, words=f"{name}: {said}")]
    if math.prod(sizes[axis] for axis in places) > _MOST_PLACES:
        raise ClipError(
            f"{path} promises {' x '.join(str(sizes[axis]) for axis in places)} positions.",
            "Its header is damaged: copy the file again.",
        )
    return [
        TiffImage(
            series,
            dict(zip(places, place, strict=True)),
            f"{name}, position {', '.join(map(str, place))}: {said}",
        )
        for place in product(*(range(sizes[axis]) for axis in places))
    ]


def _is_beside(series: TiffPageSeries) -> bool:
    """Whether these are thumbnails, masks, or pictures of a slide's label."""
    page = series.keyframe
    return bool(page.is_reduced or page.is_mask or BESIDE.search(series.name or ""))

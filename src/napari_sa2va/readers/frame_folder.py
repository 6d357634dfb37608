"""A folder of numbered images, a pattern such as "run/ch0_*.png", or one single image."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.tiff_colour import pixel_meaning

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
FORMAT = ReadFormat(
    title="folders of numbered images",
    extensions=EXTENSIONS,
    axes="TYX, TYXS",
    facts="pixel size of TIFF files",
    lazy="one image",
    tested_with="vocal folds, DAVIS, yeast",
    folders=True,
)
_TIFF = (".tif", ".tiff")
# What Pillow calls the pixels, and what comes out here.
_GREY_MODES = {"L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}
_GREY_MODES |= {"1": "uint8", "LA": "uint8"}
_TAKES_FIRST_SERIES = (None, 0, "0")


def accepts(path: Path) -> bool:
    """Whether this is a folder or pattern with images in it, or one image file."""
    if path.is_dir():
        is_zarr = any((path / n).exists() for n in ("zarr.json", ".zattrs", ".zgroup", ".zarray"))
        return not is_zarr and bool(_images_in(path))
    if path.is_file():
        return path.suffix.lower() in EXTENSIONS
    return bool(_matching(path))


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open numbered images as a movie; reads the headers of all files.

    Parameters
    ----------
    path : Path
        Folder, pattern or single image. Files play in natural order (2 before 10).
    series : int or str, optional
        There is one only: anything else than 0 is refused.

    Returns
    -------
    Recording
        Axes TYX or TYXS (YX or YXS for a single image). Alpha is dropped, palettes become RGB,
        integers of which zero is white (TIFF) are turned. Missing numbers are told in `notes`.

    Raises
    ------
    ClipError
        If images differ in size or kind, several numbered series lie in one folder, or a file is
        damaged.
    """
    if series not in _TAKES_FIRST_SERIES:
        raise ClipError(f"{path} has no series {series!r}.", "Folders of images have one.")
    files = [path] if path.is_file() else (_images_in(path) or _matching(path))
    _check_one_series(path, files)
    shape, dtype = _look(files[0])
    for file in files[1:]:
        other, other_dtype = _look(file)
        if other != shape:
            raise ClipError(
                f"{file.name} is {_said(other)}, but {files[0].name} is {_said(shape)}.",
                "All frames of a clip must have one size and be all grey or all colour.",
            )
        if other_dtype != dtype:
            raise ClipError(
                f"{file.name} has pixels of type {other_dtype}, {files[0].name} of {dtype}.",
                "All frames of a clip must have one type.",
            )
    is_movie = not path.is_file()
    source = ImageFiles(str(path if path.exists() else path.parent), tuple(map(str, files)))
    lead = (len(files),) if is_movie else ()
    return Recording(
        lazy_planes(source, lead + shape, dtype, len(lead), "folder"),
        ("T" if is_movie else "") + ("YX" if len(shape) == 2 else "YXS"),
        name=path.stem if path.exists() else (path.parent.resolve().name or "images"),
        source=str(path),
        notes=_gaps(files),
        **_facts(files[0]),
    )


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = [
        f
        for f in folder.iterdir()
        if f.suffix.lower() in EXTENSIONS and not f.name.startswith(".") and f.is_file()
    ]
    return sorted(files, key=_natural)


def _matching(pattern: Path) -> list[Path]:
    if not any(c in pattern.name for c in "*?[") or not pattern.parent.is_dir():
        return []
    found = (f for f in pattern.parent.glob(pattern.name) if f.suffix.lower() in EXTENSIONS)
    return sorted((f for f in found if not f.name.startswith(".")), key=_natural)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which 2 comes before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def _check_one_series(path: Path, files: list[Path]) -> None:
    """Refuse folders in which, say, two channels lie side by side: they would play in a row."""
    kinds = Counter(re.sub(r"\d+", "#", f.name) for f in files)
    several = [kind for kind, count in kinds.items() if count > 1]
    if len(several) > 1:
        listed = ", ".join(f"{kinds[k]} of {k.replace('#', '*')}" for k in several)
        raise ClipError(
            f"{path} holds several series of images: {listed}.",
            f"Choose one with a pattern, such as {path / several[0].replace('#', '*')}.",
        )


def _said(shape: tuple[int, ...]) -> str:
    kind = "grey" if len(shape) == 2 else "colour"
    return f"{shape[0]} x {shape[1]} px (y x x), {kind}"


def _gaps(files: list[Path]) -> tuple[str, ...]:
    """A note naming the numbers that are missing, where names count with their last number."""
    numbers = [int(n[-1]) for f in files if (n := re.findall(r"\d+", f.stem))]
    if len(numbers) != len(files) or sorted(set(numbers)) != numbers or len(numbers) < 3:
        return ()
    steps = np.diff(numbers)
    step = int(np.bincount(steps).argmax())  # every second frame kept is no gap
    gaps = [(a, b) for a, b in pairwise(numbers) if b - a != step]
    if not gaps:
        return ()
    listed = ", ".join(f"between {a} and {b}" for a, b in gaps[:5]) + (", ..." * (len(gaps) > 5))
    return (f"Images are missing {listed}; the clip plays on over the gap.",)


def _look(file: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape (Y, X) or (Y, X, 3) and dtype of an image, from its header."""
    if file.suffix.lower() in _TIFF:
        return _look_tiff(file)
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            grey = _GREY_MODES.get(image.mode)
            x, y = image.size
            return ((y, x), np.dtype(grey)) if grey else ((y, x, 3), np.dtype(np.uint8))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise _unreadable(file, error) from error


def _look_tiff(file: Path) -> tuple[tuple[int, ...], np.dtype]:
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(file) as tif:
            if len(tif.pages) > 1:
                raise ClipError(
                    f"{file} has {len(tif.pages)} pages.",
                    "Images in a folder have one page each; open this file by itself.",
                )
            page = tif.pages.first
            y, x = page.imagelength, page.imagewidth
            if pixel_meaning(page).palette is not None:
                return (y, x, 3), np.dtype(np.uint8)
            shape = (y, x) if page.samplesperpixel < 3 else (y, x, 3)
            return shape, np.dtype(page.dtype)
    except (TiffFileError, ValueError, OSError, IndexError) as error:
        raise _unreadable(file, error) from error


def _facts(file: Path) -> dict[str, Any]:
    """Physical facts of the first file, where it is a TIFF file."""
    if file.suffix.lower() not in _TIFF:
        return {}
    from tifffile import TiffFile

    from napari_sa2va.readers.tiff_facts import read_facts

    with TiffFile(file) as tif:
        found = read_facts(tif, tif.series[0], 0, "YX")
    return {k: found[k] for k in ("pixel_size_um", "frame_interval_s") if k in found}


def _unreadable(file: Path, error: Exception) -> ClipError:
    return ClipError(f"{file} cannot be read as an image ({error}).", "Is the file complete?")


class ImageFiles:
    """Image files by number; each read opens and closes one of them."""

    def __init__(self, path: str, files: tuple[str, ...]) -> None:
        self.path = path
        self.files = files

    def read(self, index: int) -> np.ndarray:
        """Pixels of image `index`, (Y, X) or (Y, X, 3)."""
        file = Path(self.files[index])
        try:
            return _tiff_pixels(file) if file.suffix.lower() in _TIFF else _pixels(file)
        except FileNotFoundError as error:
            raise ClipError(f"{file} is gone.", "It was there when the clip was opened.") from error
        # Pillow: truncated data are OSError, broken PNG chunks SyntaxError.
        except (OSError, ValueError, SyntaxError, RuntimeError) as error:
            raise _unreadable(file, error) from error


def _pixels(file: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(file) as image:
        if image.mode in ("1", "LA"):
            return np.asarray(image.convert("L"))
        if image.mode in _GREY_MODES:
            return np.asarray(image).astype(_GREY_MODES[image.mode], copy=False)
        return np.asarray(image.convert("RGB"))


def _tiff_pixels(file: Path) -> np.ndarray:
    from tifffile import TiffFile

    with TiffFile(file) as tif:
        page = tif.pages.first
        pixels, meaning = page.asarray(), pixel_meaning(page)
        if page.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    return np.ascontiguousarray(meaning.apply(pixels))

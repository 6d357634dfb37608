"""One image file: what its header says, and its pixels."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.lazy import check_promise
from napari_sa2va.readers.tiff.chain import Measured, follow_chain
from napari_sa2va.readers.tiff.colour import pixel_meaning

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".jp2", ".webp")
_TIFF = (".tif", ".tiff")
# What Pillow calls the pixels, and what comes out here.
_GREY_MODES = {"L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}
_GREY_MODES |= {"1": "uint8", "LA": "uint8"}
# Pillow reads colour of 16 bits as 8: these kinds of PNG are read by another library.
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_SAMPLES = {2: 3, 4: 1, 6: 3}  # by colour type; alpha is dropped


def is_tiff(file: Path) -> bool:
    """Whether the name says TIFF."""
    return file.suffix.lower() in _TIFF


@dataclass(frozen=True)
class Look:
    """What an image's header says.

    Attributes
    ----------
    shape : tuple of int
        (Y, X) or (Y, X, 3).
    dtype : numpy.dtype
    pages : int
        More than 1 in a TIFF file that is a stack.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    pages: int = 1

    def describe(self) -> str:
        """For messages."""
        kind = "grey" if len(self.shape) == 2 else "colour"
        return f"{self.shape[0]} x {self.shape[1]} px (y x x), {kind}"


def look(file: Path) -> Look:
    """Read the header of an image.

    Raises
    ------
    ClipError
        If it cannot be read as an image.
    """
    try:
        return _look_tiff(file) if is_tiff(file) else _look(file)
    except _raised() as error:
        raise unreadable(file, error) from error


def pixels(file: Path) -> np.ndarray:
    """All pixels, (Y, X) or (Y, X, 3).

    Raises
    ------
    ClipError
        If the file is gone or cannot be decoded.
    """
    try:
        return _tiff_pixels(file) if is_tiff(file) else _pixels(file)
    except FileNotFoundError as error:
        raise ClipError(f"{file} is gone.", "It was there when the clip was opened.") from error
    except _raised() as error:
        raise unreadable(file, error) from error


def unreadable(file: Path, error: Exception) -> ClipError:
    """What is said of a file that is no image, or not all of one."""
    return ClipError(f"{file} cannot be read as an image ({error}).", "Is the file complete?")


def _raised() -> tuple[type[Exception], ...]:
    """What libraries raise on files that are damaged, or promise more than anybody believes."""
    from PIL.Image import DecompressionBombError

    # Truncated data are OSError, broken chunks of PNG SyntaxError, what imagecodecs says RuntimeError.
    return (
        OSError, ValueError, SyntaxError, RuntimeError, LookupError, TypeError, MemoryError,
        ArithmeticError, AttributeError, AssertionError, struct.error, DecompressionBombError,
    )  # fmt: skip


def _deep_samples(file: Path) -> int:
    """Samples of a pixel of a PNG file with 16 bits per sample and more than grey; else 0."""
    with file.open("rb") as opened:
        head = opened.read(26)
    if len(head) < 26 or head[:8] != _PNG_MAGIC or head[24] != 16:
        return 0
    return _PNG_SAMPLES.get(head[25], 0)


def _look(file: Path) -> Look:
    from PIL import Image

    with Image.open(file) as image:
        x, y = image.size
        if image.format == "PNG" and (samples := _deep_samples(file)):
            return Look((y, x, 3) if samples == 3 else (y, x), np.dtype(np.uint16))
        grey = _GREY_MODES.get(image.mode)
        return Look((y, x), np.dtype(grey)) if grey else Look((y, x, 3), np.dtype(np.uint8))


def _pixels(file: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(file) as image:
        if image.format == "PNG" and (samples := _deep_samples(file)):
            from imagecodecs import png_decode

            return np.ascontiguousarray(_without_alpha(png_decode(file.read_bytes()), samples))
        if image.mode in ("1", "LA"):
            return np.asarray(image.convert("L"))
        if image.mode in _GREY_MODES:
            return np.asarray(image).astype(_GREY_MODES[image.mode], copy=False)
        return np.asarray(image.convert("RGB"))


def _without_alpha(values: np.ndarray, samples: int) -> np.ndarray:
    return values[..., :3] if samples == 3 else values[..., 0]


def _look_tiff(file: Path) -> Look:
    from tifffile import TiffFile

    chain = follow_chain(file)
    if chain.missing_at is not None:
        raise ValueError(f"it ends before byte {chain.missing_at}")
    with Measured(file) as opened, TiffFile(opened, is_ome=False) as tif:
        page = tif.pages.first
        if page.dtype is None:
            raise ValueError(f"{page.bitspersample} bits in sample format {page.sampleformat}")
        y, x = page.imagelength, page.imagewidth
        size = math.prod(page.shape)
        check_promise(str(file), 1, size * np.dtype(page.dtype).itemsize)
        # Of a stack that was written in one piece, there is one page only.
        pages = max(len(tif.pages), math.prod(tif.series[0].shape) // max(size, 1))
        if pixel_meaning(page).palette is not None:
            return Look((y, x, 3), np.dtype(np.uint8), pages)
        shape = (y, x) if page.samplesperpixel < 3 else (y, x, 3)
        return Look(shape, np.dtype(page.dtype), pages)


def _tiff_pixels(file: Path) -> np.ndarray:
    from tifffile import TiffFile

    with Measured(file) as opened, TiffFile(opened) as tif:
        page = tif.pages.first
        values, meaning = page.asarray(maxworkers=1), pixel_meaning(page)
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] >= 3 else values[..., 0]
    return np.ascontiguousarray(meaning.apply(values))


class ImageFiles:
    """Image files by number; each read opens and closes one of them.

    Parameters
    ----------
    files : tuple of str
    stamp : int
        What tells apart files that were changed in between.
    """

    def __init__(self, files: tuple[str, ...], stamp: int) -> None:
        self.path = files[0]
        self.files = files
        self.stamp = stamp

    def read(self, index: int) -> np.ndarray:
        """Pixels of image `index`, (Y, X) or (Y, X, 3)."""
        return pixels(Path(self.files[index]))

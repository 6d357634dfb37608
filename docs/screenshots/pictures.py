"""Writes pictures of widgets and windows as small PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

IMAGES = Path(__file__).parent.parent / "images"
_KEPT = 128  # colours of even surfaces, such as widgets
_EVEN_PX = 5  # further than one enlarged pixel of a movie reaches
# Levels by which all but one pixel in a thousand may be off: below it, nobody sees a difference.
_LARGEST_ERROR = 32


def save_widget(widget: QWidget, name: str) -> None:
    """Save what a widget looks like now."""
    pixels = _pixels(widget)
    save(Image.fromarray(pixels), name)


def save(picture: Image.Image, name: str) -> None:
    """Save a picture with a palette where that does not hurt."""
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / name
    picture = picture.convert("RGB")
    small = _with_palette(picture)
    off = np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(picture, int)).max(axis=-1)
    is_alike = np.percentile(off, 99.9) <= _LARGEST_ERROR
    (small if is_alike else picture).save(path, optimize=True)
    print(f"{path} ({path.stat().st_size // 1024} KiB)", flush=True)


def _with_palette(picture: Image.Image) -> Image.Image:
    """A picture in 256 colours: those of even surfaces as they are, the others shared out."""
    pixels = np.asarray(picture)
    even = np.zeros(pixels.shape[:2], bool)
    even[:-_EVEN_PX, :-_EVEN_PX] = (
        (pixels[:-_EVEN_PX, :-_EVEN_PX] == pixels[_EVEN_PX:, :-_EVEN_PX])
        & (pixels[:-_EVEN_PX, :-_EVEN_PX] == pixels[:-_EVEN_PX, _EVEN_PX:])
    ).all(axis=-1)
    colours, counts = np.unique(pixels[even], axis=0, return_counts=True)
    kept = colours[np.argsort(-counts)][:_KEPT]  # text and small squares must not lose theirs
    rest = Image.fromarray(pixels[~even][None])
    shared = rest.quantize(256 - len(kept), method=Image.Quantize.MEDIANCUT, kmeans=3)
    others = shared.getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*kept.ravel().tolist(), *others[: 3 * (256 - len(kept))]])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _pixels(widget: QWidget) -> np.ndarray:
    """What a widget looks like, uint8 (Y, X, 3)."""
    from qtpy.QtGui import QImage

    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    height, width, stride = image.height(), image.width(), image.bytesPerLine()
    flat = np.frombuffer(image.constBits(), np.uint8)[: height * stride]
    return flat.reshape(height, stride)[:, : 3 * width].reshape(height, width, 3).copy()

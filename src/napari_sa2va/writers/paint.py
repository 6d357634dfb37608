"""Masks painted over a picture: a light fill, a firm contour, and text that can be read.

Masks are scaled to the size of the picture before their contour is drawn, so that lines are
equally thick whatever the size of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.palette import Color, color_of

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from napari_sa2va.core.masklet import Masklet

_FILL = 0.28
_SHADE = 0.45  # a dark rim around each contour: it then shows on white and on its own colour


def scaled_size(height: int, width: int, target_px: int, most: float = 8.0) -> tuple[int, int]:
    """Height and width with the longer side near `target_px`, enlarged at most `most` times."""
    factor = min(most, target_px / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def paint(
    rgb: np.ndarray, masklets: Sequence[Masklet], t: int, size: tuple[int, int]
) -> np.ndarray:
    """Draw the objects of one frame over it.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (Y, X, 3)
    masklets : sequence of Masklet
        Later ones are drawn over earlier ones; where they overlap both contours are seen.
    t : int
        Frame index.
    size : (int, int)
        Height and width of the result in px.

    Returns
    -------
    ndarray of uint8, shape (*size, 3)
    """
    picture = _resized(rgb, size).astype(np.float32)
    line_px = max(1, round(min(size) / 180))
    shown = [(m, _resized_mask(m.mask(t), size)) for m in masklets if m.present(t)]
    for masklet, mask in shown:
        color = np.array(color_of(masklet.object_id), np.float32)
        picture[mask] = (1 - _FILL) * picture[mask] + _FILL * color
    for masklet, mask in shown:
        contour, rim = _contour(mask, line_px)
        picture[rim] *= _SHADE
        picture[contour] = color_of(masklet.object_id)
    return np.rint(picture).astype(np.uint8)


def _resized(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    if rgb.shape[:2] == size:
        return rgb
    # Bicubic: smooth where enlarged, and Pillow widens its kernel where reduced.
    return np.asarray(Image.fromarray(rgb).resize(size[::-1], Image.Resampling.BICUBIC))


def _resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    if mask.shape == size:
        return mask
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    share = np.asarray(grey.resize(size[::-1], Image.Resampling.BILINEAR))
    resized = share > 127
    if not resized.any():  # an object smaller than a pixel here must not vanish
        resized = share == share.max()
    return resized


def _contour(mask: np.ndarray, line_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Inner contour of a mask, and a rim of one line outside of it."""
    from scipy.ndimage import distance_transform_edt

    # Only around the object: a distance map of the whole picture would cost most of the time.
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    pad = line_px + 2
    box = (
        slice(max(0, rows[0] - pad), rows[-1] + pad + 1),
        slice(max(0, columns[0] - pad), columns[-1] + pad + 1),
    )
    part = mask[box]
    # An edge of the picture is no contour: the object goes on behind it.
    inside = np.asarray(distance_transform_edt(np.pad(part, 1, mode="edge")))[1:-1, 1:-1]
    outside = np.asarray(distance_transform_edt(~part))
    contour, rim = np.zeros_like(mask), np.zeros_like(mask)
    contour[box] = part & (inside <= line_px)
    rim[box] = ~part & (outside <= max(1, line_px / 2))
    return contour, rim


@lru_cache(maxsize=16)
def font(size_px: int, bold: bool = False) -> FreeTypeFont | ImageFont:
    """DejaVu Sans where the system has it, else the face that comes with Pillow."""
    from PIL import ImageFont as faces

    for name in ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf") if bold else ("DejaVuSans.ttf",):
        try:
            return faces.truetype(name, size_px)
        except OSError:
            continue
    return faces.load_default(size_px)


def wrapped(text: str, face: FreeTypeFont | ImageFont, width_px: float, lines: int) -> list[str]:
    """Break a text into at most `lines` lines; what does not fit ends with three dots."""
    rows: list[str] = []
    for word in text.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and face.getlength(longer) <= width_px:
            rows[-1] = longer
        else:
            rows.append(word)
    if len(rows) > lines:
        rows = [*rows[: lines - 1], " ".join(rows[lines - 1 :])]
    return [_cut(row, face, width_px) for row in rows]


def _cut(row: str, face: FreeTypeFont | ImageFont, width_px: float) -> str:
    if face.getlength(row) <= width_px:
        return row
    while row and face.getlength(row + "...") > width_px:
        row = row[:-1]
    return row.rstrip() + "..."


def faded(color: Color, share: float, ground: Color) -> Color:
    """A colour mixed with the ground it lies on; `share` of it stays."""
    red, green, blue = (
        round(share * c + (1 - share) * g) for c, g in zip(color, ground, strict=True)
    )
    return red, green, blue

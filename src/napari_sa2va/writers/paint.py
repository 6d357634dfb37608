"""Masks painted over a picture: a light fill, a firm contour, and text that can be read.

Masks are scaled to the size of the picture before their contour is drawn, so that lines are
equally thick whatever the size of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.analysis.runs import areas_and_boxes
from napari_sa2va.analysis.shape import cut_out
from napari_sa2va.core.palette import Color, color_of

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from napari_sa2va.core.rle import Rle

_FILL = 0.28
_SHADE = 0.45  # a dark rim around each contour: it then shows on white and on its own colour


def scaled_size(height: int, width: int, target_px: int, most: float = 8.0) -> tuple[int, int]:
    """Height and width with the longer side near `target_px`, enlarged at most `most` times."""
    factor = min(most, target_px / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def paint(rgb: np.ndarray, codes: Mapping[int, Rle], size: tuple[int, int]) -> np.ndarray:
    """Draw the objects of one frame over it.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (Y, X, 3)
    codes : mapping of int to Rle
        Masks by object id; each has a pixel. Later ones are drawn over earlier ones; where they
        overlap both contours are seen.
    size : (int, int)
        Height and width of the result in px.

    Returns
    -------
    ndarray of uint8, shape (*size, 3)
    """
    picture = _resized(rgb, size).astype(np.float32)
    line_px = max(1, round(min(size) / 180))
    boxes = areas_and_boxes(list(codes.values()), *rgb.shape[:2])[1]
    shown = []
    for (object_id, code), box_px in zip(codes.items(), boxes.tolist(), strict=True):
        place, mask = _scaled(code, box_px, size, margin_px=line_px + 2)
        shown.append((np.array(color_of(object_id), np.float32), picture[place], mask))
    for color, part, mask in shown:
        part[mask] = (1 - _FILL) * part[mask] + _FILL * color
    for color, part, mask in shown:
        contour, rim = _contour(mask, line_px)
        part[rim] *= _SHADE
        part[contour] = color
    return np.rint(picture).astype(np.uint8)


def _resized(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    if rgb.shape[:2] == size:
        return rgb
    # Bicubic: smooth where enlarged, and Pillow widens its kernel where reduced.
    return np.asarray(Image.fromarray(rgb).resize(size[::-1], Image.Resampling.BICUBIC))


def _scaled(
    code: Rle, box_px: Sequence[int], size: tuple[int, int], margin_px: int
) -> tuple[tuple[slice, slice], np.ndarray]:
    """A mask as it lies in the picture: the part of the picture around it, and its pixels there.

    All other pixels would cost most of the time where there are many objects.
    """
    from PIL import Image

    height, width = code["size"]
    top, bottom, y0, y1 = _span(box_px[0], box_px[2], height, size[0], margin_px)
    left, right, x0, x1 = _span(box_px[1], box_px[3], width, size[1], margin_px)
    mask = cut_out(code, (y0, x0, y1, x1))
    place = slice(top, bottom), slice(left, right)
    if (height, width) == size:
        return place, mask[top - y0 : bottom - y0, left - x0 : right - x0]
    per_px_y, per_px_x = height / size[0], width / size[1]
    region = (
        left * per_px_x - x0, top * per_px_y - y0, right * per_px_x - x0, bottom * per_px_y - y0
    )  # fmt: skip
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    share = np.asarray(
        grey.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=region)
    )
    resized = share > 127
    if not resized.any():  # an object smaller than a pixel here must not vanish
        resized = (share == share.max()) & (share > 0)
        middle_y, middle_x = (box_px[0] + box_px[2]) / 2, (box_px[1] + box_px[3]) / 2
        resized[int(middle_y / per_px_y) - top, int(middle_x / per_px_x) - left] = True
    return place, resized


def _span(
    first: int, end: int, source: int, target: int, margin_px: int
) -> tuple[int, int, int, int]:
    """Along one axis: from and to in the picture, and from and to in the mask to scale that."""
    per_px = source / target
    low = max(0, math.floor(first / per_px) - margin_px)
    high = min(target, math.ceil(end / per_px) + margin_px)
    reach = math.ceil(max(1.0, per_px)) + 1  # of the kernel that scales
    least = max(0, math.floor(low * per_px) - reach)
    most = min(source, math.ceil(high * per_px) + reach)
    return low, high, least, most


def _contour(mask: np.ndarray, line_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Inner contour of a mask, and a rim of one line outside of it."""
    from scipy.ndimage import distance_transform_edt

    # An edge of the picture is no contour: the object goes on behind it. At all other edges there
    # is a margin without the object.
    inside = np.asarray(distance_transform_edt(np.pad(mask, 1, mode="edge")))[1:-1, 1:-1]
    outside = np.asarray(distance_transform_edt(~mask))
    contour: np.ndarray = mask & (inside <= line_px)
    rim: np.ndarray = ~mask & (outside <= max(1, line_px / 2))
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

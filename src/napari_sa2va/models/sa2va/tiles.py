"""Pictures as the vision tower wants them: square tiles, bicubic by PIL, ImageNet statistics.

PIL's bicubic is antialiased; torch's without antialiasing gives visibly different tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.models.sa2va.published_config import part

if TYPE_CHECKING:
    from PIL.Image import Image

# Of the ImageNet training set, as all InternVL towers use them.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# The reference fixes this whatever config.json says.
MAX_TILES = 12

# What a config.json means that does not say how large the tower's pictures are.
DEFAULT_SIDE = 224


def tile_side(config: Mapping[str, Any]) -> int:
    """Side of a tile in px, from a published config.json."""
    stated = part(config, "vision_config").get("image_size", DEFAULT_SIDE)
    return int(config.get("force_image_size") or stated)


def squashed(frame: np.ndarray, side: int) -> np.ndarray:
    """One frame of a video as one tile before normalisation; its aspect ratio is given up.

    Parameters
    ----------
    frame : ndarray of uint8, shape (Y, X, 3)
    side : int
        Side of the tile in px.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
    """
    return np.asarray(picture(frame).resize((side, side), _bicubic()))


def cut(frame: np.ndarray, side: int) -> list[np.ndarray]:
    """A single image as a grid of tiles before normalisation, row by row.

    Returns
    -------
    list of ndarray of uint8, shape (side, side, 3)
        The cells of its `best_grid`, and then the whole as one more tile if there are several.
    """
    image = picture(frame)
    columns, rows = best_grid(image.width, image.height, side)
    spread = np.asarray(image.resize((side * columns, side * rows), _bicubic()))
    tiles = [
        spread[y * side : (y + 1) * side, x * side : (x + 1) * side]
        for y in range(rows)
        for x in range(columns)
    ]
    return [*tiles, squashed(frame, side)] if len(tiles) > 1 else tiles


def normalised(tile: np.ndarray) -> np.ndarray:
    """What the tower computes with: uint8 (side, side, 3) -> float32 (3, side, side)."""
    mean, std = np.asarray(MEAN, np.float32), np.asarray(STD, np.float32)
    pixels = (np.asarray(tile, np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)


def frame_tile(frame: np.ndarray, side: int) -> np.ndarray:
    """One frame of a video as one tile; its aspect ratio is given up.

    Parameters
    ----------
    frame : ndarray of uint8, shape (Y, X, 3)
    side : int
        Side of the tile in px.

    Returns
    -------
    ndarray of float32, shape (3, side, side)
    """
    return normalised(squashed(frame, side))


def image_tiles(frame: np.ndarray, side: int) -> np.ndarray:
    """A single image as a grid of tiles, row by row, with a thumbnail of the whole at the end.

    Returns
    -------
    ndarray of float32, shape (n, 3, side, side)
        n is the number of grid cells, plus one for the thumbnail if there are several.
    """
    return np.stack([normalised(tile) for tile in cut(frame, side)])


def best_grid(width: int, height: int, side: int, max_tiles: int = MAX_TILES) -> tuple[int, int]:
    """Columns and rows of the grid whose shape is nearest to the image's.

    Of two equally near grids the larger is taken if the image has more than half its pixels.

    Examples
    --------
    >>> best_grid(640, 360, 448)  # 16:9 is nearest to 2:1 among small grids
    (2, 1)
    """
    grids = [
        (columns, rows)
        for columns in range(1, max_tiles + 1)
        for rows in range(1, max_tiles + 1)
        if columns * rows <= max_tiles
    ]
    best, nearest = (1, 1), float("inf")
    for columns, rows in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        distance = abs(width / height - columns / rows)
        large_enough = width * height > 0.5 * side * side * columns * rows
        if distance < nearest or (distance == nearest and large_enough):
            best, nearest = (columns, rows), distance
    return best


def picture(frame: np.ndarray) -> Image:
    """A frame as PIL takes it.

    Raises
    ------
    ShapeMismatch
        If it is not uint8 (Y, X, 3).
    """
    from PIL import Image as Pil

    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ShapeMismatch(
            f"a frame is {frame.dtype} of shape {frame.shape}.", "Give uint8 (Y, X, 3)."
        )
    return Pil.fromarray(np.ascontiguousarray(frame))


def _bicubic() -> int:
    from PIL import Image as Pil

    return Pil.Resampling.BICUBIC

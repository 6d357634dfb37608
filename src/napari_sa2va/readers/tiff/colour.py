"""What the numbers of a TIFF page mean: zero may be white, or a place in a table of colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tifffile import TiffPage

# Microscopes write 16-bit values with a display table; 8-bit colours would lose what they measured.
_PALETTE_BITS = 8


@dataclass(frozen=True, eq=False)
class PixelMeaning:
    """How stored values become what is seen.

    Attributes
    ----------
    top : int or None
        Stored value that is black, where zero is white.
    palette : ndarray of uint8, shape (entries, 3), or None
        Red, green and blue of each stored value.
    """

    top: int | None = None
    palette: np.ndarray | None = None

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels in which bright is large.

        Returns
        -------
        ndarray
            Same shape and dtype; with a palette uint8 and red, green, blue as a last dimension.
        """
        if self.palette is not None:
            return np.take(self.palette, pixels, axis=0)
        if self.top is None:
            return pixels
        if pixels.dtype == np.bool_:
            return ~pixels
        # -1 - x swaps the two ends of a signed dtype.
        return np.subtract(self.top, pixels, dtype=pixels.dtype)


def pixel_meaning(page: TiffPage) -> PixelMeaning:
    """Read off a page how its values are meant.

    Returns
    -------
    PixelMeaning
        Values are kept as they are in float pages, and in palette pages of more than 8 bits,
        with several samples, or without a complete table.
    """
    from tifffile import PHOTOMETRIC

    kind = np.dtype(page.dtype).kind
    if page.photometric == PHOTOMETRIC.MINISWHITE and kind in "bui":
        return PixelMeaning(top=-1 if kind == "i" else 2**page.bitspersample - 1)
    if page.photometric == PHOTOMETRIC.PALETTE and kind in "bu":
        table, bits = page.colormap, page.bitspersample
        is_simple = page.samplesperpixel == 1 and bits <= _PALETTE_BITS
        if is_simple and table is not None and table.shape[1] >= 2**bits:
            # The standard says 16 bits per colour; some programs write 8.
            scaled = table >> 8 if table.max() > 255 else table
            return PixelMeaning(palette=np.ascontiguousarray(scaled.T.astype(np.uint8)))
    return PixelMeaning()

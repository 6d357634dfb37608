"""Pictures in a report: made smaller and put into the page, which stays of a size that opens."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

MOST_BYTES = 24_000_000
"""Of all pictures of a page."""

# From large to small: width in px and JPEG quality.
_SIZES = ((960, 82), (720, 80), (540, 76), (400, 70))


class Pictures:
    """Makes pictures for a page, and sees to it that they stay below a number of bytes.

    Parameters
    ----------
    number : int
        How many there will be.
    most_bytes : int
        Of all of them, as they stand in the page.

    Attributes
    ----------
    left_out : int
        Pictures for which there was no room.
    """

    def __init__(self, number: int, most_bytes: int = MOST_BYTES) -> None:
        self._to_come = number
        self._room = most_bytes
        self._size = 0
        self.left_out = 0

    def embedded(self, path: Path) -> str:
        """A picture as a ``data:`` address; empty if there is none, or no room for it.

        Each may have an equal share of the room that is left. Where that is little, all are smaller.
        """
        share = self._room / max(self._to_come, 1)
        self._to_come -= 1
        if not path.is_file():
            return ""
        # A page of many movies has small pictures from the first one on.
        for size in range(self._size, len(_SIZES)):
            address = _address(path, *_SIZES[size])
            if len(address) <= share:
                self._size = max(self._size, size - 1)
                self._room -= len(address)
                return address
            if not address:
                return ""
        self.left_out += 1
        return ""


def _address(path: Path, width: int, quality: int) -> str:
    """The picture, not wider than that; empty if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            shown = picture.convert("RGB")
            if shown.width > width:
                height = max(1, round(shown.height * width / shown.width))
                shown = shown.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
            jpeg = BytesIO()
            shown.save(jpeg, "JPEG", quality=quality, optimize=True)
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")

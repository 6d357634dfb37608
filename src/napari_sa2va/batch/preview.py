"""Pictures of a unit for people who look at a batch: ``last.png`` while it runs, ``sheet.png`` after."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from napari_sa2va.batch.found import Found
from napari_sa2va.batch.journal import FrameCodes
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.writers.overlay_sheet import draw_sheet
from napari_sa2va.writers.paint import paint, scaled_size
from napari_sa2va.writers.paths import Ready, replacing

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Overlap

_SIDE_PX = 320
_EVERY_S = 3.0
# Most of a run's time that is spent on its picture: of a large movie the frame is read once more.
_SHARE = 0.02
# Z_RLE of zlib: pictures of a microscope have little else that could be compressed, and the usual
# search for it takes five times as long.
_RUNS = 3


class LastMask:
    """Draws now and then the masks of the frame that was just done, over the frame.

    Parameters
    ----------
    path : Path
        Of the PNG, whose longer side has 320 px at most.
    clip : Clip
    ready : callable
        See `Ready`.
    """

    def __init__(self, path: Path, clip: Clip, ready: Ready) -> None:
        self._path = path
        self._clip = clip
        self._ready = ready
        self._due = float("-inf")  # on the clock `monotonic`

    def show(self, frame: int, drawn: FrameCodes) -> None:
        """Draw a frame if it is time. A picture that cannot be drawn, or written, stops nothing."""
        begun = monotonic()
        if begun < self._due:
            return
        with suppress(Sa2vaError, OSError):
            self._draw(frame, drawn)
        ended = monotonic()
        self._due = ended + max(_EVERY_S, (ended - begun) / _SHARE)

    def _draw(self, frame: int, drawn: FrameCodes) -> None:
        from PIL import Image

        clip = self._clip
        height, width = scaled_size(clip.height, clip.width, _SIDE_PX)
        picture = paint(clip.rgb(frame), drawn.shown.codes, (height, width))
        with replacing(self._path, overwrite=True, ready=self._ready) as new:
            Image.fromarray(picture).save(new)


def write_sheet(path: Path, found: Found, clip: Clip, overlap: Overlap, ready: Ready) -> None:
    """Draw up to eight frames with their masks, and a legend; for `ready` see `Ready`.

    Raises
    ------
    ClipError
        If a frame of the movie cannot be read.
    OutputError
        If the file cannot be written.
    """
    sheet = draw_sheet(found.result(clip, overlap))
    with replacing(path, overwrite=True, ready=ready) as new:
        sheet.save(new, compress_type=_RUNS)

"""Cutting frames into tiles that overlap."""

from __future__ import annotations

from napari_sa2va.core.region_box import Box


def tiles(height: int, width: int, side_px: int, overlap_px: int) -> list[Box]:
    """Cover a frame with as few tiles of about the same size as there can be, row by row.

    Parameters
    ----------
    height, width : int
        Of the frame, in px.
    side_px : int
        Longest side of a tile, more than the overlap.
    overlap_px : int
        Rows or columns that two neighbours have in common.
    """
    return [
        Box(y0, x0, y1, x1)
        for y0, y1 in spans(height, side_px, overlap_px)
        for x0, x1 in spans(width, side_px, overlap_px)
    ]


def spans(length: int, longest: int, overlap: int) -> list[tuple[int, int]]:
    """Cut a side into pieces (start, end), the end not included, no longer than `longest`.

    Examples
    --------
    >>> spans(100, 60, 10)
    [(0, 55), (45, 100)]
    >>> spans(60, 60, 10)
    [(0, 60)]
    """
    if length <= longest:
        return [(0, length)]
    count = -(-(length - overlap) // (longest - overlap))
    # Where pieces without an overlap would meet; each is then made longer on its inner sides.
    steps = [overlap + i * (length - overlap) / count for i in range(1, count)]
    ends = [*(int(end) for end in steps), length]
    return [(0 if i == 0 else ends[i - 1] - overlap, end) for i, end in enumerate(ends)]

"""A region of interest: the rows and columns of a frame that are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.prompt import Point, Prompt

SMALLEST_PX = 16
"""Side of the smallest region that a person can choose: in less, no model sees anything."""


@dataclass(frozen=True)
class Box:
    """Rows `y0` to `y1` and columns `x0` to `x1` of a frame, in px, ends not included.

    Attributes
    ----------
    y0, x0 : int
        First row and column, from 0.
    y1, x1 : int
        Behind the last row and column; more than `y0` and `x0`.

    Raises
    ------
    RequestError
        If nothing lies inside, or a number is negative.
    """

    y0: int
    x0: int
    y1: int
    x1: int

    def __post_init__(self) -> None:
        if min(self.y0, self.x0) < 0 or self.y1 <= self.y0 or self.x1 <= self.x0:
            raise RequestError(
                f"Rows {self.y0} to {self.y1} and columns {self.x0} to {self.x1} are no region.",
                "Give y0 < y1 and x0 < x1, counted from 0.",
            )

    @classmethod
    def around(cls, points_yx: np.ndarray, height: int, width: int) -> Box:
        """Every pixel of a frame that a drawn rectangle touches.

        Parameters
        ----------
        points_yx : ndarray, shape (n, 2)
            Corners; the centre of the first pixel is at (0, 0), its edge at -0.5.
        height, width : int
            Size of the frame in px; what lies outside is cut off.

        Raises
        ------
        RequestError
            If the rectangle lies outside the frame, or if it is smaller than `SMALLEST_PX`.
        """
        low = np.floor(np.min(points_yx, axis=0) + 0.5)
        high = np.ceil(np.max(points_yx, axis=0) + 0.5)
        y0, x0 = (int(v) for v in np.maximum(low, 0))
        y1, x1 = (int(v) for v in np.minimum(high, (height, width)))
        if y1 <= y0 or x1 <= x0:
            raise RequestError(
                f"The region lies outside the image of {height} × {width} px.",
                "Move the rectangle onto the image.",
            )
        if min(y1 - y0, x1 - x0) < SMALLEST_PX:
            raise RequestError(
                f"The region has {y1 - y0} × {x1 - x0} px of the image, which is too little.",
                f"Draw a rectangle of at least {SMALLEST_PX} × {SMALLEST_PX} px.",
            )
        return cls(y0, x0, y1, x1)

    @classmethod
    def from_json(cls, numbers: Iterable[int]) -> Box:
        """The box that `to_json` wrote.

        Raises
        ------
        RequestError
            If these are not four whole numbers.
        """
        given = list(numbers)
        if len(given) != 4 or any(isinstance(n, bool) or n != int(n) for n in given):
            raise RequestError(f"{given!r} is no region.", "Give y0, x0, y1, x1 in px.")
        return cls(*(int(n) for n in given))

    def to_json(self) -> list[int]:
        """The numbers y0, x0, y1, x1."""
        return [self.y0, self.x0, self.y1, self.x1]

    @property
    def height(self) -> int:
        """Rows in px, at least 1."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns in px, at least 1."""
        return self.x1 - self.x0

    def check_inside(self, height: int, width: int) -> None:
        """Raise `RequestError` if a part of the box lies outside a frame of this size."""
        if self.y1 > height or self.x1 > width:
            raise RequestError(
                f"Rows {self.y0} to {self.y1} and columns {self.x0} to {self.x1} reach over the "
                f"frame of {height} × {width} px.",
                "Give a region inside the frame.",
            )

    def within(self, outer: Box) -> Box:
        """A box given in px of `outer`'s inside, in px of the frame that `outer` lies in."""
        y, x = outer.y0, outer.x0
        return Box(y + self.y0, x + self.x0, y + self.y1, x + self.x1)

    def crop(self, frame: np.ndarray) -> np.ndarray:
        """The part of a frame, (Y, X) or (Y, X, C), that lies inside; shares its memory."""
        self.check_inside(*frame.shape[:2])
        return frame[self.y0 : self.y1, self.x0 : self.x1]

    def paste(self, part: np.ndarray, height: int, width: int) -> np.ndarray:
        """A mask or label image of the inside, in a full frame that is empty elsewhere.

        Parameters
        ----------
        part : ndarray, shape (y1 - y0, x1 - x0)
            Of bool or of labels.
        height, width : int
            Size of the frame in px.

        Returns
        -------
        ndarray, shape (height, width), dtype of `part`

        Raises
        ------
        ShapeMismatch
            If `part` has another size than the box.
        RequestError
            If the box reaches over the frame.
        """
        self.check_inside(height, width)
        if part.shape != (self.height, self.width):
            raise ShapeMismatch(
                f"A mask of shape {part.shape} does not fit a region of "
                f"{self.height} × {self.width} px.",
                "Give the mask of the cropped frame.",
            )
        frame = np.zeros((height, width), part.dtype)
        frame[self.y0 : self.y1, self.x0 : self.x1] = part
        return frame

    def describe(self) -> str:
        """The box in words, first and last included: "rows 20 to 83, columns 0 to 63"."""
        return f"rows {self.y0} to {self.y1 - 1}, columns {self.x0} to {self.x1 - 1}"


def as_box(region: Box | Sequence[int]) -> Box:
    """A box, given as one or as the numbers y0, x0, y1, x1."""
    return region if isinstance(region, Box) else Box.from_json(region)


def prompt_inside(prompt: Prompt, box: Box) -> Prompt:
    """Marks made on the full frame, in px of the cropped one.

    Points outside are left out, a box and a mask are cut off. A mask of which nothing is left says
    that the object is not in the region on this frame; points that put it right are then the only
    ones that say where it is. A sentence or a phrase has no place and stays as it is.

    Raises
    ------
    RequestError
        If the points and the box that say where the object is, or the points that put a mask right,
        all lie outside.
    """
    mask = None if prompt.mask is None else box.crop(prompt.mask)
    if not prompt.points and prompt.box is None:
        return prompt if mask is None else replace(prompt, mask=mask)
    points = tuple(
        # The edge of the first pixel lies at -0.5, and is inside.
        Point(max(p.y - box.y0, 0.0), max(p.x - box.x0, 0.0), p.positive)
        for p in prompt.points
        if box.y0 - 0.5 <= p.y < box.y1 - 0.5 and box.x0 - 0.5 <= p.x < box.x1 - 0.5
    )
    if mask is not None and mask.any() and points:
        return replace(prompt, points=points, mask=mask)
    marked = _part_of(prompt.box, box)
    # Where it is not does not say where it is.
    is_lost = not any(p.positive for p in points) and (
        mask is not None or any(p.positive for p in prompt.points)
    )
    if marked is None and (is_lost or not points):
        raise RequestError(
            f"What marks {prompt.name!r} lies outside the region ({box.describe()}).",
            "Mark it inside, or look in the whole image.",
        )
    return replace(prompt, points=points, box=marked, mask=None)


def _part_of(
    marked: tuple[float, float, float, float] | None, box: Box
) -> tuple[float, float, float, float] | None:
    """A marked box in px of the region, cut off at its edges; None if nothing is left."""
    if marked is None:
        return None
    y0, y1 = (min(max(v - box.y0, 0.0), float(box.height)) for v in marked[::2])
    x0, x1 = (min(max(v - box.x0, 0.0), float(box.width)) for v in marked[1::2])
    return (y0, x0, y1, x1) if y1 > y0 and x1 > x0 else None

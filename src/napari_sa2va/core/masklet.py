"""Masklets: one object's masks over time. They are the truth; label images are views of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError, ShapeMismatch

Overlap = Literal["first", "last"]
"""Which of two overlapping objects keeps a pixel of a label image, in the order of their ids."""


def label_dtype(largest_id: int) -> np.dtype:
    """The dtype of label images that hold ids up to this one: uint16 where it is enough."""
    return np.dtype(np.uint16 if largest_id <= np.iinfo(np.uint16).max else np.uint32)


@dataclass
class Masklet:
    """One object over all frames of a clip.

    Attributes
    ----------
    object_id : int
        Label, from 1.
    name, text : str
        What it is called, and the sentence that asked for it.
    height, width : int
        Frame size in px.
    codes : list of Rle or None
        One per frame; None where the frame was not reached.
    scores : list of float
        Per frame, how sure the model is that the object is there, in [0, 1]; NaN where unknown.
    answer : str
        What the model said, without special tokens.
    found : bool
        Whether the model answered with a mask at all.
    """

    object_id: int
    name: str
    text: str
    height: int
    width: int
    codes: list[rle.Rle | None]
    scores: list[float] = field(default_factory=list)
    answer: str = ""
    found: bool = True

    def __post_init__(self) -> None:
        if not self.scores:
            self.scores = [float("nan")] * len(self.codes)

    @classmethod
    def empty(cls, object_id: int, name: str, text: str, shape: tuple[int, int, int]) -> Masklet:
        """Make a masklet of which no frame is known yet; `shape` is (T, Y, X)."""
        num_frames, height, width = shape
        return cls(object_id, name, text, height, width, [None] * num_frames)

    @property
    def num_frames(self) -> int:
        """Length of the clip in frames."""
        return len(self.codes)

    def mask(self, t: int) -> np.ndarray:
        """Return the mask of frame `t`, bool (Y, X); all False where nothing is known."""
        code = self.codes[t]
        if code is None:
            return np.zeros((self.height, self.width), dtype=bool)
        return rle.decode(code)

    def set_mask(self, t: int, mask: np.ndarray, score: float = float("nan")) -> None:
        """Store the mask of frame `t`.

        Raises
        ------
        ShapeMismatch
            If the mask is not (Y, X) of this masklet.
        """
        if mask.shape != (self.height, self.width):
            raise ShapeMismatch(
                f"A mask of shape {mask.shape} was given for frames of "
                f"{self.height} x {self.width} px.",
                "Masks must have the size of the clip.",
            )
        self.codes[t] = rle.encode(mask)
        self.scores[t] = float(score)

    def declare_absent(self) -> None:
        """Say that the object is on no frame: empty masks, score 0."""
        nothing = np.zeros((self.height, self.width), dtype=bool)
        for t in range(self.num_frames):
            self.set_mask(t, nothing, 0.0)

    def area(self, t: int) -> int:
        """Return the area in px on frame `t`; 0 where nothing is known."""
        code = self.codes[t]
        return 0 if code is None else rle.area(code)

    def present(self, t: int) -> bool:
        """Whether the object has at least one pixel on frame `t`."""
        return self.area(t) > 0

    @property
    def frames_present(self) -> list[int]:
        """Frames on which the object has at least one pixel."""
        return [t for t in range(self.num_frames) if self.present(t)]


def label_frame(masklets: Sequence[Masklet], t: int, overlap: Overlap = "last") -> np.ndarray:
    """Paint the masklets of one frame into a label image.

    Parameters
    ----------
    masklets : sequence of Masklet
    t : int
        Frame index.
    overlap : {"last", "first"}
        Which of two overlapping objects keeps the pixel, in the order given.

    Returns
    -------
    ndarray of uint16, shape (Y, X)

    Raises
    ------
    RequestError
        If there are no masklets, or an id does not fit 16 bits.
    """
    if not masklets:
        raise RequestError("There is no object to paint.", "Give at least one masklet.")
    labels = np.zeros((masklets[0].height, masklets[0].width), dtype=np.uint16)
    ordered = masklets if overlap == "last" else masklets[::-1]
    for masklet in ordered:
        if masklet.object_id > np.iinfo(np.uint16).max:
            raise RequestError(
                f"Object id {masklet.object_id} does not fit a 16-bit label image.",
                "Number the objects from 1.",
            )
        labels[masklet.mask(t)] = masklet.object_id
    return labels

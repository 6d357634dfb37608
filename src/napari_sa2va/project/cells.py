"""The values a project is made of: what one object is on one frame, and what it is called.

Both are frozen. A change of a project swaps one value for another, so that keeping the old ones is
all that undo needs, and keeping them costs no more than their run-length codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from napari_sa2va.core.palette import Color, color_of
from napari_sa2va.core.rle import Rle

Origin = Literal["", "key", "model", "hand", "clicks", "words", "absent", "given"]
"""Where a mask comes from: nowhere yet, a key frame drawn before the sweep came by, the tracker, a
brush, clicks or a box, a sentence about this frame, a person's word that nothing is there, a file."""

_BY_A_PERSON: frozenset[Origin] = frozenset({"hand", "clicks", "words", "absent"})


@dataclass(frozen=True, eq=False)
class Cell:
    """One object on one frame.

    Attributes
    ----------
    code : Rle or None
        The mask; None where nothing is known.
    score : float
        How sure the model is that the object is there, in [0, 1]; NaN where it was not asked.
    origin : str
        See `Origin`.
    locked : bool
        Whether a person said that this is right. A locked cell is not changed before it is
        unlocked.
    """

    code: Rle | None = None
    score: float = math.nan
    origin: Origin = ""
    locked: bool = False

    @property
    def final(self) -> bool:
        """Whether this is more than a preview."""
        return self.origin not in ("", "key")

    @cached_property
    def present(self) -> bool:
        """Whether the mask has a pixel."""
        return self.code is not None and bool(self.code["counts"][1::2].any())

    @property
    def corrected(self) -> bool:
        """Whether a person put it right, so that it conditions what is carried on from it."""
        return self.origin in _BY_A_PERSON


UNKNOWN = Cell()


@dataclass(frozen=True)
class Card:
    """What is known of an object as a whole.

    Attributes
    ----------
    object_id : int
        From 1; also its label.
    name, text : str
        What it is called, and the sentence that asked for it, if one did.
    color : tuple of int
        Red, green and blue, 0 to 255.
    answer : str
        What the model said.
    found : bool
        Whether the model answered with a mask.
    parents : tuple of int
        The objects that divided, or merged, into this one.
    """

    object_id: int
    name: str
    text: str = ""
    color: Color = (0, 0, 0)
    answer: str = ""
    found: bool = True
    parents: tuple[int, ...] = ()

    @classmethod
    def new(cls, object_id: int, name: str, text: str = "") -> Card:
        """A card in the colour of its id."""
        return cls(object_id, name, text, color_of(object_id))

"""Key frames, and what a rule that picks them must be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params


@dataclass(frozen=True)
class KeyFrames:
    """The frames shown to the language model.

    Attributes
    ----------
    frames : tuple of int
        Sorted, unique, 0-based.
    reason : str
        The rule that picked them, in words for the run record.
    """

    frames: tuple[int, ...]
    reason: str

    @classmethod
    def of(cls, frames: Iterable[int], num_frames: int, reason: str) -> KeyFrames:
        """Sort, de-duplicate and check frame indices.

        Raises
        ------
        RequestError
            If none is left, or one lies outside the clip.
        """
        unique = tuple(sorted({int(t) for t in frames}))
        if not unique:
            raise RequestError("No key frame was picked.", "Name at least one frame.")
        outside = [t for t in unique if not 0 <= t < num_frames]
        if outside:
            raise RequestError(
                f"Key frames {outside} are outside the clip, which has frames 0 to {num_frames - 1}.",
                "Name frames inside the clip.",
            )
        return cls(unique, reason)


class Sampling(Params):
    """Base of the sampling rules: a frozen choice that, called, picks key frames.

    A rule is a file here and a line in `sampling/__init__.py`. It carries a `kind` tag and
    defines `__call__(num_frames) -> KeyFrames`. The first line of its docstring is shown to users.
    """

    def __call__(self, num_frames: int) -> KeyFrames:
        raise NotImplementedError


def count_field(default: int, title: str = "Key frames") -> int:
    """Declare the field that says how many frames the language model sees."""
    return Field(
        default, ge=1, le=100, title=title, description="How many frames the language model sees."
    )

"""What a reader hands over: lazy pixels with named axes and the physical facts of the file.

A `Recording` is the file as it is; a `Clip` (see `core/clip.py`) is the part of it that plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.core.axes import KNOWN_AXES
from napari_sa2va.core.privacy import NOBODY, Private

if TYPE_CHECKING:
    import dask.array as da

    from napari_sa2va.core.intensity import Limits


@dataclass(frozen=True, eq=False)
class Recording:
    """A file or array with named axes, read lazily.

    Attributes
    ----------
    data : dask.array.Array
        Pixels in the file's own dtype. A chunk holds no more than one plane.
    axes : str
        One letter per dimension of `data`, out of "TZCYXS" (S: red, green, blue samples).
    name : str
        Short name for people, usually the file's stem.
    source : str or None
        Path of the file or folder; None for an array.
    pixel_size_um : tuple of float or None
        Height and width of a pixel in um, (y, x).
    z_step_um : float or None
        Distance of two z planes in um.
    frame_interval_s : float or None
        Time between two frames in s; their median if the rate varies.
    channel_names : tuple of str
        One name per position of C (or S); empty where the file names none.
    channel_colors : tuple of str
        One "#rrggbb" per position of C, as the file has it shown; empty where it names none.
    window : tuple of (float, float)
        Values that the file has shown black and at full brightness, one pair per position of C or
        one for all; empty where it does not say.
    pyramid : tuple of dask.array.Array
        The same at lower resolutions, the largest first, with the same axes; only Y and X differ.
    variable_rate : bool
        Whether the time between frames varies.
    left_out : tuple of str
        Names of what the file says of a person and what was not taken over.
    private : Private
        The words about that person, to be taken out of what is written; in memory only.
    notes : tuple of str
        What a person should know about how the file was read.
    """

    data: da.Array
    axes: str
    name: str = "clip"
    source: str | None = None
    pixel_size_um: tuple[float, float] | None = None
    z_step_um: float | None = None
    frame_interval_s: float | None = None
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str, ...] = ()
    window: tuple[Limits, ...] = ()
    pyramid: tuple[da.Array, ...] = ()
    variable_rate: bool = False
    left_out: tuple[str, ...] = ()
    private: Private = NOBODY
    notes: tuple[str, ...] = ()

    def size(self, axis: str) -> int:
        """Number of positions along an axis; 1 where the recording does not have it."""
        return int(self.data.shape[self.axes.index(axis)]) if axis in self.axes else 1

    def describe(self) -> str:
        """The axes with their sizes, for messages: "T=5, C=2, Y=64, X=64"; "?" has no name."""
        named = [axis if axis in KNOWN_AXES else "?" for axis in self.axes]
        return ", ".join(f"{a}={n}" for a, n in zip(named, self.data.shape, strict=True))

"""Lengths and times of a TrackMate file: in um and s where they are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result


@dataclass(frozen=True)
class Scale:
    """What a pixel, a plane and a frame are.

    Attributes
    ----------
    space_unit, time_unit : str
        In TrackMate's words: "µm" or "pixel", "sec" or "frame".
    pixel_yx : tuple of float
        Height and width of a pixel.
    plane : float
        Distance of z planes; 1 if there is one.
    frame : float
        Time between frames.
    first_yx_px : tuple of int
        Where the first pixel lies in the frames of the source.
    is_volume : bool
        Whether objects are volumes.
    """

    space_unit: str
    time_unit: str
    pixel_yx: tuple[float, float]
    plane: float
    frame: float
    first_yx_px: tuple[int, int]
    is_volume: bool

    @classmethod
    def of(cls, result: Result) -> Scale:
        """The scale of a result; in pixels if any of its lengths is not known."""
        clip = result.clip
        is_volume = result.num_z > 1
        pixel, plane = clip.pixel_size_um, clip.z_step_um if is_volume else 1.0
        unit = "µm"
        if pixel is None or plane is None:
            unit, pixel, plane = "pixel", (1.0, 1.0), 1.0
        seconds = clip.frame_interval_s
        first = (0, 0) if clip.box is None else (clip.box.y0, clip.box.x0)
        time_unit, frame = ("frame", 1.0) if seconds is None else ("sec", seconds)
        return cls(unit, time_unit, pixel, plane, frame, first, is_volume)

    @property
    def pixel(self) -> float:
        """Area of a pixel, or volume of a voxel."""
        area = self.pixel_yx[0] * self.pixel_yx[1]
        return area * self.plane if self.is_volume else area

    def place(self, zyx_px: np.ndarray) -> np.ndarray:
        """Positions in the source's frames, of positions in px of the clip, float64 (K, 3)."""
        first = np.array([0, *self.first_yx_px])
        return np.asarray((zyx_px + first) * [self.plane, *self.pixel_yx])

"""Rules that pick the key frames. One rule, one file, one line below."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_sa2va.sampling.base import KeyFrames, Sampling
from napari_sa2va.sampling.first import First
from napari_sa2va.sampling.interval import Interval
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.sampling.window import Window

SAMPLINGS: tuple[type[Sampling], ...] = (First, Interval, Uniform, Window, Manual)

AnySampling = Annotated[First | Interval | Uniform | Window | Manual, Field(discriminator="kind")]

__all__ = ["SAMPLINGS", "AnySampling", "KeyFrames", "Sampling"]

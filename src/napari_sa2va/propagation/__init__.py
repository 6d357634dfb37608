"""Orders in which frames are tracked. One order, one file, one line below."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_sa2va.propagation.backward import Backward
from napari_sa2va.propagation.base import Pass, Propagation
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.forward import Forward
from napari_sa2va.propagation.none import KeyFramesOnly
from napari_sa2va.propagation.range import Range

PROPAGATIONS: tuple[type[Propagation], ...] = (Forward, Backward, Both, Range, KeyFramesOnly)

AnyPropagation = Annotated[
    Forward | Backward | Both | Range | KeyFramesOnly, Field(discriminator="kind")
]

__all__ = ["PROPAGATIONS", "AnyPropagation", "Pass", "Propagation"]

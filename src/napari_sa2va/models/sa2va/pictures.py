"""What a vision tower is shown of a frame, in colours that a person can look at.

The readers of both families call what is here and normalise its result, so a picture that is shown
before a run is the one that the run will show to the model. No network and no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va import tiles
from napari_sa2va.models.sa2va.checkpoint import read_json, read_preprocessor
from napari_sa2va.models.sa2va.published_config import is_internvl, is_qwen_vl
from napari_sa2va.models.sa2va.qwen_pictures import PatchLayout, resized
from napari_sa2va.models.sa2va.qwen_prompt import READINGS, Reading
from napari_sa2va.models.sa2va.qwen_vl import vision_sizes

if TYPE_CHECKING:
    from napari_sa2va.models.catalogue import ModelEntry
    from napari_sa2va.models.sa2va.prompt_format import Mode

# All published checkpoints of the InternVL family; px.
_PUBLISHED_SIDE = 448
# Side of a vision token in px, by how the base of a published checkpoint is called.
_PUBLISHED_STEPS = {"Qwen2.5-VL": 28, "Qwen3-VL": 32}


@dataclass(frozen=True, eq=False)
class Shown:
    """What a tower is shown of one frame.

    Attributes
    ----------
    pixels : tuple of ndarray of uint8, shape (Y, X, 3)
        The pictures that enter the tower, before normalisation, in their order.
    rows, columns : int
        The grid of which the first of them are the cells, row by row. One more shows the whole.
    """

    pixels: tuple[np.ndarray, ...]
    rows: int = 1
    columns: int = 1

    @property
    def overview(self) -> np.ndarray | None:
        """The picture of the whole that follows the cells of a grid; None for a single picture."""
        return self.pixels[-1] if len(self.pixels) > self.rows * self.columns else None


@dataclass(frozen=True)
class Squares:
    """Pictures as the InternVL family takes them: squares of a given side, in px."""

    side: int

    def __call__(self, frame: np.ndarray, mode: Mode, num_pictures: int) -> Shown:
        """A key frame squashed into one square, or a single picture cut into several.

        Parameters
        ----------
        frame : ndarray of uint8, shape (Y, X, 3)
        mode : {"video", "image"}
        num_pictures : int
            How many frames are shown together; of no effect here.
        """
        if mode == "video":
            return Shown((tiles.squashed(frame, self.side),))
        columns, rows = tiles.best_grid(frame.shape[1], frame.shape[0], self.side)
        return Shown(tuple(tiles.cut(frame, self.side)), rows, columns)


@dataclass(frozen=True)
class Fitted:
    """Pictures as the Qwen-VL family takes them: about their own shape, within limits.

    Attributes
    ----------
    step : int
        Sides are multiples of it, in px.
    resample : int
        A filter, by PIL's number.
    reading : Reading
    """

    step: int
    resample: int
    reading: Reading

    def __call__(self, frame: np.ndarray, mode: Mode, num_pictures: int) -> Shown:
        """A frame resized; several may be smaller than a single one.

        Parameters
        ----------
        frame : ndarray of uint8, shape (Y, X, 3)
        mode : {"video", "image"}
            Of no effect here.
        num_pictures : int
            How many frames are shown together.

        Raises
        ------
        RequestError
            If one side of the frame is more than 200 times the other.
        """
        limits = self.reading.limits(num_pictures)
        before = self.reading.resized_before
        pixels = resized(frame, self.step, limits, resample=self.resample, first=before)
        return Shown((pixels,))


Way = Squares | Fitted


def way_of(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any], reading: str = "published"
) -> Way:
    """How a checkpoint's tower is shown pictures.

    Parameters
    ----------
    config, preprocessor : mapping
        A published config.json and, for the Qwen-VL family, preprocessor_config.json.
    reading : {"published", "trained"}

    Raises
    ------
    CheckpointError
        If the files are of no family that is known, or do not fit each other.
    """
    if is_internvl(config):
        return Squares(tiles.tile_side(config))
    if is_qwen_vl(config):
        layout = PatchLayout.published(preprocessor, vision_sizes(config))
        return Fitted(layout.step, layout.resample, READINGS[reading])
    raise CheckpointError(
        "config.json does not describe a Sa2VA checkpoint.",
        "Give the folder of a Sa2VA or Sa2VA-i checkpoint.",
    )


def way_for(entry: ModelEntry, reading: str = "published") -> Way | None:
    """How a model that can be named is shown pictures.

    From its files if they are on this machine, else as the published checkpoints on its base are.

    Parameters
    ----------
    entry : ModelEntry
    reading : {"published", "trained"}

    Returns
    -------
    Squares, Fitted or None
        None for a model that is not on this machine and of which nothing is known.

    Raises
    ------
    CheckpointError
        If a file on this machine is damaged.
    """
    if entry.folder is not None:
        return way_of(
            read_json(entry.folder / "config.json"), read_preprocessor(entry.folder), reading
        )
    for base, step in _PUBLISHED_STEPS.items():
        if entry.base.startswith(base):
            return Fitted(step, PatchLayout.resample, READINGS[reading])
    return Squares(_PUBLISHED_SIDE) if entry.base.startswith("InternVL") else None

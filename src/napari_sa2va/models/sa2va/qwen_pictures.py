"""Pictures as the Qwen-VL towers want them: any size within limits, packed patch by patch.

By hand and with PIL, as the published code's results have it; the library's own processor would
need torchvision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Resampling

from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.models.sa2va.tiles import picture

if TYPE_CHECKING:
    from PIL.Image import Image

# Longer pictures are refused, as in the published code.
_MOST_ELONGATED = 200


@dataclass(frozen=True)
class PixelLimits:
    """How many pixels a picture may have after resizing, both ends included."""

    fewest: int
    most: int


@dataclass(frozen=True)
class PatchLayout:
    """How a tower takes its pictures.

    Attributes
    ----------
    side : int
        Side of a patch in px.
    merge : int
        So many patches along each side become one vision token.
    frames : int
        Frames in a patch. A single picture is repeated.
    mean, std : tuple of float
        Per colour, of values from 0 to 1.
    scale : float
        uint8 values times this are from 0 to 1.
    resample : int
        A filter, by PIL's number.
    """

    side: int
    merge: int
    frames: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1 / 255
    resample: int = 3  # bicubic, which PIL antialiases

    @classmethod
    def published(cls, preprocessor: Mapping[str, Any], vision: Mapping[str, int]) -> PatchLayout:
        """Read a checkpoint's preprocessor_config.json.

        Parameters
        ----------
        preprocessor : mapping
        vision : mapping
            Sizes of the tower, from config.json.

        Raises
        ------
        CheckpointError
            If there is none, a field lacks, or it is for a tower of other sizes.
        """
        if not preprocessor:
            raise CheckpointError(
                "The checkpoint has no preprocessor_config.json, which says how its tower takes "
                "pictures.",
                "Copy it from the published checkpoint into the folder.",
            )
        sizes = {"patch_size": "patch_size", "spatial_merge_size": "merge_size"}
        for ours, theirs in (sizes | {"temporal_patch_size": "temporal_patch_size"}).items():
            if (preprocessor.get(theirs) or vision[ours]) != vision[ours]:
                raise CheckpointError(
                    f"preprocessor_config.json has {theirs} {preprocessor[theirs]}, but config.json "
                    f"gives the tower {vision[ours]}.",
                    "Take both files from the same checkpoint.",
                )
        again = "Copy it from the published checkpoint again."
        try:
            mean, std = (tuple(map(float, preprocessor[f"image_{of}"])) for of in ("mean", "std"))
            if not (len(mean) == len(std) == 3 and min(std) > 0 and np.isfinite([mean, std]).all()):
                raise ValueError("three numbers each, of which std is positive")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(
                "preprocessor_config.json has no usable image_mean and image_std.", again
            ) from error
        resample = preprocessor.get("resample")
        try:
            # An explicit null means the same as nothing.
            scale = float(preprocessor.get("rescale_factor") or cls.scale)
            resample = cls.resample if resample is None else Resampling(resample).value
        except (TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(
                "preprocessor_config.json has no usable rescale_factor or resample.", again
            ) from error
        return cls(
            side=vision["patch_size"],
            merge=vision["spatial_merge_size"],
            frames=vision["temporal_patch_size"],
            mean=mean,
            std=std,
            scale=scale,
            resample=resample,
        )

    @property
    def step(self) -> int:
        """Heights and widths are multiples of this many px, the side of a vision token."""
        return self.side * self.merge


def fitted_size(height: int, width: int, step: int, limits: PixelLimits) -> tuple[int, int]:
    """The size nearest to a picture's that a tower can take: height and width in px.

    Multiples of `step` within the limits, and about the same aspect ratio.

    Raises
    ------
    RequestError
        If one side is more than 200 times the other.

    Notes
    -----
    Same sizes as the resizing rule that Qwen-VL publishes.

    Examples
    --------
    >>> fitted_size(90, 120, 28, PixelLimits(401_408, 1_605_632))
    (560, 756)
    """
    if max(height, width) > _MOST_ELONGATED * min(height, width):
        raise RequestError(
            f"A picture of {width} x {height} px is too elongated for this model.",
            f"Crop it, so that one side is at most {_MOST_ELONGATED} times the other.",
        )
    fitted = tuple(max(step, round(length / step) * step) for length in (height, width))
    if math.prod(fitted) > limits.most:
        shrink = math.sqrt(height * width / limits.most)
        fitted = tuple(
            max(step, math.floor(length / shrink / step) * step) for length in (height, width)
        )
    elif math.prod(fitted) < limits.fewest:
        grow = math.sqrt(limits.fewest / (height * width))
        fitted = tuple(math.ceil(length * grow / step) * step for length in (height, width))
    return fitted[0], fitted[1]


def fitted(image: Image, step: int, limits: PixelLimits, resample: int) -> Image:
    """Resize a picture to its `fitted_size`."""
    height, width = fitted_size(image.height, image.width, step, limits)
    return image.resize((width, height), resample)


def resized(
    frame: np.ndarray,
    step: int,
    limits: PixelLimits,
    *,
    resample: int = PatchLayout.resample,
    first: tuple[int, PixelLimits] | None = None,
) -> np.ndarray:
    """One picture in the size that a tower takes, before normalisation.

    Parameters
    ----------
    frame : ndarray of uint8, shape (Y, X, 3)
    step : int
        Sides are multiples of it, in px.
    limits : PixelLimits
    resample : int
        A filter, by PIL's number.
    first : (step in px, PixelLimits), optional
        An earlier resize, bicubic, that the published code does besides.

    Returns
    -------
    ndarray of uint8, shape (Y', X', 3)
    """
    image = picture(frame)
    if first is not None:
        image = fitted(image, *first, resample=PatchLayout.resample)
    return np.asarray(fitted(image, step, limits, resample))


def packed(
    frame: np.ndarray,
    layout: PatchLayout,
    limits: PixelLimits,
    *,
    first: tuple[int, PixelLimits] | None = None,
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """One picture, `resized`, as rows of patches; see `in_patches`."""
    return in_patches(
        resized(frame, layout.step, limits, resample=layout.resample, first=first), layout
    )


def in_patches(pixels: np.ndarray, layout: PatchLayout) -> tuple[np.ndarray, tuple[int, int, int]]:
    """A picture of the right size, normalised, as rows of patches.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (Y, X, 3)
        Sides are multiples of the layout's step.
    layout : PatchLayout

    Returns
    -------
    patches : ndarray of float32, shape (n, 3 * frames * side * side)
        Patches that become one vision token follow each other.
    grid : (int, int, int)
        Patches in time, y and x, of which n is the product.
    """
    mean, std = np.asarray(layout.mean, np.float32), np.asarray(layout.std, np.float32)
    values = (np.asarray(pixels, np.float64) * layout.scale).astype(np.float32)
    colours = (values - mean) / std  # (Y, X, 3)
    side, merge = layout.side, layout.merge
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    # (token y, patch y, px y, token x, patch x, px x, colour)
    cut = colours.reshape(rows // merge, merge, side, columns // merge, merge, side, -1)
    # (token y, token x, patch y, patch x, colour, 1, px y, px x)
    ordered = cut.transpose(0, 3, 1, 4, 6, 2, 5)[:, :, :, :, :, None]
    patches = np.repeat(ordered, layout.frames, axis=5).reshape(rows * columns, -1)
    return patches, (1, rows, columns)

"""From uint8 frames to the two inputs the networks take, exactly as at inference."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def squash(frame: np.ndarray, side: int) -> np.ndarray:
    """Resize a uint8 (Y, X, 3) frame to a square with PIL's antialiased bicubic filter."""
    if frame.shape[:2] == (side, side):
        return frame
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC))


def cover(mask: np.ndarray, side: int) -> np.ndarray:
    """Bring a mask, bool (Y, X), to a square of uint8: 255 where a cell is fully covered."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def normalise(frames: torch.Tensor, *, rounded: bool) -> torch.Tensor:
    """ImageNet normalisation.

    Parameters
    ----------
    frames : Tensor of uint8, shape (..., S, S, 3)
    rounded : bool
        Whether the constants are rounded to bfloat16, as the family does for SAM 2 (and not for
        the language model's tiles).

    Returns
    -------
    Tensor of float32, shape (..., 3, S, S)
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    if rounded:
        mean, std = mean.bfloat16().float(), std.bfloat16().float()
    return ((frames.float() / 255 - mean) / std).movedim(-1, -3)

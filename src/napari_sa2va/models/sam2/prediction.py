"""Mask logits of several objects on one frame, and how they become masks of the frame's own size.

Two ways of resampling are in use in this family and differ along the borders: in two steps, over
the network's input size, for propagated masks; in one step for key-frame masks of Sa2VA-i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# The network decodes masks at a quarter of its input size.
_MASK_STRIDE = 4


def at_size(logits: Tensor, height: int, width: int) -> Tensor:
    """Resample mask logits bilinearly in one step.

    Parameters
    ----------
    logits : Tensor, shape (N, y, x)

    Returns
    -------
    Tensor of float32, shape (N, height, width)
    """
    if logits.shape[-2:] == (height, width):
        return logits.float()
    return F.interpolate(
        logits[:, None].float(), size=(height, width), mode="bilinear", align_corners=False
    )[:, 0]


def at_image_size(logits: Tensor) -> Tensor:
    """Resample low-resolution mask logits (N, S/4, S/4) to the network's input size (N, S, S)."""
    return at_size(logits, logits.shape[-2] * _MASK_STRIDE, logits.shape[-1] * _MASK_STRIDE)


def at_frame_size(logits: Tensor, height: int, width: int) -> Tensor:
    """Resample low-resolution mask logits to a frame in two steps: S/4 to S, then S to the frame.

    Parameters
    ----------
    logits : Tensor, shape (N, S/4, S/4)

    Returns
    -------
    Tensor of float32, shape (N, height, width)
    """
    return at_size(at_image_size(logits), height, width)


@dataclass(frozen=True, eq=False)
class MaskPrediction:
    """What a decoder (or a mask prompt) says about N objects on one frame.

    Attributes
    ----------
    logits : Tensor of float32, shape (N, S/4, S/4)
        Mask logits; above 0 is the object.
    iou : Tensor of float32, shape (N,)
        The decoder's own estimate of the mask's IoU; 1 for a mask that was given.
    object_scores : Tensor of float32, shape (N,)
        Logit that the object is on the frame at all; +-10 for a mask that was given.
    pointers : Tensor, shape (N, C)
        Object pointers, `no_obj_ptr` where the object score is not positive.
    """

    logits: Tensor
    iou: Tensor
    object_scores: Tensor
    pointers: Tensor

    def __len__(self) -> int:
        return self.logits.shape[0]

    @property
    def presence(self) -> Tensor:
        """Probability in [0, 1] that each object is on the frame, shape (N,)."""
        return torch.sigmoid(self.object_scores)

    @property
    def confidence(self) -> Tensor:
        """Presence times predicted IoU, in [0, 1], shape (N,): one number to sort or filter by."""
        return self.presence * self.iou

    def logits_at(self, height: int, width: int, *, two_step: bool = True) -> Tensor:
        """Return the logits at the frame's size, float32 of shape (N, height, width).

        Parameters
        ----------
        height, width : int
            In px.
        two_step : bool
            Over the network's input size (propagated masks) or directly (key-frame masks of
            Sa2VA-i).
        """
        resample = at_frame_size if two_step else at_size
        return resample(self.logits, height, width)

    def to_masks(self, height: int, width: int, *, two_step: bool = True) -> np.ndarray:
        """Return boolean masks of shape (N, height, width); see `logits_at`."""
        masks = np.empty((len(self), height, width), dtype=bool)
        # One by one: float logits of many objects at the size of a large frame are a lot of memory.
        for i in range(len(self)):
            logits = self.select([i]).logits_at(height, width, two_step=two_step)
            masks[i] = (logits[0] > 0).cpu().numpy()
        return masks

    def select(self, indices: Sequence[int]) -> MaskPrediction:
        """Return the objects at these positions, in this order."""
        rows = list(indices)
        return MaskPrediction(
            self.logits[rows], self.iou[rows], self.object_scores[rows], self.pointers[rows]
        )

    def to(self, device: torch.device) -> MaskPrediction:
        """Return the same on a device."""
        return MaskPrediction(
            self.logits.to(device),
            self.iou.to(device),
            self.object_scores.to(device),
            self.pointers.to(device),
        )

    def with_logits_on(self, device: torch.device) -> MaskPrediction:
        """Return the same with the mask logits, which are nearly all of it, on another device."""
        return MaskPrediction(self.logits.to(device), self.iou, self.object_scores, self.pointers)

    @staticmethod
    def of_nothing(mask_size: int, width: int, device: torch.device) -> MaskPrediction:
        """Return the prediction of no object: N = 0, with maps and pointers of these sizes."""
        none = torch.zeros(0, device=device)
        return MaskPrediction(
            none.reshape(0, mask_size, mask_size), none, none, none.reshape(0, width)
        )

    @staticmethod
    def concatenate(parts: Sequence[MaskPrediction]) -> MaskPrediction:
        """Join predictions of the same frame, objects in the order given."""
        if len(parts) == 1:
            return parts[0]
        return MaskPrediction(
            torch.cat([p.logits for p in parts]),
            torch.cat([p.iou for p in parts]),
            torch.cat([p.object_scores for p in parts]),
            torch.cat([p.pointers.float() for p in parts]),
        )

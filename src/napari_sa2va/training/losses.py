"""Losses of both training stages: masks, their predicted quality, and presence.

The weights of the mask terms are those of the Sa2VA paper (2.0 for cross-entropy, 0.5 for Dice).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

BCE_WEIGHT = 2.0
DICE_WEIGHT = 0.5


# Small objects are a few per mille of the pixels; more weight keeps them from being ignored, and
# more weight on the other objects keeps training from settling on "segment everything".
_OBJECT_WEIGHT = 4.0
_OTHERS_WEIGHT = 4.0


def mask_loss(
    logits: torch.Tensor, truth: torch.Tensor, others: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy and Dice of each mask, weighted.

    Parameters
    ----------
    logits : Tensor, shape (..., h, w)
    truth : Tensor of float, shape broadcastable to `logits`
        Share of each cell that is covered, 0 to 1.
    others : Tensor of float, optional
        The same for objects that are not meant.

    Returns
    -------
    Tensor, shape (...)
    """
    truth = truth.expand_as(logits)
    weight = 1 + _OBJECT_WEIGHT * truth
    if others is not None:
        weight = weight + _OTHERS_WEIGHT * (others - truth).clamp(min=0)
    bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    bce = (bce * weight).mean((-2, -1))
    prob = logits.sigmoid()
    overlap = 2 * (prob * truth).sum((-2, -1)) + 1
    dice = 1 - overlap / (prob.sum((-2, -1)) + truth.sum((-2, -1)) + 1)
    return BCE_WEIGHT * bce + DICE_WEIGHT * dice


@torch.no_grad()
def mask_iou(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Intersection over union of thresholded masks, shape (...); two empty masks give 1."""
    pred, true = logits > 0, (truth > 0.5).expand_as(logits)
    union = (pred | true).sum((-2, -1))
    return torch.where(union > 0, (pred & true).sum((-2, -1)) / union.clamp(min=1), 1.0)


def decoder_loss(
    logits: torch.Tensor,
    iou: torch.Tensor,
    presence: torch.Tensor,
    truth: torch.Tensor,
    others: torch.Tensor | None = None,
    *,
    best_share: float,
) -> torch.Tensor:
    """Loss of one multi-mask prediction of the mask decoder.

    Parameters
    ----------
    logits : Tensor, shape (N, M, h, w)
        M candidate masks per object.
    iou : Tensor, shape (N, M)
        Their predicted quality, 0 to 1.
    presence : Tensor, shape (N, 1)
        Logit of "the object is in this frame".
    truth : Tensor of float, shape (N, h', w')
        Covered share; the logits are brought to this size.
    others : Tensor of float, optional, shape (N, h', w')
        Share covered by any object.
    best_share : float
        Weight of the best candidate; the rest is spread over all. 1 lets the candidates differ
        (clicks are ambiguous), 0 trains them all alike (sentences are not).

    Returns
    -------
    Tensor
        A scalar.
    """
    logits = F.interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
    truth = truth[:, None]
    per_mask = mask_loss(logits, truth, None if others is None else others[:, None])  # (N, M)
    best = per_mask.min(1).values
    masks = best_share * best + (1 - best_share) * per_mask.mean(1)
    quality = F.l1_loss(iou, mask_iou(logits, truth))
    there = (truth.flatten(1) > 0.5).any(1, keepdim=True).to(presence.dtype)
    present = F.binary_cross_entropy_with_logits(presence, there)
    return masks.mean() + quality + 0.5 * present

"""From image features and a prompt to mask logits, object scores and object pointers.

Plain differentiable functions on the network's modules; no state, no autocast, no inference mode.
A prompt is the pair of sparse tokens and dense map that SAM's prompt encoder makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_sa2va.models.sam2.prediction import MaskPrediction

if TYPE_CHECKING:
    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sa2va.models.sam2.features import FrameFeatures

# Mask logit of an object that is not on the frame.
ABSENT_LOGIT = -1024.0
# A given mask becomes logits of +-10, close to certain and still finite.
GIVEN_MASK_LOGIT = 10.0
# Old logits that guide a refinement are clamped to this range.
PRIOR_LOGIT_LIMIT = 32.0

_NOT_A_POINT = -1


def without_memory(network: SAM2Base, features: FrameFeatures, num_objects: int) -> Tensor:
    """Return what a prompted frame is decoded from: no memory is attended, and that is marked.

    Returns
    -------
    Tensor, shape (num_objects, C, S/16, S/16)
    """
    embedding = features.top + network.no_mem_embed.reshape(1, -1, 1, 1)
    return embedding.expand(num_objects, -1, -1, -1)


def no_prompt(network: SAM2Base, num_objects: int) -> tuple[Tensor, Tensor]:
    """Return the prompt of a frame without one: two "not a point" tokens and no mask.

    Returns
    -------
    sparse : Tensor, shape (num_objects, 2, C)
    dense : Tensor, shape (num_objects, C, S/16, S/16)
    """
    return click_prompt(network, *_dummy_point(network, num_objects))


def language_prompt(network: SAM2Base, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Return `no_prompt` with one language token per object appended as the last.

    Parameters
    ----------
    embeddings : Tensor, shape (N, C)
        `[SEG]` embeddings, one object each.

    Returns
    -------
    sparse : Tensor, shape (N, 3, C)
    dense : Tensor, shape (N, C, S/16, S/16)
    """
    sparse, dense = no_prompt(network, embeddings.shape[0])
    return torch.cat([sparse, embeddings[:, None].to(sparse)], dim=1), dense


def click_prompt(
    network: SAM2Base, points_xy: Tensor, labels: Tensor, prior: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the prompt of clicks; a box is two points of labels 2 and 3 that come first.

    Parameters
    ----------
    points_xy : Tensor of float32, shape (N, P, 2)
        (x, y) in px of the network's S x S input.
    labels : Tensor of int, shape (N, P)
        1 on the object, 0 off it, 2 and 3 the corners of a box, -1 no point.
    prior : Tensor, shape (N, S/4, S/4), optional
        Mask logits to refine.

    Returns
    -------
    sparse : Tensor, shape (N, P + 1, C)
        The prompt encoder adds one padding token of its own.
    dense : Tensor, shape (N, C, S/16, S/16)
    """
    return network.sam_prompt_encoder(
        points=(points_xy, labels), boxes=None, masks=None if prior is None else prior[:, None]
    )


def decode(
    network: SAM2Base,
    decoder: MaskDecoder,
    features: FrameFeatures,
    embedding: Tensor,
    prompt: tuple[Tensor, Tensor],
    *,
    multimask: bool,
    suppress_absent: bool,
) -> MaskPrediction:
    """Decode one mask per object.

    Parameters
    ----------
    network : SAM2Base
    decoder : MaskDecoder
        Need not be the network's own.
    features : FrameFeatures
        Of the frame; only its fine maps are used here.
    embedding : Tensor, shape (N, C, S/16, S/16)
        Top feature, with or without memory.
    prompt : tuple of Tensor
        Sparse (N, P, C) and dense (N, C, S/16, S/16).
    multimask : bool
        Decode three masks per object and take the one with the best predicted IoU, or decode one.
    suppress_absent : bool
        Replace the mask by `ABSENT_LOGIT` where the object score is not positive. SAM 2 does;
        Sa2VA never does.
    """
    sparse, dense = prompt
    masks, ious, tokens, scores = decoder(
        image_embeddings=embedding,
        image_pe=network.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        repeat_image=False,
        high_res_features=features.fine_maps(decoder),
    )  # (N, M, S/4, S/4), (N, M), (N, M, C), (N, 1) with M = 3 or 1
    rows, best = torch.arange(len(ious), device=ious.device), ious.argmax(dim=-1)
    present = scores > 0
    logits = masks[rows, best].float()
    if suppress_absent:
        logits = torch.where(present[:, :, None], logits, ABSENT_LOGIT)
    pointers = network.obj_ptr_proj(tokens[rows, best])
    return MaskPrediction(
        logits=logits,
        iou=ious[rows, best].float(),
        object_scores=scores[:, 0].float(),
        pointers=_unless_absent(network, pointers, present),
    )


def take_masks(
    network: SAM2Base, decoder: MaskDecoder, features: FrameFeatures, masks: Tensor
) -> MaskPrediction:
    """Take given masks as the answer; the decoder only makes their object pointers.

    Parameters
    ----------
    masks : Tensor of bool, shape (N, Y, X), on the CPU
        Of the frame's size or any other with the same field of view. An empty mask says that the
        object is not on this frame.
    """
    device, size = network.no_mem_embed.device, network.image_size
    # On the CPU, since antialiased resampling is not there on every device; prompts are rare.
    squares = masks[:, None].float()
    if squares.shape[-2:] != (size, size):
        squares = (_shrink_or_grow(squares, size) >= 0.5).float()
    logits = _shrink_or_grow((squares * 2 - 1) * GIVEN_MASK_LOGIT, size // 4)[:, 0].to(device)
    present = squares.flatten(1).any(dim=1, keepdim=True).to(device)  # (N, 1)

    points_xy, labels = _dummy_point(network, len(masks))
    prompt = click_prompt(
        network, points_xy, labels, prior=network.mask_downsample(squares.to(device))[:, 0]
    )
    decoded = decode(
        network,
        decoder,
        features,
        # Not `without_memory`: for a given mask SAM 2 reads the bare features.
        features.top.expand(len(masks), -1, -1, -1),
        prompt,
        multimask=False,
        suppress_absent=False,
    )
    return MaskPrediction(
        logits=logits,
        iou=torch.ones(len(masks), device=device),
        object_scores=torch.where(present[:, 0], GIVEN_MASK_LOGIT, -GIVEN_MASK_LOGIT),
        pointers=_unless_absent(network, decoded.pointers, present),
    )


def _dummy_point(network: SAM2Base, num_objects: int) -> tuple[Tensor, Tensor]:
    device = network.no_mem_embed.device
    points_xy = torch.zeros(num_objects, 1, 2, device=device)
    labels = torch.full((num_objects, 1), _NOT_A_POINT, dtype=torch.int32, device=device)
    return points_xy, labels


def _unless_absent(network: SAM2Base, pointers: Tensor, present: Tensor) -> Tensor:
    """Replace the pointers of absent objects; shapes (N, C) and bool (N, 1)."""
    return torch.where(present, pointers.float(), network.no_obj_ptr.float())


def _shrink_or_grow(maps: Tensor, size: int) -> Tensor:
    return F.interpolate(
        maps, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )

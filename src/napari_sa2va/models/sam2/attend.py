"""Writing a frame into memory, and reading memory into a frame: the arithmetic of SAM 2's memory.

Plain differentiable functions on the network's modules, batched over objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sa2va.models.sam2.prediction import at_image_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sa2va.models.sam2.features import FrameFeatures
    from napari_sa2va.models.sam2.memory import Recall


def memory_maps(network: SAM2Base, features: FrameFeatures, logits: Tensor) -> Tensor:
    """Encode the masks of one frame as memories.

    Parameters
    ----------
    logits : Tensor of float32, shape (N, S/4, S/4)
        Taken as soft masks: prompted ones are not binarised.

    Returns
    -------
    Tensor, shape (N, memory_dim, S/16, S/16)
        In the dtype the network computes in.
    """
    masks = torch.sigmoid(at_image_size(logits))[:, None]  # (N, 1, S, S)
    masks = masks * network.sigmoid_scale_for_mem_enc + network.sigmoid_bias_for_mem_enc
    # The frame's features have a batch of one and are broadcast over the objects.
    encoded = network.memory_encoder(features.top, masks, skip_mask_sigmoid=True)
    return encoded["vision_features"]


def attend(network: SAM2Base, features: FrameFeatures, recalls: Sequence[Recall]) -> Tensor:
    """Condition a frame's features on the memories of each object.

    Parameters
    ----------
    recalls : sequence of Recall
        One per object, all of the same layout.

    Returns
    -------
    Tensor, shape (N, C, S/16, S/16)
    """
    num_objects, slots = len(recalls), recalls[0].slots
    maps = torch.stack([torch.stack(r.maps) for r in recalls])  # (N, K, D, h, w)
    memory = maps.permute(1, 3, 4, 0, 2).flatten(0, 2)  # (K h w, N, D)

    spatial = network.memory_encoder.position_encoding(maps[:1, 0])  # (1, D, h, w)
    spatial = spatial.flatten(2).permute(2, 0, 1)  # (h w, 1, D)
    temporal = network.maskmem_tpos_enc  # (M, 1, 1, D)
    position = torch.cat([spatial + temporal[slot] for slot in slots])  # (K h w, 1, D)

    tokens = _pointer_tokens(recalls, memory.shape[-1])
    if tokens is not None:
        memory = torch.cat([memory, tokens])
        # Pointers carry no code of place or time.
        position = torch.cat([position, position.new_zeros(len(tokens), 1, position.shape[-1])])
    top = features.top.flatten(2).permute(2, 0, 1)  # (h w, 1, C)
    conditioned = network.memory_attention(
        curr=top.expand(-1, num_objects, -1),
        curr_pos=features.position.flatten(2).permute(2, 0, 1).expand(-1, num_objects, -1),
        memory=memory,
        memory_pos=position.expand(-1, num_objects, -1),
        num_obj_ptr_tokens=0 if tokens is None else len(tokens),
    )  # (h w, N, C)
    return conditioned.permute(1, 2, 0).reshape(num_objects, *features.top.shape[1:])


def _pointer_tokens(recalls: Sequence[Recall], width: int) -> Tensor | None:
    """Cut the pointers into tokens as wide as memory: (P C / width, N, width), None if no pointer."""
    if not recalls[0].pointers:
        return None
    pointers = torch.stack([torch.stack(r.pointers) for r in recalls], dim=1)  # (P, N, C)
    pieces = pointers.unflatten(-1, (-1, width))  # (P, N, C / width, width)
    return pieces.transpose(1, 2).flatten(0, 1)

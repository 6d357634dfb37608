"""Which networks the tracker can run: SAM 2.0 in float32, without post-processing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sa2va.core.errors import ModelError

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

# Switches of SAM2Base that the tracker implements in one position only. A network built otherwise
# would run and give other numbers than it should.
_REQUIRED = {
    "use_mask_input_as_output_without_sam": True,
    "directly_add_no_mem_embed": True,
    "use_high_res_features_in_sam": True,
    "multimask_output_in_sam": True,
    "multimask_output_for_tracking": True,
    "use_obj_ptrs_in_encoder": True,
    "only_obj_ptrs_in_the_past_for_eval": True,
    "add_tpos_enc_to_obj_ptrs": False,
    "pred_obj_scores": True,
    "fixed_no_obj_ptr": True,
    "soft_no_obj_ptr": False,
    "binarize_mask_from_pts_for_mem_enc": False,
    "non_overlap_masks_for_mem_enc": False,
    "max_cond_frames_in_attn": -1,
    "memory_temporal_stride_for_eval": 1,
}


def check_supported(network: SAM2Base) -> None:
    """Refuse a network that the tracker would run differently from what it was built for.

    Raises
    ------
    ModelError
        If a switch stands in another position than in SAM 2.0, as in SAM 2.1 or with
        post-processing; or if the weights are not float32.
    """
    if (dtype := network.no_mem_embed.dtype) != torch.float32:
        # Under autocast, layer norms meet float32 activations, and fail on the CPU.
        raise ModelError(
            f"The weights of SAM 2 are {dtype}, and the tracker needs them in float32.",
            "Keep them so and give the tracker a precision: it computes in that under autocast.",
        )
    seen = {name: getattr(network, name) for name in _REQUIRED}
    different = {name: value for name, value in seen.items() if value != _REQUIRED[name]}
    if network.no_obj_embed_spatial is not None:
        different["no_obj_embed_spatial"] = True
    if different:
        raise ModelError(
            f"The tracker runs SAM 2.0 networks, and this one is built with {different}.",
            "Build it with napari_sa2va.models.sam2.build.build_sam2.",
        )

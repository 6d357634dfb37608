"""A small SAM 2 whose outputs are far from degenerate, and `SAM2VideoPredictor` run on it.

For the tests of the tracker; the predictor is the reference they compare with.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import torch
from sam2.modeling.sam2_base import NO_OBJ_SCORE
from sam2.sam2_video_predictor import SAM2VideoPredictor

from napari_sa2va.models.sam2.build import Sam2Config, build_sam2
from napari_sa2va.models.sam2.features import normalised_frame

if TYPE_CHECKING:
    from torch import Tensor

SMALL = Sam2Config(
    image_size=128,
    embed_dim=16,
    num_heads=1,
    stages=(1, 1, 2, 1),
    global_att_blocks=(3,),
    window_spec=(8, 4, 8, 4),
    hidden_dim=64,
    memory_dim=16,
    memory_layers=2,
    memory_feedforward=128,
)


class FloatPredictor(SAM2VideoPredictor):
    """The reference with float32 memories (it stores bfloat16), and with suppression as asked.

    `suppress_absent=False` is what the Sa2VA family patches in: an object score that is not
    positive leaves the mask as it is.
    """

    suppress_absent = True

    def _run_single_frame_inference(self, **kwargs):
        with _AsSa2vaRunsIt(self.suppress_absent):
            return super()._run_single_frame_inference(**kwargs)

    def _run_memory_encoder(self, **kwargs):
        with _AsSa2vaRunsIt(self.suppress_absent):
            return super()._run_memory_encoder(**kwargs)


class _AsSa2vaRunsIt(torch.overrides.TorchFunctionMode):
    """Undo two things inside the reference: storing as bfloat16, and filling in NO_OBJ_SCORE."""

    def __init__(self, suppress_absent: bool) -> None:
        super().__init__()
        self.suppress_absent = suppress_absent

    def __torch_function__(self, func, types, args=(), kwargs=None):
        last = args[-1] if args else None
        if func is torch.Tensor.to and last is torch.bfloat16:
            return args[0]
        fills = func is torch.where and isinstance(last, float) and last == NO_OBJ_SCORE
        if fills and not self.suppress_absent:
            return args[1]
        return func(*args, **(kwargs or {}))


def small_predictor(seed: int = 1) -> FloatPredictor:
    """Build the small network with weights spread so widely that masks and scores vary."""
    predictor = build_sam2(SMALL, cls=FloatPredictor)
    spread_weights(predictor, seed)
    return predictor


def spread_weights(module: torch.nn.Module, seed: int) -> None:
    """Give a module weights of ordinary size; freshly built, it answers almost the same to all."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                fan_in = parameter[0].numel() if parameter.shape[0] > 1 else 1
                gain = 3 if "cross_attn_image" in name else 1  # or all memories weigh the same
                parameter.copy_(gain * noise / fan_in**0.5)
            elif name.endswith("gamma"):
                parameter.copy_(0.5 + 0.1 * noise)
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            else:
                parameter.copy_(0.1 * noise)
        for buffer in module.buffers():  # the random frequencies of the prompt encoder
            buffer.copy_(torch.randn(buffer.shape, generator=generator))


def moving_square(num_frames: int, height: int = 90, width: int = 120) -> np.ndarray:
    """Return uint8 frames (T, Y, X, 3): noise, and a bright square that moves right."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 120, (num_frames, height, width, 3), dtype=np.uint8)
    for t in range(num_frames):
        frames[t, 20:50, 5 + 3 * t : 35 + 3 * t, t % 3] = 250
    return frames


def reference_state(predictor: SAM2VideoPredictor, frames: np.ndarray) -> dict:
    """Make the state of `init_state` for frames in memory."""
    images = torch.stack([normalised_frame(f, predictor.image_size) for f in frames])
    cpu = torch.device("cpu")
    empty = (
        "point_inputs_per_obj", "mask_inputs_per_obj", "cached_features", "constants",
        "output_dict_per_obj", "temp_output_dict_per_obj", "frames_tracked_per_obj",
    )  # fmt: skip
    return {
        **{key: {} for key in empty},
        "images": images,
        "num_frames": len(images),
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "video_height": frames.shape[1],
        "video_width": frames.shape[2],
        "device": cpu,
        "storage_device": cpu,
        "obj_id_to_idx": OrderedDict(),
        "obj_idx_to_id": OrderedDict(),
        "obj_ids": [],
    }


def reference_logits(state: dict, object_ids: list[int], t: int) -> Tensor:
    """Return the low-resolution logits (N, S/4, S/4) which the reference found on frame `t`."""
    outputs = []
    for object_id in object_ids:
        stored = state["output_dict_per_obj"][state["obj_id_to_idx"][object_id]]
        out = stored["cond_frame_outputs"].get(t) or stored["non_cond_frame_outputs"][t]
        outputs.append(out["pred_masks"][:, 0])
    return torch.cat(outputs)

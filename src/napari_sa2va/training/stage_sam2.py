"""Stage 1: a small SAM 2 learns video object segmentation with memory.

Every step mixes two tasks on the same encoded frames: single frames prompted by clicks or boxes,
and tracks that start from mask prompts on some frames and are carried through the others by
memory, which is what happens at inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_sa2va.training.loop import optimise, prefetch
from napari_sa2va.training.losses import decoder_loss, mask_iou
from napari_sa2va.training.pixels import cover, normalise, squash
from napari_sa2va.training.render import render
from napari_sa2va.training.scene import draw_any_scene

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

# Which frames of a short clip carry a mask prompt; the first always does.
CONDITIONING = ((0,), (0,), (0, 5), (0, 3), (0, 2, 5))
CLIP_FRAMES = 6
LOSS_SIZE_DIVISOR = 2  # losses are taken at half the input size: 64 px for 128


@dataclass
class TrackBatch:
    """Frames and the objects followed in them.

    Attributes
    ----------
    frames : Tensor of uint8, shape (B, F, S, S, 3)
    masks : Tensor of uint8, shape (B, M, F, S, S)
        255 where covered.
    everything : Tensor of uint8, shape (B, F, S, S)
        The union of all objects.
    """

    frames: torch.Tensor
    masks: torch.Tensor
    everything: torch.Tensor


def click_sample(seed: int, side: int, objects: int) -> tuple[np.ndarray, ...]:
    """One still frame for prompts: the three arrays of `TrackBatch` with F = 1."""
    rng = np.random.default_rng([4, seed])
    while True:
        scene = draw_any_scene(rng)
        pixels, masks = render(scene, [int(rng.integers(scene.num_frames))])
        shown = masks[masks.any((1, 2, 3))]
        if len(shown):
            break
    picked = shown[rng.permutation(np.arange(objects) % len(shown))]
    return (
        squash(pixels[0], side)[None],
        np.stack([cover(m[0], side)[None] for m in picked]),
        cover(np.logical_or.reduce(masks[:, 0]), side)[None],
    )


def track_sample(seed: int, side: int, objects: int) -> tuple[np.ndarray, ...]:
    """One clip of `CLIP_FRAMES` frames: the three arrays of `TrackBatch`."""
    rng = np.random.default_rng([1, seed])
    scene = draw_any_scene(rng)
    stride = int(rng.choice([1, 1, 2, 3]))
    span = min((CLIP_FRAMES - 1) * stride, scene.num_frames - 1)
    start = int(rng.integers(0, scene.num_frames - span))
    chosen = np.linspace(start, start + span, CLIP_FRAMES).astype(int)
    if rng.random() < 0.5:
        chosen = chosen[::-1]  # time has no direction for a tracker, and it may run in reverse
    pixels, masks = render(scene, chosen)
    picked = []
    for _ in range(objects):
        if rng.random() < 0.2:  # plural sentences give masks that are the union of several
            members = rng.random(len(masks)) < 0.6
        else:
            members = np.arange(len(masks)) == rng.integers(len(masks))
        picked.append(np.logical_or.reduce(masks[members if members.any() else [0]]))
    return (
        np.stack([squash(f, side) for f in pixels]),
        np.stack([[cover(m, side) for m in union] for union in picked]),
        np.stack([cover(m, side) for m in np.logical_or.reduce(masks)]),
    )


def track_batches(
    seed: int, side: int, batch: int, objects: int, clicks: bool
) -> Iterator[TrackBatch]:
    """Batches without end, the same for the same seed; `clicks` gives still frames."""
    index = seed * 10_000_000
    draw = click_sample if clicks else track_sample
    while True:
        samples = [draw(index + i, side, objects) for i in range(batch)]
        index += batch
        yield TrackBatch(*(torch.from_numpy(np.stack(a)) for a in zip(*samples, strict=True)))


def encode(sam2: SAM2Base, frames: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Run the image encoder.

    Parameters
    ----------
    frames : Tensor of float32, shape (N, 3, S, S)

    Returns
    -------
    features : list of Tensor
        Three maps, finest first, shape (N, C_i, S_i, S_i); the two fine ones went through the
        mask decoder's own convolutions.
    position : Tensor, shape (N, D, S/16, S/16)
        Position encoding of the coarsest map.
    """
    out = sam2.forward_image(frames)
    return out["backbone_fpn"], out["vision_pos_enc"][-1]


def decode(
    sam2: SAM2Base,
    image: torch.Tensor,
    fine: list[torch.Tensor],
    sparse: torch.Tensor,
    dense: torch.Tensor,
    multimask: bool = True,
) -> tuple[torch.Tensor, ...]:
    """Prompt-encode nothing and run the mask decoder: logits, quality, tokens, presence."""
    return sam2.sam_mask_decoder(
        image_embeddings=image,
        image_pe=sam2.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        repeat_image=False,
        high_res_features=fine,
    )


def click_loss(
    sam2: SAM2Base, batch: TrackBatch, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and mean IoU of still frames, every object prompted by clicks or by its box."""
    features, _ = encode(sam2, normalise(batch.frames, rounded=True).flatten(0, 1))
    objects = batch.masks.shape[1]
    rows = torch.arange(len(batch.frames)).repeat_interleave(objects)
    truth = batch.masks.float().flatten(0, 2) / 255
    everything = (batch.everything.float() / 255).flatten(0, 1)[rows]
    return _prompt_loss(sam2, [f[rows] for f in features], truth, everything, rng)


def sam2_loss(
    sam2: SAM2Base, batch: TrackBatch, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Loss of a step on clips, and the mean IoU of prompted and of tracked frames."""
    features, position = encode(sam2, normalise(batch.frames, rounded=True).flatten(0, 1))
    masks = batch.masks.float() / 255  # (B, M, F, S, S)
    everything = batch.everything.float() / 255
    tracked, iou_tracked = _track_loss(sam2, features, position, masks, everything, rng)
    # Prompts keep being practised on the same frames, one object per clip.
    truth = masks[:, 0].flatten(0, 1)
    seen = (truth > 0.5).flatten(1).any(1)
    prompted, iou_prompted = _prompt_loss(
        sam2, [f[seen] for f in features], truth[seen], everything.flatten(0, 1)[seen], rng
    )
    return 0.5 * prompted + tracked, iou_prompted, iou_tracked


def _prompt_loss(
    sam2: SAM2Base,
    features: list[torch.Tensor],
    truth: torch.Tensor,
    everything: torch.Tensor,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One prompt per row: features and covered shares (N, ...)."""
    coordinates, labels = _sample_prompt(truth, rng, box=rng.random() < 0.35)
    sparse, dense = sam2.sam_prompt_encoder(points=(coordinates, labels), boxes=None, masks=None)
    image = features[2] + sam2.no_mem_embed.view(1, -1, 1, 1)
    multimask = labels.shape[1] == 1
    logits, iou, _, presence = decode(sam2, image, features[:2], sparse, dense, multimask)
    truth = _shrink(truth)
    loss = decoder_loss(logits, iou, presence, truth, _shrink(everything), best_share=0.7)
    best = logits[torch.arange(len(truth)), iou.argmax(1)][:, None]
    grown = F.interpolate(best.detach(), truth.shape[-2:], mode="bilinear")
    return loss, mask_iou(grown[:, 0], truth).mean()


def _sample_prompt(
    truth: torch.Tensor, rng: np.random.Generator, box: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clicks in (x, y) px with labels 1/0, or the two corners of a box with labels 2/3."""
    coordinates: list[np.ndarray] = []
    labels: list[list[int]] = []
    count = int(rng.integers(1, 3))
    side = truth.shape[-1]
    for mask in truth.numpy() > 0.5:
        ys, xs = np.nonzero(mask)
        if box:
            noise = rng.normal(0, 0.02 * side, 4)
            corners = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) + noise * 0.5
            coordinates.append(np.clip(corners, 0, side).reshape(2, 2))
            labels.append([2, 3])
            continue
        picks = rng.integers(len(ys), size=count)
        points, signs = np.stack([xs[picks], ys[picks]], 1) + 0.5, [1] * count
        if count > 1 and rng.random() < 0.5:
            empty_y, empty_x = np.nonzero(~mask)
            k = rng.integers(len(empty_y))
            points[-1], signs[-1] = (empty_x[k] + 0.5, empty_y[k] + 0.5), 0
        coordinates.append(points)
        labels.append(signs)
    return (
        torch.from_numpy(np.stack(coordinates)).float(),
        torch.tensor(labels, dtype=torch.int32),
    )


def _track_loss(
    sam2: SAM2Base,
    features: list[torch.Tensor],
    position: torch.Tensor,
    masks: torch.Tensor,
    everything: torch.Tensor,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask prompts on some frames, memory on the others."""
    num, objects, length, side = masks.shape[:4]
    conditioning = CONDITIONING[rng.integers(len(CONDITIONING))]
    truth = masks.flatten(0, 1)  # (N, F, S, S), N = B*M
    everything = everything.repeat_interleave(objects, 0)
    maps = [f.unflatten(0, (num, length)).repeat_interleave(objects, 0) for f in features]
    position = position[:1].expand(len(truth), -1, -1, -1).flatten(2).permute(2, 0, 1)
    size = maps[2].shape[-2:]
    memory: dict[str, dict] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    for t in conditioning:
        mask = (truth[:, t] > 0.5).float()[:, None]
        fine = [m[:, t] for m in maps[:2]]
        out = sam2._use_mask_as_output(maps[2][:, t], fine, mask)
        memory["cond_frame_outputs"][t] = _remember(sam2, maps[2][:, t], size, *out[4:])
    losses, ious = [], []
    for t in (t for t in range(length) if t not in conditioning):
        flat = maps[2][:, t].flatten(2).permute(2, 0, 1)  # (HW, N, D)
        image = sam2._prepare_memory_conditioned_features(
            frame_idx=t, is_init_cond_frame=False, current_vision_feats=[flat],
            current_vision_pos_embeds=[position], feat_sizes=[size], output_dict=memory,
            num_frames=length,
        )  # fmt: skip
        sparse, dense = _no_prompt(sam2, len(truth))
        logits, iou, tokens, presence = decode(
            sam2, image, [m[:, t] for m in maps[:2]], sparse, dense
        )
        goal = _shrink(truth[:, t])
        around = _shrink(everything[:, t])
        losses.append(decoder_loss(logits, iou, presence, goal, around, best_share=0.5))
        best = iou.argmax(1)
        rows = torch.arange(len(best))
        chosen = logits[rows, best][:, None]
        shown = torch.where(presence[..., None, None] > 0, chosen, -1024.0)
        high = F.interpolate(shown.detach(), (side, side), mode="bilinear")
        ious.append(mask_iou(high[:, 0], truth[:, t]).mean())
        pointer = sam2.obj_ptr_proj(tokens[rows, best])
        seen = (presence > 0).float()
        pointer = seen * pointer + (1 - seen) * sam2.no_obj_ptr
        memory["non_cond_frame_outputs"][t] = _remember(
            sam2, maps[2][:, t], size, high, pointer, presence
        )
    return torch.stack(losses).mean(), torch.stack(ious).mean()


def _remember(
    sam2: SAM2Base,
    image: torch.Tensor,
    size: tuple[int, int],
    high: torch.Tensor,
    pointer: torch.Tensor,
    presence: torch.Tensor,
) -> dict[str, Any]:
    flat = image.flatten(2).permute(2, 0, 1)
    features, positions = sam2._encode_new_memory([flat], [size], high, presence, False)
    return {"maskmem_features": features, "maskmem_pos_enc": positions, "obj_ptr": pointer}


def _no_prompt(sam2: SAM2Base, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    coordinates = torch.zeros(count, 1, 2)
    labels = -torch.ones(count, 1, dtype=torch.int32)
    return sam2.sam_prompt_encoder(points=(coordinates, labels), boxes=None, masks=None)


def _shrink(masks: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(masks[:, None], LOSS_SIZE_DIVISOR)[:, 0]


def train_sam2(
    sam2: SAM2Base,
    *,
    clicks: bool,
    seed: int,
    steps: int,
    batch: int,
    objects: int,
    learning_rate: float,
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    first_step: int = 0,
) -> None:
    """Train every part of a small SAM 2.

    Parameters
    ----------
    sam2 : SAM2Base
        Trained in place. It stays in evaluation mode: no dropout, and the same choices of masks
        and pointers as at inference.
    clicks : bool
        Train on prompted still frames only, which comes first: it is several times cheaper per
        mask, and clicks are what teaches locality.
    seed, steps, batch, objects : int
        Clips per step, and objects per clip.
    learning_rate : float
    path : Path
        Where the weights are saved while training.
    report : callable
    first_step : int
    """
    rng = np.random.default_rng([2, seed, first_step])

    def loss_of(data: TrackBatch, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        if clicks:
            loss, prompted = click_loss(sam2, data, rng)
            return loss, {"iou_prompted": prompted.item()}
        loss, prompted, tracked = sam2_loss(sam2, data, rng)
        return loss, {"iou_prompted": prompted.item(), "iou_tracked": tracked.item()}

    make = partial(track_batches, side=sam2.image_size, batch=batch, objects=objects, clicks=clicks)
    optimise(
        list(sam2.parameters()),
        prefetch(make, seed + first_step),
        loss_of,
        steps=steps,
        learning_rate=learning_rate,
        first_step=first_step,
        report=report,
        keep=sam2,
        path=path,
    )

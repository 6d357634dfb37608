"""Stage 2, Sa2VA's: language is tied to masks by decoding every frame on its own.

First a warm-up in words only: the model answers what a sentence means. Then the language model,
the projector, the `[SEG]` MLP and the tuned mask decoder learn together; SAM 2's encoder, memory
and original decoder stay as stage 1 left them. The vision tower has no pre-training to protect,
so it learns too (in the published models it is frozen).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from napari_sa2va.training.loop import optimise, prefetch
from napari_sa2va.training.losses import decoder_loss, mask_iou
from napari_sa2va.training.network import hidden_states, image_tokens
from napari_sa2va.training.pixels import cover, normalise, squash
from napari_sa2va.training.render import render
from napari_sa2va.training.synth import draw_scene
from napari_sa2va.training.text import IGNORE, Packed, TurnPacker, turn_mask

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer
    from napari_sa2va.training.settings import NanoSettings

KEY_FRAMES = 5
SUPERVISED_FRAMES = 2
LOSS_SIDE = 64


@dataclass
class GroundingBatch:
    """Movies with their packed turns.

    Attributes
    ----------
    tiles : Tensor of uint8, shape (B, K, s, s, 3)
        Key frames for the language model.
    frames : Tensor of uint8, shape (B, R, S, S, 3)
        The supervised ones among them, for SAM 2.
    truths : Tensor of uint8, shape (N, R, 64, 64)
        For every `[SEG]`, in the order of `packed.segs`.
    packed : Packed
    """

    tiles: torch.Tensor
    frames: torch.Tensor
    truths: torch.Tensor
    packed: Packed


def grounding_batches(
    seed: int, settings: NanoSettings, tokenizer: Tokenizer, batch: int
) -> Iterator[GroundingBatch]:
    """Batches without end, the same for the same seed."""
    packer = TurnPacker(tokenizer, KEY_FRAMES, settings.tokens_per_frame)
    index = 0
    while True:
        tiles, frames, turns, masks = [], [], [], []
        for _ in range(batch):
            movie_seed = [3, seed, index]
            index += 1
            scene, expressions = draw_scene(movie_seed, max_expressions=settings.turns)
            keys = np.linspace(0, scene.num_frames - 1, KEY_FRAMES).astype(int)
            pixels, objects = render(scene, keys)
            rng = np.random.default_rng(movie_seed)
            rows = np.sort(rng.choice(KEY_FRAMES, SUPERVISED_FRAMES, replace=False))
            tiles.append(np.stack([squash(f, settings.tile_size) for f in pixels]))
            frames.append(np.stack([squash(pixels[r], settings.image_size) for r in rows]))
            turns.append([(e.text, e.answer) for e in expressions])
            for e in expressions:
                if e.object_ids:
                    union = objects[[i - 1 for i in e.object_ids]].any(0)
                    masks.append(np.stack([cover(union[r], LOSS_SIDE) for r in rows]))
        yield GroundingBatch(
            torch.from_numpy(np.stack(tiles)),
            torch.from_numpy(np.stack(frames)),
            torch.from_numpy(np.stack(masks)),
            packer.pack(turns),
        )


def language_part(network: Sa2VA, batch: GroundingBatch):
    """Cross-entropy of the answers, its accuracy, and the last hidden states (B, L, D)."""
    packed = batch.packed
    images = image_tokens(network, normalise(batch.tiles, rounded=False).flatten(0, 1))
    hidden = hidden_states(
        network,
        torch.from_numpy(packed.ids),
        images,
        torch.from_numpy(turn_mask(packed.turns)),
        torch.from_numpy(packed.positions),
    )
    labels = torch.from_numpy(packed.labels)
    said = labels != IGNORE
    logits = network.mllm.lm_head(hidden[said])
    accuracy = (logits.argmax(1) == labels[said]).float().mean()
    return F.cross_entropy(logits.float(), labels[said]), accuracy, hidden


def mask_part(network: Sa2VA, batch: GroundingBatch, hidden: torch.Tensor):
    """Mask loss of every `[SEG]` on every supervised frame, and the mean IoU."""
    segs = torch.from_numpy(batch.packed.segs)
    prompts = network.text_hidden_fcs(hidden[segs[:, 0], segs[:, 1]])  # (N, D)
    sam2, decoder = network.sam2, network.tuned_decoder
    shown = batch.frames.shape[1]
    with torch.no_grad():
        out = sam2.image_encoder(normalise(batch.frames, rounded=True).flatten(0, 1))
        maps = out["backbone_fpn"]
        top = maps[2] + sam2.no_mem_embed.view(1, -1, 1, 1)
    fine = [decoder.conv_s0(maps[0]), decoder.conv_s1(maps[1])]
    rows = (segs[:, :1] * shown + torch.arange(shown)).flatten()  # (N * R,)
    prompts = prompts.repeat_interleave(shown, 0)[:, None]
    with torch.no_grad():
        nothing = torch.zeros(len(rows), 1, 2), -torch.ones(len(rows), 1, dtype=torch.int32)
        sparse, dense = sam2.sam_prompt_encoder(points=nothing, boxes=None, masks=None)
        pe = sam2.sam_prompt_encoder.get_dense_pe()
    logits, iou, _, presence = decoder(
        image_embeddings=top[rows],
        image_pe=pe,
        sparse_prompt_embeddings=torch.cat([sparse, prompts], 1),
        dense_prompt_embeddings=dense,
        multimask_output=True,
        repeat_image=False,
        high_res_features=[f[rows] for f in fine],
    )
    logits, iou, presence = logits.float(), iou.float(), presence.float()
    truth = batch.truths.float().flatten(0, 1) / 255
    loss = decoder_loss(logits, iou, presence, truth, best_share=0.3)
    best = iou.argmax(1)
    chosen = logits[torch.arange(len(best)), best][:, None]
    grown = F.interpolate(chosen.detach(), truth.shape[-2:], mode="bilinear")
    return loss, mask_iou(grown[:, 0], truth).mean()


def train_grounding(
    network: Sa2VA,
    settings: NanoSettings,
    *,
    words_only: bool,
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    first_step: int = 0,
) -> None:
    """Train stage 2, or its warm-up in words.

    Parameters
    ----------
    network : Sa2VA
        Trained in place.
    settings : NanoSettings
    words_only : bool
        Learn the answers only.
    path : Path
        Where the weights are saved while training.
    report : callable
    first_step : int
    """

    def loss_of(batch: GroundingBatch, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        # On processors that compute in bfloat16 the matrix products are three times as fast.
        with torch.autocast("cpu", torch.bfloat16):
            words, accuracy, hidden = language_part(network, batch)
            values = {"words": words.item(), "accuracy": accuracy.item()}
            if words_only:
                return words, values
            masks, iou = mask_part(network, batch, hidden)
        return words + masks, {**values, "iou": iou.item()}

    # At this size plain attention is as fast as the fused one, and faster in bfloat16.
    network.mllm.set_attn_implementation("eager")
    learned = list(network.mllm.parameters())
    if not words_only:
        learned += [*network.text_hidden_fcs.parameters(), *network.tuned_decoder.parameters()]
    batch = settings.word_batch if words_only else settings.mask_batch
    stream = settings.seed * 1_000_000 + (0 if words_only else 500_000) + first_step
    optimise(
        learned,
        prefetch(
            partial(grounding_batches, settings=settings, tokenizer=network.tokenizer, batch=batch),
            stream,
        ),
        loss_of,
        steps=settings.word_steps if words_only else settings.mask_steps,
        learning_rate=settings.language_rate,
        first_step=first_step,
        save=lambda step: torch.save({"weights": network.state_dict(), "step": step}, path),
        report=report,
        state_path=path.with_suffix(".optimiser"),
    )

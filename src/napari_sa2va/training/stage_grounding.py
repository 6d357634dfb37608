"""Stage 2, Sa2VA's: language is tied to masks by decoding every frame on its own.

First the eyes: image tokens learn to say what they cover, in place of the pre-training that the
vision towers of the published models bring along. Then words: the model answers what a sentence
means. Then masks: the language model, the projector, the `[SEG]` MLP and the tuned mask decoder
learn together; SAM 2's encoder, memory and original decoder stay as stage 1 left them. The vision
tower goes on learning too (in the published models it is frozen).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from napari_sa2va.training.attributes import Facts, facts_of
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

GROUNDING_PARTS = ("eyes", "words", "masks")
SEEN_WORDS = (
    "small", "large", "bright", "dim", "dark", "round", "elongated", "red", "green", "blue",
    "yellow", "cell", "cavity", "structure",
)  # fmt: skip
SEEN_WEIGHT = 0.3
KEY_FRAMES = 5
SUPERVISED_FRAMES = 2
LOSS_SIDE = 64
CLICK_PULL = 3.0  # weight of `click_gap` at the first step
CLICK_SHARE = 0.4  # part of the steps over which it falls to 0


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
    everything : Tensor of uint8, shape (B, R, 64, 64)
        The union of all objects.
    words : Tensor of bool, shape (B, K, tokens per frame, len(SEEN_WORDS))
        Which words describe what an image token covers.
    packed : Packed
    """

    tiles: torch.Tensor
    frames: torch.Tensor
    truths: torch.Tensor
    everything: torch.Tensor
    words: torch.Tensor
    packed: Packed


def grounding_batches(
    seed: int, settings: NanoSettings, tokenizer: Tokenizer, batch: int
) -> Iterator[GroundingBatch]:
    """Batches without end, the same for the same seed."""
    packer = TurnPacker(tokenizer, KEY_FRAMES, settings.tokens_per_frame)
    index = 0
    while True:
        tiles, frames, turns, masks, everything, words = [], [], [], [], [], []
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
            everything.append(np.stack([cover(objects[:, r].any(0), LOSS_SIDE) for r in rows]))
            words.append(seen_words(facts_of(scene), objects, settings.tokens_per_frame))
            turns.append([(e.text, e.answer) for e in expressions])
            for e in expressions:
                if e.object_ids:
                    union = objects[[i - 1 for i in e.object_ids]].any(0)
                    masks.append(np.stack([cover(union[r], LOSS_SIDE) for r in rows]))
        yield GroundingBatch(
            torch.from_numpy(np.stack(tiles)),
            torch.from_numpy(np.stack(frames)),
            torch.from_numpy(np.stack(masks)),
            torch.from_numpy(np.stack(everything)),
            torch.from_numpy(np.stack(words)),
            packer.pack(turns),
        )


def seen_words(facts: Facts, masks: np.ndarray, tokens: int) -> np.ndarray:
    """Which words describe what each image token covers.

    Parameters
    ----------
    facts : Facts
    masks : ndarray of bool, shape (N, K, Y, X)
    tokens : int
        Per frame; a square number.

    Returns
    -------
    ndarray of bool, shape (K, tokens, len(SEEN_WORDS))
    """
    side = math.isqrt(tokens)
    found = np.zeros((masks.shape[1], tokens, len(SEEN_WORDS)), bool)
    for words, mask in zip(facts.words, masks, strict=True):
        said = [SEEN_WORDS.index(w) for w in words.values() if w in SEEN_WORDS]
        for k, frame in enumerate(mask):
            if frame.any():
                share = cover(frame, side).ravel()
                # Small objects cover little of any token: the one they cover most counts.
                where = np.flatnonzero(share >= min(40, share.max()))
                found[k, where[:, None], said] = True
    return found


def vision_part(network: Sa2VA, batch: GroundingBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Image tokens (B * K, tokens, D), and how badly they say what they cover.

    A token is asked for a word by its inner product with the word's own embedding: it learns to be
    the sum of the words that describe it, which the language model can read at once.
    """
    images = image_tokens(network, normalise(batch.tiles, rounded=False).flatten(0, 1))
    tokenizer = network.tokenizer
    ids = torch.tensor([tokenizer.encode(f" {w}")[0] for w in SEEN_WORDS])
    embeddings = network.mllm.get_input_embeddings()(ids)
    truth = batch.words.flatten(0, 1).float()
    logits = (images @ embeddings.T).float() - 2  # most words are false of most tokens
    missed = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(-1)
    weight = torch.where(truth.any(-1), 1.0, 0.15)
    return images, (missed * weight).sum() / weight.sum()


def language_part(network: Sa2VA, batch: GroundingBatch, images: torch.Tensor):
    """Cross-entropy of the answers, its accuracy, and the last hidden states (B, L, D)."""
    packed = batch.packed
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
    """Mask loss of every `[SEG]` on every supervised frame, its `click_gap`, and the mean IoU."""
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
    gap = click_gap(network, prompts, batch.truths.float() / 255)
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
    around = (batch.everything.float() / 255).flatten(0, 1)[rows]
    loss = decoder_loss(logits, iou, presence, truth, around, best_share=0.3)
    best = iou.argmax(1)
    chosen = logits[torch.arange(len(best)), best][:, None]
    grown = F.interpolate(chosen.detach(), truth.shape[-2:], mode="bilinear")
    return loss, gap, mask_iou(grown[:, 0], truth).mean()


def click_gap(network: Sa2VA, prompts: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    """How far `[SEG]` prompts are from what a click on the object would say.

    The decoder knows clicks from stage 1. Pulled towards them at first, the language model finds
    out within minutes how to point; without it masks stay blank for long.

    Parameters
    ----------
    prompts : Tensor, shape (N, D)
    truths : Tensor of float, shape (N, R, h, w)
        Covered share on the supervised frames.

    Returns
    -------
    Tensor
        Mean squared distance to the position code averaged over the object's pixels, plus the
        embedding that marks a positive click. Objects that no frame shows are left out.
    """
    encoder = network.sam2.sam_prompt_encoder
    weight = truths.sum(1)  # (N, h, w)
    total = weight.sum((-2, -1))
    seen = total > 1
    with torch.no_grad():
        codes = encoder.pe_layer(tuple(truths.shape[-2:])).float()  # (D, h, w)
        share = weight[seen] / total[seen][:, None, None]
        clicks = torch.einsum("nhw,dhw->nd", share, codes) + encoder.point_embeddings[1].weight
    return F.mse_loss(prompts[seen].float(), clicks)


def train_grounding(
    network: Sa2VA,
    settings: NanoSettings,
    *,
    part: str,
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    first_step: int = 0,
) -> None:
    """Train one part of stage 2.

    Parameters
    ----------
    network : Sa2VA
        Trained in place.
    settings : NanoSettings
    part : str
        One of `GROUNDING_PARTS`.
    path : Path
        Where the weights are saved while training.
    report : callable
    first_step : int
    """

    def loss_of(batch: GroundingBatch, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        # On processors that compute in bfloat16 the matrix products are three times as fast.
        with torch.autocast("cpu", torch.bfloat16):
            images, missed = vision_part(network, batch)
            values = {"seen": missed.item()}
            if part == "eyes":
                return missed, values
            words, accuracy, hidden = language_part(network, batch, images)
            loss = words + SEEN_WEIGHT * missed
            values |= {"words": words.item(), "accuracy": accuracy.item()}
            if part == "words":
                return loss, values
            masks, gap, iou = mask_part(network, batch, hidden)
        pull = CLICK_PULL * max(0.0, 1 - step / (CLICK_SHARE * settings.mask_steps))
        return loss + masks + pull * gap, {**values, "iou": iou.item(), "gap": gap.item()}

    # At this size plain attention is as fast as the fused one, and faster in bfloat16.
    network.mllm.set_attn_implementation("eager")
    learned = list(network.mllm.parameters())
    if part == "masks":
        learned += [*network.text_hidden_fcs.parameters(), *network.tuned_decoder.parameters()]
    order = GROUNDING_PARTS.index(part)
    steps = (settings.eye_steps, settings.word_steps, settings.mask_steps)[order]
    batch = (settings.word_batch, settings.word_batch, settings.mask_batch)[order]
    stream = settings.seed * 1_000_000 + order * 300_000 + first_step
    optimise(
        learned,
        prefetch(
            partial(grounding_batches, settings=settings, tokenizer=network.tokenizer, batch=batch),
            stream,
        ),
        loss_of,
        steps=steps,
        learning_rate=settings.language_rate,
        first_step=first_step,
        save=lambda step: torch.save({"weights": network.state_dict(), "step": step}, path),
        report=report,
        state_path=path.with_suffix(".optimiser"),
    )

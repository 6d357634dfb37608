"""Stage 2b, Sa2VA's: language is tied to masks by decoding every frame on its own.

The language model, the projector, the `[SEG]` MLP and the tuned mask decoder learn together;
SAM 2's encoder, memory and original decoder stay as stage 1 left them. The vision tower goes on
learning too (in the published models it is frozen).
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
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from napari_sa2va.training.attributes import facts_of
from napari_sa2va.training.loop import inner_matrices, optimise, prefetch
from napari_sa2va.training.losses import decoder_loss, mask_iou
from napari_sa2va.training.network import hidden_states
from napari_sa2va.training.pixels import cover, normalise, squash
from napari_sa2va.training.render import render
from napari_sa2va.training.stage_eyes import (
    EyeBatch,
    covered_tokens,
    seen_words,
    vision_part,
)
from napari_sa2va.training.synth import draw_scene
from napari_sa2va.training.text import (
    IGNORE,
    Packed,
    Row,
    TurnPacker,
    about_video,
    turn_mask,
)

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer
    from napari_sa2va.training.settings import NanoSettings

# An attention module, the hidden states that it was given, and their rotary positions (cos, sin).
Entered = tuple[Any, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]

# Of `KIND_NAMES`: more of what is hard to see (motion, events) and of what is not there.
SHARES = (0.12, 0.10, 0.24, 0.16, 0.08, 0.30)
SEEN_WEIGHT = 0.5
VERDICT_WEIGHT = 4.0  # an answer's first word says whether it is there at all
GAZE_WEIGHT = 0.5
GAZE_FROM = 1  # layer 0 hears the sentence out, those after it look
GAZE_HEADS = 2
KEY_FRAMES = 5
SUPERVISED_FRAMES = 2
LOSS_SIDE = 64
CLICK_PULL = 3.0  # weight of `click_gap` at the first step
CLICK_SHARE = 0.4  # part of the steps over which it falls to 0


@dataclass
class SpokenBatch:
    """Talks about pictures, and the masks they mean.

    Attributes
    ----------
    frames : Tensor of uint8, shape (B, R, S, S, 3)
        Supervised frames, for SAM 2.
    truths : Tensor of uint8, shape (N, R, 64, 64)
        For every `[SEG]`, in the order of `packed.segs`.
    everything : Tensor of uint8, shape (B, R, 64, 64)
        The union of all objects.
    meant : Tensor of bool, shape (B, things, P)
        For everything that the talks of a row speak of (see `Packed.looks`), the places of the
        image tokens that cover it; P is the length of the longest image part.
    packed : Packed
    """

    frames: torch.Tensor
    truths: torch.Tensor
    everything: torch.Tensor
    meant: torch.Tensor
    packed: Packed


@dataclass
class GroundingBatch(EyeBatch, SpokenBatch):
    """Movies with one sentence per talk."""


def places_meant(things: list[list[np.ndarray]], context: list[np.ndarray]) -> torch.Tensor:
    """Where in the sequences the image tokens lie that cover what is spoken of.

    Parameters
    ----------
    things : list of list of ndarray of bool, shape (image tokens of the row,)
        Per row, in the order of `Packed.looks`.
    context : list of ndarray of int
        Where each row's image tokens lie.

    Returns
    -------
    Tensor of bool, shape (B, things, P)
    """
    most = max(1, *(len(row) for row in things))
    found = np.zeros((len(things), most, max(int(c[-1]) for c in context) + 1), bool)
    for b, (row, places) in enumerate(zip(things, context, strict=True)):
        for number, covering in enumerate(row):
            found[b, number, places[covering]] = True
    return torch.from_numpy(found)


def grounding_batches(
    seed: int, settings: NanoSettings, tokenizer: Tokenizer, batch: int
) -> Iterator[GroundingBatch]:
    """Batches without end, the same for the same seed."""
    packer = TurnPacker(tokenizer, settings.tokens_per_frame)
    index = 0
    while True:
        tiles, frames, rows, masks, everything, words, meant = [], [], [], [], [], [], []
        for _ in range(batch):
            movie_seed = [3, seed, index]
            index += 1
            scene, expressions = draw_scene(
                movie_seed, max_expressions=settings.turns, shares=SHARES
            )
            keys = np.linspace(0, scene.num_frames - 1, KEY_FRAMES).astype(int)
            pixels, objects = render(scene, keys)
            rng = np.random.default_rng(movie_seed)
            shown = np.sort(rng.choice(KEY_FRAMES, SUPERVISED_FRAMES, replace=False))
            tiles.append(np.stack([squash(f, settings.tile_size) for f in pixels]))
            frames.append(np.stack([squash(pixels[r], settings.image_size) for r in shown]))
            everything.append(
                np.stack([cover(np.logical_or.reduce(objects[:, r]), LOSS_SIDE) for r in shown])
            )
            covering = covered_tokens(objects, settings.tokens_per_frame)
            words.append(seen_words(facts_of(scene), objects, covering))
            talks = [about_video(e.text, e.answer) for e in expressions]
            rows.append(Row((settings.tokens_per_frame,) * KEY_FRAMES, talks))
            meant.append(
                [
                    np.logical_or.reduce([covering[i - 1] for i in e.object_ids]).ravel()
                    for e in expressions
                    if e.object_ids
                ]
            )
            for e in expressions:
                if e.object_ids:
                    union = np.logical_or.reduce(objects[[i - 1 for i in e.object_ids]])
                    masks.append(np.stack([cover(union[r], LOSS_SIDE) for r in shown]))
        if not masks:  # every sentence asked for something absent: there is nothing to decode
            continue
        yield GroundingBatch(
            tiles=torch.from_numpy(np.stack(tiles)),
            words=torch.from_numpy(np.stack(words)),
            frames=torch.from_numpy(np.stack(frames)),
            truths=torch.from_numpy(np.stack(masks)),
            everything=torch.from_numpy(np.stack(everything)),
            meant=places_meant(meant, [packer.context(row) for row in rows]),
            packed=packer.pack(rows),
        )


def language_part(
    network: Sa2VA, batch: SpokenBatch, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cross-entropy of the answers, its accuracy, `gaze_loss`, and hidden states (B, L, D).

    `images` are the batch's image tokens, (pictures, tokens per picture, D).
    """
    packed = batch.packed
    entered: list[Entered] = []
    hooks = [
        layer.self_attn.register_forward_pre_hook(
            lambda module, _, given: entered.append(
                (module, given["hidden_states"], given["position_embeddings"])
            ),
            with_kwargs=True,
        )
        for layer in network.mllm.model.language_model.layers[GAZE_FROM:]
    ]
    mask = torch.from_numpy(turn_mask(packed.turns))
    try:
        hidden = hidden_states(
            network,
            torch.from_numpy(packed.ids),
            images.flatten(0, 1)[torch.from_numpy(packed.sources)],
            mask,
            torch.from_numpy(packed.positions),
        )
    finally:
        for hook in hooks:
            hook.remove()
    labels = torch.from_numpy(packed.labels)
    said = labels != IGNORE
    logits = network.mllm.lm_head(hidden[said]).float()
    accuracy = (logits.argmax(1) == labels[said]).float().mean()
    begins = said & ~F.pad(said, (1, -1))
    weight = torch.where(begins, VERDICT_WEIGHT, 1.0)[said]
    missed = F.cross_entropy(logits, labels[said], reduction="none")
    words = (missed * weight).sum() / weight.sum()
    return words, accuracy, gaze_loss(entered, mask, batch), hidden


def gaze_loss(entered: list[Entered], mask: torch.Tensor, batch: SpokenBatch) -> torch.Tensor:
    """How little the model looks at what it speaks about.

    Some heads are asked to attend to the image tokens that cover what is meant, and to those of the
    region that marks it, from where the
    sentence has been heard to the end of the answer: words then only have to find themselves (see
    `vision_part`), and the answer can be read off.

    Parameters
    ----------
    entered : list of Entered
        Of the layers from `GAZE_FROM` on. Fused attention does not tell where it looks, and plain
        attention over long sequences takes three times as long: so it is worked out once more, for
        these heads and the tokens that should look.
    mask : Tensor of bool, shape (B, 1, L, L)
    batch : SpokenBatch

    Returns
    -------
    Tensor
        Mean negative logarithm of the attention that falls on the right tokens.
    """
    looks, shows = (torch.from_numpy(a) for a in (batch.packed.looks, batch.packed.shows))
    losses = []
    for attention, hidden, (cos, sin) in entered:
        heads = min(GAZE_HEADS, attention.config.num_attention_heads)
        width = heads * attention.head_dim
        queries, keys = (
            F.linear(hidden, projection.weight[:width], projection.bias[:width])
            .unflatten(-1, (heads, -1))
            .transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj)
        )
        queries, keys = apply_rotary_pos_emb(queries, keys, cos, sin)  # (B, heads, L, d)
        missed = []
        for b, meant in enumerate(batch.meant):
            places = torch.nonzero(looks[b] >= 0)[:, 0]
            wanted = F.pad(meant, (0, shows.shape[1] - meant.shape[1]))[looks[b, places]]  # (n, L)
            wanted |= shows[b] == looks[b, places][:, None]
            there = wanted.any(1)
            places, wanted = places[there], wanted[there].float()
            scores = (queries[b][:, places] @ keys[b].mT).float() * attention.scaling
            gaze = scores.masked_fill(~mask[b, 0, places], -torch.inf).softmax(-1)
            looked = (gaze * wanted).sum(-1).mean(0)
            missed.append(-(looked + 1e-4).log())
        losses.append(torch.cat(missed).sum() / max(sum(len(m) for m in missed), 1))
    return torch.stack(losses).mean()


def mask_part(
    network: Sa2VA, batch: SpokenBatch, hidden: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    first_step: int = 0,
) -> None:
    """Train everything that stage 2 trains.

    Parameters
    ----------
    network : Sa2VA
        Trained in place.
    settings : NanoSettings
    path : Path
        Where the weights are saved while training.
    report : callable
    first_step : int
    """

    def loss_of(batch: GroundingBatch, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        # On processors that compute in bfloat16 the matrix products are three times as fast.
        with torch.autocast("cpu", torch.bfloat16):
            images, missed = vision_part(network, batch)
            words, accuracy, gaze, hidden = language_part(network, batch, images)
            masks, gap, iou = mask_part(network, batch, hidden)
        pull = CLICK_PULL * max(0.0, 1 - step / (CLICK_SHARE * settings.ground_steps))
        loss = words + masks + SEEN_WEIGHT * missed + GAZE_WEIGHT * gaze + pull * gap
        values = {
            "seen": missed, "words": words, "accuracy": accuracy, "gaze": gaze, "gap": gap,
            "iou": iou,
        }  # fmt: skip
        return loss, {name: value.item() for name, value in values.items()}

    matrices, others = inner_matrices(network)
    optimise(
        others,
        prefetch(
            partial(
                grounding_batches,
                settings=settings,
                tokenizer=network.tokenizer,
                batch=settings.ground_batch,
            ),
            settings.seed * 1_000_000 + first_step,
        ),
        loss_of,
        steps=settings.ground_steps,
        learning_rate=settings.ground_rate,
        matrices=matrices,
        matrix_rate=settings.matrix_rate,
        first_step=first_step,
        report=report,
        keep=network,
        path=path,
    )

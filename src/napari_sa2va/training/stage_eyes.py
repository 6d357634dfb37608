"""Stage 2a, the eyes: image tokens learn to say what they cover.

It stands in for the pre-training that the vision towers of the published models bring along: the
tower and the projector learn, and the words of the language model are what they aim at.
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

from napari_sa2va.training.attributes import Facts, facts_of, region
from napari_sa2va.training.loop import inner_matrices, optimise, prefetch
from napari_sa2va.training.network import image_tokens
from napari_sa2va.training.pixels import cover, normalise, squash
from napari_sa2va.training.render import render
from napari_sa2va.training.scene import draw_any_scene

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.training.settings import NanoSettings

SEEN_WORDS = (
    "small", "large", "bright", "dim", "dark", "round", "elongated", "red", "green", "blue",
    "yellow", "cell", "cavity", "structure", "top", "bottom", "left", "right", "centre",
)  # fmt: skip


@dataclass
class EyeBatch:
    """Key frames and what their image tokens cover.

    Attributes
    ----------
    tiles : Tensor of uint8, shape (B, K, s, s, 3)
        Frames for the language model.
    words : Tensor of bool, shape (B, K, tokens per frame, len(SEEN_WORDS))
        Which words describe what an image token covers.
    """

    tiles: torch.Tensor
    words: torch.Tensor


def eye_batches(seed: int, settings: NanoSettings, batch: int) -> Iterator[EyeBatch]:
    """Frames of many scenes, two of each, without end."""
    index = 0
    while True:
        tiles, words = [], []
        for _ in range(batch):
            rng = np.random.default_rng([5, seed, index])
            index += 1
            scene = draw_any_scene(rng)
            pixels, objects = render(scene, rng.integers(scene.num_frames, size=2).tolist())
            tiles.append(np.stack([squash(f, settings.tile_size) for f in pixels]))
            covering = covered_tokens(objects, settings.tokens_per_frame)
            words.append(seen_words(facts_of(scene), objects, covering))
        yield EyeBatch(torch.from_numpy(np.stack(tiles)), torch.from_numpy(np.stack(words)))


def covered_tokens(masks: np.ndarray, tokens: int) -> np.ndarray:
    """Which image tokens an object covers.

    Parameters
    ----------
    masks : ndarray of bool, shape (N, K, Y, X)
    tokens : int
        Per frame; a square number.

    Returns
    -------
    ndarray of bool, shape (N, K, tokens)
        Small objects cover little of any token: the one they cover most counts.
    """
    side = math.isqrt(tokens)
    found = np.zeros((*masks.shape[:2], tokens), bool)
    for n, k in np.argwhere(masks.any((2, 3))):
        share = cover(masks[n, k], side).ravel()
        found[n, k] = share >= min(40, share.max())
    return found


def seen_words(facts: Facts, masks: np.ndarray, covering: np.ndarray) -> np.ndarray:
    """Which words describe what each image token covers.

    Parameters
    ----------
    facts : Facts
    masks : ndarray of bool, shape (N, K, Y, X)
    covering : ndarray of bool, shape (N, K, tokens)

    Returns
    -------
    ndarray of bool, shape (K, tokens, len(SEEN_WORDS))
    """
    found = np.zeros((*covering.shape[1:], len(SEEN_WORDS)), bool)
    for n, k in np.argwhere(covering.any(2)):
        words = facts.words[n]
        looks = [w for family, w in words.items() if family not in ("place", "motion", "event")]
        centre = np.array([c.mean() for c in np.nonzero(masks[n, k])]) / masks.shape[2:]
        said = [SEEN_WORDS.index(w) for w in (*looks, *region(centre).split())]
        found[k, np.flatnonzero(covering[n, k])[:, None], said] = True
    return found


def vision_part(network: Sa2VA, batch: EyeBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Image tokens (B * K, tokens, D), and how badly they say what they cover."""
    images = image_tokens(network, normalise(batch.tiles, rounded=False).flatten(0, 1))
    return images, unsaid(network, images, batch.words.flatten(0, 1))


def unsaid(network: Sa2VA, images: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """How badly image tokens say what they cover.

    Parameters
    ----------
    network : Sa2VA
    images : Tensor, shape (F, tokens, D)
    words : Tensor of bool, shape (F, tokens, len(SEEN_WORDS))

    Notes
    -----
    A token is asked for a word by its inner product with the word's own embedding: it learns to be
    the sum of the words that describe it, which the language model can read at once.
    """
    tokenizer = network.tokenizer
    ids = torch.tensor([tokenizer.encode(f" {w}")[0] for w in SEEN_WORDS])
    embeddings = network.mllm.get_input_embeddings()(ids)
    truth = words.float()
    # 3 where a token holds a word once, -3 where it does not.
    logits = 6 * (images @ embeddings.T).float() / embeddings.detach().square().sum(-1) - 3
    missed = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(-1)
    weight = torch.where(truth.any(-1), 1.0, 0.15)
    # Tokens much longer than words would hardly be changed by anything the layers write.
    length = 0.1 * images.float().square().mean()
    return (missed * weight).sum() / weight.sum() + length


def train_eyes(
    network: Sa2VA,
    settings: NanoSettings,
    *,
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    first_step: int = 0,
) -> None:
    """Train the vision tower and the projector.

    Parameters
    ----------
    network : Sa2VA
        Trained in place.
    settings : NanoSettings
    path : Path
        Where the weights of the multimodal model are saved while training.
    report : callable
    first_step : int
    """

    def loss_of(batch: EyeBatch, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            _, missed = vision_part(network, batch)
        return missed, {}

    inner = network.mllm.model
    eyes = torch.nn.ModuleList([inner.vision_tower, inner.multi_modal_projector])
    matrices, others = inner_matrices(eyes)
    optimise(
        others,
        prefetch(
            partial(eye_batches, settings=settings, batch=settings.eye_batch),
            settings.seed * 1_000_000 + first_step,
        ),
        loss_of,
        steps=settings.eye_steps,
        learning_rate=settings.eye_rate,
        matrices=matrices,
        matrix_rate=settings.matrix_rate,
        first_step=first_step,
        report=report,
        keep=network.mllm,
        path=path,
    )

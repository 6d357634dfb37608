"""Stage 2c, the tasks: questions, pictures, captions, marked regions and follow-ups.

Goes on from grounding, with its losses. Every other batch is of movies, most of whose talks are the
sentences of grounding, so that nothing is forgotten; the batches between are of pictures, cut into
tiles as at inference.
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

from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.regions import region_cells
from napari_sa2va.models.sa2va.tiles import frame_tile, image_tiles
from napari_sa2va.training.attributes import Facts, facts_of
from napari_sa2va.training.dialogues import Dialogue, Teller
from napari_sa2va.training.loop import inner_matrices, optimise, prefetch
from napari_sa2va.training.network import image_tokens
from napari_sa2va.training.pixels import cover, squash
from napari_sa2va.training.render import render
from napari_sa2va.training.speaker import Turn
from napari_sa2va.training.stage_eyes import covered_tokens, seen_words, unsaid
from napari_sa2va.training.stage_grounding import (
    GAZE_WEIGHT,
    KEY_FRAMES,
    LOSS_SIDE,
    SEEN_WEIGHT,
    SUPERVISED_FRAMES,
    SpokenBatch,
    language_part,
    mask_part,
    places_meant,
)
from napari_sa2va.training.stills import draw_still, mark_mask
from napari_sa2va.training.synth import draw_scene
from napari_sa2va.training.text import Row, Talk, TurnPacker, about_video

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer
    from napari_sa2va.training.settings import NanoSettings

# Talks of one picture, and of one movie beside the sentences of grounding.
PICTURE_TALKS = (
    "referring", "caption", "caption", "counting", "counting", "question", "follow-up",
    "follow-up", "region", "region", "region",
)  # fmt: skip
MOVIE_TALKS = ("counting", "question", "question", "follow-up", "follow-up")
MOVIE_SENTENCES = 5
# Of `KIND_NAMES`: nearly all questions and follow-ups are about what is there, which makes the
# model claim too much, so more of the sentences are about what is not.
MOVIE_SHARES = (0.10, 0.09, 0.26, 0.15, 0.06, 0.34)


@dataclass
class TaskBatch(SpokenBatch):
    """Movies, or pictures, with talks about them.

    Attributes
    ----------
    pixels : Tensor of float32, shape (F, 3, s, s)
        The tiles of all rows, one behind the other, as the vision tower takes them.
    whole : Tensor of int64, shape (V,)
        Which of them show a whole frame.
    words : Tensor of bool, shape (V, tokens per frame, len(SEEN_WORDS))
        Which words describe what the image tokens of these cover.
    """

    pixels: torch.Tensor
    whole: torch.Tensor
    words: torch.Tensor


@dataclass(eq=False)
class Shown:
    """One row: what is shown, and what is said about it.

    Attributes
    ----------
    pixels : ndarray of float32, shape (n, 3, s, s)
        The tiles; the last `len(frames)` of them show whole frames.
    frames : ndarray of uint8, shape (K, Y, X, 3)
    masks : ndarray of bool, shape (N, K, Y, X)
    facts : Facts
    talks : list of Talk
    turns : list of Turn
        Of all talks, one behind the other.
    supervised : ndarray of int
        Which frames have their masks decoded.
    """

    pixels: np.ndarray
    frames: np.ndarray
    masks: np.ndarray
    facts: Facts
    talks: list[Talk]
    turns: list[Turn]
    supervised: np.ndarray


def shown_movie(seed: list[int], settings: NanoSettings) -> Shown:
    """A movie in key frames, with sentences, questions and follow-ups."""
    scene, expressions = draw_scene(seed, max_expressions=MOVIE_SENTENCES, shares=MOVIE_SHARES)
    keys = np.linspace(0, scene.num_frames - 1, KEY_FRAMES).astype(int)
    frames, masks = render(scene, keys)
    rng = np.random.default_rng(seed)
    shown = np.sort(rng.choice(KEY_FRAMES, SUPERVISED_FRAMES, replace=False))
    facts = facts_of(scene)
    pixels = np.stack([frame_tile(f, settings.tile_size) for f in frames])
    row = Shown(pixels, frames, masks, facts, [], [], shown)
    for e in expressions:
        row.talks.append(about_video(e.text, e.answer))
        row.turns.append(Turn("", e.answer, (e.object_ids,) if e.object_ids else ()))
    _talk(row, Teller(scene, facts, "video", rng), MOVIE_TALKS, settings)
    return row


def shown_picture(seed: list[int], settings: NanoSettings) -> Shown:
    """A picture in tiles, with talks of all tasks."""
    still = draw_still(seed)
    frame, masks = still.render()
    pixels = image_tiles(frame, settings.tile_size)
    row = Shown(pixels, frame[None], masks[:, None], still.facts, [], [], np.zeros(1, int))
    rng = np.random.default_rng(seed)
    _talk(row, Teller(still.shown, still.facts, "image", rng), PICTURE_TALKS, settings)
    return row


def _talk(row: Shown, teller: Teller, tasks: tuple[str, ...], settings: NanoSettings) -> None:
    """Add one talk of every task of which the scene has something clear to say."""
    for task in tasks:
        dialogue = teller.draw(task)
        talk = dialogue and talk_of(dialogue, row.masks[:, 0], settings.tokens_per_frame)
        if dialogue and talk:
            row.talks.append(talk)
            row.turns.extend(dialogue.turns)


def talk_of(dialogue: Dialogue, masks: np.ndarray, tokens: int) -> Talk | None:
    """A dialogue as it is packed; None if it marks a region that no image token sees.

    Parameters
    ----------
    dialogue : Dialogue
    masks : ndarray of bool, shape (N, Y, X)
        Of all objects, on the frame on which regions are marked.
    tokens : int
        Image tokens per frame.
    """
    side = math.isqrt(tokens)
    regions = [mark_mask(mark, masks, side) for mark in dialogue.marks]
    if any(region is None for region in regions):
        return None
    return Talk(
        tuple(Exchange(turn.question, turn.answer) for turn in dialogue.turns),
        tuple(len(turn.looks) for turn in dialogue.turns),
        tuple(region_cells(r, side).ravel() for r in regions if r is not None),
        dialogue.asked,
    )


def task_batch(rows: list[Shown], settings: NanoSettings, packer: TurnPacker) -> TaskBatch | None:
    """Put rows of equally many supervised frames together; None if none has a mask to decode."""
    tokens = settings.tokens_per_frame
    packed, words, things, truths = [], [], [], []
    whole: list[int] = []
    first = 0
    for row in rows:
        count, num_frames = len(row.pixels), len(row.frames)
        whole += range(first + count - num_frames, first + count)
        first += count
        covering = covered_tokens(row.masks, tokens)  # (N, K, tokens)
        words.append(seen_words(row.facts, row.masks, covering))
        # What is seen of something in the tiles of a picture is left to the model to find out.
        unseen = np.zeros((count - num_frames) * tokens, bool)
        things.append(
            [
                np.concatenate([unseen, _union(covering, ids).ravel()])
                for turn in row.turns
                for ids in turn.looks
            ]
        )
        for ids in (ids for turn in row.turns for ids in turn.segs):
            union = _union(row.masks, ids)
            truths.append(np.stack([cover(union[r], LOSS_SIDE) for r in row.supervised]))
        movie = count == num_frames > 1
        packed.append(Row((tokens,) * count if movie else (tokens * count,), row.talks))
    if not truths:
        return None
    side = settings.image_size
    return TaskBatch(
        pixels=torch.from_numpy(np.concatenate([row.pixels for row in rows])),
        whole=torch.tensor(whole),
        words=torch.from_numpy(np.concatenate(words)),
        frames=torch.from_numpy(
            np.stack([[squash(row.frames[r], side) for r in row.supervised] for row in rows])
        ),
        truths=torch.from_numpy(np.stack(truths)),
        everything=torch.from_numpy(
            np.stack(
                [
                    [
                        cover(np.logical_or.reduce(row.masks[:, r]), LOSS_SIDE)
                        for r in row.supervised
                    ]
                    for row in rows
                ]
            )
        ),
        meant=places_meant(things, [packer.context(row) for row in packed]),
        packed=packer.pack(packed),
    )


def _union(masks: np.ndarray, ids: tuple[int, ...]) -> np.ndarray:
    found: np.ndarray = np.logical_or.reduce(masks[[i - 1 for i in ids]])
    return found


def task_batches(
    seed: int, settings: NanoSettings, tokenizer: Tokenizer, batch: int
) -> Iterator[TaskBatch]:
    """Batches of movies and of pictures in turns, without end, the same for the same seed."""
    packer = TurnPacker(tokenizer, settings.tokens_per_frame)
    index = 0
    while True:
        for kind, draw in enumerate((shown_movie, shown_picture)):
            rows = [draw([6, kind, seed, index + i], settings) for i in range(batch)]
            made = task_batch(rows, settings, packer)
            if made is not None:
                yield made
        index += batch


def task_losses(network: Sa2VA, batch: TaskBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of a batch, and its parts."""
    images = image_tokens(network, batch.pixels)
    missed = unsaid(network, images[batch.whole], batch.words)
    words, accuracy, gaze, hidden = language_part(network, batch, images)
    masks, _, iou = mask_part(network, batch, hidden)
    loss = words + masks + SEEN_WEIGHT * missed + GAZE_WEIGHT * gaze
    return loss, {"seen": missed, "words": words, "accuracy": accuracy, "gaze": gaze, "iou": iou}


def train_tasks(
    network: Sa2VA,
    settings: NanoSettings,
    *,
    path: Path,
    report: Callable[[int, dict[str, float]], None],
    first_step: int = 0,
) -> None:
    """Train what grounding trains, on all tasks.

    Parameters
    ----------
    network : Sa2VA
        Trained in place.
    settings : NanoSettings
    path : Path
        Where the weights are saved while training.
    report : callable
        Movies and pictures take turns, and their numbers are reported apart.
    first_step : int
    """

    def loss_of(batch: TaskBatch, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            loss, parts = task_losses(network, batch)
        return loss, {name: value.item() for name, value in parts.items()}

    matrices, others = inner_matrices(network)
    optimise(
        others,
        prefetch(
            partial(
                task_batches,
                settings=settings,
                tokenizer=network.tokenizer,
                batch=settings.task_batch,
            ),
            settings.seed * 1_000_000 + first_step,
        ),
        loss_of,
        steps=settings.task_steps,
        learning_rate=settings.task_rate,
        matrices=matrices,
        matrix_rate=settings.task_matrix_rate,
        first_step=first_step,
        report=report,
        keep=network,
        path=path,
    )

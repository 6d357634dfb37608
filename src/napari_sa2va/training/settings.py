"""Sizes and schedule of the small checkpoint."""

from __future__ import annotations

from pydantic import Field

from napari_sa2va.core.params import Params


class NanoSettings(Params):
    """Everything that decides what `train_nano` makes."""

    seed: int = Field(
        0, ge=0, title="Seed", description="Seed of the first weights and of all movies."
    )
    threads: int = Field(
        1, ge=1, le=64, title="Threads", description="Processor cores for the arithmetic."
    )

    click_steps: int = Field(
        700, ge=1, title="Click steps", description="Stage 1a: stills prompted by clicks or boxes."
    )
    click_batch: int = Field(16, ge=1, title="Stills per step", description="Stage 1a.")
    click_objects: int = Field(4, ge=1, title="Objects per still", description="Stage 1a.")
    click_rate: float = Field(6e-4, gt=0, title="Learning rate", description="Stage 1a.")

    track_steps: int = Field(
        900, ge=1, title="Track steps", description="Stage 1b: clips followed through memory."
    )
    track_batch: int = Field(4, ge=1, title="Clips per step", description="Stage 1b.")
    track_objects: int = Field(2, ge=1, title="Objects per clip", description="Stage 1b.")
    track_rate: float = Field(4e-4, gt=0, title="Learning rate", description="Stage 1b.")

    eye_steps: int = Field(
        500, ge=1, title="Eye steps", description="Stage 2a: image tokens say what they cover."
    )
    word_steps: int = Field(
        1000, ge=1, title="Word steps", description="Stage 2b: what a sentence means, in words."
    )
    word_batch: int = Field(8, ge=1, title="Movies per step", description="Stages 2a, 2b.")
    mask_steps: int = Field(
        4000, ge=1, title="Mask steps", description="Stage 2c: what a sentence means, in masks."
    )
    mask_batch: int = Field(4, ge=1, title="Movies per step", description="Stage 2b.")
    turns: int = Field(
        8, ge=1, title="Turns", description="Sentences per movie, all in one packed sequence."
    )
    language_rate: float = Field(
        4e-4,
        gt=0,
        title="Learning rate",
        description="Stage 2; 1e-3 keeps a model of this size from learning to ground.",
    )

    image_size: int = Field(128, ge=64, title="SAM 2 side", description="Input side in px.")
    tile_size: int = Field(96, ge=32, title="Tile side", description="Language model input in px.")
    patch_size: int = Field(8, ge=4, title="Patch side", description="In px of a tile.")
    vision_width: int = Field(128, ge=32, title="Vision width", description="Of the vision tower.")
    vision_layers: int = Field(3, ge=1, title="Vision layers", description="Of the vision tower.")
    width: int = Field(192, ge=32, title="Language width", description="Of the language model.")
    layers: int = Field(4, ge=1, title="Language layers", description="Of the language model.")
    vocab_size: int = Field(1024, ge=300, title="Vocabulary", description="Tokens, specials too.")

    @property
    def tokens_per_frame(self) -> int:
        """Image tokens per frame: patches, merged two by two."""
        return (self.tile_size // self.patch_size // 2) ** 2

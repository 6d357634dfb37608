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
    click_batch: int = Field(16, ge=1, title="Stills per step", description="Of stage 1a.")
    click_objects: int = Field(4, ge=1, title="Objects per still", description="Of stage 1a.")
    click_rate: float = Field(6e-4, gt=0, title="Learning rate", description="Of stage 1a.")

    track_steps: int = Field(
        900, ge=1, title="Track steps", description="Stage 1b: clips followed through memory."
    )
    track_batch: int = Field(4, ge=1, title="Clips per step", description="Of stage 1b.")
    track_objects: int = Field(2, ge=1, title="Objects per clip", description="Of stage 1b.")
    track_rate: float = Field(4e-4, gt=0, title="Learning rate", description="Of stage 1b.")

    eye_steps: int = Field(
        2000, ge=1, title="Eye steps", description="Stage 2a: image tokens say what they cover."
    )
    eye_batch: int = Field(20, ge=1, title="Movies per step", description="Of stage 2a.")
    eye_rate: float = Field(1e-3, gt=0, title="Learning rate", description="Of stage 2a.")

    ground_steps: int = Field(
        9000, ge=1, title="Grounding steps", description="Stage 2b: a sentence in, masks out."
    )
    ground_batch: int = Field(4, ge=1, title="Movies per step", description="Of stage 2b.")
    ground_rate: float = Field(5e-4, gt=0, title="Learning rate", description="Of stage 2b.")
    matrix_rate: float = Field(
        2e-3, gt=0, title="Rate of matrices", description="Learning rate of Muon in 2a and 2b."
    )
    turns: int = Field(
        8, ge=1, title="Turns", description="Sentences per movie, all in one packed sequence."
    )

    task_steps: int = Field(
        8000, ge=1, title="Task steps", description="Stage 2c: questions, pictures, conversations."
    )
    task_batch: int = Field(
        3, ge=1, title="Movies or pictures per step", description="Of stage 2c."
    )
    task_rate: float = Field(4e-4, gt=0, title="Learning rate", description="Of stage 2c.")
    task_matrix_rate: float = Field(
        1.5e-3, gt=0, title="Rate of matrices", description="Learning rate of Muon in 2c."
    )

    image_size: int = Field(128, ge=64, title="SAM 2 side", description="Input side in px.")
    tile_size: int = Field(112, ge=32, title="Tile side", description="Language model input in px.")
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

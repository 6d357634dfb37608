"""Sizes and schedule of the small checkpoint."""

from __future__ import annotations

from pydantic import Field

from napari_sa2va.core.params import Params


class NanoSettings(Params):
    """Everything that decides what `train_nano` makes."""

    seed: int = Field(0, title="Seed", description="Seed of the weights and of all movies.", ge=0)
    sam2_steps: int = Field(
        1800, title="SAM 2 steps", description="Optimiser steps of stage 1.", ge=0
    )
    words_steps: int = Field(
        1000,
        title="Word steps",
        description="Steps in which the language model learns to name objects, before any mask.",
        ge=0,
    )
    grounding_steps: int = Field(
        2500, title="Grounding steps", description="Optimiser steps of stage 2.", ge=0
    )
    sam2_batch: int = Field(4, title="Clips per step in stage 1", description="", ge=1)
    objects_per_clip: int = Field(2, title="Objects per clip in stage 1", description="", ge=1)
    grounding_batch: int = Field(6, title="Movies per step in stage 2", description="", ge=1)
    turns: int = Field(
        8, title="Turns", description="Sentences per movie, all in one packed sequence.", ge=1
    )
    sam2_learning_rate: float = Field(6e-4, title="Learning rate of stage 1", description="", gt=0)
    learning_rate: float = Field(
        3e-4,
        title="Learning rate of stage 2",
        description="1e-3 keeps a model of this size from learning to ground.",
        gt=0,
    )
    image_size: int = Field(128, title="SAM 2 input side (px)", description="", ge=64)
    tile_size: int = Field(96, title="Language model tile side (px)", description="", ge=32)
    patch_size: int = Field(8, title="Patch side (px)", description="", ge=4)
    vision_width: int = Field(128, title="Width of the vision tower", description="", ge=32)
    vision_layers: int = Field(3, title="Layers of the vision tower", description="", ge=1)
    width: int = Field(192, title="Width of the language model", description="", ge=32)
    layers: int = Field(4, title="Layers of the language model", description="", ge=1)
    vocab_size: int = Field(1024, title="Vocabulary", description="", ge=300)

    @property
    def tokens_per_frame(self) -> int:
        """Image tokens per frame: patches, merged two by two."""
        return (self.tile_size // self.patch_size // 2) ** 2

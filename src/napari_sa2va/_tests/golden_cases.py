"""The golden cases: tiny checkpoints in the published layout, and what the reference said of them.

The weights are not stored: `golden/README.md` tells how each tensor follows from its name.
"""

from __future__ import annotations

import json
import math
import shutil
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "golden"
NAMES = (
    "sa2va-qwen2-video",
    "sa2va-i-qwen2-video",
    "sa2va-internlm2-video",
    "sa2va-qwen2-image",
    "sa2va-qwen25-video",
)
CHECKPOINT_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class GoldenCase:
    """One folder of `golden/`."""

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @cached_property
    def case(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())

    @cached_property
    def expected(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "expected.npz") as stored:
            return dict(stored)

    @cached_property
    def frames(self) -> np.ndarray:
        """uint8 (T, Y, X, 3)."""
        with np.load(self.folder / "frames.npz") as stored:
            return stored["frames"]

    @cached_property
    def masks(self) -> np.ndarray:
        """bool (N, T, Y, X)."""
        shape = tuple(self.expected["masks_shape"])
        bits = np.unpackbits(self.expected["masks_packed"], count=math.prod(shape))
        return bits.reshape(shape).astype(bool)

    @property
    def answer_ids(self) -> np.ndarray:
        """Tokens of the answer, which some references return behind those of the prompt."""
        prompt, ids = self.expected["input_ids"], self.expected["generated_ids"]
        behind = len(ids) > len(prompt) and np.array_equal(ids[: len(prompt)], prompt)
        return ids[len(prompt) :] if behind else ids

    @property
    def key_frames(self) -> list[int]:
        """The frames shown to the language model."""
        if "sample_idx" in self.expected:
            return sorted({int(t) for t in self.expected["sample_idx"]})
        return list(range(min(5, len(self.frames))))

    def shapes(self) -> dict[str, list[int]]:
        return json.loads((self.folder / "tensors.json").read_text())

    def write_checkpoint(self, folder: Path) -> Path:
        """Write the checkpoint, as published ones are laid out."""
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(self.shapes(), self.case["salt"], folder / "model.safetensors")
        for name in CHECKPOINT_FILES:
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)
        return folder


def golden_tensor(name: str, shape: list[int], salt: str) -> np.ndarray:
    """The float32 values of a tensor, which follow from its name."""
    seed = zlib.crc32(f"{salt}/{name}".encode())
    x = np.random.Generator(np.random.PCG64(seed)).standard_normal(math.prod(shape)).reshape(shape)
    if len(shape) > 1:
        x = x / math.sqrt(math.prod(shape[1:]))
    elif name.rpartition(".")[2] in ("weight", "ls1", "ls2", "g_weight"):
        x = 1 + 0.1 * x
    else:
        x = 0.05 * x
    return x.astype(np.float32)


def write_tensors(shapes: dict[str, list[int]], salt: str, path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({n: golden_tensor(n, s, salt) for n, s in shapes.items()}, str(path))

"""The golden cases: tiny checkpoints in the published layout, and what the reference said of them.

The weights are not stored: `golden/README.md` tells how each tensor follows from its name. Further
cases of the same layout are taken from the folder that NAPARI_SA2VA_GOLDEN names.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "golden"
# All other files of a case are the checkpoint's own.
ABOUT_THE_CASE = ("case.json", "expected.npz", "frames.npz", "tensors.json")


def cases() -> list[GoldenCase]:
    """All cases, by name."""
    more = os.environ.get("NAPARI_SA2VA_GOLDEN")
    roots = [FOLDER, *([Path(more)] if more else [])]
    found = {file.parent.name: file.parent for root in roots for file in root.glob("*/case.json")}
    return [GoldenCase(name, folder) for name, folder in sorted(found.items())]


@dataclass(frozen=True)
class GoldenCase:
    """One folder of `golden/`, or of another folder of such cases."""

    name: str
    folder: Path

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

    @cached_property
    def regions(self) -> np.ndarray:
        """The marked regions: bool (R, Y, X)."""
        written = self.case.get("mask_prompts")
        for name in ("frames.npz", "expected.npz"):
            with np.load(self.folder / name) as stored:
                if "mask_prompts" in stored:
                    written = stored["mask_prompts"]
        height, width = self.frames.shape[1:3]
        if written is None:
            return np.zeros((0, height, width), bool)
        return np.asarray(written).reshape(-1, height, width) > 0

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
        for file in self.folder.iterdir():
            if file.is_file() and file.name not in ABOUT_THE_CASE:
                shutil.copyfile(file, folder / file.name)
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

"""Writes a trained network as a checkpoint folder in the published Sa2VA-i layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA


def export_checkpoint(network: Sa2VA, folder: str | Path) -> int:
    """Write config.json, model.safetensors and the tokenizer.

    Parameters
    ----------
    network : Sa2VA
        With both decoders.
    folder : path
        Made if it is not there; files in it are replaced.

    Returns
    -------
    int
        Size of the weight file in bytes. Weights are stored as float16: rounding at the eleventh
        bit costs nothing here, and bfloat16's eighth does.

    Raises
    ------
    CheckpointError
        If a tensor has no published name.
    """
    from safetensors.torch import save_file

    from napari_sa2va.models.sa2va.tokenizer import save

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous().clone()
        for name, tensor in network.to_published().items()
    }
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(network.config, indent=1) + "\n")
    save(network.tokenizer, folder)
    return (folder / "model.safetensors").stat().st_size

"""Tensors and a text about them in one safetensors file, which is whole, or known not to be.

The format itself has no checksum: a byte that a disk or a network drive lost would be taken for a
number. So one is written beside the text.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import OutputError, SafePointError
from napari_sa2va.writers.paths import replacing

if TYPE_CHECKING:
    from torch import Tensor


def write(path: Path, tensors: Mapping[str, Tensor], text: str) -> None:
    """Replace a file at once; one that is read meanwhile is the old or the new one.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
        On any device; no two of them share memory.
    text : str
        Less than 100 MB, which the format does not hold.

    Raises
    ------
    OutputError
        If it cannot be written; the file that was there stays.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    at_hand = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"text": text, "checksum": _checksum(at_hand, text)}
    with replacing(path, overwrite=True) as temporary:
        try:
            save_file(at_hand, temporary, metadata=about)
        except SafetensorError as error:
            raise OutputError(
                f"{path} could not be written ({error}).", "Is the disk full?"
            ) from error


def read(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read what `write` wrote.

    Returns
    -------
    tensors : dict of str to Tensor
        On the CPU, in memory of their own: the file may be replaced or deleted.
    text : str

    Raises
    ------
    SafePointError
        If the file is not there, damaged, or another one.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SafePointError(f"{path} cannot be read ({error}).", _BEGIN_ANEW) from error
    text = about.get("text", "")
    if about.get("checksum") != _checksum(tensors, text):
        raise SafePointError(f"{path} is damaged: its checksum is another one.", _BEGIN_ANEW)
    return tensors, text


_BEGIN_ANEW = "Delete it to begin the run anew."


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    """CRC-32 of the text, and of all tensors."""
    import torch

    found = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        # numpy has no bfloat16, so the bytes are asked for.
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"

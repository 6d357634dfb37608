"""Weights from safetensors into a network, one tensor at a time.

The network is built hollow, its tensors are checked against the headers before any is read, and
each is cast and moved as it is read: there is never a second copy of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.checkpoint import TensorEntry
    from napari_sa2va.models.sa2va.keymap import KeyMap, Transform

    Shape = tuple[int, ...]

_SHOWN = 5


class Hollow(TorchFunctionMode):
    """Within this context, new parameters take no memory.

    Only `torch.empty`, with which torch's layers make their parameters, is sent to the meta
    device. Constants that are computed while a network is built (rotary frequencies, position
    codes) stay real, so nothing has to be recomputed afterwards, and SAM 2's trunk, which reads
    numbers out of tensors, can be built too. The mode holds for the calling thread only.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


@dataclass(frozen=True)
class Move:
    """One tensor on its way from a file into the network."""

    published: str
    entry: TensorEntry
    native: tuple[str, ...]
    transform: Transform


def plan_moves(
    entries: Mapping[str, TensorEntry], keys: KeyMap, expected: Mapping[str, Shape]
) -> list[Move]:
    """Say where each stored tensor goes, before any is read.

    Parameters
    ----------
    entries : mapping of published name to TensorEntry
    keys : KeyMap
    expected : mapping of native name to shape
        Every tensor that the network needs.

    Raises
    ------
    CheckpointError
        If anything is missing, left over, given twice, or of another shape. The message names the
        first few tensors of each kind by their published names.
    """
    moves, unexpected, misshapen = [], [], []
    source: dict[str, str] = {}
    twice: list[str] = []
    for published, entry in entries.items():
        target = keys.to_native(published)
        if target is None or not all(name in expected for name in target.native):
            unexpected.append(published)
            continue
        shape = target.transform.joined_shape([expected[name] for name in target.native])
        if shape != entry.shape:
            misshapen.append(f"{published} {list(entry.shape)} instead of {list(shape)}")
        for name in target.native:
            if name in source:
                twice.append(f"{published} and {source[name]}")
            source[name] = published
        moves.append(Move(published, entry, target.native, target.transform))
    missing = keys.published_shapes({n: s for n, s in expected.items() if n not in source})
    problems = [
        _listed("missing", list(missing)),
        _listed("left over", unexpected),
        _listed("of the wrong shape", misshapen),
        _listed("stored twice", twice),
    ]
    found = "; ".join(problem for problem in problems if problem)
    if found:
        raise CheckpointError(
            f"The weights do not fit config.json: {found}.",
            "Take config.json and the weights from the same checkpoint, and check that all its "
            "files arrived.",
        )
    return moves


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(sorted(names)[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    noun = "tensor" if len(names) == 1 else "tensors"
    return f"{len(names)} {noun} {what}: {shown}{more}"


def fill(
    network: nn.Module,
    moves: Iterable[Move],
    *,
    device: torch.device,
    dtype_of: Callable[[str], torch.dtype],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Read tensors one by one and put them into the network, cast and on the device.

    At no time is more than one stored tensor held beside the network.

    Parameters
    ----------
    network : nn.Module
        May be hollow; its parameters and buffers of the planned names are replaced.
    moves : iterable of Move
    device : torch.device
    dtype_of : callable
        Native name -> floating-point type to cast to.
    progress : callable, optional
        Called with bytes read so far and bytes in all.
    """
    from safetensors import safe_open

    by_shard: dict[Path, list[Move]] = {}
    for move in moves:
        by_shard.setdefault(move.entry.shard, []).append(move)
    total = sum(m.entry.num_bytes for ms in by_shard.values() for m in ms)
    done = 0
    for path, group in by_shard.items():
        with safe_open(path, framework="pt", device="cpu") as shard:
            for move in group:
                stored = shard.get_tensor(move.published)
                for name, part in zip(move.native, move.transform.split(stored), strict=True):
                    # A copy even where nothing is cast: the file may be replaced while we run.
                    tensor = part.to(device=device, dtype=dtype_of(name), copy=True)
                    _put(network, name, tensor.contiguous())
                done += move.entry.num_bytes
                if progress is not None:
                    progress(done, total)


def _put(network: nn.Module, name: str, tensor: torch.Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    module = network.get_submodule(path)
    if leaf in module._parameters:
        module._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
    else:
        module._buffers[leaf] = tensor

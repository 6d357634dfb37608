"""Weights from safetensors into a network, one tensor at a time.

The network is built hollow, its tensors are checked against the headers before any is read, and
each is checked, cast or packed, and moved as it is read: there is never a second copy of the
weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va.checkpoint import READ_AT_ONCE
from napari_sa2va.models.sa2va.quantise import PackedLinear

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.checkpoint import TensorEntry
    from napari_sa2va.models.sa2va.keymap import KeyMap, Transform

    Shape = tuple[int, ...]

_SHOWN = 5
_DAMAGED = "Download or copy the checkpoint again; the transfer may have been cut off."
# Number formats of weights. Others (int8, float8) need scales that these layouts do not have.
_STORED = {"F64", "F32", "F16", "BF16"}


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
    moves, unexpected, misshapen, mistyped = [], [], [], []
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
        if entry.stored not in _STORED:
            mistyped.append(f"{published} {entry.stored}")
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
        _listed("in a number format that is not for weights", mistyped),
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
    """Read tensors one by one and put them into the network, cast or packed, and on the device.

    At no time is more than one stored tensor held beside the network.

    Parameters
    ----------
    network : nn.Module
        May be hollow; its parameters and buffers of the planned names are replaced.
    moves : iterable of Move
    device : torch.device
    dtype_of : callable
        Native name -> floating-point type to cast to, unless its layer packs it.
    progress : callable, optional
        Called with bytes read so far and bytes in all.

    Raises
    ------
    CheckpointError
        If a file cannot be read, or weights are no numbers (NaN or infinite), or are too large for
        float16.
    """
    from safetensors import SafetensorError, safe_open

    by_shard: dict[Path, list[Move]] = {}
    for move in moves:
        by_shard.setdefault(move.entry.shard, []).append(move)
    total = sum(m.entry.num_bytes for ms in by_shard.values() for m in ms)
    done = 0
    sick: list[str] = []
    for path, group in by_shard.items():
        for part in _portions(group):
            try:
                with safe_open(path, framework="pt", device="cpu") as shard:
                    for move in part:
                        # A file that was exchanged since its header was read.
                        stored = shard.get_tensor(move.published)
                        if tuple(stored.shape) != move.entry.shape:
                            raise SafetensorError(f"{move.published} has changed its shape")
                        if fault := _fault(stored, [dtype_of(name) for name in move.native]):
                            sick.append(f"{move.published} ({fault})")
                        _place(network, move, stored, device, dtype_of)
                        done += move.entry.num_bytes
                        if progress is not None:
                            progress(done, total)
            except (SafetensorError, OSError) as error:
                raise CheckpointError(f"{path} cannot be read: {error}.", _DAMAGED) from error
    if sick:
        raise CheckpointError(
            f"The weights are damaged: {_listed('with values that cannot be used', sick)}.",
            "Take the weights from their publisher again; with values too large for float16, "
            "choose bfloat16 or float32.",
        )


def _portions(moves: list[Move]) -> Iterator[list[Move]]:
    """Cut a list into runs of about `READ_AT_ONCE` bytes."""
    portion: list[Move] = []
    size = 0
    for move in moves:
        portion.append(move)
        size += move.entry.num_bytes
        if size >= READ_AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _fault(stored: torch.Tensor, dtypes: list[torch.dtype]) -> str:
    """What is wrong with the values of a tensor, if anything; takes no memory."""
    if not stored.numel():
        return ""
    low, high = (float(end) for end in stored.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        return "NaN" if math.isnan(low) or math.isnan(high) else "infinite"
    if torch.float16 in dtypes and max(-low, high) > torch.finfo(torch.float16).max:
        return f"up to {max(-low, high):.3g}, too large for float16"
    return ""


def _place(
    network: nn.Module,
    move: Move,
    stored: torch.Tensor,
    device: torch.device,
    dtype_of: Callable[[str], torch.dtype],
) -> None:
    """Put the parts of a stored tensor where they belong."""
    for name, part in zip(move.native, move.transform.split(stored), strict=True):
        path, _, leaf = name.rpartition(".")
        module = network.get_submodule(path)
        if isinstance(module, PackedLinear) and leaf == "weight":
            module.take(part.to(device=device, dtype=torch.float32, copy=True))
            continue
        # A copy even where nothing is cast: the file may be replaced while we run.
        tensor = part.to(device=device, dtype=dtype_of(name), copy=True).contiguous()
        if leaf in module._parameters:
            module._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
        else:
            module._buffers[leaf] = tensor

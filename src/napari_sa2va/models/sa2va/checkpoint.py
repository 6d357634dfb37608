"""A checkpoint folder: its plain-JSON configuration and its safetensors, streamed into a network.

No code of a checkpoint is ever run and no pickle is ever opened: both could do anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.keymap import KeyMap, Transform

    Shape = tuple[int, ...]

_INDEX = "model.safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SHOWN = 5
_DAMAGED = "Download or copy the checkpoint again; the transfer may have been cut off."
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}


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
class TensorEntry:
    """A tensor that lies in a file: which file, its shape and its stored type."""

    shard: Path
    shape: Shape
    stored: str

    @property
    def num_bytes(self) -> int:
        """Size on disk in bytes."""
        return math.prod(self.shape) * _BYTES.get(self.stored, 1)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds, read from its headers only.

    Attributes
    ----------
    folder : Path
    config : dict
        The parsed config.json.
    tensors : dict of str to TensorEntry
        By published name.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, TensorEntry]

    @classmethod
    def open(cls, folder: str | Path) -> Checkpoint:
        """Read the configuration and the headers of all shards.

        Raises
        ------
        CheckpointError
            If a file is missing, unreadable or damaged, or the weights are pickles.
        """
        folder = Path(folder)
        config = read_json(folder / "config.json")
        return cls(folder, config, dict(read_headers(folder)))

    @property
    def num_parameters(self) -> int:
        """Number of stored values."""
        return sum(math.prod(entry.shape) for entry in self.tensors.values())


def read_json(path: Path) -> dict[str, Any]:
    """Parse a JSON object.

    Raises
    ------
    CheckpointError
        If the file is absent or is not a JSON object.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} has no {path.name}.",
            "Give the folder of a Sa2VA checkpoint, the one that holds config.json.",
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.", _DAMAGED) from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} holds {type(fields).__name__}, not an object.", _DAMAGED)
    return fields


def weight_files(source: Path) -> list[Path]:
    """The safetensors files of a folder (or the one file given), sorted by name.

    Raises
    ------
    CheckpointError
        If there are none, an indexed one is missing, or the weights are pickles.
    """
    if source.suffix in _PICKLES:
        raise CheckpointError(
            f"{source.name} is a pickle, which can run any code when it is opened.",
            "Use the weights in safetensors format.",
        )
    if source.is_file():
        return [source]
    index = source / _INDEX
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise CheckpointError(f"{index} has no weight_map.", _DAMAGED)
        names = sorted({str(name) for name in weight_map.values()})
        astray = [name for name in names if Path(name).name != name]
        if astray:
            raise CheckpointError(f"{index} points outside its folder: {astray[:_SHOWN]}.")
        absent = [name for name in names if not (source / name).is_file()]
        if absent:
            raise CheckpointError(
                f"{source} lacks {len(absent)} of {len(names)} weight files: {absent[:_SHOWN]}.",
                _DAMAGED,
            )
        return [source / name for name in names]
    files = sorted(source.glob("*.safetensors"))
    if files:
        return files
    pickles = sorted(p.name for p in source.glob("*") if p.suffix in _PICKLES)
    if pickles:
        raise CheckpointError(
            f"{source} has its weights only as pickles ({pickles[:_SHOWN]}), which can run any "
            "code when they are opened.",
            "Use a checkpoint in safetensors format.",
        )
    raise CheckpointError(f"{source} has no *.safetensors file.", "Give a checkpoint folder.")


def read_headers(source: Path) -> Iterator[tuple[str, TensorEntry]]:
    """Names, shapes and types of all tensors of a folder or file.

    Raises
    ------
    CheckpointError
        If a file is damaged or a name occurs in two files.
    """
    from safetensors import SafetensorError, safe_open

    seen: dict[str, Path] = {}
    for path in weight_files(source):
        try:
            with safe_open(path, framework="numpy") as shard:
                for name in shard.keys():  # noqa: SIM118 - not a mapping
                    if name in seen:
                        raise CheckpointError(
                            f"{name} is stored twice, in {seen[name].name} and {path.name}.",
                            "Remove the shards that do not belong to this checkpoint.",
                        )
                    seen[name] = path
                    entry = shard.get_slice(name)
                    yield name, TensorEntry(path, tuple(entry.get_shape()), entry.get_dtype())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}.", _DAMAGED) from error


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
            f"the weights do not fit config.json: {found}.",
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

"""A checkpoint folder: its plain-JSON configuration and the headers of its safetensors.

No code of a checkpoint is ever run and no pickle is ever opened: both could do anything. Tensors
are read elsewhere (`loading`); this needs no torch.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    Shape = tuple[int, ...]

_INDEX = "model.safetensors.index.json"
_PREPROCESSOR, _PROCESSOR = "preprocessor_config.json", "processor_config.json"
_PART = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SHOWN = 5
_DAMAGED = "Download or copy the checkpoint again; the transfer may have been cut off."
# A file of weights is opened anew after so many bytes: what was read of it counts as memory of this
# process for as long as it is open.
READ_AT_ONCE = 2**26
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}


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
    preprocessor : dict
        The parsed preprocessor_config.json; empty if there is none.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, TensorEntry]
    preprocessor: dict[str, Any] = field(default_factory=dict)

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
        return cls(folder, config, dict(read_headers(folder)), read_preprocessor(folder))


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
    # RecursionError: brackets in brackets, a hundred thousand deep.
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.", _DAMAGED) from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} holds {type(fields).__name__}, not an object.", _DAMAGED)
    return fields


def read_preprocessor(folder: Path) -> dict[str, Any]:
    """How the vision tower takes pictures; newer exports have it as a part of another file."""
    if (folder / _PREPROCESSOR).is_file():
        return read_json(folder / _PREPROCESSOR)
    if (folder / _PROCESSOR).is_file():
        found = read_json(folder / _PROCESSOR).get("image_processor")
        return found if isinstance(found, dict) else {}
    return {}


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
        return _all_there(source, names)
    files = sorted(source.glob("*.safetensors"))
    for file in files:
        # The hub's client fetches files side by side: the index may be among those that lack.
        if part := _PART.fullmatch(file.name):
            stem, count = part["stem"], part["count"]
            expected = [
                f"{stem}-{number:05d}-of-{count}.safetensors" for number in range(1, int(count) + 1)
            ]
            _all_there(source, expected)
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


def _all_there(folder: Path, names: list[str]) -> list[Path]:
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise CheckpointError(
            f"{folder} lacks {len(absent)} of {len(names)} weight files: {absent[:_SHOWN]}.",
            _DAMAGED,
        )
    return [folder / name for name in names]


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

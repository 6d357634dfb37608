"""The models that can be named, and where their weights are on this machine.

Loads no network and no torch. Weights are taken from, in this order: the package (nano), the
folder NAPARI_SA2VA_HOME, the hub's cache (HF_HOME is respected), and the hub itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from napari_sa2va.core.errors import CheckpointError, ModelError
from napari_sa2va.models.formats import Formats
from napari_sa2va.models.sa2va.checkpoint import Checkpoint, weight_files
from napari_sa2va.models.sa2va.footprint import predict
from napari_sa2va.models.sa2va.tokenizer import has_tokenizer

HOME_VARIABLE = "NAPARI_SA2VA_HOME"

# Weights, configuration and tokenizer; no code.
_WANTED = ["*.safetensors", "*.json", "tokenizer.model", "merges.txt"]


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be named.

    Attributes
    ----------
    name : str
        What to call it here, in lower case; of an unlisted hub id `org--repo`, so that nobody's
        weights are taken for another's. Also the name of its folder in NAPARI_SA2VA_HOME.
    hub_id : str
        Its name on the hub; empty for nano and for folders.
    base : str
        The multimodal language model it was made from.
    template : str
        Chat template; what config.json says counts.
    num_parameters : int
        About; 0 if not known.
    licence : str
        As its publisher states it, as far as checked.
    folder : Path | None
        Where its weights are on this machine.
    """

    name: str
    hub_id: str = ""
    base: str = ""
    template: str = ""
    num_parameters: int = 0
    licence: str = "see its page on the hub"
    folder: Path | None = None

    @property
    def num_bytes(self) -> int | None:
        """Size of the weights on this machine, in bytes; None if they are not here."""
        if self.folder is None:
            return None
        return sum(path.stat().st_size for path in weight_files(self.folder))


def _billion(number: float) -> int:
    return round(number * 1e9)


NANO = ModelEntry(
    name="nano",
    base="trained here from nothing, on generated movies",
    template="qwen_chat",
    licence="BSD-3-Clause",
)

_V25, _V3 = "InternVL2.5", "InternVL3"
_PUBLISHED = (
    ModelEntry(
        "sa2va-1b", "ByteDance/Sa2VA-1B", f"{_V25}-1B, Qwen2.5-0.5B", "qwen_chat", _billion(1.2)
    ),
    ModelEntry(
        "sa2va-4b", "ByteDance/Sa2VA-4B", f"{_V25}-4B, Qwen2.5-3B", "phi3_chat", _billion(3.9),
        licence="Apache-2.0",
    ),
    ModelEntry(
        "sa2va-8b", "ByteDance/Sa2VA-8B", f"{_V25}-8B, InternLM2.5-7B", "internlm2_chat",
        _billion(8.3),
    ),
    ModelEntry(
        "sa2va-26b", "ByteDance/Sa2VA-26B", f"{_V25}-26B, InternLM2.5-20B", "internlm2_chat",
        _billion(25.7),
    ),
    ModelEntry(
        "sa2va-internvl3-2b", "ByteDance/Sa2VA-InternVL3-2B", f"{_V3}-2B, Qwen2.5-1.5B",
        "qwen_chat", _billion(2.3),
    ),
    ModelEntry(
        "sa2va-internvl3-8b", "ByteDance/Sa2VA-InternVL3-8B", f"{_V3}-8B, Qwen2.5-7B", "qwen_chat",
        _billion(8.2),
    ),
    ModelEntry(
        "sa2va-internvl3-14b", "ByteDance/Sa2VA-InternVL3-14B", f"{_V3}-14B, Qwen2.5-14B",
        "qwen_chat", _billion(15.3),
    ),
    ModelEntry(
        "sa2va-qwen2_5-vl-3b", "ByteDance/Sa2VA-Qwen2_5-VL-3B", "Qwen2.5-VL-3B", "qwen_chat",
        _billion(4.3),
    ),
    ModelEntry(
        "sa2va-qwen2_5-vl-7b", "ByteDance/Sa2VA-Qwen2_5-VL-7B", "Qwen2.5-VL-7B", "qwen_chat",
        _billion(8.5),
    ),
    ModelEntry(
        "sa2va-qwen3-vl-4b", "ByteDance/Sa2VA-Qwen3-VL-4B", "Qwen3-VL-4B", "qwen_chat",
        _billion(5.0),
    ),
)  # fmt: skip
# The same networks with the original SAM 2 decoder beside the tuned one.
_CONSISTENT = tuple(
    replace(
        entry,
        name=entry.name.replace("sa2va-", "sa2va-i-"),
        hub_id=entry.hub_id.replace("ByteDance/Sa2VA-", "kumuji/Sa2VA-i-"),
        licence="see its page on the hub",
    )
    for entry in _PUBLISHED[:4]
)
KNOWN = (NANO, *_PUBLISHED, *_CONSISTENT)


def known_models() -> tuple[ModelEntry, ...]:
    """All models that can be named, each with its folder if it is on this machine."""
    return tuple(replace(entry, folder=_folder_of(entry)) for entry in KNOWN)


def find(name: str) -> ModelEntry:
    """Look a model up, on this machine only.

    Parameters
    ----------
    name : str
        A known name, a hub id, or the folder of a checkpoint. A known name goes before a folder of
        that name; write `./nano` for the folder.

    Returns
    -------
    ModelEntry
        `folder` is None if its weights are not here.

    Raises
    ------
    ModelError
        If there is no such model or folder.
    """
    wanted = name.strip()
    for entry in KNOWN:
        if wanted and wanted.lower() in (entry.name, entry.hub_id.lower()):
            return replace(entry, folder=_folder_of(entry))
    folder = Path(wanted).expanduser()
    if wanted and folder.is_dir():
        return ModelEntry(folder.resolve().name, licence="", folder=folder)
    if wanted and folder.is_file():
        raise ModelError(
            f"{wanted} is a file.", f"Give the folder of the checkpoint: {folder.parent}."
        )
    if _may_be_hub_id(wanted):
        entry = ModelEntry(wanted.replace("/", "--").lower(), hub_id=wanted)
        return replace(entry, folder=_folder_of(entry))
    raise ModelError(
        f"There is no model and no folder called {name!r}.",
        f"Known models are {', '.join(entry.name for entry in KNOWN)}.",
    )


def resolve(name: str) -> ModelEntry:
    """Look a model up, and download its weights if they are not on this machine.

    Returns
    -------
    ModelEntry
        With its folder.

    Raises
    ------
    ModelError
        If there is no such model, or its weights cannot be had.
    """
    entry = find(name)
    if entry.folder is not None:
        return entry
    if not entry.hub_id:
        raise ModelError(
            "The weights of nano, which come with the package, are missing.",
            "Install the package again: pip install --force-reinstall napari-sa2va.",
        )
    return replace(entry, folder=_download(entry))


def memory_needed(entry: ModelEntry, dtype: str = "float32") -> int:
    """Bytes needed to run a model, about; exact in its weights if they are on this machine.

    Parameters
    ----------
    entry : ModelEntry
    dtype : {"float32", "bfloat16", "float16"}
        Number format of the language model; SAM 2 is kept in float32.
    """
    formats = Formats(language=dtype, vision=dtype)  # type: ignore[arg-type]
    if entry.folder is None:
        return predict({}, None, formats, num_parameters=entry.num_parameters).peak
    checkpoint = Checkpoint.open(entry.folder)
    return predict(checkpoint.config, checkpoint.tensors, formats).peak


def _may_be_hub_id(name: str) -> bool:
    organisation, slash, rest = name.partition("/")
    parts = (organisation, rest)
    # "--" is not allowed on the hub, and stands for the slash in names of folders.
    return (
        bool(slash)
        and "--" not in name
        and all(
            part
            and part[0].isalnum()
            and part.replace("-", "").replace("_", "").replace(".", "").isalnum()
            for part in parts
        )
    )


def _folder_of(entry: ModelEntry) -> Path | None:
    """Where a model's weights are, if they are all there."""
    candidates = []
    if entry == NANO:
        candidates.append(Path(__file__).parent / "nano")
    home = _home()
    if home is not None:
        candidates.append(home / entry.name)
    if entry.hub_id:
        candidates += _cached(entry.hub_id)
    return next((folder for folder in candidates if _is_complete(folder)), None)


def _home() -> Path | None:
    value = os.environ.get(HOME_VARIABLE)
    return Path(value).expanduser() if value else None


def _cached(hub_id: str) -> list[Path]:
    """Snapshots of a model in the hub's cache, newest first."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    if not folder.is_dir():
        return []
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def _is_complete(folder: Path) -> bool:
    """Whether all that a run needs is there, which it is not after a download was cut off."""
    if not (folder / "config.json").is_file() or not has_tokenizer(folder):
        return False
    try:
        return bool(weight_files(folder))
    except CheckpointError:
        return False


def _download(entry: ModelEntry) -> Path:
    from huggingface_hub import snapshot_download

    home = _home()
    target = home / entry.name if home is not None else None
    try:
        return Path(snapshot_download(entry.hub_id, allow_patterns=_WANTED, local_dir=target))
    except Exception as error:  # the hub's client raises its transport's errors as well as its own
        size = f" (about {entry.num_parameters * 4 / 1e9:.0f} GB)" if entry.num_parameters else ""
        raise ModelError(
            f"The model {entry.hub_id} is not on this machine and cannot be "
            f"downloaded: {type(error).__name__}: {_first_line(error)}",
            f"Where there is a network, run: hf download {entry.hub_id} --local-dir {entry.name}"
            f"{size}; copy that folder here and give its path as the model, or put it into "
            f"the folder that {HOME_VARIABLE} names.",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason given").rstrip(".") + "."

"""The models that can be named: what they are called, who made them, and how large they are.

Facts that hold on every machine. Where a model lies on this one is for `store`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from napari_sa2va.models.sa2va.checkpoint import weight_files

Place = Literal["", "package", "store", "hub cache", "folder"]


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be named.

    Attributes
    ----------
    name : str
        What to call it here, in lower case; of an unlisted hub id `org--repo`, so that nobody's
        weights are taken for another's. Also the name of its folder in the store.
    hub_id : str
        Its name on the hub; empty for nano, for folders, and for what was imported without a record
        of where it is from, whatever it is called.
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
    place : {"", "package", "store", "hub cache", "folder"}
        Whose folder that is; empty if it is not on this machine.
    revision : str
        The commit on the hub that its files are of; empty if not known.
    """

    name: str
    hub_id: str = ""
    base: str = ""
    template: str = ""
    num_parameters: int = 0
    licence: str = "see its page on the hub"
    folder: Path | None = None
    place: Place = ""
    revision: str = ""

    @property
    def num_bytes(self) -> int | None:
        """Size of the weights on this machine, in bytes; None if they are not here."""
        if self.folder is None:
            return None
        return sum(path.stat().st_size for path in weight_files(self.folder))

    @property
    def download_bytes(self) -> int:
        """At most about this much is to be fetched, in bytes; 0 if not known.

        The published weights are float32, except for parts that are stored in half of that.
        """
        return self.num_parameters * 4


def named(name: str) -> ModelEntry:
    """The model of the catalogue that has this name, or one of which nothing else is known."""
    return next((entry for entry in KNOWN if entry.name == name), ModelEntry(name))


def hub_name(hub_id: str) -> str:
    """What a hub id is called here: the name in the catalogue, or else `org--repo`."""
    for entry in KNOWN:
        if entry.hub_id and entry.hub_id.lower() == hub_id.lower():
            return entry.name
    return hub_id.replace("/", "--").lower()


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

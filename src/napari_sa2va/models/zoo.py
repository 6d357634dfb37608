"""Where a model's weights are, by its name: the face of the rooms about models on this machine.

Loads no network and no torch. Weights are taken from, in this order: the package (nano), the
store (NAPARI_SA2VA_HOME), the hub's cache (HF_HOME is respected), and the hub itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_sa2va.core.errors import ModelError
from napari_sa2va.models import store
from napari_sa2va.models.catalogue import KNOWN, ModelEntry, hub_name
from napari_sa2va.models.formats import Dtype, Formats
from napari_sa2va.models.jobs import Progress, outcome
from napari_sa2va.models.sa2va.checkpoint import Checkpoint
from napari_sa2va.models.sa2va.footprint import Ask, Footprint, predict
from napari_sa2va.models.store import HOME_VARIABLE

__all__ = [
    "HOME_VARIABLE",
    "KNOWN",
    "ModelEntry",
    "find",
    "footprint_of",
    "known_models",
    "memory_needed",
    "resolve",
]


def known_models() -> tuple[ModelEntry, ...]:
    """All models that can be named, each with its folder if it is on this machine."""
    known = {entry.name for entry in KNOWN}
    others = [_stored(name) for name in store.names_in_store() if name not in known]
    return (*(_located(entry) for entry in KNOWN), *others)


def _located(entry: ModelEntry) -> ModelEntry:
    folder, place, revision = store.locate(entry)
    manifest = store.read_manifest(folder) if folder is not None and place == "store" else None
    entry = replace(entry, folder=folder, place=place, revision=revision)
    if manifest is None:
        return entry
    if not manifest.hub_id:
        # Whose the weights are is nothing that their name would tell: anybody may have given it.
        return replace(entry, hub_id="", base="", licence=manifest.licence or "not stated")
    # What the model's page said goes before what is known here.
    return replace(entry, hub_id=manifest.hub_id, licence=manifest.licence or entry.licence)


def _stored(name: str) -> ModelEntry:
    """A model of the store that is not in the catalogue."""
    manifest = store.read_manifest(store.folder_in_store(name))
    hub_id = manifest.hub_id if manifest is not None else ""
    return _located(ModelEntry(name, hub_id, licence="not stated"))


def find(name: str) -> ModelEntry:
    """Look a model up, on this machine only.

    Parameters
    ----------
    name : str
        A known name, the name of a model in the store, a hub id, or the folder of a checkpoint. A
        name goes before a folder of that name; write `./nano` for the folder.

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
            return _located(entry)
    if wanted.lower() in store.names_in_store():
        return _stored(wanted.lower())
    folder = Path(wanted).expanduser()
    if wanted and folder.is_dir():
        return ModelEntry(folder.resolve().name, licence="", folder=folder, place="folder")
    if wanted and folder.is_file():
        raise ModelError(
            f"{wanted} is a file.", f"Give the folder of the checkpoint: {folder.parent}."
        )
    if _may_be_hub_id(wanted):
        return _located(ModelEntry(hub_name(wanted), hub_id=wanted))
    raise ModelError(
        f"There is no model and no folder called {name!r}.",
        f"Known models are {', '.join(entry.name for entry in KNOWN)}.",
    )


def resolve(name: str, show: Callable[[Progress], None] = lambda progress: None) -> ModelEntry:
    """Look a model up, and download its weights if they are not on this machine.

    Parameters
    ----------
    name : str
        See `find`.
    show : callable
        Called with the progress of a download.

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
    if entry.name == "nano":
        raise ModelError(
            "The weights of nano, which come with the package, are missing.",
            "Install the package again: pip install --force-reinstall napari-sa2va.",
        )
    from napari_sa2va.models.fetching import pull

    return outcome(pull(entry), show).entry


def memory_needed(
    entry: ModelEntry, formats: Formats | Dtype = "float32", ask: Ask | None = None
) -> int:
    """Bytes needed to run a model, about; exact in its weights if they are on this machine.

    Parameters
    ----------
    entry : ModelEntry
    formats : Formats or {"float32", "bfloat16", "float16"}
        Number format of each part, or of the language model and the vision tower.
    ask : Ask, optional
        What the run is; a short one with one object by default.

    Raises
    ------
    CheckpointError
        If a file on this machine is damaged.
    """
    if not isinstance(formats, Formats):
        formats = Formats(language=formats, vision=formats)
    return footprint_of(entry, formats, ask).peak


def footprint_of(entry: ModelEntry, formats: Formats, ask: Ask | None = None) -> Footprint:
    """The same in more detail: bytes of each part and at each step."""
    if entry.folder is None:
        return predict({}, None, formats, ask, num_parameters=entry.num_parameters)
    checkpoint = Checkpoint.open(entry.folder)
    return predict(checkpoint.config, checkpoint.tensors, formats, ask)


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

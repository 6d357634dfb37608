"""Whether a worker may take units of a batch: asked before its first one.

Masks of one study must come from one network. So a worker that sees another batch folder than its
client, has other versions of what decides the result, or other weights, is refused before it has
touched a movie, and says so where the client looks; and so is one without the device it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.host import here
from napari_sa2va.batch.roster import Card, Roster
from napari_sa2va.core.errors import BatchError, ModelError

DECISIVE = ("napari-sa2va", "torch", "transformers", "sam2", "numpy")
"""Packages of which a worker must have the versions that the batch was made with."""

_FILES_NAMED = 3


class WorkerRefused(BatchError):
    """A worker is unlike the one that the batch was made for."""


def check_worker(folder: BatchFolder, worker: str, device: str = "") -> dict[str, str]:
    """Refuse a worker that would come to other results than the rest.

    Parameters
    ----------
    folder : BatchFolder
    worker : str
        Its name. What is wrong is put on its card, for those who look at the batch.
    device : str

    Returns
    -------
    dict of str to str
        Package -> version, of this process.

    Raises
    ------
    WorkerRefused
        Also if a model of the batch is not on this machine: many workers that fetch it at once would
        fill a disk and a network.
    """
    from napari_sa2va.pipeline.record import package_versions

    versions = package_versions()
    try:
        if not folder.head.allow_other_versions:
            _check_versions(folder.head, versions)
        _check_weights(folder.head)
        _check_device(device)
    except WorkerRefused as error:
        card = Card(
            name=worker,
            host=here(),
            device=device,
            state="refused",
            why=str(error),
            versions=versions,
        )
        Roster(folder.path / "workers").write(card)
        raise
    return versions


def check_batch(path: str, batch_id: str) -> None:
    """Refuse a machine that sees no batch folder, or another one, where its client has one.

    Raises
    ------
    WorkerRefused
    """
    advice = (
        "Put the batch folder, and the movies, on a disk that all machines have at the same path."
    )
    try:
        seen = BatchFolder.open(path).head.batch_id
    except BatchError as error:
        raise WorkerRefused(f"On {here().machine}, {error.message}", advice) from error
    if seen != batch_id:
        raise WorkerRefused(
            f"On {here().machine}, {path} is another batch than where it was started.", advice
        )


def _check_versions(head: BatchHead, versions: Mapping[str, str]) -> None:
    other = [
        f"{name} {versions.get(name, 'not at all')} instead of {head.versions[name]}"
        for name in DECISIVE
        if name in head.versions
        and _code(name, versions.get(name)) != _code(name, head.versions[name])
    ]
    if other:
        pins = " ".join(
            f'"{name}=={head.versions[name]}"' for name in DECISIVE if name in head.versions
        )
        raise WorkerRefused(
            f"{here().machine} has {', '.join(other)}.",
            f"Install what the batch was made with: pip install {pins}. Or make the batch anew and "
            "allow other versions (--allow-other-versions).",
        )


def _code(name: str, version: str | None) -> str | None:
    """What of a version names the code; torch writes after a + which GPUs it was built for."""
    return version.partition("+")[0] if version and name == "torch" else version


def _check_weights(head: BatchHead) -> None:
    from napari_sa2va.models.hashes import weight_hashes
    from napari_sa2va.models.zoo import find

    for model, wanted in head.weights.items():
        place = Path(model)  # of a borrowed decoder, which may be a file
        if place.suffix == ".safetensors" and not place.exists():
            raise WorkerRefused(
                f"{model}, from which a mask decoder is borrowed, is not on {here().machine}.",
                "Put it on a disk that all machines have at the same path.",
            )
        try:
            folder = place if place.is_file() else find(model).folder
            found = weight_hashes(folder) if folder is not None else None
        except ModelError as error:
            raise WorkerRefused(f"{here().machine}: {error.message}", error.hint) from error
        if found is None:
            raise WorkerRefused(
                f"The model {model} is not on {here().machine}.",
                f"Fetch it there: napari-sa2va models pull {model}",
            )
        other = sorted(name for name in wanted if found.get(name) != wanted[name])
        if other:
            more = f" and {len(other) - _FILES_NAMED} more" if len(other) > _FILES_NAMED else ""
            raise WorkerRefused(
                f"The weights of {model} on {here().machine} are not those that the batch was made "
                f"with: {', '.join(other[:_FILES_NAMED])}{more}.",
                "Copy or fetch the same files there, or make the batch anew with those.",
            )


def _check_device(device: str) -> None:
    """A machine whose GPU is out of order would let one unit after the other fail."""
    if not device:
        return
    from napari_sa2va.models.device import pick_device

    try:
        pick_device(device)
    except ModelError as error:
        raise WorkerRefused(f"{here().machine}: {error.message}", error.hint) from error

"""Whether a model on this machine is what was recorded of it: every file is read and hashed."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from napari_sa2va.core.errors import CheckpointError, ModelError
from napari_sa2va.models import store
from napari_sa2va.models.catalogue import ModelEntry
from napari_sa2va.models.digests import Expected, digest
from napari_sa2va.models.jobs import Job, Meter
from napari_sa2va.models.sa2va.checkpoint import Checkpoint


@dataclass(frozen=True)
class Verdict:
    """What came out.

    Attributes
    ----------
    num_files : int
        How many files a record was found of; with none, only the headers of the weights and their
        lengths were checked.
    wrong : dict of str to str
        The files that are not as recorded, or cannot be read, and why.
    """

    num_files: int
    wrong: dict[str, str]


def verify(entry: ModelEntry) -> Job[Verdict]:
    """Read every file of a model and compare it with what is recorded.

    Parameters
    ----------
    entry : ModelEntry
        On this machine.

    Raises
    ------
    ModelError
        If it is not on this machine.
    """
    folder = entry.folder or _incomplete(entry)
    recorded = _as_installed(folder) if entry.place == "package" else store.expected_in(folder)
    meter = Meter(sum(_size(folder, file) for file in recorded))
    wrong = {}
    for file in recorded:
        path = folder / file.name
        try:
            digests = yield from digest(path, file, meter)
        except OSError as error:
            is_absent = isinstance(error, FileNotFoundError)
            wrong[file.name] = "it is missing" if is_absent else f"it cannot be read: {error}"
            continue
        if complaint := digests.complaint():
            wrong[file.name] = complaint
    if not wrong:
        # Also without a record, a file that was cut off does not fit its own header.
        try:
            Checkpoint.open(folder)
        except CheckpointError as error:
            wrong[folder.name] = error.message
    return Verdict(len(recorded), wrong)


def _incomplete(entry: ModelEntry) -> Path:
    """The folder of a model that lacks files, which is not found as a model any more."""
    folder = store.folder_in_store(entry.name)
    if store.read_manifest(folder) is None:
        raise ModelError(
            f"{entry.name} is not on this machine.",
            f"Get it: napari-sa2va models pull {entry.name}." if entry.hub_id else "",
        )
    return folder


def _size(folder: Path, file: Expected) -> int:
    try:
        return (folder / file.name).stat().st_size
    except OSError:
        return 0


def _as_installed(folder: Path) -> list[Expected]:
    """What pip recorded of the files that come with the package; nothing of an editable install."""
    try:
        installed = files("napari-sa2va") or []
    except PackageNotFoundError:
        return []
    return [
        Expected(path.name, path.size or -1, sha256=_hexadecimal(path.hash.value))
        for path in installed
        if path.hash is not None
        and path.hash.mode == "sha256"
        and Path(str(path.locate())).resolve().parent == folder.resolve()
    ]


def _hexadecimal(value: str) -> str:
    """A hash as pip writes it, in base64 without padding, as the rest of the world writes it."""
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()

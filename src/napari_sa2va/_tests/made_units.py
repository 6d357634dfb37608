"""Units of a batch for tests that do them."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.unit import Unit
from napari_sa2va.presets import preset

SETTINGS = preset("sa2va-i")


def made_unit(unit_id: str, path: Path, /, **more: object) -> Unit:
    """A unit on a movie, with the usual settings."""
    given = {"movie": path.stem, "path": str(path), "key": "k", "settings": digest_of(SETTINGS)}
    return Unit.model_validate({"unit_id": unit_id, **given, **more})


def made_folder(path: Path, *units: Unit, **head: object) -> BatchFolder:
    """A batch folder with these units."""
    folder = BatchFolder.create(path, BatchHead.model_validate(head))
    folder.add(units, {digest_of(SETTINGS): SETTINGS})
    return folder


def anywhere(*_: object) -> str:
    """Every unit fits."""
    return ""

"""The settings that the units of a batch have: each kept once, under a digest of what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import BatchError
from napari_sa2va.settings import RunSettings
from napari_sa2va.writers.paths import replacing


class KeptSettings:
    """The folder ``settings`` of a batch.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, RunSettings] = {}

    def add(self, settings: Mapping[str, RunSettings]) -> None:
        """Keep settings, by digest; those that are there stay as they are.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        for digest, choice in settings.items():
            if self._read(digest) != choice:
                with replacing(self._place_of(digest), overwrite=True) as new:
                    new.write_text(choice.model_dump_json(indent=1), encoding="utf-8")

    def of(self, unit: Unit) -> RunSettings:
        """The settings of a unit.

        Raises
        ------
        BatchError
            If they are not there any more.
        """
        known = self._known.get(unit.settings) or self._read(unit.settings)
        if known is None:
            raise BatchError(
                f"The settings of {unit.unit_id} are damaged or gone.",
                "Give the command again; it writes them anew.",
            )
        self._known[unit.settings] = known
        return known

    def _place_of(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    def _read(self, digest: str) -> RunSettings | None:
        try:
            return RunSettings.model_validate_json(self._place_of(digest).read_bytes())
        except (FileNotFoundError, ValueError):
            return None


def digest_of(settings: RunSettings) -> str:
    """A short name for settings: 16 hexadecimal digits, the same for the same settings."""
    said = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]

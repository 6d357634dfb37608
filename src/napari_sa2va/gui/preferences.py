"""What a person wants the docks to be like, once and for all. No Qt.

napari 0.9 and later shows these under File > Preferences, from the manifest's `configurations`, and
keeps them. An earlier napari has no place for them: there they are kept in a file of our own,
`preferences.json` in the folder of `core.user_files`, which may be written by hand.

`Preferences` is where titles and defaults are written down; a test compares the manifest with it.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, field_validator

from napari_sa2va.core import user_files
from napari_sa2va.core.params import Params
from napari_sa2va.presets import DEFAULT_PRESET, PRESETS

PLUGIN, CATEGORY = "napari-sa2va", "segment"
"""Names under which napari keeps the preferences. The second must not begin any of the environment
variables NAPARI_SA2VA_..., which napari would take for preferences."""

_FILE = "preferences"


class Preferences(Params):
    """Preferences of one person."""

    model: str = Field(
        "nano",
        title="Default model",
        description="What the docks start with: a known model's name or hub id, or a folder.",
    )
    preset: str = Field(
        DEFAULT_PRESET,
        title="Default preset",
        description="What the docks start with: a published system, as settings.",
        json_schema_extra={"enum": list(PRESETS)},
    )
    device: str = Field(
        "auto",
        title="Default device",
        description="What the docks start with: auto, cpu, cuda, cuda:1 or mps.",
    )
    follow: bool = Field(
        True,
        title="Follow while running",
        description="Move the slider along with the frames as they are done.",
    )
    keep_recent: bool = Field(
        True,
        title="Keep recent prompts",
        description="Keep what was typed into the box of sentences, on this machine.",
    )
    num_recent: int = Field(
        30,
        ge=1,
        le=100,
        title="How many recent prompts",
        description="The oldest are forgotten.",
    )
    disk_above_mb: int = Field(
        500,
        ge=1,
        le=1_000_000,
        title="Keep large masks on disk above (MB)",
        description="Keep the label image of a run on disk, and not in memory, if it takes more.",
    )

    @field_validator("preset")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}")
        return name


def preferences() -> Preferences:
    """The preferences as they are now; what makes no sense is as if nobody had touched it."""
    kept = _kept_by_napari()
    if kept is None:
        kept = user_files.read(_FILE)
    chosen = Preferences()
    for name in Preferences.model_fields:
        value = kept.get(name) if isinstance(kept, dict) else getattr(kept, name, None)
        # napari hears of every letter typed, so an empty text is nothing to refuse there.
        if value is not None and value != "":
            chosen = _with(chosen, name, value)
    return chosen


def change_preferences(**values: Any) -> None:
    """Change preferences, and keep them.

    Parameters
    ----------
    **values
        By the names of the fields of `Preferences`.

    Raises
    ------
    pydantic.ValidationError
        If a value is not allowed.
    """
    Preferences(**values)
    kept = _kept_by_napari()
    if kept is not None:
        for name, value in values.items():
            setattr(kept, name, value)  # napari writes its file at once
        return
    user_files.change(_FILE, lambda before: (before if isinstance(before, dict) else {}) | values)


def _kept_by_napari() -> Any | None:
    """napari's own model of these preferences; None before 0.9, or if the plugin is not known."""
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN), CATEGORY)
    # ValueError: the file of another plugin, which is read together with ours, makes no sense.
    except (ImportError, AttributeError, KeyError, ValueError):
        return None


def _with(chosen: Preferences, name: str, value: Any) -> Preferences:
    try:
        return Preferences(**chosen.model_dump() | {name: value})
    except ValidationError:
        return chosen

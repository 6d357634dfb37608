"""The published systems, each as settings of one pipeline. One preset, one entry."""

from __future__ import annotations

from napari_sa2va.core.errors import RequestError
from napari_sa2va.sampling.first import First
from napari_sa2va.sampling.interval import Interval
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.settings import RunSettings, TrackingSettings

DEFAULT_PRESET = "sa2va-i"

# Sa2VA goes on with its fine-tuned decoder and never blanks a mask by the object score.
_SA2VA_TRACKING = TrackingSettings(prompt_with="language", decoder="tuned", hide_absent=False)

PRESETS: dict[str, RunSettings] = {
    settings.preset: settings
    for settings in (
        RunSettings(preset="sa2va", sampling=First(num_key_frames=5), tracking=_SA2VA_TRACKING),
        RunSettings(
            preset="sa2va-lii",
            sampling=Interval(num_key_frames=5, interval=3),
            tracking=_SA2VA_TRACKING,
        ),
        RunSettings(
            preset="sa2va-i",
            sampling=Uniform(num_key_frames=5),
            tracking=TrackingSettings(prompt_with="masks", decoder="original", hide_absent=True),
        ),
    )
}

DESCRIPTIONS: dict[str, str] = {
    "sa2va": "The language model sees the first 5 frames; its prompt goes into the memory and the "
    "fine-tuned decoder tracks on.",
    "sa2va-lii": "As sa2va, but the language model sees frames 1, 4, 7, 10 and 13 "
    "(Long-Interleaved Inference).",
    "sa2va-i": "The language model sees 5 frames over the whole clip; their masks prompt SAM 2 "
    "with its own decoder.",
}


def preset(name: str) -> RunSettings:
    """Return the settings of a preset.

    Raises
    ------
    RequestError
        If there is no such preset.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise RequestError(
            f"There is no preset {name!r}.", f"Choose one of {', '.join(PRESETS)}."
        ) from None

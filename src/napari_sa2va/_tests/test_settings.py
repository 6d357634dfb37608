from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.presets import DESCRIPTIONS, PRESETS, preset
from napari_sa2va.propagation import PROPAGATIONS
from napari_sa2va.sampling import SAMPLINGS
from napari_sa2va.settings import (
    MemorySettings,
    ModelSettings,
    OutputSettings,
    RunSettings,
    TrackingSettings,
)

GROUPS: list[type[Params]] = [
    ModelSettings, TrackingSettings, MemorySettings, OutputSettings, *SAMPLINGS, *PROPAGATIONS,
]  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    settings = PRESETS[name]
    assert RunSettings.model_validate_json(settings.model_dump_json()) == settings
    assert settings.preset == name
    assert DESCRIPTIONS[name]


def test_presets_are_the_published_systems():
    sa2va, lii, improved = preset("sa2va"), preset("sa2va-lii"), preset("sa2va-i")
    assert sa2va.sampling(30).frames == (0, 1, 2, 3, 4)
    assert lii.sampling(30).frames == (0, 3, 6, 9, 12)
    assert improved.sampling(30).frames == (0, 7, 14, 21, 29)
    for settings in (sa2va, lii):
        tracking = settings.tracking
        assert (tracking.prompt_with, tracking.decoder, tracking.hide_absent) == (
            "language", "tuned", False,
        )  # fmt: skip
    tracking = improved.tracking
    assert (tracking.prompt_with, tracking.decoder, tracking.hide_absent) == (
        "masks", "original", True,
    )  # fmt: skip


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(RequestError, match="sa2va-lii"):
        preset("sam3")


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_that_a_form_shows_has_a_title_and_a_description(group):
    for name, field in group.model_fields.items():
        if name != "kind":
            assert field.title, name
            assert field.description, name


@pytest.mark.parametrize("group", [*GROUPS, RunSettings])
def test_settings_have_no_optional_values(group):
    # magicgui turns None into 0, so None must not be a value of any setting.
    assert None not in group().model_dump().values()


def test_settings_are_frozen_and_refuse_unknown_names():
    settings = RunSettings()
    with pytest.raises(ValidationError):
        settings.preset = "other"
    with pytest.raises(ValidationError):
        RunSettings(sampler="first")

"""Preferences come from napari where it keeps them, else from a file of our own."""

from __future__ import annotations

from pathlib import Path

import napari.settings
import pytest
import yaml
from pydantic import ValidationError

import napari_sa2va
from napari_sa2va.core import user_files
from napari_sa2va.gui.preferences import (
    CATEGORY,
    PLUGIN,
    Preferences,
    change_preferences,
    preferences,
)
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.models.store import HOME_VARIABLE
from napari_sa2va.presets import PRESETS


@pytest.fixture
def earlier_napari(monkeypatch) -> None:
    """napari as it was before 0.9."""
    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)


@pytest.fixture
def in_napari(request):
    """napari's own model of our preferences, in a file of this test."""
    if not hasattr(napari.settings, "get_plugin_settings"):
        pytest.skip("napari keeps the preferences of plugins from 0.9 on")
    request.getfixturevalue("plugin_settings")
    from npe2 import PluginManifest

    request.getfixturevalue("npe2pm").register(PluginManifest.from_distribution(PLUGIN))
    return napari.settings.get_plugin_settings(PLUGIN)


def test_the_manifest_says_what_the_class_says() -> None:
    file = Path(napari_sa2va.__file__).parent / "napari.yaml"
    contributions = yaml.safe_load(file.read_text(encoding="utf-8"))["contributions"]
    stated = contributions["configurations"][CATEGORY]["properties"]
    schema = Preferences.model_json_schema()["properties"]
    assert list(stated) == list(schema)
    for name, field in schema.items():
        assert stated[name] == field


@pytest.mark.parametrize("variable", [HOME_VARIABLE, user_files.FOLDER_VARIABLE])
def test_no_environment_variable_of_ours_is_taken_for_a_preference(variable: str) -> None:
    """napari reads NAPARI_<category>_<name> as a preference."""
    assert not variable.startswith(f"NAPARI_{CATEGORY.upper()}_")


def test_napari_keeps_what_is_changed(in_napari) -> None:
    assert preferences() == Preferences()
    change_preferences(keep_recent=False, num_recent=7)
    assert preferences() == Preferences(keep_recent=False, num_recent=7)
    assert "num_recent: 7" in in_napari.config_path.read_text()
    in_napari.segment.model = "sa2va-4b"  # as the dialog does
    assert preferences().model == "sa2va-4b"
    assert user_files.read("preferences") is None


def test_a_text_that_was_emptied_means_the_default(in_napari) -> None:
    in_napari.segment.model = ""
    in_napari.segment.device = "cpu"
    assert preferences() == Preferences(device="cpu")


def test_an_earlier_napari_has_a_file_of_our_own(earlier_napari) -> None:
    assert preferences() == Preferences()
    change_preferences(preset="sa2va", follow=False)
    change_preferences(follow=True, num_recent=3)
    assert preferences() == Preferences(preset="sa2va", num_recent=3)
    assert user_files.read("preferences") == {"preset": "sa2va", "follow": True, "num_recent": 3}


@pytest.mark.parametrize(
    "kept", [[1], "x", {"preset": "none", "num_recent": -1, "device": "cpu", "other": 1}], ids=str
)
def test_nonsense_in_the_file_is_as_if_nobody_had_touched_it(earlier_napari, kept) -> None:
    user_files.change("preferences", lambda before: kept)
    device = "cpu" if isinstance(kept, dict) else "auto"
    assert preferences() == Preferences(device=device)
    change_preferences(follow=False)
    assert not preferences().follow


def test_a_value_that_is_not_allowed_is_not_kept(earlier_napari) -> None:
    with pytest.raises(ValidationError, match="no preset"):
        change_preferences(preset="sa3va")
    assert user_files.read("preferences") is None


def test_where_the_plugin_is_switched_off_the_own_file_counts(request) -> None:
    if hasattr(napari.settings, "get_plugin_settings"):
        request.getfixturevalue("plugin_settings")  # a manager without any plugin
    change_preferences(device="cpu")
    assert preferences().device == "cpu"
    assert user_files.read("preferences") == {"device": "cpu"}


def test_the_docks_start_with_what_is_preferred(earlier_napari, qtbot) -> None:
    def panel() -> SettingsPanel:
        made = SettingsPanel(lambda settings: (Ask(), ""))
        qtbot.addWidget(made)
        return made

    usual = panel().value()
    assert (usual.preset, usual.model.name, usual.model.device) == ("sa2va-i", "nano", "auto")
    change_preferences(preset="sa2va", model="someone/a-model", device="cuda:1")
    started = panel()
    value = started.value()
    assert (value.model.name, value.model.device) == ("someone/a-model", "cuda:1")
    assert value.preset == "sa2va"
    assert value.sampling == PRESETS["sa2va"].sampling
    assert not started.differs

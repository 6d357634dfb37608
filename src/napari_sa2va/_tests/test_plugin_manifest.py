"""What napari finds of us."""

import subprocess
import sys
from importlib import import_module

import pytest
from npe2 import PluginManifest

NAME = "napari-sa2va"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution(NAME)


def test_the_manifest_is_valid_with_every_python_name(manifest) -> None:
    manifest.validate_imports()
    assert manifest.name == NAME
    assert all(c.id.startswith(f"{NAME}.") for c in manifest.contributions.commands)


def test_every_command_leads_to_something_callable(manifest) -> None:
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name))


def test_the_dock_and_the_samples_are_in_the_menus(manifest) -> None:
    contributions = manifest.contributions
    names = [widget.display_name for widget in contributions.widgets]
    assert names == [
        "Segment by sentence", "Ask about it", "Timeline of objects", "Measure objects over time",
        "Batch over many movies",
    ]  # fmt: skip
    items = {
        menu.removeprefix("napari/layers/"): [item.command.removeprefix(f"{NAME}.") for item in of]
        for menu, of in contributions.menus.items()
    }
    assert items == {
        "segment": ["segment_by_sentence", "ask_about_it", "batch_over_many_movies"],
        "measure": ["measure_objects"],
        "track": ["timeline_of_objects"],
    }
    assert {s.key for s in contributions.sample_data} == {"generated_movie", "cardiac_ultrasound"}


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("a.mp4", True),
        ("a.AVI", True),
        ("a.dcm", True),
        ("a.ome.tif", True),
        ("a.lsm", True),
        ("a.czi", True),
        ("a.png", False),
        ("a.npy", False),
        ("notes.txt", False),
    ],
)
def test_what_napari_does_not_read_as_well_is_ours_to_read(name: str, ours: bool, manifest) -> None:
    from fnmatch import fnmatch

    (reader,) = manifest.contributions.readers
    assert reader.accepts_directories
    assert any(fnmatch(name.lower(), pattern) for pattern in reader.filename_patterns) == ours


def test_every_format_that_is_written_can_be_chosen_when_labels_are_saved(manifest) -> None:
    from napari_sa2va.writers import WRITERS

    wanted = {
        f"{NAME}.write_{w.FORMAT.kind.replace('-', '_')}": (w.FORMAT.title, list(w.FORMAT.suffixes))
        for w in WRITERS
    }
    there = {
        w.command: (w.display_name, w.filename_extensions)
        for w in manifest.contributions.writers
        if w.layer_types == ["labels"]
    }
    assert there == wanted
    with_image = {
        w.command for w in manifest.contributions.writers if w.layer_types == ["image+", "labels"]
    }
    assert with_image == {
        f"{NAME}.write_{kind}" for kind in ("overlay_movie", "overlay_sheet", "parquet", "table")
    }


@pytest.mark.parametrize(
    "module",
    ["plugin", "plugin.reader", "plugin.writer", "plugin.samples", "gui", "gui.labels_result",
     "gui.controller", "gui.request", "gui.layer_marks", "gui.talk_controller", "gui.talk_request",
     "gui.workspace", "gui.bench", "gui.corrector"],
)  # fmt: skip
def test_plugin_modules_load_no_torch_and_no_qt(module: str) -> None:
    heavy = ["torch", "transformers", "sam2", "napari", "qtpy", "magicgui", "av", "pydicom"]
    code = f"import sys, napari_sa2va.{module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_dock_loads_qt_but_no_torch() -> None:
    code = (
        "import sys, napari_sa2va.gui.dock; "
        "print([m for m in ['torch', 'transformers', 'sam2', 'qtpy'] if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['qtpy']"

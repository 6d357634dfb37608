"""What the package loads, and when: start-up stays quick because heavy libraries wait for use."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "transformers", "sam2", "napari", "qtpy", "PySide6", "PyQt6", "av", "pydicom"]


def heavy_modules_after(statement: str) -> list[str]:
    """Which of HEAVY a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_probe_sees_a_heavy_library_that_is_loaded() -> None:
    assert heavy_modules_after("import json, pydicom") == ["pydicom"]


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_sa2va",
        "import napari_sa2va.core.clip, napari_sa2va.core.masklet, napari_sa2va.core.prompt",
        "import napari_sa2va.settings, napari_sa2va.presets",
        "import napari_sa2va.pipeline.run, napari_sa2va.pipeline.segment",
        "from napari_sa2va import open_clip, segment, run",
        "import napari_sa2va.cli.main",
        "import napari_sa2va.plugin",
    ],
)
def test_importing_a_face_loads_no_heavy_library(statement: str) -> None:
    assert heavy_modules_after(statement) == []


def test_every_module_imports_on_its_own() -> None:
    """A cycle between modules shows only for the one that is imported first."""
    code = """
import importlib, pkgutil, sys
import napari_sa2va
names = [
    module.name
    for module in pkgutil.walk_packages(napari_sa2va.__path__, "napari_sa2va.")
    if "._tests" not in module.name and not module.name.endswith("__main__")
]
assert len(names) > 30, names
ours = lambda: [name for name in sys.modules if name.split(".")[0] == "napari_sa2va"]
for name in names:
    for loaded in ours():
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_had_from_the_package() -> None:
    import napari_sa2va

    assert napari_sa2va.__all__
    for name in napari_sa2va.__all__:
        assert getattr(napari_sa2va, name) is not None

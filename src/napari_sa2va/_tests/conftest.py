"""What holds for every test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_sa2va.core.user_files import FOLDER_VARIABLE
from napari_sa2va.pipeline.native_libraries import load_triton_apart

if TYPE_CHECKING:
    from napari_sa2va._tests.fakes import FakeModel
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.models.sa2va.model import Sa2VA

# Read when napari is imported, which no test has done yet: its settings are kept in no file then.
os.environ["NAPARI_CONFIG"] = ""
# In whatever order the tests are run, a canvas may be drawn before transformers is imported.
load_triton_apart()


@pytest.fixture(autouse=True)
def _files_of_nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Iterator[Path]:
    """Keep the user's own preferences, prompts and speeds out of the tests, and the tests' out of
    them, and those of one test out of the others."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    yield folder
    # napari holds preferences for as long as the process lives.
    module = sys.modules.get("napari_sa2va.gui.preferences")
    if module is not None and module.preferences() != module.Preferences():
        module.change_preferences(**module.Preferences().model_dump())


@pytest.fixture(autouse=True)
def _garbage_goes_on_the_thread_of_the_window(request: pytest.FixtureRequest) -> None:
    """Windows are closed by the hundred here, and napari leaves much of Qt behind with each."""
    if "qapp" in request.fixturenames:
        request.getfixturevalue("qapp")
        from napari_sa2va.gui.garbage import collect_here

        collect_here()


@pytest.fixture
def movies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two movies, in the folder that commands are given in."""
    from napari_sa2va._tests.typed_batches import two_movies

    monkeypatch.chdir(tmp_path)
    return two_movies(tmp_path)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """A network that is easily followed, which is loaded in place of all others."""
    from napari_sa2va._tests.fakes import FakeModel
    from napari_sa2va.pipeline import loaded

    fake = FakeModel()
    monkeypatch.setattr(loaded, "load", lambda settings: fake)
    return fake


@pytest.fixture(scope="session")
def clip() -> Clip:
    """Two cells, as nano knows them."""
    from napari_sa2va._tests.kept_points import two_cells

    return two_cells()


@pytest.fixture(scope="session")
def nano() -> Sa2VA:
    """The network that ships."""
    from napari_sa2va._tests.kept_points import load_nano

    return load_nano()


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """Where `napari-sa2va` lies for whom it matters that it begins at once: see `warm_commands`."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    from napari_sa2va._tests.warm_commands import warm_commands

    with warm_commands() as folder:
        yield folder

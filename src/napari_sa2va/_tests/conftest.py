"""What holds for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_sa2va.core.user_files import FOLDER_VARIABLE
from napari_sa2va.pipeline.native_libraries import load_triton_apart

# Read when napari is imported, which no test has done yet: its settings are kept in no file then.
os.environ["NAPARI_CONFIG"] = ""
# In whatever order the tests are run, a canvas may be drawn before transformers is imported.
load_triton_apart()


@pytest.fixture(autouse=True)
def _files_of_nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Path:
    """Keep the user's own preferences, prompts and speeds out of the tests, and the tests' out of
    them."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder

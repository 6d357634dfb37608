"""The rooms of the house import only what the contracts in pyproject.toml allow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import napari_sa2va

ROOT = Path(napari_sa2va.__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="the contracts stand in the source tree only"
)


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--config", str(root / "pyproject.toml")],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_every_room_imports_only_rooms_below_it() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_low_room_that_imports_a_high_one_or_torch_is_reported(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("_tests", "*.safetensors")
    )
    with (tmp_path / "src" / "napari_sa2va" / "core" / "rle.py").open("a") as file:
        file.write("\n\ndef wrong():\n    import torch\n    import napari_sa2va.pipeline.run\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "napari_sa2va.core.rle -> napari_sa2va.pipeline.run" in done.stdout
    assert "napari_sa2va.core.rle -> torch" in done.stdout

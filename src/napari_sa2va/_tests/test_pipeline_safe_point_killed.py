"""Processes that are killed in the middle of a run, at random moments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.killed_runs import NUM_FRAMES, NUM_SERIES


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_run_killed_again_and_again_gives_the_masks_of_one_undisturbed(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "napari_sa2va._tests.killed_runs", str(tmp_path)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    expected = {t: np.load(tmp_path / "undisturbed" / f"{t}.npy") for t in range(NUM_FRAMES)}
    assert any((one > 0).any() for one in expected.values())
    whole = json.loads((tmp_path / "undisturbed" / "record.json").read_text())
    assert whole["asked"] > 0
    gone_on = 0
    for series in range(NUM_SERIES):
        folders = [p for p in (tmp_path / str(series)).iterdir() if p.name.isdigit()]
        folders.sort(key=lambda p: int(p.name))
        assert masks_seen(folders, expected) == expected.keys()
        last = json.loads((folders[-1] / "record.json").read_text())
        assert (last["present"], last["scores"]) == (whole["present"], whole["scores"])
        assert last["asked"] == (0 if last["goes_on"] else whole["asked"])
        gone_on += len(last["goes_on"])
    # A process has half of the time that a whole run needs.
    assert gone_on > 0


def masks_seen(folders: list[Path], expected: dict[int, np.ndarray]) -> set[int]:
    """Frames of which a process wrote the masks; all of them are the expected ones."""
    seen = set()
    for path in (path for folder in folders for path in folder.glob("*.npy")):
        if path.name.endswith(".part.npy"):
            continue  # it was killed while it wrote this
        t = int(path.stem)
        seen.add(t)
        assert np.load(path).tobytes() == expected[t].tobytes(), f"{path.parent}, frame {t}"
    return seen

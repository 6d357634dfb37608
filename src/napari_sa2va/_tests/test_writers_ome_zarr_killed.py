"""A process that is killed while it writes labels into an image, before any of its changes to the disk."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sa2va._tests.ngff_labels import check_image, image_files, labelled, read_labels
from napari_sa2va._tests.ngff_stores import write_ngff
from napari_sa2va.writers.write import write_result

RNG = np.random.default_rng(9)
MOVIE = RNG.integers(0, 250, (1, 12, 16)).astype(np.uint8)
LABELS = RNG.integers(0, 3, (1, 12, 16)).astype(np.uint16)


def _killed_at(moment: int, write: Callable[[], object]) -> bool:
    """Write in a child that is killed before it changes a file for the n-th time; whether it was."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    left = [moment]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
        if event == "open" and isinstance(arguments[2], int):
            changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if changes:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), 9)

    sys.addaudithook(hook)
    try:
        write()
    finally:
        os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(("is_there", "version"), [(False, "0.4"), (True, "0.5")])
def test_a_killed_process_leaves_a_whole_store(
    is_there: bool, version: str, tmp_path: Path
) -> None:
    start = write_ngff(tmp_path / "start.zarr", MOVIE, version=version)
    old, new = LABELS[:, ::-1].copy(), LABELS
    if is_there:
        write_result(start, labelled(start, old))
    image = image_files(start)
    path = tmp_path / "a.zarr"
    seen = set()
    moment, was_killed = 0, True
    while was_killed:
        moment += 1
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(start, path)
        result = labelled(path, new)
        was_killed = _killed_at(moment, lambda r=result: write_result(path, r, overwrite=True))
        assert image_files(path) == image
        check_image(path)
        listed = _listed(path)
        shown = read_labels(path)[0][0] if listed else None
        kind = "none" if shown is None else "old" if (shown == old).all() else "new"
        assert kind != "new" or (shown == new).all()
        seen.add(kind)
        assert not (is_there and kind == "none")
        # Who writes next clears what was left, and finishes.
        is_group = any(
            (path / "labels" / "napari-sa2va" / n).exists() for n in (".zgroup", "zarr.json")
        )
        write_result(path, labelled(path, new), overwrite=is_group)
        np.testing.assert_array_equal(read_labels(path)[0][0], new)
        assert len(list((path / "labels" / "napari-sa2va").glob("[0-9]*"))) == 1
        assert not list(path.rglob("*.new"))
    assert moment > 10
    assert seen == {"old" if is_there else "none", "new"}


def _listed(path: Path) -> list[str]:
    file = path / "labels" / "zarr.json"
    if file.exists():
        return json.loads(file.read_text())["attributes"]["ome"]["labels"]
    file = path / "labels" / ".zattrs"
    is_group = (path / "labels" / ".zgroup").exists()
    return json.loads(file.read_text())["labels"] if is_group else []

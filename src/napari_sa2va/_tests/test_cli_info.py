"""What `info` says of files that do not say all themselves, and of those that still grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.cli.main import main

MOVIE = np.random.default_rng(0).integers(0, 4000, (6, 12, 16)).astype(np.uint16)


def begun(path: Path) -> Path:
    """A movie of which the last frame is not complete."""
    with tifffile.TiffWriter(path) as tif:
        for frame in MOVIE:
            tif.write(frame, contiguous=False, metadata=None)
    path.write_bytes(path.read_bytes()[: -MOVIE[0].nbytes // 2])
    return path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without the ends of its lines."""
    printed = capsys.readouterr()
    return " ".join((printed.out + printed.err).split())


def test_axes_without_names_are_told_with_the_shape_and_how_to_name_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 5, 12, 16), np.uint16), photometric="minisblack")
    assert main(["info", str(path)]) == 0
    words = said(capsys)
    for part in ("5 not named (?), 12 rows (Y)", "3 x 4 x 5 x 12 x 16", "--axes TZCYX"):
        assert part in words, words
    assert main(["segment", str(path), "the cell"]) == 2
    words = said(capsys)
    assert "3 x 4 x 5 x 12 x 16" in words
    assert "--axes TZCYX" in words


def test_a_file_that_grows_is_opened_by_the_flag_that_the_error_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = begun(tmp_path / "a.tif")
    assert main(["info", str(path)]) == 2
    assert "--growing" in said(capsys)
    assert main(["info", str(path), "--growing"]) == 0
    assert "5 time (T)" in said(capsys)


def test_masks_are_exported_beside_a_movie_that_grows(tmp_path: Path) -> None:
    movie, labels = begun(tmp_path / "a.tif"), tmp_path / "labels.tif"
    tifffile.imwrite(labels, (MOVIE[:5] > 2000).astype(np.uint16), photometric="minisblack")
    command = ["export", str(labels), "--input", str(movie), "-o", str(tmp_path / "a.csv")]
    assert main(command) == 2
    assert main([*command, "--growing"]) == 0
    assert (tmp_path / "a.csv").is_file()


def test_what_tifffile_logs_is_not_said_in_between(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, MOVIE, description='{"shape": [6, 12, 99]}', metadata=None)
    # pytest takes in what is logged, so that nothing of it would be seen here.
    code = (
        "import sys; from napari_sa2va.cli.main import main; sys.exit(main(['info', sys.argv[1]]))"
    )
    asked = [sys.executable, "-c", code, str(path)]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")

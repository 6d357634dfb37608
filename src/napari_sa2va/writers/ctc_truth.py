"""Corrected masks as a truth for the Cell Tracking Challenge's programs to score trackers against.

The folder that is written is the one that the challenge calls 01_GT, with the tracks in TRA.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.writers import ctc

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = replace(
    ctc.FORMAT,
    kind="ctc-truth",
    title="Cell Tracking Challenge (truth)",
    files=r"TRA/man_track\d{3,}\.tif|TRA/man_track\.txt",
)


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Write TRA/man_track000.tif, ... and TRA/man_track.txt."""
    folder = path / "TRA"
    folder.mkdir()
    return ctc.write_tracks(folder, result, images="man_track", table="man_track.txt")

"""Results as the Cell Tracking Challenge takes them: a label image per time point, and the tracks.

The folder that is written is the one that the challenge calls 01_RES.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.writers.ctc_tracks import MOST_LABELS, Tracks
from napari_sa2va.writers.format import WriteFormat

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="ctc",
    title="Cell Tracking Challenge (results)",
    suffixes=(),
    keeps="object ids (the label of the first track of each), parents (one each)",
    read_back_by="py-ctcmetrics, with its validator",
    most_ids=MOST_LABELS,
    planes=True,
    parents=True,
    is_folder=True,
    files=r"mask\d{3,}\.tif|res_track\.txt",
)


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Write mask000.tif, ... and res_track.txt."""
    return write_tracks(path, result, images="mask", table="res_track.txt")


def write_tracks(folder: Path, result: Result, *, images: str, table: str) -> tuple[str, ...]:
    """Write label images of 16 bits and the table `label begin end parent`.

    Parameters
    ----------
    folder : Path
        Empty.
    result : Result
        Several planes make a stack (Z, Y, X) per time point. Where z plays it is one time point.
    images, table : str
        How the names of the images begin, and the name of the table.

    Returns
    -------
    tuple of str
        What became of objects that are no tracks.
    """
    from tifffile import imwrite

    tracks = Tracks(result.subjects)
    digits = max(3, len(str(result.num_times - 1)))
    stacked = (result.num_z,) if result.num_z > 1 else ()
    for t in range(result.num_times):
        # All planes of a time point share their labels; their codes are small.
        planes = [
            result.apart(result.frame(f).codes)
            for f in range(t, result.num_frames, result.num_times)
        ]
        labels = tracks.labels(t, set().union(*planes))
        imwrite(
            folder / f"{images}{t:0{digits}d}.tif",
            (result.paint({labels[i]: code for i, code in codes.items()}) for codes in planes),
            shape=(*stacked, *result.size),
            dtype=result.label_dtype,
            photometric="minisblack",
            compression="zlib",
            metadata=None,
        )
    with (folder / table).open("w", encoding="ascii", newline="\n") as file:
        for track in tracks.table():
            file.write(f"{track.label} {track.begin} {track.end} {track.parent}\n")
    return tuple(tracks.losses())

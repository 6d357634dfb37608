"""Movies through PyAV, frame-exact: mp4, avi, mov, mkv, webm and what else FFmpeg demuxes."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.video_decoder import VideoPlanes, to_array
from napari_sa2va.readers.video_index import build_index

EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".ogv", ".3gp", ".gif"),
)
FORMAT = ReadFormat(
    title="movies",
    extensions=EXTENSIONS,
    axes="TYXS, TYX",
    facts="frame interval, rotation",
    lazy="one frame",
    tested_with="FFmpeg's encoders",
)


def accepts(path: Path) -> bool:
    """Whether the name or the first bytes say that this is a movie."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(12)
    is_movie = (
        head[4:8] == b"ftyp"
        or head[:4] == b"\x1a\x45\xdf\xa3"  # Matroska, WebM
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
    )
    return is_movie or path.suffix.lower() in EXTENSIONS


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a movie: its packets are listed once and one frame is decoded.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Which of several video streams, from 0; the first by default.

    Returns
    -------
    Recording
        Axes TYXS in uint8, or TYX for grey formats, in uint8 or uint16. A rotation flag is
        respected. The interval is the median of the time stamps' differences.

    Raises
    ------
    ClipError
        If the file is no movie, has no frames, or ends before what its header promises.
    """
    stream = _stream_number(path, series)
    index = build_index(path, stream)
    source = VideoPlanes(str(path), index)
    first = to_array(source.frame(0))
    shape = (index.num_frames, *first.shape)
    notes = []
    if index.must_count:
        notes.append(
            "This file has no usable time stamps: going back in it is slow. "
            "Re-encoding it as .mp4 or .mkv mends that."
        )
    if index.is_variable:
        notes.append("The frame rate varies; the frame interval is the median.")
    return Recording(
        lazy_planes(source, shape, first.dtype, 1, "video"),
        "TYX" if first.ndim == 2 else "TYXS",
        name=path.stem,
        source=str(path),
        frame_interval_s=index.interval_s,
        variable_rate=index.is_variable,
        notes=tuple(notes),
    )


def _stream_number(path: Path, series: int | str | None) -> int:
    if series is None:
        return 0
    if not str(series).isdecimal():
        raise ClipError(f"{path} has no video stream {series!r}.", "Give its number, from 0.")
    return int(series)

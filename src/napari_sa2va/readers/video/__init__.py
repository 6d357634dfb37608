"""Movies through PyAV, frame-exact: mp4, avi, mov, mkv, webm and what else FFmpeg demuxes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.video.boxes import is_whole
from napari_sa2va.readers.video.container import choose_stream, open_container
from napari_sa2va.readers.video.index import indexes
from napari_sa2va.readers.video.pixels import layout_of
from napari_sa2va.readers.video.planes import VideoPlanes

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".ogv", ".3gp", ".gif"),
)
FORMAT = ReadFormat(
    title="movies",
    extensions=EXTENSIONS,
    axes="TYXS, TYX",
    magic=((4, b"ftyp"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI ")),  # MP4, Matroska, AVI
    facts="frame interval",
    lazy="one frame",
    tested_with="FFmpeg's encoders",
)

# What FFmpeg makes of white of 10 or 12 bits in 16.
_WHITE = 255.0 * 256
_HDR = (16, 18)  # numbers of PQ (SMPTE 2084) and HLG (ARIB STD-B67) in ITU-T H.273


def accepts(path: Path) -> bool:
    """Whether the name or the first bytes say that this is a movie."""
    return FORMAT.fits(path)


def is_complete(path: Path) -> bool:
    """Whether a file says that no frame will be added: MP4 and QuickTime with an index of all frames."""
    try:
        return is_whole(path)
    except OSError:
        return False


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a movie: its packets are listed, and the first frames are decoded.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Which of several video streams, from 0 or by title. Cover pictures do not count.

    Returns
    -------
    Recording
        Axes TYXS, or TYX for grey formats; uint8, or uint16 beyond 8 bits (see
        `video_pixels.to_array`). The interval is the median of the time stamps' differences.

    Raises
    ------
    SeriesError
        If there are several video streams and none was chosen, or there is no such stream.
    ClipError
        If the file is no movie, has no frames, or ends before what its header promises.
    """
    with closing(open_container(path)) as container:
        stream = choose_stream(path, container, series)
        notes = _notes_of_stream(container.streams.video[stream])
        source = _believed(path, container, stream)
    index = source.index
    first = source.read(0)
    notes += _notes_of_frame(source.frame(0), first)
    if index.how == "counted":
        notes.append(
            "This file has no usable time stamps: going back in it is slow. "
            "Re-encoding it as .mp4 or .mkv mends that."
        )
    if index.is_variable:
        notes.append("The frame rate varies; the frame interval is the median.")
    if index.is_cut:
        notes.append("The file ends within a frame: it was cut off, or is still being written.")
    # Colours of more than 8 bits span all 16: shown from black to white, not stretched.
    is_deep_color = first.ndim == 3 and first.dtype == np.uint16
    return Recording(
        lazy_planes(source, (index.num_frames, *first.shape), first.dtype, 1, "video"),
        "TYX" if first.ndim == 2 else "TYXS",
        name=path.stem,
        source=str(path),
        frame_interval_s=index.interval_s,
        window=((0.0, _WHITE),) * 3 if is_deep_color else (),
        variable_rate=index.is_variable,
        notes=tuple(notes),
    )


def _believed(path: Path, container: InputContainer, stream: int) -> VideoPlanes:
    """The frames, by the cheapest account of them that the first frames bear out."""
    for index in indexes(path, container, stream):
        source = VideoPlanes(str(path), index)
        if source.decoder.agrees():
            return source
    raise ClipError(f"{path} gives other frames each time it is decoded.", "The file is damaged.")


def _notes_of_stream(video: VideoStream) -> list[str]:
    notes = []
    aspect = video.sample_aspect_ratio
    if aspect and aspect != 1:
        notes.append(
            f"A pixel is shown {float(aspect):.4g} times as wide as high; the frames are as stored."
        )
    if video.metadata.get("alpha_mode") == "1":
        notes.append("Transparency is left out.")
    return notes


def _notes_of_frame(frame: VideoFrame, pixels: np.ndarray) -> list[str]:
    notes = []
    if frame.interlaced_frame:
        notes.append(
            "The lines of a frame are of two moments (interlaced); moving edges are combs."
        )
    if layout_of(frame.format.name).samples == 4 and not frame.format.has_palette:
        notes.append("Transparent pixels are shown on black.")
    if getattr(frame, "color_trc", 0) in _HDR:
        notes.append("The brightness is coded for HDR screens (PQ or HLG) and is not brought back.")
    return notes

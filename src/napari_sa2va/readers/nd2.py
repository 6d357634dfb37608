"""ND2, the format of Nikon's NIS-Elements, read with the nd2 library."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.extras import need
from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.damage import as_clip_error
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.series import choose

if TYPE_CHECKING:
    from nd2 import ND2File

EXTENSIONS = (".nd2",)
FORMAT = ReadFormat(
    title="ND2 of NIS-Elements",
    extensions=EXTENSIONS,
    axes="TZCYXS",
    magic=((0, b"\xda\xce\xbe\x0a"),),
    facts="pixel size, z step, frame interval, channel names and colours",
    lazy="one plane",
    tested_with="a confocal stack of NIS-Elements (cluster.nd2 of PIMS); files that the tests write",
    extra="nd2",
)
# The library makes a list of all frames to find the time of one.
_MOST_STAMPED = 2**17
_HINT = "Is it complete? NIS-Elements writes what is needed to read it at its end."


def accepts(path: Path) -> bool:
    """Whether the name or the first bytes say ND2; JPEG 2000 of its first version only by name."""
    return FORMAT.fits(path)


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a file; reads its metadata, not its pixels.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Which of several positions of the stage, by number or name.

    Raises
    ------
    SeriesError
        If there are several positions and none was chosen.
    ClipError
        If the file is damaged or truncated.
    MissingPackage
        Without the nd2 library.
    """
    nd2 = need("nd2", "nd2", "read ND2 files")
    with as_clip_error(path, "read as ND2", _HINT), nd2.ND2File(path) as file:
        sizes = dict(file.sizes)
        loops = {axis: n for axis, n in sizes.items() if axis not in "CYXS"}
        position = _position(path, file, sizes, series)
        # All channels of a moment are one frame of the file.
        lead = {a: n for a, n in loops.items() if a != "P"} | {"C": sizes.get("C", 1)}
        source = Nd2Planes(str(path), loops, position, lead)
        plane = {a: sizes.get(a, 1) for a in ("Y", "X")} | {a: 3 for a in "S" if a in sizes}
        shape = tuple((lead | plane).values())
        axes = "".join(lead | plane)
        dtype, facts = file.dtype, _facts(file, sizes)
    data = lazy_planes(source, shape, dtype, len(lead), "nd2")
    if "C" not in sizes:
        data, axes = data[(slice(None),) * (len(lead) - 1) + (0,)], axes.replace("C", "")
    return Recording(data, axes, name=path.stem, source=str(path), **facts)


def _position(path: Path, file: ND2File, sizes: Mapping[str, int], series: int | str | None) -> int:
    points: list[Any] = []
    for loop in file.experiment:
        if loop.type == "XYPosLoop":
            points = loop.parameters.points
    told = ", ".join(f"{a}={n}" for a, n in sizes.items() if a != "P")
    names = [str(getattr(point, "name", None) or "") for point in points]
    names += [""] * (sizes.get("P", 1) - len(names))
    choices: list[tuple[int | str, str]] = [
        (number, f"{name or f'position {number}'}: {told}")
        for number, name in enumerate(names[: sizes.get("P", 1)])
    ]
    if isinstance(series, str) and names.count(series) == 1:
        series = names.index(series)
    return choose(path, choices, series, noun="positions")


def _facts(file: ND2File, sizes: Mapping[str, int]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    metadata = file.metadata
    channels = getattr(metadata, "channels", None) or []
    if channels:
        volume = channels[0].volume
        x, y, z = (
            length_in_um(size, "um") if known else None
            for size, known in zip(volume.axesCalibration, volume.axesCalibrated, strict=True)
        )
        facts["pixel_size_um"] = (y, x) if y and x else None
        facts["z_step_um"] = z if "Z" in sizes else None
    if len(channels) == sizes.get("C", 1) and "S" not in sizes:
        facts["channel_names"] = tuple(c.channel.name or str(i) for i, c in enumerate(channels))
        facts["channel_colors"] = tuple(
            f"#{c.channel.color.r:02x}{c.channel.color.g:02x}{c.channel.color.b:02x}"
            for c in channels
        )
    for loop in file.experiment:
        if loop.type == "TimeLoop":
            seconds = _interval_s(loop.parameters) or _stamped_interval_s(file, sizes)
            facts["frame_interval_s"] = seconds
        elif loop.type == "NETimeLoop":
            periods = [(p.count, _interval_s(p)) for p in loop.parameters.periods]
            intervals = {seconds for _, seconds in periods}
            facts["frame_interval_s"] = max(periods, key=lambda p: p[0])[1] if periods else None
            facts["variable_rate"] = len(intervals) > 1
    promised = math.prod(n for axis, n in sizes.items() if axis not in "CYXS")
    recorded = file.attributes.sequenceCount
    if recorded < promised:
        facts["notes"] = (f"Of {promised} frames {recorded} were recorded; the others are black.",)
    return {name: value for name, value in facts.items() if value}


def _interval_s(period: Any) -> float | None:
    """Measured where it was measured: an asked interval of 0 means as fast as possible."""
    measured = getattr(period.periodDiff, "avg", 0)
    return time_in_s(measured, "ms") or time_in_s(period.periodMs, "ms")


def _stamped_interval_s(file: ND2File, sizes: Mapping[str, int]) -> float | None:
    """Mean distance of the time stamps of frames, if time is the slowest axis."""
    loops = [axis for axis in sizes if axis not in "CYXS"]
    num_frames = math.prod(sizes[axis] for axis in loops)
    if loops[:1] != ["T"] or num_frames > _MOST_STAMPED:
        return None
    last_number = num_frames - num_frames // sizes["T"]
    try:
        with warnings.catch_warnings(action="ignore"):
            first, last = (_stamp_ms(file, number) for number in (0, last_number))
    except LookupError:  # there are none
        return None
    return time_in_s((last - first) / (sizes["T"] - 1), "ms")


def _stamp_ms(file: ND2File, number: int) -> float:
    metadata: Any = file.frame_metadata(number)
    return float(metadata.channels[0].time.relativeTimeMs)


class Nd2Planes:
    """Channels of the frames of one position; the map of the file is read once, the file reopened.

    Parameters
    ----------
    path : str
    loops : mapping of str to int
        Axes along which the file counts its frames, slowest first.
    position : int
        Along P, if that is one of them.
    lead : mapping of str to int
        Axes along which planes are counted, C last.
    """

    def __init__(
        self, path: str, loops: Mapping[str, int], position: int, lead: Mapping[str, int]
    ) -> None:
        self.path = path
        self.loops = dict(loops)
        self.position = position
        self.lead = dict(lead)
        self._file: ND2File | None = None
        self._lock = Lock()

    def __getstate__(self) -> tuple[str, dict[str, int], int, dict[str, int]]:
        return self.path, self.loops, self.position, self.lead

    def __setstate__(self, state: tuple[str, dict[str, int], int, dict[str, int]]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def read(self, index: int) -> np.ndarray:
        """Plane `index` of shape (Y, X) or (Y, X, S)."""
        import nd2

        place = np.unravel_index(index, tuple(self.lead.values()))
        at = {axis: int(i) for axis, i in zip(self.lead, place, strict=True)}
        frame = 0
        for axis, length in self.loops.items():
            frame = frame * length + (self.position if axis == "P" else at[axis])
        hint = "The file is damaged there, or was it moved?"
        with self._lock, as_clip_error(self.path, f"read at frame {frame}", hint):
            if self._file is None:
                self._file = nd2.ND2File(self.path)
            with self._file as file:
                sizes = file.sizes
                samples = (3,) if "S" in sizes else ()
                shape = (self.lead["C"], sizes.get("Y", 1), sizes.get("X", 1), *samples)
                # A copy: the frame is mapped into memory only as long as the file is open.
                return np.array(file.read_frame(frame).reshape(shape)[at["C"]])

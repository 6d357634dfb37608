"""Frames of one or many DICOM files, sorted into stacks that can be shown as one recording.

A stack has one series, one kind of pixels and one plane of acquisition. A file with several frames
is a stack of its own, or several if its frames lie in different planes (a localizer).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom.coding import Coding, coding_of
from napari_sa2va.readers.dicom.facts import is_volume
from napari_sa2va.readers.dicom.frames import frames_of
from napari_sa2va.readers.dicom.grid import Grid, NoGrid, arrange_planes
from napari_sa2va.readers.dicom.person import private_of
from napari_sa2va.readers.dicom.planes import NUMBERS, Plane, planes_of
from napari_sa2va.readers.dicom.tags import number, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.readers.dicom.file import DicomFile
    from napari_sa2va.readers.dicom.frames import StoredFrames

# Cosines of an angle that differs by half a degree, and digits that a text loses.
_SAME_COSINE, _SAME_SPACING = 0.01, 1e-3


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames that belong together.

    Attributes
    ----------
    files : list of DicomFile
    frames : list of StoredFrames
        Of each file.
    places : list of (int, Plane)
        Every plane with the number of its file.
    """

    files: list[DicomFile] = field(default_factory=list)
    frames: list[StoredFrames] = field(default_factory=list)
    places: list[tuple[int, Plane]] = field(default_factory=list)

    @property
    def header(self) -> Dataset:
        """Of its first file."""
        return self.files[0].header

    @property
    def coding(self) -> Coding:
        """How its pixels are stored."""
        return self.frames[0].coding

    @property
    def planes(self) -> list[Plane]:
        """All planes, as `grid.order` numbers them."""
        return [plane for _, plane in self.places]

    @cached_property
    def grid(self) -> Grid:
        """Its planes in space and time.

        Raises
        ------
        ClipError
            If planes are missing all over.
        """
        planes = self.planes
        try:
            return arrange_planes(
                [p.depth_mm for p in planes], [p.moments for p in planes], shared=NUMBERS
            )
        except NoGrid as error:
            if len(self.files) > 1:
                raise ClipError(
                    f"The DICOM series {self.title} is incomplete: {error}.",
                    "Copy the missing files, or open one of the files.",
                ) from error
            order = np.arange(len(planes), dtype=np.int64)[:, np.newaxis]
            note = f"The frames play in the order of the file, as {error}."
            return Grid(order, "", None, (note,))

    @property
    def lead(self) -> tuple[str, tuple[int, ...]]:
        """Axes before the plane's, out of "TZ", and their lengths."""
        num_times, num_depths = self.grid.order.shape
        if num_depths == 1 and num_times > 1 and len(self.files) == 1 and is_volume(self.header):
            return "Z", (num_times,)
        pairs = [(a, n) for a, n in zip("TZ", (num_times, num_depths), strict=True) if n > 1]
        return "".join(a for a, _ in pairs), tuple(n for _, n in pairs)

    @property
    def title(self) -> str:
        """Number, kind and description of the series, without what names a person."""
        header = self.header
        series = number(header, "SeriesNumber")
        parts = [f"series {int(series)}" if series is not None else "series without a number"]
        parts += [text(header, "Modality"), text(header, "SeriesDescription")]
        return private_of(header).redact(", ".join(filter(None, parts)))

    def describe(self) -> str:
        """The title and the sizes, for a person who has to choose."""
        try:
            axes, sizes = self.lead
        except ClipError:
            axes, sizes = "", ()
        known = [f"{a}={n}" for a, n in zip(axes, sizes, strict=True)] or ["one picture"]
        sides = [f"Y={self.coding.rows}", f"X={self.coding.columns}"]
        return f"{self.title}: {', '.join(known + sides)}"


def stacks_of(files: Iterable[DicomFile]) -> list[Stack]:
    """Sort files with pixels into stacks, by study, series number and geometry.

    Raises
    ------
    ClipError
        If a file does not say how its pixels are meant, or ends before them.
    """
    groups: dict[tuple[Any, ...], list[Stack]] = {}
    seen: set[str] = set()
    codings: dict[Coding, Coding] = {}  # of a thousand files, one
    for file in files:
        uid = text(file.header, "SOPInstanceUID")
        if uid and uid in seen:  # a copy
            continue
        seen.add(uid)
        coding = coding_of(file)
        coding = codings.setdefault(coding, coding)
        stored = frames_of(file, coding)
        for plane in planes_of(file.header, stored.num_frames):
            alike = groups.setdefault(_kind(file, stored, coding), [])
            stack = next((s for s in alike if _same_geometry(s.places[0][1], plane)), None)
            if stack is None:
                stack = Stack()
                alike.append(stack)
            if not stack.files or stack.files[-1] is not file:
                stack.files.append(file)
                stack.frames.append(stored)
            stack.places.append((len(stack.files) - 1, plane))
    return sorted((s for alike in groups.values() for s in alike), key=_rank)


def _kind(file: DicomFile, stored: StoredFrames, coding: Coding) -> tuple[Any, ...]:
    """What frames of one stack have in common, geometry left out."""
    header = file.header
    has_more = stored.num_frames > 1
    return (
        text(header, "StudyInstanceUID"),
        text(header, "SeriesInstanceUID"),
        str(file.path) if has_more else "",
        (coding.rows, coding.columns, coding.samples, coding.allocated, coding.stored),
        (coding.is_signed, coding.photometric, coding.keyword),
        text(header, "ImageType"),
        text(header, "EchoNumbers"),
    )


def _same_geometry(a: Plane, b: Plane) -> bool:
    return _alike(a.orientation, b.orientation, _SAME_COSINE) and _alike(
        a.spacing_mm, b.spacing_mm, _SAME_SPACING * max((1.0, *a.spacing_mm))
    )


def _alike(a: Sequence[float], b: Sequence[float], tolerance: float) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= tolerance for x, y in zip(a, b, strict=True))


def _rank(stack: Stack) -> tuple[Any, ...]:
    header = stack.header
    study = text(header, "StudyDate"), text(header, "StudyInstanceUID")
    series = number(header, "SeriesNumber") or 0.0, text(header, "SeriesInstanceUID")
    return (*study, *series, number(header, "InstanceNumber") or 0.0, str(stack.files[0].path))

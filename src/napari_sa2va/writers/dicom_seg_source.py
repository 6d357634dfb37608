"""Which frame of which DICOM file every frame of a clip was read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core import pixels
from napari_sa2va.core.errors import ClipError, OutputError, SeriesError
from napari_sa2va.core.region_box import Box
from napari_sa2va.readers import dicom
from napari_sa2va.readers.dicom.facts import pixel_size_um
from napari_sa2va.readers.dicom.tags import first_item, magnitude

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.readers.dicom.planes import Plane
    from napari_sa2va.readers.dicom.series import Stack
    from napari_sa2va.writers.result import Result


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """A frame that masks refer to.

    Attributes
    ----------
    header : pydicom.Dataset
        Of its file.
    number : int or None
        Its number in the file, from 1; None where a file has one frame.
    plane : Plane
    moment, level : int
        Position in time and in depth, from 0.
    """

    header: Dataset
    number: int | None
    plane: Plane
    moment: int
    level: int


@dataclass(frozen=True, eq=False)
class Sources:
    """The frames that a result was made from.

    Attributes
    ----------
    stack : Stack
    places : ndarray of int, shape (F, 2)
        Moment and level of each frame of the result, in `stack.grid`.
    """

    stack: Stack
    places: np.ndarray

    def frame(self, f: int) -> SourceFrame:
        """What frame `f` of the result was read from."""
        moment, level = self.places[f].tolist()
        file, plane = self.stack.places[int(self.stack.grid.order[moment, level])]
        number = plane.frame + 1 if self.stack.frames[file].num_frames > 1 else None
        return SourceFrame(self.stack.files[file].header, number, plane, moment, level)

    @property
    def is_placed(self) -> bool:
        """Whether every frame says where in the patient it lies."""
        return "FrameOfReferenceUID" in self.stack.header and all(
            plane.position_mm for plane in self.stack.planes
        )

    @property
    def has_moments(self) -> bool:
        """Whether there are several moments, or nothing else tells frames apart."""
        return self.stack.grid.order.shape[0] > 1 or not self.is_placed

    @property
    def spacing_mm(self) -> list[float]:
        """Distance of rows and of columns, also of an ultrasound picture; empty if unknown."""
        size_um = pixel_size_um(self.stack.planes[0], self.stack.header)
        return [float(f"{side / 1e3:.12g}") for side in size_um or ()]

    @property
    def slice_thickness_mm(self) -> float:
        """How thick a plane is; where the source does not say, 1."""
        shared = first_item(self.stack.header, "SharedFunctionalGroupsSequence")
        measures = first_item(shared, "PixelMeasuresSequence")
        return (
            magnitude(measures, "SliceThickness")
            or magnitude(self.stack.header, "SliceThickness")
            or self.stack.grid.z_step_mm
            or 1.0
        )


def sources_of(result: Result) -> Sources:
    """Find the source of a result again.

    Raises
    ------
    OutputError
        If the clip is not of a DICOM file, or not as the file has it: masks of a projection, or of
        a clip that was cut or turned, belong to no frame.
    """
    clip = result.clip
    hint = "Choose another format, such as OME-TIFF."
    path = None if clip.source is None else Path(clip.source)
    if path is None or not dicom.accepts(path):
        where = "pixels that no file holds" if path is None else path.name
        raise OutputError(
            f"A DICOM segmentation refers to DICOM frames, and these masks are of {where}.", hint
        )
    if clip.z is not None and not isinstance(clip.z, int):
        raise OutputError(
            f"These masks are of a projection ({clip.z}), which is no frame of the DICOM file.",
            hint,
        )
    try:
        stack = _stack_of(path, result)
        grid = stack.grid.order
    except ClipError as error:
        raise OutputError(
            f"The DICOM source cannot be read: {error.message}", error.hint
        ) from error
    y0, x0 = (clip.box.y0, clip.box.x0) if clip.box else (0, 0)
    fits = y0 + clip.height <= stack.coding.rows and x0 + clip.width <= stack.coding.columns
    is_whole = clip.box is not None or (clip.height, clip.width) == (
        stack.coding.rows, stack.coding.columns,
    )  # fmt: skip
    places = _places(grid.shape, result)
    if not (fits and is_whole) or len(places) != result.num_frames:
        raise OutputError(
            f"The clip has {result.num_frames} frames of {clip.height} x {clip.width} px, and the "
            f"DICOM source is {stack.describe()}.",
            "Open the DICOM file itself, without cutting or turning it.",
        )
    return Sources(stack, places)


def _stack_of(path: Path, result: Result) -> Stack:
    """The stack that a clip is of; of several, where nobody said which, the one with its pixels.

    Raises
    ------
    ClipError
        If there is none.
    """
    clip = result.clip
    try:
        return dicom.stack_of(path, clip.opened_with.get("series"))
    except SeriesError as error:
        if "series" in clip.opened_with:
            raise
        box = clip.box or Box(0, 0, clip.height, clip.width)
        for key, _ in error.choices:
            stack = dicom.stack_of(path, key)
            places = _places(stack.grid.order.shape, result)
            data = dicom.read(path, series=key).data
            planes = data.reshape(*stack.grid.order.shape, *data.shape[len(stack.lead[1]) :])
            if len(places) == result.num_frames:
                plane = pixels.read(planes[tuple(places[0].tolist())])
                if np.array_equal(plane[box.y0 : box.y1, box.x0 : box.x1], clip.frame(0)):
                    return stack
        raise


def _places(shape: tuple[int, ...], result: Result) -> np.ndarray:
    """Moment and level of the frames of a result, in its order."""
    clip = result.clip
    num_times, num_depths = shape
    if num_depths == 1 or (clip.time_axis == "Z" and num_times == 1):
        levels = range(num_depths)  # also of a volume that says of no frame where it lies
    else:
        first = clip.z if isinstance(clip.z, int) else 0
        levels = range(first, min(first + result.num_planes, num_depths))
    return np.array([(t, z) for z in levels for t in range(num_times)], np.int64).reshape(-1, 2)

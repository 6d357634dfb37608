"""DICOM: one file, a folder, or a DICOMDIR, in any compression of single frames; segmentations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.geometry import length_in_um
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.dicom.facts import (
    burned_in_note,
    cine_timing,
    pixel_size_um,
    region_notes,
    series_timing,
)
from napari_sa2va.readers.dicom.file import MAGIC_AT, DicomFile, in_one_line, read_file
from napari_sa2va.readers.dicom.folder import (
    EXTENSIONS,
    files_below,
    files_of_directory,
    first_ones,
    is_dicom,
    is_dicom_folder,
    is_directory,
)
from napari_sa2va.readers.dicom.person import private_of
from napari_sa2va.readers.dicom.segmentation import (
    Segment,
    is_segmentation,
    read_segmentation,
    segments_of,
)
from napari_sa2va.readers.dicom.series import Stack, stacks_of
from napari_sa2va.readers.dicom.tags import first_item, number
from napari_sa2va.readers.dicom.values import rule_of
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes

if TYPE_CHECKING:
    from napari_sa2va.core.intensity import Limits
    from napari_sa2va.readers.dicom.frames import StoredFrames
    from napari_sa2va.readers.dicom.values import Rule

FORMAT = ReadFormat(
    title="DICOM",
    extensions=EXTENSIONS,
    axes="TZYX, TZYXS",
    magic=((MAGIC_AT, b"DICM"),),
    facts="pixel size, z step, frame interval, window; names and sentences of segments; patient data "
    "are left out",
    lazy="one frame",
    tested_with="pydicom's test files (CT, MR, US, RT dose, all compressions, DICOMDIR), highdicom",
    folders=True,
)


def accepts(path: Path) -> bool:
    """Whether this is a DICOM file by its magic or name, or a folder of such files."""
    if path.is_dir():
        return is_dicom_folder(path)
    return path.is_file() and is_dicom(path)


def is_one_movie(folder: Path) -> bool:
    """Whether the DICOM files of a folder are planes; else each of them is a movie.

    Most of the first ones then have several frames. One that is damaged says nothing.
    """
    single = several = 0
    for path in first_ones(folder):
        try:
            header = read_file(path).header
        except ClipError:
            continue
        if is_directory(header):
            return True
        if not is_segmentation(header):
            is_long = (number(header, "NumberOfFrames") or 1) > 1
            several, single = several + is_long, single + (not is_long)
    return single >= several


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a DICOM file, a folder or a DICOMDIR; reads headers and decodes one frame.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Which of several stacks, from 0, in the order of `SeriesError.choices`.

    Returns
    -------
    Recording
        Axes out of TZYXS. Of a segmentation, label images. RGB whatever the photometric
        interpretation. Grey values are those after rescaling (Hounsfield units of CT), in integers
        where they are whole; where zero is white they are turned so that bright is large. Words
        that name the patient are not in its name.

    Raises
    ------
    SeriesError
        If there are several stacks and none was chosen.
    ClipError
        If there are no pixels, a file is truncated or damaged, planes of a series are missing, or
        a compression is unknown.
    """
    if path.is_file() and is_segmentation((file := read_file(path)).header):
        return read_segmentation(file)
    stack, notes = _chosen(path, series)
    grid, header = stack.grid, stack.header
    axes, lead = stack.lead
    planes = stack.planes
    taken = [planes[i] for i in grid.order.flat]
    try:
        is_turned = stack.coding.photometric == "MONOCHROME1"
        rule = rule_of(stack.coding, header, [p.rescale for p in taken], is_turned=is_turned)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ClipError(
            f"{stack.files[0].path}: its lookup tables cannot be read ({in_one_line(error)}).",
            "The file is damaged; export it again.",
        ) from error
    source = DicomPlanes(
        str(path),
        tuple(stack.frames),
        np.array([(stack.places[i][0], planes[i].frame) for i in grid.order.flat], np.int32),
        rule,
        np.array([p.rescale for p in taken]),
    )
    first = source.read(0)
    has_window = first.ndim == 2 and rule.table is None
    window, window_notes = _window([p.window for p in taken], source) if has_window else ((), [])
    private = private_of(header)
    timing = series_timing(grid, planes) or cine_timing(header, lead[0]) if "T" in axes else {}
    return Recording(
        lazy_planes(source, lead + first.shape, first.dtype, len(lead), "dicom"),
        axes + ("YX" if first.ndim == 2 else "YXS"),
        name=private.redact(path.stem),
        source=str(path),
        pixel_size_um=pixel_size_um(taken[0], header),
        z_step_um=length_in_um(grid.z_step_mm or taken[0].z_step_mm, "mm"),
        window=window,
        left_out=tuple(private.values),
        private=private,
        notes=tuple(
            private.redact(note)
            for note in (
                *notes, *grid.notes, *window_notes, *_voi_table_note(stack),
                *region_notes(header), *burned_in_note(header),
            )
        ),
        **timing,
    )  # fmt: skip


def stack_of(path: Path, series: int | str | None = None) -> Stack:
    """The files and planes that `read` shows, in its order: what a result refers to.

    Parameters, Raises
        As of `read`.
    """
    return _chosen(path, series)[0]


def segments(path: Path) -> tuple[Segment, ...]:
    """The objects of a segmentation; none of another file.

    Raises
    ------
    ClipError
        If the file is damaged.
    """
    header = read_file(path).header
    return segments_of(header) if is_segmentation(header) else ()


class DicomPlanes:
    """Planes of a stack; each read opens and closes one file."""

    def __init__(
        self,
        path: str,
        files: tuple[StoredFrames, ...],
        places: np.ndarray,
        rule: Rule,
        rescales: np.ndarray,
    ) -> None:
        self.path = path
        self.files = files
        self.places = places
        self.rule = rule
        self.rescales = rescales

    def read(self, index: int) -> np.ndarray:
        """Plane `index`: (Y, X) values, or (Y, X, 3) RGB."""
        file, frame = self.places[index].tolist()
        slope, intercept = self.rescales[index].tolist()
        return self.rule.apply(self.files[file].read(frame), slope, intercept)


@dataclass(frozen=True)
class _Found:
    """Files with pixels, and what a person should know of the others."""

    files: list[DicomFile]
    notes: list[str]


def _chosen(path: Path, series: int | str | None) -> tuple[Stack, list[str]]:
    found = _files(path)
    if not found.files:
        raise ClipError(f"{path} holds no pixels.", "It is another kind of DICOM object.")
    stacks = stacks_of(found.files)
    choices = [(number, stack.describe()) for number, stack in enumerate(stacks)]
    said = "; ".join(f"{key}: {words}" for key, words in choices[:20])
    if series is None:
        if len(stacks) > 1:
            raise SeriesError(
                f"{path} holds {len(stacks)} DICOM series.",
                f"Choose one (series): {said}.",
                choices,
            )
        return stacks[0], found.notes
    for key, words in choices:
        if str(series).strip() in (str(key), words):
            return stacks[key], found.notes
    raise SeriesError(f"{path} has no series {series!r}.", f"There is {said}.", choices)


def _files(path: Path) -> _Found:
    if path.is_dir():
        return _read_all(files_below(path), [])
    file = read_file(path)
    if is_segmentation(file.header):
        raise ClipError(f"{path} is a segmentation.", "Open the pictures that it is of.")
    if not is_directory(file.header):
        if not file.keyword:
            raise ClipError(
                f"{path} holds no pixels.", "It is another kind of DICOM object, or it was cut off."
            )
        return _Found([file], [])
    paths, missing = files_of_directory(path, file.header)
    notes = [f"{missing} of the files that the DICOMDIR names are not there."] if missing else []
    return _read_all(paths, notes)


def _read_all(paths: list[Path], notes: list[str]) -> _Found:
    """Read the headers of many files; one that is damaged does not hide the others."""
    files, failures, num_masks = [], list[ClipError](), 0
    for path in paths:
        try:
            file = read_file(path)
        except ClipError as error:
            failures.append(error)
            continue
        if is_segmentation(file.header):
            num_masks += 1
        elif file.keyword and not is_directory(file.header):
            files.append(file)
    if num_masks:
        left = f"{num_masks} of the files are segmentations: open them one by one."
        if not files:
            raise ClipError(f"{paths[0].parent} holds no pictures.", left)
        notes = [*notes, left]
    if failures and not files:
        raise failures[0]
    if failures:
        notes = [*notes, f"{len(failures)} of {len(paths)} files are damaged and left out."]
    return _Found(files, notes)


def _window(
    windows: list[Limits | None], source: DicomPlanes
) -> tuple[tuple[Limits, ...], list[str]]:
    """The window of all planes: the median of both ends, where they differ."""
    there = [window for window in windows if window is not None]
    if not there:
        return (), []
    low, high = (float(end) for end in np.median(np.array(there), axis=0))
    if source.rule.turn is not None:
        slope, intercept = source.rescales[0].tolist()
        total = source.rule.turn * slope + 2 * intercept
        low, high = total - high, total - low
    if not low < high:
        return (), []
    differ = len(set(there)) > 1
    notes = ["Every plane has a window of its own; their median is shown."] if differ else []
    return ((low, high),), notes


def _voi_table_note(stack: Stack) -> list[str]:
    if first_item(stack.header, "VOILUTSequence") is None:
        return []
    return ["The file has a curve of brightness (VOI LUT), which is not applied."]

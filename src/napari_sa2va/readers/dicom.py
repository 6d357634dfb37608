"""DICOM: multi-frame cine and single pictures, any transfer syntax that gdcm or pylibjpeg decodes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.geometry import length_in_um
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXTENSIONS = (".dcm", ".dicom", ".dic")
FORMAT = ReadFormat(
    title="DICOM",
    extensions=EXTENSIONS,
    axes="TYXS, TYX, ZYX",
    facts="pixel size, z step, frame interval",
    lazy="one frame",
    tested_with="pydicom's example files",
)
_CENTIMETER = 3  # Physical Units X Direction, PS3.3 C.8.5.5.1.15


def accepts(path: Path) -> bool:
    """Whether "DICM" stands behind the preamble, or the name says DICOM."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(128)
        magic = file.read(4)
    return magic == b"DICM" or path.suffix.lower() in EXTENSIONS


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a DICOM file; reads its header and decodes one frame.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        A DICOM file holds one series: anything else than 0 is refused.

    Returns
    -------
    Recording
        Axes TYX or TYXS (ZYX for volumes); RGB whatever the photometric interpretation, with
        MONOCHROME1 turned so that bright is large. Pixel size from the pixel spacing or from the
        calibrated region of an ultrasound picture.

    Raises
    ------
    ClipError
        If the file is no DICOM file, holds no pixels, is truncated, lacks what says how its pixels
        are meant, or has an unknown compression.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    if series not in (None, 0, "0"):
        raise ClipError(f"{path} has no series {series!r}.", "A DICOM file holds one.")
    try:
        header = dcmread(path, defer_size="1 KB")
    except (InvalidDicomError, OSError, ValueError, KeyError) as error:
        raise ClipError(f"{path} cannot be read as DICOM ({error}).", "Is it complete?") from error
    if "PixelData" not in header:
        raise ClipError(f"{path} holds no pixels.", "It is another kind of DICOM object.")
    num_frames = int(_magnitude(_value(header, "NumberOfFrames")) or 1)
    photometric = str(_needed(path, header, "PhotometricInterpretation"))
    bits = int(_needed(path, header, "BitsStored")), bool(header.get("PixelRepresentation", 0))
    source = DicomPlanes(str(path), photometric, bits)
    first = source.read(0)
    if num_frames > 1:
        source.read(num_frames - 1)  # a truncated file ends before its last frame
    axis = "Z" if _is_volume(header) else "T"
    axes = (axis if num_frames > 1 else "") + ("YX" if first.ndim == 2 else "YXS")
    shape = ((num_frames,) if num_frames > 1 else ()) + first.shape
    return Recording(
        lazy_planes(source, shape, first.dtype, len(shape) - first.ndim, "dicom"),
        axes,
        name=path.stem,
        source=str(path),
        pixel_size_um=_pixel_size(header),
        z_step_um=_z_step(header),
        **_timing(header, num_frames),
    )


def _needed(path: Path, header: Dataset, keyword: str) -> Any:
    """Value of a tag without which the pixels cannot be understood."""
    value = _value(header, keyword)
    if value in (None, ""):
        raise ClipError(
            f"{path} lacks the DICOM tag {keyword} or it is unreadable: its pixels have no meaning.",
            "Export it again from the program or device that wrote it.",
        )
    return value


def _value(holder: Dataset, keyword: str) -> Any:
    """Value of a tag; None if it is absent or is not what its type says."""
    try:
        return holder.get(keyword)
    except (ValueError, TypeError, OverflowError):
        return None


class DicomPlanes:
    """Frames of a DICOM file; each read opens and closes the file."""

    def __init__(self, path: str, photometric: str, bits: tuple[int, bool]) -> None:
        self.path = path
        self.photometric = photometric
        self.bits = bits

    def read(self, index: int) -> np.ndarray:
        """Frame `index`: (Y, X) in the stored dtype, or (Y, X, 3) RGB."""
        from pydicom.pixels import apply_color_lut, pixel_array

        try:
            pixels = pixel_array(self.path, index=index)  # YBR is turned into RGB here
            if self.photometric == "PALETTE COLOR":
                pixels = _to_8_bit(apply_color_lut(pixels, self._palette()))
        # What decoders raise on damaged data differs from one to the next.
        except (RuntimeError, ValueError, EOFError, AttributeError, IndexError) as error:
            raise ClipError(
                f"{self.path}: frame {index} cannot be decoded ({_first_line(error)}).",
                "The file is truncated or damaged, or its compression needs another decoder.",
            ) from error
        if self.photometric == "MONOCHROME1":
            stored, is_signed = self.bits
            top = -1 if is_signed else 2**stored - 1
            pixels = (top - pixels.astype(np.int64)).astype(pixels.dtype)
        return np.ascontiguousarray(pixels)

    def _palette(self) -> Dataset:
        from pydicom import dcmread

        return dcmread(self.path, stop_before_pixels=True)


def _to_8_bit(pixels: np.ndarray) -> np.ndarray:
    """Palettes are often written with 16 bits of which only the upper eight mean anything."""
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _magnitude(value: object) -> float | None:
    """A number without its sign; None if it is zero, infinite or no number."""
    try:
        number = abs(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None


def _timing(header: Dataset, num_frames: int) -> dict[str, Any]:
    """Frame interval in s: frame time (ms), time vector (ms), or a frame rate (per s)."""
    if num_frames < 2:
        return {}
    vector = _value(header, "FrameTimeVector")
    if vector is not None and len(vector) == num_frames:
        steps = np.array([_magnitude(v) or 0.0 for v in vector][1:])  # the first is 0 by definition
        median = float(np.median(steps))
        if median > 0:
            is_variable = bool(np.abs(steps - median).max() > 0.05 * median)
            return {"frame_interval_s": median / 1e3, "variable_rate": is_variable}
    frame_time = _magnitude(_value(header, "FrameTime"))
    if frame_time is not None:
        return {"frame_interval_s": float(f"{frame_time / 1e3:.9g}")}
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = _magnitude(_value(header, keyword))
        if rate is not None:
            return {"frame_interval_s": float(f"{1 / rate:.9g}")}
    return {}


def _is_volume(header: Dataset) -> bool:
    """Whether the frames are planes of one volume rather than moments."""
    if any(k in header for k in ("FrameTime", "FrameTimeVector", "CineRate")):
        return False
    return "GridFrameOffsetVector" in header or "SpacingBetweenSlices" in header


def _measures(header: Dataset) -> Dataset | None:
    """The pixel measures that all frames of an enhanced object share."""
    for group in _value(header, "SharedFunctionalGroupsSequence") or ():
        for measures in _value(group, "PixelMeasuresSequence") or ():
            return measures
    return None


def _pixel_size(header: Dataset) -> tuple[float, float] | None:
    measures = _measures(header)
    for holder, keyword in (
        (header, "PixelSpacing"),
        (measures, "PixelSpacing"),
        (header, "ImagerPixelSpacing"),
        (header, "NominalScannedPixelSpacing"),
    ):
        spacing = _value(holder, keyword) if holder is not None else None
        if spacing is not None and len(spacing) == 2:
            y, x = (length_in_um(_magnitude(side), "mm") for side in spacing)
            if y and x:
                return y, x
    return _ultrasound_pixel_size(header)


def _ultrasound_pixel_size(header: Dataset) -> tuple[float, float] | None:
    """Pixel size if all calibrated picture regions agree on one; traces (Doppler) do not count."""
    sizes = set()
    for region in _value(header, "SequenceOfUltrasoundRegions") or ():
        units = {_value(region, f"PhysicalUnits{way}Direction") for way in "XY"}
        if units != {_CENTIMETER}:
            continue
        deltas = (_value(region, "PhysicalDeltaY"), _value(region, "PhysicalDeltaX"))
        sizes.add(tuple(length_in_um(_magnitude(d), "cm") for d in deltas))
    if len(sizes) != 1:
        return None
    y, x = sizes.pop()
    return (y, x) if y and x else None


def _z_step(header: Dataset) -> float | None:
    measures = _measures(header)
    for holder in (header, measures):
        step = _value(holder, "SpacingBetweenSlices") if holder is not None else None
        if step is not None:
            return length_in_um(_magnitude(step), "mm")
    return None

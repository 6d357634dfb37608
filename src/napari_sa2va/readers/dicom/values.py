"""From stored numbers to the values they stand for: palettes, white zeros, rescale, Modality LUT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.readers.dicom.tags import first_item, number, numbers, value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.core.intensity import Limits
    from napari_sa2va.readers.dicom.coding import Coding

_WHOLE = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32)


@dataclass(frozen=True, eq=False)
class Table:
    """Values by stored number; `values[0]` belongs to `first`, and what lies outside to the ends."""

    first: int
    values: np.ndarray

    def look_up(self, stored: np.ndarray) -> np.ndarray:
        """The values of stored numbers."""
        places = np.clip(stored.astype(np.int64) - self.first, 0, len(self.values) - 1)
        return np.asarray(self.values[places])


@dataclass(frozen=True, eq=False)
class Rule:
    """How stored numbers of a series become values.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the values, the same on all planes.
    table : Table or None
        A palette of colours or a Modality LUT.
    turn : int or None
        Where zero is white: the sum of the lowest and the highest stored number.
    """

    dtype: np.dtype
    table: Table | None = None
    turn: int | None = None

    def apply(self, stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
        """Values of one plane, (Y, X) or (Y, X, 3)."""
        if self.turn is not None:
            # In numbers that hold the sum.
            stored = self.turn - stored.astype(np.int64)
        if self.table is not None:
            return np.ascontiguousarray(self.table.look_up(stored), self.dtype)
        if (slope, intercept) == (1.0, 0.0):
            return np.ascontiguousarray(stored, self.dtype)
        if self.dtype.kind in "iu":
            values = stored.astype(np.int64) * int(slope) + int(intercept)
            return values.astype(self.dtype)
        return np.ascontiguousarray(stored * slope + intercept, self.dtype)


def rule_of(
    coding: Coding, header: Dataset, rescales: list[tuple[float, float]], *, is_turned: bool
) -> Rule:
    """How the numbers of a series become values.

    Parameters
    ----------
    coding : Coding
    header : pydicom.Dataset
        Of any file of the series.
    rescales : list of (slope, intercept)
        Of all planes.
    is_turned : bool
        Whether zero is white and shall become black.

    Returns
    -------
    Rule
        With the stored dtype where nothing is rescaled; the smallest integers that hold all
        values if slopes and intercepts are whole numbers; else float32.
    """
    if coding.keyword != "PixelData":
        return Rule(np.dtype(np.float32 if coding.keyword == "FloatPixelData" else np.float64))
    if coding.photometric == "PALETTE COLOR":
        return Rule(np.dtype(np.uint8), _palette(header))
    stored = stored_dtype(coding)
    low, high = stored_range(coding)
    turn = low + high if is_turned else None
    table = None if coding.samples > 1 else _modality_table(header)
    if table is not None:
        return Rule(table.values.dtype, table, turn)
    if coding.samples > 1 or set(rescales) <= {(1.0, 0.0)}:
        return Rule(stored, None, turn)
    if all(s == int(s) and i == int(i) for s, i in rescales):
        ends = [int(s) * v + int(i) for s, i in set(rescales) for v in (low, high)]
        for kind in (stored.type, *_WHOLE):
            info = np.iinfo(kind)
            if info.min <= min(ends) and max(ends) <= info.max:
                return Rule(np.dtype(kind), None, turn)
    return Rule(np.dtype(np.float32), None, turn)


def stored_dtype(coding: Coding) -> np.dtype:
    """Of the numbers as they are stored, in this machine's byte order."""
    size = max(1, coding.allocated // 8)
    return np.dtype(f"{'i' if coding.is_signed else 'u'}{size}")


def stored_range(coding: Coding) -> tuple[int, int]:
    """The lowest and the highest number that the stored bits can say."""
    if coding.is_signed:
        return -(2 ** (coding.stored - 1)), 2 ** (coding.stored - 1) - 1
    return 0, 2**coding.stored - 1


def rescale_of(*holders: Dataset | None) -> tuple[float, float]:
    """Slope and intercept, from the first holder that says them; (1, 0) if none does."""
    for holder in holders:
        slope, intercept = number(holder, "RescaleSlope"), number(holder, "RescaleIntercept")
        if slope or intercept is not None:
            return slope or 1.0, intercept or 0.0
        dose = number(holder, "DoseGridScaling")
        if dose:
            return dose, 0.0
    return 1.0, 0.0


def window_of(*holders: Dataset | None) -> Limits | None:
    """Values that the first window shows black and at full brightness, from the first that says.

    PS3.3 C.11.2.1: half a value is taken off at both sides, unless the window is said to be exact.
    """
    for holder in holders:
        center, width = numbers(holder, "WindowCenter"), numbers(holder, "WindowWidth")
        if not center or not width or width[0] <= 0:
            continue
        how = str(value(holder, "VOILUTFunction") or "LINEAR")
        if how == "LINEAR" and width[0] > 1:
            return center[0] - 0.5 - (width[0] - 1) / 2, center[0] - 0.5 + (width[0] - 1) / 2
        return center[0] - width[0] / 2, center[0] + width[0] / 2
    return None


def _palette(header: Dataset) -> Table:
    """Colours as uint8, shape (n, 3).

    Palettes are often written with 16 bits, of which only the upper eight mean anything.
    """
    from pydicom.pixels import apply_color_lut

    count, first, bits = _descriptor(value(header, "RedPaletteColorLookupTableDescriptor"))
    colors = apply_color_lut(np.arange(first, first + count), header)
    # Some programs write 8 bits and say 16.
    is_wide = bits > 8 and int(colors.max()) > 255
    return Table(first, (colors >> 8 if is_wide else colors).astype(np.uint8))


def _modality_table(header: Dataset) -> Table | None:
    item = first_item(header, "ModalityLUTSequence")
    data = value(item, "LUTData")
    if item is None or data is None:
        return None
    count, first, bits = _descriptor(value(item, "LUTDescriptor"))
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    if isinstance(data, bytes):
        values = np.frombuffer(data, np.uint8 if len(data) == count else "<u2")
    else:
        values = np.asarray(data)
    return Table(first, values[:count].astype(dtype))


def _descriptor(found: object) -> tuple[int, int, int]:
    """Number of entries, first number, bits; 0 entries are 65536."""
    try:
        count, first, bits = (int(v) for v in found)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ValueError("a lookup table lacks its descriptor") from error
    return count or 2**16, first, bits

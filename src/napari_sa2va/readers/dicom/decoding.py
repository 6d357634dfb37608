"""Decoding of one compressed DICOM frame.

By imagecodecs, Pillow and OpenJPEG, which say so if a stream is damaged. gdcm, which pydicom would
ask first, takes two to nine times as long, and ends the whole process on some damaged streams.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.readers.dicom.coding import Coding

_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
RUN_LENGTHS = "1.2.840.10008.1.2.5"
"""The one compression whose frames do not say their own size."""

_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_END_OF_IMAGE = b"\xff\xd9"
# Decoders of pydicom that handle colour, too.
_PLUGINS = {
    "1.2.840.10008.1.2.4.50": "pillow",
    _JPEG_EXTENDED: "pillow",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
}


def decode(frame: bytes, coding: Coding) -> np.ndarray:
    """Decode a frame.

    Parameters
    ----------
    frame : bytes
        Without the items that it was cut into.
    coding : Coding

    Returns
    -------
    ndarray, shape (Y, X) or (Y, X, S)
        Values as stored, without unused bits; YBR is turned into RGB.

    Raises
    ------
    Exception
        Whatever the libraries raise on a damaged frame or an unknown compression.
    """
    if coding.syntax == RUN_LENGTHS:
        return _meant(_run_lengths(frame, coding), coding)
    if coding.syntax in _JPEG_LS:
        from imagecodecs import jpegls_decode

        # CharLS counts on for seconds where bits end without a marker: here they end with one.
        return _meant(jpegls_decode(frame + _END_OF_IMAGE), coding)
    is_extended = coding.syntax == _JPEG_EXTENDED and coding.stored > 8
    if is_extended or coding.syntax in _LOSSLESS_JPEG:
        from imagecodecs import jpeg8_decode

        return _meant(jpeg8_decode(frame), coding)
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    plugin = _PLUGINS.get(coding.syntax)
    if plugin is None:
        raise NotImplementedError(f"its compression is {UID(coding.syntax).name}")
    decoder = get_decoder(coding.syntax)
    alone = encapsulate([frame], has_bot=False)
    return decoder.as_array(alone, index=0, decoding_plugin=plugin, **coding.options(1))[0]


def _run_lengths(frame: bytes, coding: Coding) -> np.ndarray:
    """Decode run lengths: one segment per colour and byte, the highest byte first (PS3.5 annex G).

    Raises
    ------
    ValueError
        If the segments are not where the header says.
    """
    from imagecodecs import packbits_decode

    num_bytes = coding.allocated // 8
    count, *offsets = struct.unpack("<16I", frame[:64].ljust(64, b"\0"))
    bounds = [*offsets[: min(count, 15)], len(frame)]
    if count != coding.samples * num_bytes or bounds[0] < 64 or sorted(bounds) != bounds:
        raise ValueError(f"its run lengths have {count} segments at {bounds[:-1]}")
    num_pixels = coding.rows * coding.columns
    planes = np.empty((coding.samples, num_bytes, num_pixels), np.uint8)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        values = np.frombuffer(packbits_decode(frame[start:stop]), np.uint8)
        if len(values) < num_pixels:
            raise ValueError(f"segment {number} has {len(values)} of {num_pixels} values")
        planes[divmod(number, num_bytes)] = values[:num_pixels]
    packed = np.ascontiguousarray(planes.swapaxes(1, 2)).view(f">u{num_bytes}")
    samples = packed.reshape(coding.samples, coding.rows, coding.columns)
    return samples[0] if coding.samples == 1 else np.moveaxis(samples, 0, -1)


def _meant(stored: np.ndarray, coding: Coding) -> np.ndarray:
    """What decoded bits mean: their sign, and their colour.

    Raises
    ------
    ValueError
        If the frame has another shape than the header says.
    """
    from pydicom.pixels import convert_color_space

    shape: tuple[int, ...] = (coding.rows, coding.columns)
    shape += (coding.samples,) if coding.samples > 1 else ()
    if stored.shape != shape:
        raise ValueError(f"it decodes to the shape {stored.shape}, and its header says {shape}")
    kind = f"{coding.allocated // 8}"
    # Shifted up and down, unused bits are gone, and the highest one that is used is the sign.
    unused = coding.allocated - coding.stored
    pixels = stored.astype(f"u{kind}") << unused
    pixels = pixels.view(f"i{kind}" if coding.is_signed else f"u{kind}") >> unused
    if coding.photometric.startswith("YBR_FULL"):
        return convert_color_space(pixels, coding.photometric, "RGB")
    return pixels

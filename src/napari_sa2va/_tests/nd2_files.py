"""Small ND2 files of version 3: the chunks without which no program reads one, and no others.

Nikon publishes no writer. The layout is the one that the nd2 library documents in its source: chunks
with a name and a length, metadata as "lite variants", and a map of the chunks at the end.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

Tree = Mapping[str, "bool | int | float | str | Tree"]


def write_nd2(
    path: Path,
    pixels: np.ndarray,
    axes: str,
    *,
    channels: Sequence[tuple[str, int]] = (("DAPI", 0xFF0000),),
    pixel_size_um: float = 0.25,
    z_step_um: float = 2.0,
    interval_ms: float = 500.0,
    stamps_ms: Sequence[float] = (),
    recorded: int | None = None,
    is_packed: bool = False,
) -> Path:
    """Write an array whose axes are loops out of "TPZ", then C if there are channels, Y and X.

    Channels have a name and a colour in the order blue, green, red: 0x00FF00 is green. With samples
    (axes end with S), there is one channel. `recorded` says fewer frames than there are loops for.
    """
    loops = [a for a in axes if a in "TPZ"]
    lengths = pixels.shape[: len(loops)]
    frames = pixels.reshape((-1, *pixels.shape[len(loops) :]))
    if axes[len(loops)] == "C":
        frames = np.moveaxis(frames, 1, 3)  # (N, Y, X, C): channels of a pixel lie together
    frames = frames.reshape((*frames.shape[:3], -1))
    num_frames, height, width, components = frames.shape
    num_channels = 1 if axes.endswith("S") else components
    bits = pixels.dtype.itemsize * 8
    attributes: Tree = {
        "uiWidth": width, "uiWidthBytes": width * components * bits // 8, "uiHeight": height,
        "uiComp": components, "uiBpcInMemory": bits, "uiBpcSignificant": bits,
        "uiSequenceCount": num_frames if recorded is None else recorded,
        "eCompression": 0 if is_packed else 2, "dCompressionParam": 1.0,
    }  # fmt: skip
    planes: dict[str, Tree] = {
        f"a{i}": {"uiCompCount": components // num_channels, "uiSampleIndex": i,
                  "sDescription": name, "uiColor": color, "pFluorescentProbe": {"uiColor": 0}}
        for i, (name, color) in enumerate(channels)
    }  # fmt: skip
    picture: Tree = {
        "bCalibrated": True, "dCalibration": pixel_size_um, "dTimeMSec": 0.0,
        "sPicturePlanes": {"uiCount": len(channels), "uiCompCount": components,
                           "sPlaneNew": planes},
    }  # fmt: skip
    experiment: Tree = {}
    for axis, length in reversed(list(zip(loops, lengths, strict=True))):
        below: Tree = {"ppNextLevelEx": {"": experiment}} if experiment else {}
        experiment = {**_loop(axis, length, z_step_um, interval_ms), **below}
    chunks = {
        "ImageAttributesLV!": _lite({"SLxImageAttributes": attributes}),
        "ImageMetadataSeqLV|0!": _lite({"SLxPictureMetadata": picture}),
    }
    if experiment:
        chunks["ImageMetadataLV!"] = _lite({"SLxExperiment": experiment})
    for number, frame in enumerate(frames):
        data = np.ascontiguousarray(frame).tobytes()
        chunks[f"ImageDataSeq|{number}!"] = bytes(8) + (zlib.compress(data) if is_packed else data)
    if stamps_ms:
        chunks["CustomData|AcqTimesCache!"] = np.array(stamps_ms, np.float64).tobytes()
    with path.open("wb") as file:
        head = b"Ver3.0".ljust(64, b"\0")
        file.write(_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", head, 32))
        places = {}
        for name, data in chunks.items():
            file.write(bytes(-file.tell() % 4096))
            places[name] = file.tell(), len(data)
            # Names of frames are padded so that their pixels lie at the next page.
            file.write(_chunk(name.encode(), data, 4072 if "DataSeq" in name else len(name)))
        begin = file.tell()
        table = b"".join(
            name.encode() + struct.pack("<QQ", *place) for name, place in places.items()
        )
        end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", begin)
        file.write(_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table + end, 32))
    return path


def _chunk(name: bytes, data: bytes, name_length: int) -> bytes:
    header = struct.pack("<IIQ", 0x0ABECEDA, max(name_length, len(name)), len(data))
    return header + name.ljust(name_length, b"\0") + data


def _loop(axis: str, length: int, z_step_um: float, interval_ms: float) -> dict[str, object]:
    if axis == "T":
        return {"eType": 1, "uLoopPars": {"uiCount": length, "dStart": 0.0, "dPeriod": interval_ms,
                                          "dDuration": interval_ms * length}}  # fmt: skip
    if axis == "Z":
        return {"eType": 4, "uLoopPars": {"uiCount": length, "dZStep": z_step_um, "dZLow": 0.0,
                                          "dZHigh": z_step_um * (length - 1)}}  # fmt: skip
    points = {f"p{i}": {"dPosX": 100.0 * i, "dPosName": f"well {i}"} for i in range(length)}
    return {"eType": 2, "uLoopPars": {"uiCount": length, "bUseZ": False, "Points": points}}


def _lite(tree: Tree) -> bytes:
    """Nested values as type, name and value; the names in UTF-16 with a zero at the end."""
    whole = b""
    for name, value in tree.items():
        words = (name + "\0").encode("utf-16-le")
        kind, data = _value(value)
        head = bytes([kind, len(name) + 1]) + words
        if isinstance(value, Mapping):
            data = struct.pack("<IQ", len(value), len(head) + 12 + len(data)) + data
            data += bytes(8 * len(value))  # an index that nobody needs
        whole += head + data
    return whole


def _value(value: object) -> tuple[int, bytes]:
    if isinstance(value, Mapping):
        return 11, _lite(value)
    if isinstance(value, bool):
        return 1, bytes([value])
    if isinstance(value, int):
        return 3, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<d", value)
    return 8, (str(value) + "\0").encode("utf-16-le")

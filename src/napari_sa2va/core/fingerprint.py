"""What a clip is, in one short text: the same for the same pixels, wherever they come from.

Guards against working on another movie than the one that prompts, corrections and masks were made
for: another file, a cut or binned copy, another plane or channel, another bit depth, a stack that
was exported anew with other values. A file that was moved or copied, the same movie as a napari
layer, other contrast limits and other colours make no difference.

It does not see a change that is on none of the frames that are looked at, and a movie that was
compressed anew with loss is another one.
"""

from __future__ import annotations

import hashlib

import numpy as np

from napari_sa2va.core.clip import Clip

VERSION = "clip1"
"""Begins every fingerprint; another number means that they cannot be compared."""


def fingerprint(clip: Clip) -> str:
    """Fingerprint of a clip; reads its first, middle and last frame.

    Parameters
    ----------
    clip : Clip

    Returns
    -------
    str
        "clip1-" and 32 hexadecimal digits, made of size, number of frames and channels, dtype and
        the pixels of the frames that are read, in their own dtype.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    """
    dtype = clip.frames.dtype
    shape = (clip.num_frames, clip.height, clip.width, clip.num_channels)
    digest = hashlib.sha256(f"{shape} {dtype.kind}{dtype.itemsize}".encode("ascii"))
    for t in sampled_frames(clip.num_frames):
        digest.update(portable_bytes(clip.frame(t)))
    return f"{VERSION}-{digest.hexdigest()[:32]}"


def sampled_frames(num_frames: int) -> list[int]:
    """First, middle and last frame, each once."""
    return sorted({0, num_frames // 2, num_frames - 1})


def portable_bytes(pixels: np.ndarray) -> bytes:
    """Pixels in C order and little endian, as they are on every machine."""
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()

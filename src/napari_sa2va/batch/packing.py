"""Masks of a frame as a few bytes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from napari_sa2va.core.rle import Rle

# Codes are short, and a worker has better things to do.
_LEVEL = 1
_U4, _F4 = np.dtype("<u4"), np.dtype("<f4")


def packed(codes: Mapping[int, Rle], scores: Mapping[int, float]) -> bytes:
    """Number of objects, their ids, scores, numbers of runs; then all runs; compressed.

    Parameters
    ----------
    codes : mapping of int to Rle
        By object id, all of one size, which is not packed.
    scores : mapping of int to float
        In the same order, numbers that float32 can hold.
    """
    counts = [code["counts"] for code in codes.values()]
    parts = (
        np.array([len(counts)], _U4),
        np.array(list(codes), _U4),
        np.array(list(scores.values()), _F4),
        np.array([len(runs) for runs in counts], _U4),
        *(np.asarray(runs, _U4) for runs in counts),
    )
    return zlib.compress(b"".join(part.tobytes() for part in parts), _LEVEL)


def unpacked(
    payload: bytes, *, most_objects: int, height: int, width: int
) -> tuple[dict[int, Rle], dict[int, float]]:
    """What `packed` was given.

    Parameters
    ----------
    payload : bytes
    most_objects : int
        There are no more; what would unpack to more than so many masks is refused before it does.
    height, width : int
        Of the masks in px.

    Raises
    ------
    ValueError
        If these are no masks of that size.
    """
    # The longest that can be: a run for every pixel of every object, and one that has none.
    most = 4 * (1 + most_objects * (3 + 1 + height * width))
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(payload, most)
        number = int(np.frombuffer(raw, _U4, 1)[0])
        ids, scores, lengths = np.frombuffer(raw, _U4, 3 * number, 4).reshape(3, number)
        counts = np.frombuffer(raw, _U4, offset=4 * (1 + 3 * number))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    runs = np.split(counts, np.cumsum(lengths)[:-1]) if number else []
    if not inflate.eof or any(int(r.sum(dtype=np.int64)) != height * width for r in runs):
        raise ValueError("other masks")
    codes = {
        i: Rle(size=[height, width], counts=r) for i, r in zip(ids.tolist(), runs, strict=True)
    }
    return codes, dict(zip(codes, scores.view(_F4).tolist(), strict=True))

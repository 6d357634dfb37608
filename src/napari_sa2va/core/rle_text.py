"""COCO's compressed run-length codes: the short texts that stand in its JSON files, and in MOTS.

A count becomes its difference from the one two places before, from the fourth on; neighbouring
columns of a mask are alike, so these are small numbers. A number is cut into 5 bits at a time, the
lowest first; a sixth bit says that more follow; 48 is added, which makes it a readable character.
It is LEB128 with 6 bits instead of 8. Only writing is needed here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_sa2va.core.rle import Rle

# 32-bit counts differ by 33 bits with their sign.
_MOST_CHARACTERS = 7


def to_texts(codes: Sequence[Rle]) -> list[str]:
    """Compress codes, as many as there are at once: numpy then takes the time of one.

    Parameters
    ----------
    codes : sequence of Rle

    Returns
    -------
    list of str
        The `counts` of each, ASCII; the same text that pycocotools gives. A backslash may be in it.

    Examples
    --------
    >>> to_texts([{"size": [2, 3], "counts": np.array([1, 2, 3], np.uint32)}])
    ['123']
    """
    if not codes:
        return []
    lengths = np.array([len(code["counts"]) for code in codes])
    counts = np.concatenate([code["counts"] for code in codes]).astype(np.int64)
    place = np.arange(len(counts)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    later = np.flatnonzero(place > 2)
    numbers = counts.copy()
    numbers[later] -= counts[later - 2]

    characters = np.zeros((len(numbers), _MOST_CHARACTERS), np.uint8)  # 0 where there is none
    open_ = np.arange(len(numbers))
    for step in range(_MOST_CHARACTERS):
        bits = numbers[open_] & 0x1F
        numbers[open_] >>= 5
        rest = numbers[open_]
        # Finished if what is left only repeats the sign, which the highest of the five bits says.
        goes_on = np.where(bits & 0x10, rest != -1, rest != 0)
        characters[open_, step] = bits + 0x20 * goes_on + 48
        open_ = open_[goes_on]
    per_number = np.count_nonzero(characters, axis=1)
    text = characters[characters > 0].tobytes().decode("ascii")
    ends = np.concatenate(([0], np.cumsum(per_number)))[np.cumsum(lengths)].tolist()
    return [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]

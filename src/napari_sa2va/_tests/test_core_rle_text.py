"""Compressed run-length codes are what pycocotools makes of the same masks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from napari_sa2va.core import rle
from napari_sa2va.core.rle_text import to_texts

SHARED = Path(os.environ.get("NAPARI_SA2VA_SHARED", "")) / "data" / "vocalfolds" / "mask_dict.json"


def code_of(counts: list[int], size: tuple[int, int] = (1, 1)) -> rle.Rle:
    return {"size": list(size), "counts": np.array(counts, np.uint32)}


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([1, 2, 3], "123"),  # "0" is character 48
        ([15], "?"),  # 01111 in five bits, the fifth being the sign
        ([16], "`0"),  # 10000 with "more follows" is 48 + 48 = 96, then 0
        ([5, 3, 2, 1], "532N"),  # the fourth is 1 - 3 = -2: 11110 = 30, and 48
        ([], ""),
    ],
)
def test_counts_become_characters_of_five_bits(counts: list[int], text: str) -> None:
    assert to_texts([code_of(counts)]) == [text]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=70)), max_size=6
    )
)
def test_any_masks_are_written_as_pycocotools_writes_them(masks: list[np.ndarray]) -> None:
    expected = [coco.encode(np.asfortranarray(m, np.uint8))["counts"].decode() for m in masks]
    assert to_texts([rle.encode(m) for m in masks]) == expected


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40))
def test_counts_of_any_size_come_back(counts: list[int]) -> None:
    """Undone by hand, as the description of the format says it: 5 bits at a time, lowest first."""
    [text] = to_texts([code_of(counts)])
    found: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            found.append(value + found[-2] if len(found) > 2 else value)
            value = shift = 0
    assert found == counts


@pytest.mark.skipif(
    not SHARED.is_file(), reason="NAPARI_SA2VA_SHARED names no folder with data/vocalfolds"
)
def test_published_masks_of_the_mevis_layout_are_written_as_they_are() -> None:
    """Hand-drawn masks of a video of vocal folds: 512 x 512 px."""
    published = [
        code for codes in json.loads(SHARED.read_text()).values() for code in codes if code
    ]
    assert len(published) == 453
    masks = [coco.decode(code | {"counts": code["counts"].encode()}) for code in published]
    assert to_texts([rle.encode(m == 1) for m in masks]) == [c["counts"] for c in published]

"""The same movie has the same fingerprint, wherever it comes from; another movie has another."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_sa2va.core.fingerprint import fingerprint, sampled_frames
from napari_sa2va.readers.open import open_clip

MOVIE = np.random.default_rng(0).integers(0, 4000, (9, 20, 24)).astype(np.uint16)


def test_a_file_that_was_moved_is_the_same_movie(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, MOVIE, metadata={"axes": "TYX"})
    first, second = (fingerprint(open_clip(tmp_path / name)) for name in ("a.tif", "b.tif"))
    assert first == second == fingerprint(open_clip(MOVIE))
    assert first.startswith("clip1-")
    assert len(first) == len("clip1-") + 32


def test_contrast_and_colours_make_no_difference() -> None:
    plain = fingerprint(open_clip(MOVIE))
    assert fingerprint(open_clip(MOVIE, limits=(0, 9), colors="green")) == plain


def test_how_pixels_lie_in_memory_makes_no_difference() -> None:
    plain = fingerprint(open_clip(MOVIE))
    assert fingerprint(open_clip(MOVIE.astype(">u2"))) == plain
    assert fingerprint(open_clip(np.asfortranarray(MOVIE))) == plain
    assert fingerprint(open_clip(da.from_array(MOVIE, chunks=(4, 7, 24)))) == plain


@pytest.mark.parametrize(
    "other",
    [
        MOVIE[:-1],
        MOVIE[:, :, ::-1],
        MOVIE[:, ::2],
        MOVIE[::-1],
        MOVIE.astype(np.int16),
        MOVIE.astype(np.float32),
        MOVIE.reshape(9, 24, 20),
        MOVIE + np.uint16(1),
        MOVIE[..., np.newaxis].repeat(3, axis=-1),
    ],
)
def test_another_movie_has_another_fingerprint(other: np.ndarray) -> None:
    assert fingerprint(open_clip(other)) != fingerprint(open_clip(MOVIE))


def test_a_part_of_the_frames_is_another_movie() -> None:
    clip = open_clip(MOVIE)
    assert fingerprint(clip.crop(0, 0, 20, 23)) != fingerprint(clip)


def test_only_the_first_middle_and_last_frame_are_looked_at() -> None:
    assert sampled_frames(9) == [0, 4, 8]
    assert sampled_frames(2) == [0, 1]
    assert sampled_frames(1) == [0]
    for t in range(9):
        other = MOVIE.copy()
        other[t, 3, 3] += 1
        is_same = fingerprint(open_clip(other)) == fingerprint(open_clip(MOVIE))
        assert is_same == (t not in (0, 4, 8))

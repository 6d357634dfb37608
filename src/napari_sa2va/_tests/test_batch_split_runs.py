"""A movie that was split into windows is drawn as in one run; how far, see docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.made_units import anywhere, made_folder, made_unit
from napari_sa2va.batch.found import Found, masks_of
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.batch.survey import look
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core import rle
from napari_sa2va.presets import preset
from napari_sa2va.propagation.both import Both
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.settings import RunSettings
from napari_sa2va.training.synth import generate_movie

USUAL = preset("sa2va-i")
FORWARD = USUAL.model_copy(update={"sampling": Uniform(num_key_frames=2)})
BOTH_WAYS = USUAL.model_copy(
    update={
        "sampling": Manual(frames=(20,)),
        "tracking": USUAL.tracking.model_copy(update={"propagation": Both()}),
    }
)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A generated movie, (T, Y, X, 3)."""
    return generate_movie([83, 0], num_frames=40, height=96, width=96).frames


def drawn(
    path: Path, frames: np.ndarray, settings: RunSettings, **chosen: int
) -> tuple[Found, list[tuple[int, int]]]:
    """What a batch draws of a movie, and the first and last frame of each part."""
    path.mkdir()
    np.save(path / "movie.npy", frames)
    unit = made_unit(
        "u1", path / "movie.npy", sentences=("the cell", "all objects"),
        settings=digest_of(settings), arguments={"axes": "TYXS"},
    )  # fmt: skip
    units = split(unit, look(unit, settings), settings, SplitSettings(**chosen))
    folder = made_folder(path / "night")
    folder.add(units, {digest_of(settings): settings})
    Worker(folder, "w", fits=anywhere).run()
    assert {standing.state for standing in folder.standings().values()} == {"done"}
    ends = [(u.part.first_frame, u.part.last_frame) for u in units if u.part is not None]
    return masks_of(folder.work_of("u1")), ends


def agreement(a: Found, b: Found) -> list[float]:
    """Per frame, how far two runs agree on the object of which they agree less."""
    assert a.frames_done == b.frames_done
    assert all(any(rle.area(code) for code in a.on(t).codes.values()) for t in a.frames_done)
    return [
        min(rle.iou(code, b.on(t).codes[i]) for i, code in a.on(t).codes.items())
        for t in a.frames_done
    ]


def test_windows_that_begin_where_the_run_begins_draw_exactly_what_it_draws(frames, tmp_path):
    whole, _ = drawn(tmp_path / "whole", frames, FORWARD)
    found, ends = drawn(tmp_path / "split", frames, FORWARD, window_frames=14, overlap_frames=16)
    assert ends == [(0, 13), (0, 26), (11, 39)]
    agree = agreement(whole, found)
    assert agree[:27] == [1.0] * 27
    assert min(agree) > 0.97
    # Without an overlap a window is another run, or nothing would be compared here.
    cold, _ = drawn(tmp_path / "cold", frames, FORWARD, window_frames=14, overlap_frames=0)
    agree = agreement(whole, cold)
    assert agree[:14] == [1.0] * 14
    assert min(agree) < 1


def test_the_window_in_which_the_run_turns_draws_exactly_what_it_draws(frames, tmp_path):
    whole, _ = drawn(tmp_path / "whole", frames, BOTH_WAYS)
    # The tracker looks back at 15 frames: the window in the middle has all of them on both sides.
    found, ends = drawn(tmp_path / "split", frames, BOTH_WAYS, window_frames=14, overlap_frames=15)
    assert ends == [(0, 28), (14, 34), (20, 39)]
    assert agreement(whole, found) == [1.0] * 40
    cold, _ = drawn(tmp_path / "cold", frames, BOTH_WAYS, window_frames=14, overlap_frames=0)
    agree = agreement(whole, cold)
    assert agree[20:27] == [1.0] * 7
    assert min(agree) < 1

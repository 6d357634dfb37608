"""Generated movies with exact masks and sentences: the public face of the generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.expressions import KIND_SHARES, Expression, expressions_of
from napari_sa2va.training.render import render
from napari_sa2va.training.scene import Scene, sample_scene, sample_size


@dataclass(frozen=True)
class SynthMovie:
    """A generated movie.

    Attributes
    ----------
    frames : ndarray of uint8, shape (T, Y, X, 3)
    masks : ndarray of bool, shape (N, T, Y, X)
        One per object; object ids are positions plus one.
    expressions : list of Expression
    scene : Scene
        What was drawn.
    """

    frames: np.ndarray
    masks: np.ndarray
    expressions: list[Expression]
    scene: Scene

    def truth(self, expression: Expression) -> np.ndarray:
        """The union of what an expression means: bool (T, Y, X)."""
        out = np.zeros(self.masks.shape[1:], bool)
        for object_id in expression.object_ids:
            out |= self.masks[object_id - 1]
        return out


def draw_scene(
    seed: int | list[int],
    *,
    num_frames: int | None = None,
    height: int | None = None,
    width: int | None = None,
    style: str | None = None,
    max_expressions: int = 8,
    shares: tuple[float, ...] = KIND_SHARES,
) -> tuple[Scene, list[Expression]]:
    """Draw what `generate_movie` would show and say, without its pixels.

    Parameters are those of `generate_movie`; `shares` those of `expressions_of`.
    """
    rng = np.random.default_rng(seed)
    length, rows, columns = sample_size(rng)
    while True:
        scene = sample_scene(rng, num_frames or length, height or rows, width or columns, style)
        if not scene.objects:
            continue
        expressions = expressions_of(scene, rng, max_expressions, shares)
        if expressions:
            return scene, expressions


def generate_movie(
    seed: int | list[int],
    *,
    num_frames: int | None = None,
    height: int | None = None,
    width: int | None = None,
    style: str | None = None,
    max_expressions: int = 8,
) -> SynthMovie:
    """Generate a movie.

    Parameters
    ----------
    seed : int or list of int
        The same seed and arguments give the same movie.
    num_frames, height, width : int, optional
        Drawn by `napari_sa2va.training.scene.sample_size` when not given.
    style : str, optional
        One of `napari_sa2va.training.scene.STYLES`; drawn when not given.
    max_expressions : int
        How many sentences at most.

    Returns
    -------
    SynthMovie
        With at least one object and one sentence.
    """
    scene, expressions = draw_scene(
        seed, num_frames=num_frames, height=height, width=width, style=style,
        max_expressions=max_expressions,
    )  # fmt: skip
    frames, masks = render(scene, range(scene.num_frames))
    return SynthMovie(frames, masks, expressions, scene)

"""Pictures: one frame of a scene, with what is clearly to be seen in it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.attributes import Facts, facts_of
from napari_sa2va.training.render import render
from napari_sa2va.training.scene import Scene, sample_scene

# Shorter sides in px and long over short, with the share of pictures. For tiles of 112 px they are
# cut into 1, 4 and 9 tiles (nearly square), and into 12, 6, and 2 or 8 (long); a picture of more
# than one tile is shown once more as a whole.
SIZES = (
    (0.25, (88, 157), (1.0, 1.09)),
    (0.17, (165, 235), (1.0, 1.09)),
    (0.30, (244, 400), (1.0, 1.09)),
    (0.12, (110, 300), (1.2, 1.4)),
    (0.08, (110, 300), (1.45, 1.6)),
    (0.08, (90, 240), (1.85, 2.1)),
)
# Shown squashed square, a longer picture changes what is round; its shapes are not spoken of.
_LONG = 1.2
_FRAMES = 8


@dataclass(frozen=True, eq=False)
class Still:
    """One frame of a scene.

    Attributes
    ----------
    scene : Scene
        The movie that the frame is of, as it is drawn.
    frame : int
    kept : tuple of int
        Positions in `scene.objects` of what is seen.
    shown : Scene
        One frame long, with these objects only; object ids are positions in it plus one.
    facts : Facts
        What is true of them in a picture: nothing about motion or events.
    """

    scene: Scene
    frame: int
    kept: tuple[int, ...]
    shown: Scene
    facts: Facts

    def render(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture, uint8 (Y, X, 3), and the masks of what is seen, bool (N, Y, X)."""
        pixels, masks = render(self.scene, [self.frame])
        return pixels[0], masks[list(self.kept), 0]


@dataclass(frozen=True)
class Mark:
    """A region that someone marks.

    Attributes
    ----------
    object_id : int
        What it shows; 0 for nothing but background.
    grow : float or None
        A box around the object, by so much larger, as a share of the sides; None for its mask.
    box : tuple of float
        For background: (y0, x0, y1, x1) as shares of the sides.
    """

    object_id: int
    grow: float | None = None
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def draw_still(seed: int | list[int]) -> Still:
    """Draw a picture of any of the sizes; the same for the same seed.

    Every object of it is either whole and fully there, or not there at all.
    """
    rng = np.random.default_rng(seed)
    while True:
        scene = sample_scene(rng, _FRAMES, *_sample_sides(rng))
        for frame in rng.permutation(scene.num_frames):
            still = still_of(scene, int(frame))
            if still is not None:
                return still


def _sample_sides(rng: np.random.Generator) -> tuple[int, int]:
    _, short, long = SIZES[int(rng.choice(len(SIZES), p=[share for share, _, _ in SIZES]))]
    side = int(rng.integers(*short))
    sides = side, round(side * rng.uniform(*long))
    return sides if rng.random() < 0.5 else sides[::-1]


def still_of(scene: Scene, frame: int) -> Still | None:
    """One frame of a scene, if everything in it is clearly there or clearly not."""
    size = np.array([scene.height, scene.width])
    kept, objects = [], []
    for i, thing in enumerate(scene.objects):
        seen = []
        for blob in thing.blobs:
            strength, centre = float(blob.strength[frame]), blob.centres[frame]
            reach = float(blob.radius[frame] * np.sqrt(blob.aspect[frame]))
            outside = float(np.maximum(-centre, centre - size).max())  # px beyond the border
            if strength == 0 or outside > 1.1 * reach:
                continue
            if strength < 0.95 or outside > -0.6 * reach:
                return None
            seen.append(blob)
        if len(seen) > 1:  # divided: nobody could tell whether it is one cell or two
            return None
        if seen:
            at = {f.name: getattr(seen[0], f.name)[[frame]]
                  for f in dataclasses.fields(seen[0]) if f.name != "bumps"}  # fmt: skip
            blob = dataclasses.replace(seen[0], **at)
            kept.append(i)
            objects.append(
                dataclasses.replace(thing, object_id=len(kept), event=None, blobs=[blob])
            )
    if not objects:
        return None
    shown = dataclasses.replace(scene, num_frames=1, objects=objects)
    return Still(scene, frame, tuple(kept), shown, _facts(shown))


def _facts(shown: Scene) -> Facts:
    facts = facts_of(shown)
    long = max(shown.height, shown.width) / min(shown.height, shown.width)
    unsaid = {"motion", "event"}
    if long > _LONG:
        unsaid.add("shape")
        if not any(family == "size" for family, _ in facts.table):
            unsaid.add("size")  # it cannot be told without another size beside it
    # A cell next to "the round one" cannot be named where "round" cannot.
    table = {
        (family, value): truths
        for (family, value), truths in facts.table.items()
        if family not in unsaid
        and not (family == "beside" and "shape" in unsaid and value in ("round", "elongated"))
    }
    words = [{f: w for f, w in own.items() if f not in unsaid} for own in facts.words]
    return Facts(table, words)


def mark_mask(mark: Mark, masks: np.ndarray, side: int) -> np.ndarray | None:
    """A marked region in px.

    Parameters
    ----------
    mark : Mark
    masks : ndarray of bool, shape (N, Y, X)
        Of all objects of the picture.
    side : int
        Cells along each side of the grid of image tokens.

    Returns
    -------
    ndarray of bool, shape (Y, X), or None
        A region that sets none of the cells is grown; None if that does not help.
    """
    size = np.array(masks.shape[1:])
    if not mark.object_id:
        return _box(np.array(mark.box[:2]) * size, np.array(mark.box[2:]) * size, size)
    mask = masks[mark.object_id - 1]
    ys, xs = np.nonzero(mask)
    if not len(ys):
        return None
    low, high = np.array([ys.min(), xs.min()]), np.array([ys.max() + 1, xs.max() + 1])
    tries = [mask] if mark.grow is None else []
    for grow in (mark.grow or 0.0, 0.03, 0.06, 0.09):
        tries.append(_box(low - grow * size, high + grow * size, size))
    for region in tries:
        rows, columns = (np.arange(side) * n // side for n in size)
        if region[np.ix_(rows, columns)].any():
            return region
    return None


def _box(low: np.ndarray, high: np.ndarray, size: np.ndarray) -> np.ndarray:
    (y0, x0), (y1, x1) = np.clip(np.round([low, high]).astype(int), 0, size)
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask

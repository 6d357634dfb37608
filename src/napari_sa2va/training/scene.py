"""Scenes: what exists and how it moves in a generated movie, before any pixel is drawn.

A scene is microscopy-like (cells) or ultrasound-like (dark cavities and bright structures). Every
attribute that a sentence may use (size, brightness, shape, colour, motion, event) is drawn from
classes with a gap between them, so that sentences about it are clear.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d

# Radius as a share of the frame's shorter side, contrast, and long over short axis, per class.
# A class that is None lies between the two: nobody would name it.
RADII = {"small": (0.06, 0.075), "large": (0.13, 0.165), None: (0.09, 0.115)}
CONTRASTS = {"strong": (0.88, 1.0), "weak": (0.36, 0.5), None: (0.64, 0.76)}
ASPECTS = {"round": (1.0, 1.12), "elongated": (2.1, 2.9), None: (1.35, 1.6)}
COLOURS = {
    "red": (1.0, 0.1, 0.1),
    "green": (0.1, 1.0, 0.1),
    "blue": (0.15, 0.25, 1.0),
    "yellow": (1.0, 0.95, 0.1),
}
STYLES = ("fluorescence", "colour", "phase", "brightfield", "ultrasound")
STYLE_SHARES = (0.3, 0.28, 0.14, 0.14, 0.14)
DIRECTIONS = {"left": (0.0, -1.0), "right": (0.0, 1.0), "up": (-1.0, 0.0), "down": (1.0, 0.0)}
_COUNTS = (1, 2, 3, 4, 5, 6, 8)
_COUNT_SHARES = (0.06, 0.2, 0.28, 0.24, 0.12, 0.06, 0.04)
LENGTHS = (8, 25)  # bounds of a movie's frames
HEIGHTS = (96, 193)  # of its height in px
PROPORTIONS = (
    0.92,
    1.09,
)  # of its width, as a share of that: models see all frames squashed square
EVENTS = ("enters", "leaves", "appears", "disappears", "divides")


@dataclass
class Blob:
    """One drawn body over time.

    Attributes
    ----------
    centres : ndarray of float32, shape (T, 2)
        (y, x) in px; may lie outside the frame.
    strength : ndarray of float32, shape (T,)
        0 where the body does not exist, 1 where it is fully there.
    radius : ndarray of float32, shape (T,)
        Geometric mean of the half axes in px.
    aspect : ndarray of float32, shape (T,)
        Long over short axis.
    angle : ndarray of float32, shape (T,)
        Direction of the long axis in radians, from x towards y.
    bumps : ndarray of float32, shape (3, 2)
        Amplitude and phase of the outline's harmonics 2 to 4.
    """

    centres: np.ndarray
    strength: np.ndarray
    radius: np.ndarray
    aspect: np.ndarray
    angle: np.ndarray
    bumps: np.ndarray


@dataclass
class SceneObject:
    """One thing a sentence can name: a body, or after a division two.

    Attributes
    ----------
    object_id : int
        From 1.
    noun : str
        "cell", "cavity" or "structure".
    size, contrast, shape, colour : str or None
        Classes; None where nobody would name it.
    event : str or None
        One of `EVENTS`.
    level : float
        Drawn contrast against the background, 0 to 1.
    blobs : list of Blob
    """

    object_id: int
    noun: str
    size: str | None
    contrast: str | None
    shape: str | None
    colour: str | None
    event: str | None
    level: float
    blobs: list[Blob] = field(default_factory=list)


@dataclass
class Scene:
    """Everything needed to draw a movie and to speak about it.

    Attributes
    ----------
    num_frames, height, width : int
    style : str
        One of `STYLES`.
    objects : list of SceneObject
    seed : int
        Seed of everything drawn: texture, background, noise.
    """

    num_frames: int
    height: int
    width: int
    style: str
    objects: list[SceneObject]
    seed: int

    @property
    def dark_objects(self) -> bool:
        """Whether objects are darker than the background."""
        return self.style in ("brightfield", "phase")

    def positions(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Where an object is.

        Parameters
        ----------
        index : int
            Position in `objects`.

        Returns
        -------
        centres : ndarray of float32, shape (T, 2)
            (y, x) as shares of the frame's height and width; the mean of the bodies present.
        visible : ndarray of bool, shape (T,)
            Whether its centre lies inside the frame while the object exists.
        """
        blobs = self.objects[index].blobs
        strength = np.stack([b.strength > 0.5 for b in blobs]).astype(np.float32)  # (B, T)
        centres = np.stack([b.centres for b in blobs])  # (B, T, 2)
        total = np.maximum(strength.sum(0), 1e-6)
        mean = (centres * strength[..., None]).sum(0) / total[:, None]
        mean = mean / np.array([self.height, self.width], np.float32)
        inside = ((mean > 0) & (mean < 1)).all(1) & (strength.sum(0) > 0)
        return mean, inside


def sample_scene(
    rng: np.random.Generator, num_frames: int, height: int, width: int, style: str | None = None
) -> Scene:
    """Draw a scene.

    Parameters
    ----------
    rng : numpy.random.Generator
    num_frames, height, width : int
        At least 2 frames; sides in px.
    style : str, optional
        One of `STYLES`; drawn when not given.

    Returns
    -------
    Scene
        With at most eight objects whose bodies do not overlap by more than a rim.
    """
    style = style or str(rng.choice(STYLES, p=STYLE_SHARES))
    wanted = int(rng.choice(_COUNTS, p=_COUNT_SHARES))
    active = {name: rng.random() < p for name, p in _ACTIVE.items()}
    moving_share = float(rng.choice([0.0, 0.35, 0.7], p=[0.3, 0.35, 0.35]))
    event_share = float(rng.choice([0.0, 0.35], p=[0.4, 0.6]))
    scale = 1.0 if wanted < 6 else 0.85
    shared_level = _between(rng, CONTRASTS[None])
    palette = list(rng.permutation(list(COLOURS))[: int(rng.integers(1, 4))])
    objects: list[SceneObject] = []
    for _ in range(wanted * 6):
        if len(objects) == wanted:
            break
        thing = _sample_attributes(rng, style, active, shared_level, palette, event_share)
        thing.object_id = len(objects) + 1
        side = min(height, width)
        radius = scale * side * _between(rng, RADII[thing.size])
        aspect = _between(rng, ASPECTS[thing.shape])
        moves = rng.random() < moving_share
        thing.blobs = _animate(rng, thing, num_frames, height, width, radius, aspect, moves)
        if style == "ultrasound" and not _in_sector(thing.blobs, height, width):
            continue
        if thing.blobs and not _collides(thing, objects):
            objects.append(thing)
    return Scene(num_frames, height, width, style, objects, int(rng.integers(2**31)))


def sample_size(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw a movie's number of frames, height and width."""
    height = int(rng.integers(*HEIGHTS))
    return int(rng.integers(*LENGTHS)), height, round(height * rng.uniform(*PROPORTIONS))


def draw_any_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene of any length and size that has at least one object."""
    while True:
        scene = sample_scene(rng, *sample_size(rng))
        if scene.objects:
            return scene


_ACTIVE = {"size": 0.55, "contrast": 0.5, "shape": 0.45}


def _between(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds))


def _sample_attributes(
    rng: np.random.Generator,
    style: str,
    active: dict[str, bool],
    shared_level: float,
    palette: list[str],
    event_share: float,
) -> SceneObject:
    def pick(name: str, classes: tuple[str, str]) -> str | None:
        return str(rng.choice(classes)) if active[name] else None

    noun, contrast = "cell", pick("contrast", ("strong", "weak"))
    if style == "ultrasound":
        noun, contrast = str(rng.choice(("cavity", "structure"))), None
    level = shared_level if contrast is None else _between(rng, CONTRASTS[contrast])
    event = str(rng.choice(EVENTS)) if rng.random() < event_share else None
    if event == "divides" and style == "ultrasound":
        event = None
    return SceneObject(
        object_id=0,
        noun=noun,
        size=pick("size", ("small", "large")),
        contrast=contrast,
        shape=pick("shape", ("round", "elongated")) if event != "divides" else None,
        colour=str(rng.choice(palette)) if style == "colour" else None,
        event=event,
        level=level * rng.uniform(0.95, 1.05),
    )


def _animate(
    rng: np.random.Generator,
    thing: SceneObject,
    num_frames: int,
    height: int,
    width: int,
    radius: float,
    aspect: float,
    moves: bool,
) -> list[Blob]:
    """Give an object its path and its bodies; an empty list when no path fits the frame."""
    size = np.array([height, width], np.float32)
    reach = radius * np.sqrt(aspect)
    u = np.linspace(0, 1, num_frames, dtype=np.float32)
    strength = np.ones(num_frames, np.float32)
    angle = rng.uniform(0, np.pi) + rng.uniform(-0.4, 0.4) * u
    name = str(rng.choice(list(DIRECTIONS)))
    tilt = rng.uniform(-0.35, 0.35)
    forward = np.array(DIRECTIONS[name], np.float32)
    heading = forward * np.cos(tilt) + forward[::-1] * np.sin(tilt) * rng.choice((-1, 1))
    start = rng.uniform(reach * 0.9, np.maximum(size - reach * 0.9, reach * 0.9 + 1))
    if thing.event in ("enters", "leaves"):
        # The place inside, and the point just outside the edge that it comes from or goes to.
        inside = rng.uniform(0.2, 0.8, 2) * size
        edge_distance = np.where(heading > 0, inside, size - inside)
        axis = int(np.argmax(np.abs(forward)))
        away = float(edge_distance[axis] + reach * 1.3) / float(np.abs(heading[axis]))
        outside = inside - heading * away
        turn = rng.uniform(0.4, 0.75)
        progress = np.clip(u / turn, 0, 1)[:, None]
        centres = outside + (inside - outside) * progress
        if thing.event == "leaves":
            centres = centres[::-1].copy()
    elif moves and thing.event != "divides":
        length = rng.uniform(0.27, 0.55) * float((size * np.abs(forward)).sum())
        centres = start + heading * (u[:, None] * length)
        if ((centres[-1] < reach * 0.8) | (centres[-1] > size - reach * 0.8)).any():
            return []
    else:
        centres = np.repeat(start[None], num_frames, 0)
    if thing.event in ("appears", "disappears"):
        ramp = np.clip((u - rng.uniform(0.3, 0.65)) * num_frames, 0, 1)
        strength = ramp if thing.event == "appears" else 1 - ramp
        if not 2 <= (strength > 0.5).sum() <= num_frames - 1:
            return []
    jitter = gaussian_filter1d(rng.standard_normal((num_frames, 2)), 1.5, axis=0)
    centres = centres + jitter * 0.006 * min(height, width)
    rough = 2.2 if rng.random() < 0.2 else 1.0
    bumps = np.stack([rng.uniform(0, [0.05, 0.04, 0.03]) * rough, rng.uniform(0, 2 * np.pi, 3)], 1)
    wobble = 1 + 0.03 * np.sin(2 * np.pi * (u * rng.uniform(0.5, 2) + rng.random()))
    if thing.noun == "cavity":  # heart chambers fill and empty
        wobble = 1 + rng.uniform(0, 0.16) * np.sin(2 * np.pi * (u * rng.uniform(1, 3)))
    radii, aspects = radius * wobble, np.full(num_frames, aspect, np.float32)
    if thing.event != "divides":
        return [_blob(centres, strength, radii, aspects, angle, bumps)]
    split = rng.uniform(0.25, 0.65)
    apart = np.clip((u - split) / 0.25, 0, 1)
    stretch = np.clip((u - split + 0.15) / 0.15, 0, 1) * (apart == 0)
    axis_yx = np.stack([np.sin(angle), np.cos(angle)], 1)
    offset = axis_yx * (radius * (0.55 * (apart > 0) + 0.75 * apart))[:, None]
    divided = (apart > 0).astype(np.float32)
    if not 1 <= divided.sum() <= num_frames - 1:
        return []
    small = radii * (1 - 0.22 * divided)
    first = _blob(centres + offset, strength, small, 1.05 + 0.6 * stretch, angle, bumps)
    second = _blob(centres - offset, divided, small, aspects, angle, bumps[::-1])
    return [first, second]


def _blob(*arrays: np.ndarray | float) -> Blob:
    return Blob(*(np.asarray(a, np.float32) for a in arrays))


def _collides(thing: SceneObject, others: list[SceneObject]) -> bool:
    """Whether any body of `thing` would overlap one of `others` at any time."""
    for blob in thing.blobs:
        for other in (b for o in others for b in o.blobs):
            gap = np.linalg.norm(blob.centres - other.centres, axis=1)
            reach = _reach(blob) + _reach(other)
            if ((gap < 1.05 * reach) & (blob.strength * other.strength > 0)).any():
                return True
    return False


def sector(y: np.ndarray, x: np.ndarray, inset: float = 0.0) -> np.ndarray:
    """Whether points lie inside an ultrasound probe's field of view.

    Parameters
    ----------
    y, x : ndarray
        Shares of the frame's height and width.
    inset : float
        How far inside the border a point must lie, in the same unit.
    """
    dy, dx = y + 0.3, x - 0.5
    return (np.abs(np.arctan2(dx, dy)) < 0.68 - inset) & (np.hypot(dx, dy) < 1.3 - inset)


def _in_sector(blobs: list[Blob], height: int, width: int) -> bool:
    return all(
        sector(b.centres[:, 0] / height, b.centres[:, 1] / width, inset=0.08).all() for b in blobs
    )


def _reach(blob: Blob) -> np.ndarray:
    return blob.radius * np.sqrt(blob.aspect)

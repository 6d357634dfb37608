"""Pixels and exact masks of a scene, any subset of its frames at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from napari_sa2va.training.scene import COLOURS, Blob, Scene, SceneObject, sector


def render(scene: Scene, frames: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw frames of a scene.

    Parameters
    ----------
    scene : Scene
    frames : sequence of int
        Frame indices. A frame looks the same whichever others are drawn with it.

    Returns
    -------
    pixels : ndarray of uint8, shape (F, Y, X, 3)
    masks : ndarray of bool, shape (N, F, Y, X)
        One per object, in the order of `scene.objects`.
    """
    rng = np.random.default_rng(scene.seed)
    look = _Look(scene, rng)
    num, shape = len(scene.objects), (scene.height, scene.width)
    masks = np.zeros((num, len(frames), *shape), bool)
    pixels = np.empty((len(frames), *shape, 3), np.uint8)
    for i, t in enumerate(frames):
        canvas = look.background()
        for n, thing in enumerate(scene.objects):
            for b, blob in enumerate(thing.blobs):
                if blob.strength[t] > 0:
                    drawn = _draw(canvas, blob, t, look, thing, n * 2 + b)
                    if drawn is not None and blob.strength[t] > 0.5:
                        masks[n, i][drawn[0]] |= drawn[1]
        pixels[i] = look.develop(canvas, np.random.default_rng([scene.seed, t]))
    return pixels, masks


class _Look:
    """How a movie looks: fixed for all its frames."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self.scene, self.style = scene, scene.style
        height, width = scene.height, scene.width
        self.side = min(height, width)
        self.textures = rng.standard_normal((4, 48, 48)).astype(np.float32)
        self.textures = np.stack([gaussian_filter(t, 1.5) * 4 for t in self.textures])
        self.texture_gain = rng.uniform(0.0, 0.3)
        self.soft = rng.uniform(0.08, 0.25)
        self.noise = rng.uniform(0.01, 0.06)
        self.gain = rng.uniform(0.75, 1.0)
        self.halo = rng.uniform(0.25, 0.5)
        # Cytoplasm around a stained nucleus: part of the picture, not of the object.
        self.glow = rng.uniform(0.08, 0.25) if rng.random() < 0.3 else 0.0
        coarse = rng.standard_normal((4, 4)).astype(np.float32)
        field = zoom(coarse, (height / 4, width / 4), order=1)[:height, :width]
        field = np.pad(field, ((0, height - field.shape[0]), (0, width - field.shape[1])), "edge")
        base, swing = {
            "fluorescence": (rng.uniform(0.03, 0.12), 0.025),
            "colour": (rng.uniform(0.02, 0.08), 0.015),
            "phase": (rng.uniform(0.45, 0.6), 0.03),
            "brightfield": (rng.uniform(0.7, 0.88), 0.03),
            "ultrasound": (rng.uniform(0.3, 0.42), 0.05),
        }[self.style]
        self.base = base + swing * field
        self.sector = None
        if self.style == "ultrasound" and rng.random() < 0.6:
            yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
            self.sector = gaussian_filter(sector(yy / height, xx / width).astype(np.float32), 1)

    def background(self) -> np.ndarray:
        """A fresh background, float32 (Y, X) or (Y, X, 3) for colour."""
        if self.style == "colour":
            return np.repeat(self.base[..., None], 3, 2)
        return self.base.copy()

    def develop(self, canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add grain, and turn a drawn frame into uint8 RGB of shape (Y, X, 3)."""
        if self.style == "ultrasound":
            grain = rng.standard_normal(canvas.shape, dtype=np.float32)
            speckle = gaussian_filter(grain, (0.6, 1.1)) * 1.8
            canvas = canvas * (1 + 0.35 * speckle)
            if self.sector is not None:
                canvas = canvas * self.sector
        else:
            shot = np.sqrt(np.maximum(canvas, 0.02)) + 0.3
            noise = rng.standard_normal(canvas.shape, dtype=np.float32)
            canvas = (canvas + self.noise * shot * noise) * self.gain
        grey = np.clip(canvas * 255, 0, 255).astype(np.uint8)
        return grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, 2)


def _draw(
    canvas: np.ndarray, blob: Blob, t: int, look: _Look, thing: SceneObject, key: int
) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """Draw one body onto `canvas` in place; return its window and its mask there, or None."""
    height, width = canvas.shape[:2]
    cy, cx = blob.centres[t]
    margin = float(blob.radius[t] * np.sqrt(blob.aspect[t]) * (2.4 if look.glow else 1.5) + 2)
    y0, y1 = max(int(cy - margin), 0), min(int(cy + margin) + 1, height)
    x0, x1 = max(int(cx - margin), 0), min(int(cx + margin) + 1, width)
    if y0 >= y1 or x0 >= x1:
        return None
    window = np.s_[y0:y1, x0:x1]
    dy = np.arange(y0, y1, dtype=np.float32)[:, None] - cy
    dx = np.arange(x0, x1, dtype=np.float32)[None] - cx
    cos, sin = np.cos(blob.angle[t]), np.sin(blob.angle[t])
    root = np.sqrt(blob.aspect[t])
    along = (dx * cos + dy * sin) / (blob.radius[t] * root)
    across = (dy * cos - dx * sin) / blob.radius[t] * root
    theta = np.arctan2(across, along)
    outline = 1.0
    for order, (amplitude, phase) in enumerate(blob.bumps, start=2):
        outline = outline + amplitude * np.cos(order * theta + phase)
    distance = np.sqrt(along**2 + across**2) / outline  # 1 on the outline
    body = 1 / (1 + np.exp(np.clip((distance - 1) / (look.soft * 0.35), -30, 30)))
    texture = look.textures[key % 4]
    rows = np.clip((across * 14 + 24).astype(np.int16), 0, 47)
    columns = np.clip((along * 14 + 24).astype(np.int16), 0, 47)
    shade = 1 + look.texture_gain * texture[rows, columns]
    amount = body * np.float32(thing.level * blob.strength[t])
    if look.glow and thing.noun == "cell" and look.style != "phase":
        amount = amount + look.glow * (1 - body) * amount.max() * np.exp(-((distance / 1.5) ** 4))
    patch = canvas[window]
    if thing.colour is not None:
        tint = np.array(COLOURS[thing.colour], np.float32)
        patch += (amount * shade)[..., None] * tint * 0.85
    elif look.style == "fluorescence":
        patch += amount * shade * 0.8
    elif look.style == "brightfield":
        patch *= 1 - 0.75 * amount * shade
    elif look.style == "phase":
        ring = np.exp(-(((distance - 1.18) / 0.14) ** 2)) * look.halo * thing.level
        patch += ring * blob.strength[t] - 0.38 * amount * shade
    elif thing.noun == "cavity":
        wall = np.exp(-(((distance - 1.12) / 0.1) ** 2)) * 0.25
        patch *= 1 - 0.85 * body * blob.strength[t]
        patch += wall * blob.strength[t]
    else:
        patch += body * shade * 0.5 * blob.strength[t]
    return window, distance < 1

"""Pictures of what the model will see of each key frame, made on the worker's thread. No Qt.

They are made by the functions that a run calls itself: `Clip.rgb`, then `models.sa2va.pictures`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.models.catalogue import ModelEntry
    from napari_sa2va.models.sa2va.pictures import Shown, Way
    from napari_sa2va.models.sa2va.prompt_format import Mode

_SMALL_PX = 96  # longest side of a small picture: twice what is seen of it, for fine screens
_LARGE_PX = 448  # longest side of the picture in a tool tip
_GAP_SHARE, _GAP_GREY = 56, 128  # between tiles: a share of their side, a grey level


@dataclass(frozen=True, eq=False)
class Scene:
    """What is set up to be looked at. Equal to another if the pictures would be.

    Attributes
    ----------
    subject : tuple
        Whatever decides the pixels of the frames, apart from the settings.
    open_clip : callable
        Makes the clip; called on the worker's thread.
    settings : RunSettings
    """

    subject: tuple[Any, ...]
    open_clip: Callable[[], Clip]
    settings: RunSettings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scene) and self._key == other._key

    @property
    def _key(self) -> tuple[Any, ...]:
        choice = self.settings.model
        view = self.settings.view
        return self.subject, self.settings.sampling, view, choice.name, choice.reading


@dataclass(frozen=True)
class Chosen:
    """The key frames that the settings choose; the pictures follow.

    Attributes
    ----------
    num_frames : int
        Of the clip.
    frames : tuple of int
        The key frames.
    words : str
        How the model sees them, in a few words.
    """

    num_frames: int
    frames: tuple[int, ...]
    words: str


@dataclass(frozen=True, eq=False)
class Picture:
    """What the model sees of one key frame.

    Attributes
    ----------
    frame : int
    small : ndarray of uint8, shape (Y, X, 3)
        For the strip.
    large : bytes
        PNG of at most 448 px, for the tool tip. Tiles lie side by side, with gaps.
    words : str
        Its size, and what was done to the frame.
    """

    frame: int
    small: np.ndarray
    large: bytes
    words: str


class KeyFrameLooker:
    """Makes the pictures of a scene, and keeps those of the last one: the source of a worker.

    One scene at a time; see `napari_sa2va.gui.latest.LatestOnly`.
    """

    def __init__(self) -> None:
        self._subject: tuple[Any, ...] = ()
        self._clip: Clip | None = None
        self._made: dict[tuple[Any, ...], Picture] = {}

    def forget(self) -> None:
        """Let go of the clip and the pictures."""
        self._subject, self._clip, self._made = (), None, {}

    def __call__(self, scene: Scene, cancel: CancelToken) -> Iterator[Chosen | Picture]:
        """Yield `Chosen`, then a `Picture` per key frame.

        Raises
        ------
        Sa2vaError
            If the settings do not fit the clip or there is no such model: what would be wrong with
            a run, too.
        """
        from napari_sa2va.models.sa2va.pictures import way_for
        from napari_sa2va.models.zoo import find
        from napari_sa2va.pipeline.resolve import mode_of

        clip = self._open(scene)
        settings = scene.settings
        key_frames = settings.sampling(clip.num_frames)
        mode = mode_of(settings, clip, key_frames)
        entry = find(settings.model.name)
        way = way_for(entry, settings.model.reading)
        frames = key_frames.frames
        yield Chosen(clip.num_frames, frames, _summary(entry, way, mode, len(frames)))
        keys = {t: (t, way, mode, len(frames)) for t in frames}
        self._made = {key: self._made[key] for key in keys.values() if key in self._made}
        for t, key in keys.items():
            if cancel.cancelled:
                return
            if key not in self._made:
                self._made[key] = _picture(clip.rgb(t), t, way, mode, len(frames))
            yield self._made[key]

    def _open(self, scene: Scene) -> Clip:
        if self._clip is None or scene.subject != self._subject:
            self.forget()
            self._clip, self._subject = scene.open_clip(), scene.subject
        return self._clip


def _picture(frame: np.ndarray, t: int, way: Way | None, mode: Mode, num_pictures: int) -> Picture:
    from napari_sa2va.models.sa2va.pictures import Shown

    shown = Shown((frame,)) if way is None else way(frame, mode, num_pictures)
    whole = side_by_side(shown)
    small = np.asarray(_shrunk(whole, _SMALL_PX))
    file = io.BytesIO()
    _shrunk(whole, _LARGE_PX).save(file, "PNG")
    return Picture(t, small, file.getvalue(), f"Frame {t}: {_sizes(shown, frame)}")


def side_by_side(shown: Shown) -> np.ndarray:
    """The tiles of a picture with gaps between them; a single picture as it is. The overview is left
    out."""
    if shown.rows * shown.columns == 1:
        return shown.pixels[0]
    height, width = shown.pixels[0].shape[:2]
    gap = max(height // _GAP_SHARE, 1)
    sheet = np.full(
        (shown.rows * (height + gap) - gap, shown.columns * (width + gap) - gap, 3),
        _GAP_GREY,
        np.uint8,
    )
    for number, tile in enumerate(shown.pixels[: shown.rows * shown.columns]):
        row, column = divmod(number, shown.columns)
        y, x = row * (height + gap), column * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def _shrunk(pixels: np.ndarray, longest: int) -> Any:
    """A PIL image that is at most so long; one that is smaller stays as it is."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return image


def _sizes(shown: Shown, frame: np.ndarray) -> str:
    """What was done to a frame, with its sizes as height × width."""
    before = f"{frame.shape[0]} × {frame.shape[1]}"
    height, width = shown.pixels[0].shape[:2]
    size = f"{height} × {width} px"
    tiles = shown.rows * shown.columns
    if tiles > 1:
        whole = ", and the whole in one more" if shown.overview is not None else ""
        return f"{tiles} tiles of {size} in {shown.rows} rows{whole}; from {before} px"
    if (height, width) == frame.shape[:2]:
        return f"{size}, as it is"
    # To within a pixel of rounding, the shape is kept.
    is_alike = abs(height * frame.shape[1] / frame.shape[0] - width) <= 0.02 * width + 1
    return f"{size}, {'resized' if is_alike else 'stretched'} from {before} px"


def _summary(entry: ModelEntry, way: Way | None, mode: Mode, count: int) -> str:
    from napari_sa2va.models.sa2va.pictures import Squares

    frames = "1 frame" if count == 1 else f"{count} frames"
    if way is None:
        return f"The model sees {frames}; in which size is not known yet."
    how = "in tiles of" if mode == "image" else "at"
    size = f" {how} {way.side} × {way.side} px" if isinstance(way, Squares) else ""
    family = ", as its family does" if entry.folder is None else ""
    return f"The model sees {frames}{size}{family}."

"""One movie too long or too large for one machine: parts of it that are units of their own.

A window in time is a run on the whole movie, with the key frames of the whole run, that tracks only
some frames (`course`). So the language model sees the same pictures and says the same, objects have
the same ids in all windows, and only the frames are divided among the workers. A tile in space is a
movie of its own, in which every sentence is asked anew; which of its objects are those of its
neighbours is found out when the parts are merged (`link`, `merge`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from napari_sa2va.batch.part import course_of
from napari_sa2va.batch.tiles import tiles
from napari_sa2va.batch.unit import Facts, Part, Unit
from napari_sa2va.core.axes import relabel
from napari_sa2va.core.clip import make_clip
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.core.rle_boxes import MOST_PX
from napari_sa2va.readers.open import open_clip, read_recording
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.intensity import Limits
    from napari_sa2va.core.region_box import Box

# In less, there is too little around an object to recognise it by.
_SMALLEST_TILE_PX = 256
_LONGEST_ID = 64  # of the 80 characters of an id
# Of larger frames, not all pixels are read to find limits, but such as lie in a grid of about this
# many rows.
_VAST_PX, _THINNED_PX = 2**27, 1024


class SplitSettings(Params):
    """Which movies are split, and how."""

    window_frames: int = Field(
        0,
        ge=0,
        title="Window",
        description="Split movies of more frames into windows of at most so many, which several "
        "workers track at the same time; 0: never.",
    )
    overlap_frames: int = Field(
        32,
        ge=0,
        title="Overlap of windows",
        description="Frames from which on a window is tracked before it comes to its own, so that "
        "it remembers there what the whole run would remember.",
    )
    tile_px: int = Field(
        0,
        ge=0,
        title="Tile",
        description="Split larger frames into tiles with sides of at most so many px, in each of "
        "which every sentence is asked, so that words of place and size hold within a tile; 0: "
        "never.",
    )
    tile_overlap_px: int = Field(
        64,
        ge=1,
        title="Overlap of tiles",
        description="Width in px of the band that two tiles have in common: by what they draw there "
        "it is known which of their objects are the same. About the size of an object is enough.",
    )
    most_gb: float = Field(
        0.0,
        ge=0.0,
        title="Memory",
        description="Split frames for which a run would need more memory, in GB, into tiles for "
        "which it does not; 0: never.",
    )

    @model_validator(mode="after")
    def _tiles_are_wider_than_their_overlap(self) -> SplitSettings:
        if 0 < self.tile_px <= self.tile_overlap_px:
            raise ValueError(
                f"tiles of {self.tile_px} px overlap by {self.tile_overlap_px} px; take larger tiles"
            )
        return self

    @property
    def splits(self) -> bool:
        """Whether any movie would be split."""
        return bool(self.window_frames or self.tile_px or self.most_gb)


def split(
    unit: Unit, facts: Facts, settings: RunSettings, chosen: SplitSettings
) -> tuple[Unit, ...]:
    """The units that do together what a unit would do.

    Parameters
    ----------
    unit : Unit
    facts : Facts
        Of its movie, as a whole.
    settings : RunSettings
        Of the unit; the parts have the same.
    chosen : SplitSettings

    Returns
    -------
    tuple of Unit
        The unit alone if there is nothing to split, or if its movie cannot be read. Else the parts,
        and as the last one a unit with its id that merges them and writes its outputs.

    Raises
    ------
    RequestError
        If its frames are too large for masks.
    """
    if facts.problem:
        return (unit,)
    windows = _windows(settings, facts.num_frames, chosen)
    boxes = _boxes(settings, facts, len(unit.sentences), chosen)
    if len(windows) * len(boxes) == 1:
        return (unit,)
    if facts.height * facts.width > MOST_PX:
        raise RequestError(
            f"The frames of {unit.movie} have {facts.height} × {facts.width} px, and masks of at "
            f"most {MOST_PX} px can be merged.",
            "Look at parts of it (box), each as a movie of its own.",
        )
    places = [
        Part(first_frame=first, last_frame=last, box=corners)
        for corners in ([_corners(box) for box in boxes] if len(boxes) > 1 else [None])
        for first, last in windows
    ]
    try:
        # Found once: each part is to look as it does in the whole.
        limits = _limits(unit, facts)
    except ClipError:
        return (unit,)  # which fails with that, and does not keep other movies from being planned
    return _units(unit, places, limits)


def _windows(
    settings: RunSettings, num_frames: int, chosen: SplitSettings
) -> Sequence[tuple[int, int]]:
    course = course_of(settings, num_frames) if chosen.window_frames else None
    if course is None or course.num_frames <= chosen.window_frames:
        return [(0, num_frames - 1)]
    return course.windows(chosen.window_frames, chosen.overlap_frames)


def _boxes(
    settings: RunSettings, facts: Facts, num_sentences: int, chosen: SplitSettings
) -> list[Box]:
    height, width, overlap = facts.height, facts.width, chosen.tile_overlap_px
    longest = max(height, width)
    side = min(chosen.tile_px or longest, longest)
    if chosen.most_gb:
        from napari_sa2va.pipeline.estimate import foretell

        def fits(tile_px: int) -> bool:
            told = foretell(
                settings,
                num_frames=facts.num_frames,
                height=min(tile_px, height),
                width=min(tile_px, width),
                num_sentences=num_sentences,
            )
            return told.num_bytes <= chosen.most_gb * 1e9

        smallest = max(_SMALLEST_TILE_PX, overlap + 1)
        while side > smallest and not fits(side):
            side = max(side * 3 // 4, smallest)
    return tiles(height, width, side, overlap)


def _limits(unit: Unit, facts: Facts) -> Limits | tuple[Limits, ...]:
    """The limits with which the whole movie is opened; of vast frames some pixels are read."""
    given = unit.arguments
    if given.limits is not None:
        return given.limits
    if facts.height * facts.width <= _VAST_PX:
        return open_clip(unit.path, **given.as_keywords()).limits
    recording = read_recording(unit.path, series=given.series, growing=bool(given.growing))
    recording = relabel(recording, given.axes, given.rgb)
    step = max(facts.height, facts.width) // _THINNED_PX
    every = tuple(slice(None, None, step if axis in "YX" else None) for axis in recording.axes)
    return make_clip(
        replace(recording, data=recording.data[every], pyramid=()),
        **given.model_dump(include={"time", "z", "channels", "colors"}),
    ).limits


def _units(
    unit: Unit, places: Sequence[Part], limits: Limits | tuple[Limits, ...]
) -> tuple[Unit, ...]:
    """One unit per part, and the one that merges them."""
    stem = unit.unit_id[:_LONGEST_ID]
    digits = len(str(len(places)))
    arguments = unit.arguments.model_copy(update={"limits": limits})
    parts = tuple(
        unit.model_copy(
            update={
                "unit_id": f"{stem}-part-{number:0{digits}d}",
                "movie": f"{unit.movie} (part {number} of {len(places)})",
                "arguments": arguments,
                "outputs": (),
                "key": _key_of_part(unit.key, part),
                "num_bytes": unit.num_bytes // len(places),
                "annotations": {},
                "part": part,
            }
        )
        for number, part in enumerate(places, start=1)
    )
    return *parts, _merging(unit, key_of_whole(unit.key, places), [p.unit_id for p in parts])


def split_as_before(unit: Unit, known: Mapping[str, Unit]) -> Unit | None:
    """The unit that merges the parts which a batch has of a movie; nothing is opened for that.

    Parameters
    ----------
    unit : Unit
        Of the whole movie, planned anew; the batch has one of its id that merges parts.
    known : mapping of str to Unit
        What the batch has, by id.

    Returns
    -------
    Unit or None
        None if the movie, or what the masks depend on, is another than when it was split.
    """
    old = known[unit.unit_id]
    parts = (known[part_id].part for part_id in old.parts if part_id in known)
    key = key_of_whole(unit.key, [part for part in parts if part is not None])
    return _merging(unit, key, old.parts) if key == old.key else None


def _merging(unit: Unit, key: str, parts: Sequence[str]) -> Unit:
    """It reads what the parts found, and not the movie."""
    return unit.model_copy(update={"key": key, "parts": tuple(parts), "num_bytes": 0})


def key_of_whole(key: str, places: Iterable[Part]) -> str:
    """Key of a unit that merges parts, from the one that it has before it is split."""
    return _key(key, *(_key_of_part(key, part) for part in places))


def _key_of_part(key: str, part: Part) -> str:
    return _key(key, part.model_dump_json())


def _key(*said: str) -> str:
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.y0, box.x0, box.y1, box.x1

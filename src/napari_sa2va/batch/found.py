"""The masks of a unit that are on the disk, as all generations of the work have left them.

See `journal` for what they have written. Of a frame that is in several records the last one counts.
That all frames are there is believed only if they are: any segment may have been damaged, or deleted,
since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_sa2va.batch.journal import NAME, About, Answer, FrameCodes, Kind
from napari_sa2va.batch.packing import unpacked
from napari_sa2va.batch.segment import record_at, records_of, segments_in
from napari_sa2va.core.errors import BatchError, ShapeMismatch
from napari_sa2va.writers.result import Result, Shown, Subject

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Overlap


@dataclass(frozen=True, eq=False)
class Found:
    """The masks that are on the disk. In memory is only where they lie.

    Attributes
    ----------
    about : About
        Without a frame as long as no worker has opened the movie.
    answers : dict of int to Answer
        By object id.
    places : dict of int to (Path, int)
        The segment, and the byte in it, of each frame that is done; frames rise.
    record : mapping or None
        Of the run, JSON types; None until every frame is done.
    """

    about: About
    answers: Mapping[int, Answer] = field(default_factory=dict)
    places: Mapping[int, tuple[Path, int]] = field(default_factory=dict)
    record: Mapping[str, Any] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether no frame is missing of those that were asked for."""
        return self.record is not None

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """All objects that were asked for, by id."""
        return self.about.subjects

    @property
    def frames_done(self) -> tuple[int, ...]:
        """The frames that have masks, rising."""
        return tuple(self.places)

    def is_known(self, object_id: int, frame: int) -> bool:
        """Whether it was found out if an object is on a frame; one that is not there is on none."""
        answer = self.answers.get(object_id)
        return frame in self.places or (answer is not None and not answer.found)

    def on(self, frame: int) -> FrameCodes:
        """What was drawn on a frame; nothing where it is not done.

        Raises
        ------
        BatchError
            If its record is not on the disk any more.
        """
        place = self.places.get(frame)
        if place is None:
            return FrameCodes({}, {})
        about = self.about
        try:
            codes, scores = unpacked(
                record_at(*place).payload,
                most_objects=len(about.subjects),
                height=about.height,
                width=about.width,
            )
        except ValueError as error:
            raise BatchError(
                f"Frame {frame} in {place[0]} is damaged.",
                "Delete the file, and let the unit be tried again.",
            ) from error
        return FrameCodes(codes, scores)

    def frame(self, frame: int) -> Shown:
        """The objects that have a pixel on a frame, as `Result` has them; see `on`."""
        return self.on(frame).shown

    def result(self, clip: Clip, overlap: Overlap = "last") -> Result:
        """All masks for the writers, which read one frame at a time.

        Raises
        ------
        ShapeMismatch
            If they are of another clip.
        """
        about = self.about
        expected = (clip.num_frames, clip.height, clip.width)
        if self.subjects and (about.num_frames, about.height, about.width) != expected:
            raise ShapeMismatch(
                f"The masks are of {about.num_frames} frames of {about.height} x {about.width} px, "
                f"the movie has {expected[0]} of {expected[1]} x {expected[2]} px.",
                "Has the movie changed? Plan the batch again.",
            )
        return Result(clip, self.subjects, self.frame, overlap, record=self.record)


def masks_of(
    folder: Path, key: str | None = None, *, after: int = 0, upto: int | None = None
) -> Found:
    """Look through the segments of a unit, also while a worker writes.

    Parameters
    ----------
    folder : Path
    key : str, optional
        Of the unit: segments of other keys are left out. By default that of the latest segment.
    after : int
        Masks of this and earlier generations are left out; see `unwanted`.
    upto : int, optional
        Masks of later generations than this are left out.
    """
    paths = segments_in(folder, NAME, after=after, upto=upto)
    segments = [(path, about) for path in paths if (about := about_of(path)) is not None]
    if key is None:
        key = segments[-1][1].key if segments else ""
    about = About(key=key)
    answers: dict[int, Answer] = {}
    places: dict[int, tuple[Path, int]] = {}
    run: Mapping[str, Any] | None = None
    needed: set[int] = set()
    for path, said in segments:
        if said.key != key:
            continue
        about = said
        for record in records_of(path):
            match record.kind:
                case Kind.ANSWER:
                    answer = Answer.model_validate_json(record.payload)
                    answers[answer.object_id] = answer
                case Kind.MASKS:
                    places[record.number] = (path, record.offset)
                case Kind.END:
                    end = json.loads(record.payload)
                    run, needed = end["record"], set(end["frames"])
    if not needed <= places.keys():
        run = None
    return Found(about, answers, dict(sorted(places.items())), run)


def about_of(path: Path) -> About | None:
    """What a segment is of; None if not even that was written, or by a newer version."""
    first = next(records_of(path), None)
    if first is None or first.kind != Kind.ABOUT:
        return None
    try:
        return About.model_validate_json(first.payload)
    except ValidationError:
        return None

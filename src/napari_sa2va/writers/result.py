"""What a writer is given: the objects of a clip, and their masks one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet, Overlap, label_dtype

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.rle import Rle


@dataclass(frozen=True)
class Subject:
    """What is known of an object as a whole.

    Attributes
    ----------
    object_id : int
        From 1.
    name, text : str
        What it is called, "object 3" where nobody named it, so that every format calls it the same;
        and the sentence that asked for it, if one did.
    parents : tuple of int
        The objects that divided, or merged, into this one.
    """

    object_id: int
    name: str = ""
    text: str = ""
    parents: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self._usual_name)

    @property
    def is_named(self) -> bool:
        """Whether its name says more than its id."""
        return self.name != self._usual_name

    @property
    def _usual_name(self) -> str:
        return f"object {self.object_id}"


@dataclass(frozen=True, eq=False)
class Shown:
    """The objects that have a pixel on one frame.

    Attributes
    ----------
    codes : dict of int to Rle
        Masks by object id, rising. They may overlap.
    scores : dict of int to float
        How sure the model is that the object is there, in [0, 1]; NaN where it was not asked.
    """

    codes: Mapping[int, Rle]
    scores: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Result:
    """Masks of a clip, frame by frame. Only one frame is in memory while it is written.

    Attributes
    ----------
    clip : Clip
        Gives the size, the name, the source and the physical facts; of several planes, the first.
    subjects : tuple of Subject
        All objects, by id, also those that are on no frame.
    frame : callable
        From a frame index to what is shown there. Where there are several planes, frames count on
        from plane to plane: frame `t` of plane `z` is `z * clip.num_frames + t`.
    overlap : {"last", "first"}
        Which of two overlapping objects keeps a pixel where a format has one per pixel.
    num_planes : int
        How many z planes were followed, each on its own.
    may_overlap : bool
        Whether two objects may have a pixel in common.
    record : mapping or None
        The run record, JSON types.
    """

    clip: Clip
    subjects: tuple[Subject, ...]
    frame: Callable[[int], Shown]
    overlap: Overlap = "last"
    num_planes: int = 1
    may_overlap: bool = True
    record: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        ids = [subject.object_id for subject in self.subjects]
        if sorted(set(ids)) != ids or (ids and ids[0] < 1):
            raise RequestError(
                f"Objects have the ids {ids[:20]}.", "Give each its own, from 1, in rising order."
            )

    @property
    def num_frames(self) -> int:
        """Number of frames of all planes."""
        return self.clip.num_frames * self.num_planes

    @property
    def num_times(self) -> int:
        """Number of points in time: 1 where z plays."""
        return 1 if self.clip.time_axis == "Z" else self.clip.num_frames

    @property
    def num_z(self) -> int:
        """Number of z planes, whether they play or were followed each on its own."""
        return self.num_frames // self.num_times

    def in_time(self) -> Iterator[int]:
        """Indices of all frames, the planes of one point in time after each other."""
        for t in range(self.num_times):
            yield from range(t, self.num_frames, self.num_times)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame in px."""
        return self.clip.height, self.clip.width

    @cached_property
    def label_dtype(self) -> np.dtype:
        """Of the label images: uint16, or uint32 where an id is above 65535."""
        return label_dtype(max((s.object_id for s in self.subjects), default=0))

    def labels(self, f: int) -> np.ndarray:
        """The label image of a frame, shape (Y, X), painted in the order of the ids.

        Its columns lie one after the other in memory, as the runs of the codes do.
        """
        return self.paint(self.frame(f).codes)

    def paint(self, codes: Mapping[int, Rle]) -> np.ndarray:
        """The label image of masks, as `labels` gives it."""
        plane = np.zeros(self.size, self.label_dtype, order="F")
        for object_id in sorted(codes, reverse=self.overlap == "first"):
            rle.fill(codes[object_id], plane, object_id)
        return plane

    def apart(self, codes: Mapping[int, Rle]) -> Mapping[int, Rle]:
        """Masks in which no pixel is in two; an object of which none is left is not among them."""
        if len(codes) < 2 or not self.may_overlap:
            return codes
        return rle.encode_labels(self.paint(codes))


def of_masklets(
    clip: Clip,
    masklets: Sequence[Masklet],
    *,
    overlap: Overlap = "last",
    num_planes: int = 1,
    parents: Mapping[int, Sequence[int]] | None = None,
    record: Mapping[str, Any] | None = None,
) -> Result:
    """A result of masklets, such as a run or a project gives.

    Raises
    ------
    ShapeMismatch
        If the masklets are of another clip.
    RequestError
        If two of them share an id.
    """
    ordered = sorted(masklets, key=lambda m: m.object_id)
    expected = (clip.num_frames * num_planes, clip.height, clip.width)
    for m in ordered:
        if (m.num_frames, m.height, m.width) != expected:
            raise ShapeMismatch(
                f"Object {m.object_id} has the shape {(m.num_frames, m.height, m.width)} "
                f"(T, Y, X), the clip {expected}.",
                "Write a result with the clip it was made from.",
            )
    known = parents or {}
    subjects = tuple(
        Subject(m.object_id, m.name, m.text, tuple(known.get(m.object_id, ()))) for m in ordered
    )

    def frame(f: int) -> Shown:
        there = [m for m in ordered if m.present(f)]
        return Shown(
            {m.object_id: _code(m, f) for m in there}, {m.object_id: m.scores[f] for m in there}
        )

    return Result(clip, subjects, frame, overlap, num_planes, record=record)


def of_labels(
    clip: Clip,
    labels: Callable[[int], np.ndarray],
    *,
    names: Mapping[int, str],
    num_planes: int = 1,
    parents: Mapping[int, Sequence[int]] | None = None,
) -> Result:
    """A result of label images, such as a napari Labels layer that is not ours.

    Parameters
    ----------
    clip : Clip
    labels : callable
        From a frame index to a label image of the clip's size.
    names : mapping of int to str
        All ids, with a name or an empty text (see `Subject`).
    num_planes : int
    parents : mapping of int to sequence of int, optional
    """
    known = parents or {}
    subjects = tuple(Subject(i, names[i], parents=tuple(known.get(i, ()))) for i in sorted(names))
    return Result(
        clip,
        subjects,
        lambda f: Shown(rle.encode_labels(labels(f))),
        num_planes=num_planes,
        may_overlap=False,
    )


def _code(masklet: Masklet, f: int) -> Rle:
    code = masklet.codes[f]
    assert code is not None  # it is present
    return code

"""One object turns out to be several: its connected parts become objects of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field
from scipy import ndimage

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep
from napari_sa2va.project.steps.remove import refuse_locked

_TOUCHING = np.ones((3, 3), bool)  # diagonal neighbours are connected


class Split(EditStep):
    """Split an object into its connected parts on one frame, followed from there to both ends.

    The largest part keeps the id; the others get `new_ids`, the largest first. On the frames before
    and after, each connected piece goes to the part that it overlaps most on the frame before (or
    after) it, or else to the part that is nearest.

    Parts that touch on an earlier frame were always several, unless the object divides: then they
    are one until they come apart, and the new objects are its daughters.
    """

    kind: Literal["split"] = "split"
    object_id: int
    frame: int
    new_ids: tuple[int, ...]
    divides: bool = Field(
        False,
        description="Whether the object stays whole on all frames before its parts came apart, and "
        "is the mother of the others.",
    )

    @property
    def title(self) -> str:
        return f"{'Divide' if self.divides else 'Split'} into {len(self.new_ids) + 1} parts"

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return (self.object_id,)

    def apply(self, edit: Edit) -> None:
        state = edit.state
        refuse_locked(edit, self.object_id, "split")
        if self.divides and state.planes > 1:
            raise RequestError(
                "On several planes, when parts come apart is another frame on each.",
                "Split the object, and mark mother and daughters.",
            )
        start, count = ndimage.label(state.mask(self.object_id, self.frame), _TOUCHING)
        if count != len(self.new_ids) + 1 or count < 2:
            raise RequestError(
                f"{state.card(self.object_id).name!r} has {count} connected parts on frame "
                f"{self.frame}, not {len(self.new_ids) + 1}.",
                "Choose a frame on which the parts are apart, or paint a gap between them.",
            )
        sizes = np.bincount(start.ravel(), minlength=count + 1)[1:]
        order = np.argsort(-sizes, kind="stable")
        rank = np.zeros(count + 1, np.intp)
        rank[order + 1] = np.arange(1, count + 1)
        parts = rank[start]  # 0 background, 1 the largest part, 2 the next ...
        card = state.card(self.object_id)
        for number, object_id in enumerate(self.new_ids, 2):
            new = Card.new(object_id, f"{card.name} {number}")
            parents = (self.object_id,) if self.divides else ()
            edit.card(object_id, replace(new, text=card.text, answer=card.answer, parents=parents))
        self._write(edit, self.frame, parts)
        for frames in (range(self.frame + 1, state.num_frames), range(self.frame - 1, -1, -1)):
            before, is_whole = parts, False
            for t in frames:
                code = state.cell(self.object_id, t).code
                if code is None:
                    continue
                mask = rle.decode(code)
                is_whole = is_whole or (
                    self.divides and t < self.frame and _is_joined(mask, before)
                )
                here = mask.astype(np.intp) if is_whole else _follow(mask, before)
                self._write(edit, t, here, is_whole=is_whole)
                # Where nothing is left, the parts are looked for where they were last.
                before = here if here.any() else before

    def _write(self, edit: Edit, t: int, parts: np.ndarray, *, is_whole: bool = False) -> None:
        cell = edit.state.cell(self.object_id, t)
        for number, object_id in enumerate((self.object_id, *self.new_ids), 1):
            here = replace(cell, code=rle.encode(parts == number))
            if is_whole and number > 1:  # what is said of the mother is not said of a daughter
                here = Cell(here.code, origin="model")
            edit.put(object_id, t, here)


def parts_on(mask: np.ndarray) -> int:
    """Number of connected parts of a mask, bool (Y, X)."""
    return int(ndimage.label(mask, _TOUCHING)[1])


def _is_joined(mask: np.ndarray, before: np.ndarray) -> bool:
    """Whether a connected piece of a mask lies under several parts of the frame before."""
    pieces, count = ndimage.label(mask, _TOUCHING)
    under = (np.unique(before[(pieces == piece) & (before > 0)]) for piece in range(1, count + 1))
    return any(len(parts) > 1 for parts in under)


def _follow(mask: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Give every pixel of a mask the number of a part of the frame before, intp (Y, X)."""
    pieces, count = ndimage.label(mask, _TOUCHING)
    numbers = np.zeros(mask.shape, np.intp)
    nearest: np.ndarray | None = None
    for piece in range(1, count + 1):
        here = pieces == piece
        under = np.unique(before[here & (before > 0)])
        if len(under) == 1:
            numbers[here] = under[0]
            continue
        if nearest is None:
            at = ndimage.distance_transform_edt(
                before == 0, return_distances=False, return_indices=True
            )
            nearest = before[tuple(at)]
        if len(under):  # parts that touch on this frame: every pixel to the one that is nearest
            numbers[here] = nearest[here]
        else:
            numbers[here] = np.bincount(nearest[here]).argmax()
    return numbers

"""What a step is: one thing a person asked for, in JSON types, that can be done again.

A step is a file here and a line in `steps/__init__.py`. An *edit* changes the state at once. A
*model step* says what the network is to do, as prompts and settings of the one pipeline, and what
becomes of the masks that come back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self, cast

import numpy as np
from pydantic_core import CoreSchema, core_schema

from napari_sa2va.core import rle
from napari_sa2va.core.params import Params
from napari_sa2va.project.cells import Cell

if TYPE_CHECKING:
    from napari_sa2va.core.prompt import PromptSet
    from napari_sa2va.pipeline.events import Answered, FrameMasks
    from napari_sa2va.project.change import Edit
    from napari_sa2va.project.state import State
    from napari_sa2va.settings import RunSettings


def _read_code(value: object) -> rle.Rle:
    if not isinstance(value, dict):
        raise ValueError("a mask is an object with size and counts")
    return (
        cast(rle.Rle, value)
        if isinstance(value.get("counts"), np.ndarray)
        else rle.from_json(value)
    )


class _CodeSchema:
    """Tells pydantic how a mask is read and written; it knows no arrays."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read_code,
            serialization=core_schema.plain_serializer_function_ser_schema(rle.to_json),
        )


Code = Annotated[rle.Rle, _CodeSchema]
"""A mask in a step."""


class Step(Params):
    """Base of all steps; carries a `kind` tag."""

    @property
    def title(self) -> str:
        """What it does, in a few words, for undo and the history."""
        raise NotImplementedError

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        """Objects of which it makes masks, or looks at all of them. They are not both: what is done
        while a run goes on comes after it when all is done again, and would find other masks."""
        return ()


class EditStep(Step):
    """A step that needs no network."""

    def apply(self, edit: Edit) -> None:
        """Change the state.

        Raises
        ------
        RequestError
            If it cannot be done; whoever called takes the edit back.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Work:
    """What the pipeline is to do.

    Attributes
    ----------
    prompts : PromptSet
        Frames are those of the plane, positions those of the whole frame.
    settings : RunSettings
    begin_near : int or None
        Frame in view, which is drawn first where the order is free.
    plane : int
        The plane whose clip that is.
    through_planes : bool
        Whether what is found there is carried to all other planes.
    """

    prompts: PromptSet
    settings: RunSettings
    begin_near: int | None = None
    plane: int = 0
    through_planes: bool = False


class ModelStep(Step):
    """A step that runs the pipeline.

    Attributes
    ----------
    masks_taken, answers_taken : int
        How many events with masks, and how many answers, were taken before it was stopped; -1 if it
        came to its end. They are written when the step has ended, so that replaying stops there too.
    region : tuple of int or None
        Rows and columns (y0, x0, y1, x1) that are looked at, ends not included; None is all.
    """

    masks_taken: int = -1
    answers_taken: int = -1
    region: tuple[int, int, int, int] | None = None

    def without(self, object_ids: Collection[int]) -> Self:
        """The same, for fewer objects; one that makes a single object stays as it is."""
        return self

    def prepare(self, edit: Edit) -> None:
        """Make what has to be there before the first mask comes, such as new objects."""

    def work(self, state: State) -> Work:
        """Say what is to be done, from what the state is now.

        Raises
        ------
        RequestError
            If it cannot be done.
        """
        raise NotImplementedError

    def hear(self, edit: Edit, answered: Answered) -> None:
        """Take an answer of the model."""

    def take(self, edit: Edit, event: FrameMasks, cells: Sequence[Cell]) -> None:
        """Take the masks of one frame; `cells` are those of ``event.object_ids``."""
        raise NotImplementedError

"""What the user asks for: sentences, points, boxes and masks, each bound to an object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sa2va.core.errors import RequestError

# Where the pictures belong in a prompt that was written out for the model.
IMAGE = "<image>"


@dataclass(frozen=True)
class Point:
    """One click.

    Attributes
    ----------
    y, x : float
        Position in px of the clip.
    positive : bool
        True if the object is here, False if it is not.
    """

    y: float
    x: float
    positive: bool = True


@dataclass(frozen=True)
class Prompt:
    """How one object is asked for: a sentence, marks on one frame, or a phrase of an answer.

    Marks are points and a box, or a mask, or a mask with points that put it right.

    Attributes
    ----------
    object_id : int
        Label of the object, from 1. Labels may leave numbers out.
    name : str
        What the object is called in tables and legends.
    text : str
        Referring expression; empty if the object is given by marks.
    frame : int
        Frame on which points, box or mask were made (0-based). Unused for a sentence.
    points : tuple of Point
        With a mask, where the object is more or less than it.
    box : tuple of float or None
        (y0, x0, y1, x1) in px.
    mask : ndarray of bool, shape (Y, X), or None
        An empty one says that the object is not on this frame; it comes without points.
    embedding : ndarray of float32, shape (D,), or None
        Prompt vector of a `[SEG]` in an answer that was given before; drawn on the key frames.
    origin : dict or None
        Where the embedding comes from, in JSON types, for the run record.
    """

    object_id: int
    name: str
    text: str = ""
    frame: int = 0
    points: tuple[Point, ...] = ()
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = field(default=None, compare=False)
    embedding: np.ndarray | None = field(default=None, compare=False)
    origin: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.object_id < 1:
            raise RequestError(
                f"Object id {self.object_id} is not allowed.", "Ids start at 1; 0 is background."
            )
        kinds = [
            bool(self.text),
            bool(self.points) or self.box is not None,
            self.mask is not None,
            self.embedding is not None,
        ]
        if sum(kinds) != 1 and not self.is_refined:
            raise RequestError(
                f"Object {self.object_id} ({self.name!r}) is given by {sum(kinds)} kinds of prompt.",
                "Give either a sentence, or points and box, or a mask, with points if they put it "
                "right, or a phrase of an answer.",
            )
        if self.is_refined and self.is_empty:
            raise RequestError(
                f"Object {self.object_id} ({self.name!r}) has points that put right a mask without "
                "a pixel.",
                "Give the points alone.",
            )

    @property
    def is_marked(self) -> bool:
        """Whether it is made of points, a box or a mask, and so belongs to one frame."""
        return not self.text and self.embedding is None

    @property
    def is_refined(self) -> bool:
        """Whether it is a mask with points that put it right."""
        others = self.text or self.box is not None or self.embedding is not None
        return self.mask is not None and bool(self.points) and not others

    @property
    def is_empty(self) -> bool:
        """Whether it is a mask without a pixel: the object is not on this frame."""
        return self.mask is not None and not self.mask.any()


@dataclass(frozen=True)
class PromptSet:
    """Everything that is asked for in one run.

    An object has one sentence, or one phrase, or marks on any number of frames: one prompt per
    frame. The objects are in the order of their first prompts, which also name them.

    Raises
    ------
    RequestError
        If there is no prompt, or two for the same object that cannot go together.
    """

    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        if not self.prompts:
            raise RequestError("No prompt was given.", "Type a sentence such as 'the bright cell'.")
        known: dict[int, list[Prompt]] = {}
        for prompt in self.prompts:
            before = known.setdefault(prompt.object_id, [])
            _check_together(prompt, before)
            before.append(prompt)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.prompts)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def objects(self) -> tuple[Prompt, ...]:
        """One prompt per object, its first one: for whatever lists objects."""
        first: dict[int, Prompt] = {}
        for prompt in self.prompts:
            first.setdefault(prompt.object_id, prompt)
        return tuple(first.values())

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of all objects, each once."""
        return tuple(p.object_id for p in self.objects)

    def of(self, object_id: int) -> tuple[Prompt, ...]:
        """All prompts of one object; none if it is not asked for."""
        return tuple(p for p in self.prompts if p.object_id == object_id)

    @classmethod
    def from_texts(cls, texts: str | Sequence[str]) -> PromptSet:
        """Make one object per sentence, numbered from 1.

        Parameters
        ----------
        texts : str or sequence of str
            A single string is one sentence. One that holds `<image>` is a prompt written out for
            the model, and kept to the letter; of any other, white space is evened out.

        Raises
        ------
        RequestError
            If a sentence is empty, or there is none.
        """
        sentences = [texts] if isinstance(texts, str) else list(texts)
        prompts = []
        for number, sentence in enumerate(sentences, start=1):
            if not isinstance(sentence, str) or not sentence.strip():
                raise RequestError(
                    f"Prompt {number} is empty: {sentence!r}.",
                    "Type a sentence such as 'the cell that divides'.",
                )
            name = " ".join(sentence.split())
            # A prompt written out for the model is taken to the letter, line breaks included.
            text = sentence if IMAGE in sentence else name
            prompts.append(Prompt(object_id=number, name=name, text=text))
        return cls(tuple(prompts))


def _check_together(prompt: Prompt, before: Sequence[Prompt]) -> None:
    """Refuse a prompt that does not go with those which its object has already."""
    if not before:
        return
    if not (prompt.is_marked and all(p.is_marked for p in before)):
        raise RequestError(
            f"Object {prompt.object_id} ({before[0].name!r}) is asked for twice, and not by marks "
            "alone.",
            "An object has one sentence, or one phrase, or marks on any number of frames. "
            "Give every object its own id.",
        )
    if any(p.frame == prompt.frame for p in before):
        raise RequestError(
            f"Object {prompt.object_id} ({before[0].name!r}) is marked twice on frame "
            f"{prompt.frame}.",
            "Give one prompt per object and frame; points and a box can share one.",
        )

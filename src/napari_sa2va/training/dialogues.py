"""Talks about a scene, every statement of which is clearly true, task by task.

Pure functions of a scene and a random generator. The sentences to segment are in `expressions`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_sa2va.models.sa2va.prompt_format import Mode
from napari_sa2va.models.sa2va.wording import (
    as_later_turn,
    caption_question,
    question_for,
    region_question,
)
from napari_sa2va.training.attributes import Facts
from napari_sa2va.training.expressions import Expression, canonical, expressions_of
from napari_sa2va.training.follow_ups import FollowUps
from napari_sa2va.training.questions import Questions
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.speaker import Speaker, Turn, with_article
from napari_sa2va.training.stills import Mark

TASKS = ("referring", "caption", "counting", "question", "follow-up", "region")
# Of `expressions.KIND_NAMES`, in a picture, where nothing moves.
STILL_SHARES = (0.30, 0.24, 0.0, 0.0, 0.12, 0.34)
MOST_PHRASES = 5  # of a caption
_CHANGES_SUBJECT = 0.4  # of the later turns
BACKGROUND = "It is nothing but background."


@dataclass(frozen=True)
class Dialogue:
    """A conversation about the same pictures.

    Attributes
    ----------
    task : str
        One of `TASKS`.
    turns : tuple of Turn
    marks : tuple of Mark
        The regions that are marked.
    asked : int
        Which of them the question is about, from 1; 0 for none.
    """

    task: str
    turns: tuple[Turn, ...]
    marks: tuple[Mark, ...] = ()
    asked: int = 0


class Teller:
    """Says true things about a scene, by task; see `Speaker` for the parameters."""

    def __init__(self, scene: Scene, facts: Facts, mode: Mode, rng: np.random.Generator) -> None:
        self._speaker = Speaker(scene, facts, mode, rng)
        self._questions = Questions(self._speaker)
        self._follow_ups = FollowUps(self._speaker, self._questions)

    def draw(self, task: str) -> Dialogue | None:
        """One talk of a task; None where the scene has nothing clear to say."""
        makers = {
            "referring": self._referring, "caption": self._caption,
            "counting": self._questions.how_many, "question": self._questions.ask,
        }  # fmt: skip
        if task == "region":
            return self._region()
        if task == "follow-up":
            return self._follow_up()
        turn = makers[task]()
        return Dialogue(task, (turn,)) if turn else None

    def _expressions(self, limit: int, shares: tuple[float, ...]) -> list[Expression]:
        return expressions_of(
            self._speaker.scene,
            self._speaker.rng,
            limit,
            shares,
            self._speaker.facts,
            self._speaker.mode,
        )

    def _segment(self, expression: Expression) -> Turn:
        segs = (expression.object_ids,) if expression.object_ids else ()
        return Turn(question_for(expression.text, self._speaker.mode), expression.answer, segs)

    def _referring(self) -> Turn | None:
        drawn = self._expressions(1, STILL_SHARES)
        return self._segment(drawn[0]) if drawn else None

    def _caption(self) -> Turn | None:
        """Name everything from left to right."""
        if self._speaker.mode != "image" or len(self._speaker.all_ids) > MOST_PHRASES:
            return None
        order = self._speaker.from_left(self._speaker.all_ids)
        said = [f"<p> {with_article(self._speaker.description(i))} </p> [SEG]" for i in order]
        listed = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
        return Turn(caption_question(), f"The picture shows {listed}.", tuple((i,) for i in order))

    def _region(self) -> Dialogue | None:
        if self._speaker.mode != "image":
            return None
        marks = [self._mark() for _ in range(1 + self._speaker.chance(0.25))]
        number = int(self._speaker.rng.integers(len(marks))) + 1
        object_id = marks[number - 1].object_id
        answers = [BACKGROUND]
        if object_id:
            words = self._speaker.facts.words[object_id - 1]
            answers = [
                f"It is {with_article(canonical({**words, 'place': place}, words['noun']))}."
                for place in self._speaker.places(object_id)
            ]
        turn = Turn(
            region_question(number),
            answers[0],
            about=(object_id,) if object_id else (),
            truths=tuple(answers),
        )
        return Dialogue("region", (turn,), tuple(marks), number)

    def _mark(self) -> Mark:
        if self._speaker.chance(0.16):
            box = self._empty_box()
            if box is not None:
                return Mark(0, box=box)
        object_id = int(self._speaker.rng.choice(self._speaker.all_ids))
        return Mark(
            object_id,
            float(self._speaker.rng.uniform(0, 0.03)) if self._speaker.chance(0.5) else None,
        )

    def _empty_box(self) -> tuple[float, float, float, float] | None:
        size = np.array([self._speaker.scene.height, self._speaker.scene.width])
        for _ in range(12):
            half = self._speaker.rng.uniform(0.1, 0.2)
            centre = self._speaker.rng.uniform(half, 1 - half, 2)
            gaps = []
            for thing in self._speaker.scene.objects:
                for blob in thing.blobs:
                    away = np.abs(blob.centres[0] - centre * size) - half * size
                    reach = float(blob.radius[0] * np.sqrt(blob.aspect[0]))
                    gaps.append(float(np.linalg.norm(np.maximum(away, 0))) > 1.15 * reach)
            if all(gaps):
                low, high = centre - half, centre + half
                return float(low[0]), float(low[1]), float(high[0]), float(high[1])
        return None

    def _follow_up(self) -> Dialogue | None:
        """Two or three turns; most of the later ones need what was said before."""
        first = self._opening()
        if first is None:
            return None
        turns = [first]
        for _ in range(1 + self._speaker.chance(0.3)):
            if self._speaker.chance(_CHANGES_SUBJECT):
                turn = self._on_something_else()
            else:
                turn = self._follow_ups.next(turns[-1])
            if turn is None:
                break
            turns.append(turn)
        return Dialogue("follow-up", tuple(turns)) if len(turns) > 1 else None

    def _on_something_else(self) -> Turn | None:
        """A turn that has nothing to do with what was said before."""
        makers = (self._referring, self._referring, self._questions.how_many, self._questions.ask)
        turn = makers[int(self._speaker.rng.integers(len(makers)))]()
        return turn and replace(turn, question=as_later_turn(turn.question))

    def _opening(self) -> Turn | None:
        draw = self._speaker.rng.random()
        if draw < 0.25:
            return self._questions.ask()
        if draw < 0.35:
            return self._questions.how_many()
        if draw < 0.6 and self._speaker.mode == "image":
            return self._caption()
        drawn = self._expressions(1, (*STILL_SHARES[:4], 0.08, 0.04))
        return self._segment(drawn[0]) if drawn else None

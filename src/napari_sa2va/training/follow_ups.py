"""Turns that need what was said before: "now the one to its left", "the others", "them"."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from napari_sa2va.models.sa2va.wording import as_later_turn, question_for
from napari_sa2va.training.expressions import NUMBERS, many
from napari_sa2va.training.questions import Questions
from napari_sa2va.training.speaker import Speaker, Turn

_WAYS = {
    "left": (1, -1, ("to its left", "on its left", "to the left of it")),
    "right": (1, 1, ("to its right", "on its right", "to the right of it")),
    "above": (0, -1, ("above it", "above")),
    "below": (0, 1, ("below it", "below")),
}


_Maker = Callable[[tuple[int, ...]], Turn | None]


class FollowUps:
    """Goes on after a turn."""

    def __init__(self, speaker: Speaker, questions: Questions) -> None:
        self._speaker, self._questions = speaker, questions

    def next(self, before: Turn) -> Turn | None:
        """A turn that follows; what "it" or "they" are is what was spoken of last.

        None where nothing would be clear.
        """
        focus = before.focus
        makers: list[_Maker] = [self._another]
        if len(focus) == 1:
            makers += [*[self._beside] * 4, *[self._others] * 2, self._again]
            if not self._speaker.scene.objects[focus[0] - 1].event:
                makers += [self._ask_on]
        elif len(focus) > 1:
            makers += [self._again, self._again]
        for k in self._speaker.rng.permutation(len(makers)):
            turn = makers[int(k)](focus)
            if turn:
                return dataclasses.replace(turn, question=as_later_turn(turn.question))
        return None

    def _ask_for(self, phrase: str) -> str:
        """A phrase as people go on with it."""
        draw = self._speaker.rng.random()
        if draw < 0.5:
            phrase = self._speaker.any("now ", "now ", "and ", "then ") + phrase
        elif draw < 0.65:
            phrase = f"What about {phrase}?"
        return question_for(phrase, self._speaker.mode)

    def _drawn(self, question: str, ids: tuple[int, ...]) -> Turn:
        """Answer with the mask of one thing, or of several."""
        if len(ids) == 1:
            return Turn(
                question, f"Sure, it is the {self._speaker.description(ids[0])}, [SEG].", (ids,)
            )
        things = f"{NUMBERS[len(ids)]} {many(self._speaker.noun(ids))}"
        return Turn(question, f"Sure, they are the {things}, [SEG].", (ids,))

    def _another(self, focus: tuple[int, ...]) -> Turn | None:
        others = tuple(i for i in self._speaker.all_ids if i not in focus)
        named = self._speaker.named(ids=others) if others else None
        return self._drawn(self._ask_for(self._speaker.phrase(named)), named[2]) if named else None

    def _again(self, focus: tuple[int, ...]) -> Turn:
        words = ("it", "it", "that one") if len(focus) == 1 else ("them", "all of them", "those")
        return self._drawn(question_for(self._speaker.any(*words), self._speaker.mode), focus)

    def _others(self, focus: tuple[int, ...]) -> Turn | None:
        others = tuple(i for i in self._speaker.all_ids if i not in focus)
        if not others:
            return None
        noun = self._speaker.noun(self._speaker.all_ids)
        if len(others) == 1:
            return self._drawn(
                self._ask_for(self._speaker.any("the other one", f"the other {noun}")), others
            )
        phrase = self._speaker.any("the others", f"the other {many(noun)}", "all the others")
        return self._drawn(self._ask_for(phrase), others)

    def _beside(self, focus: tuple[int, ...]) -> Turn | None:
        ways = list(self._neighbours(focus[0]))
        if not ways:
            return None
        present = [way for way in ways if way[1]]
        absent = [way for way in ways if not way[1]]
        chosen = absent if absent and self._speaker.chance(0.2) else present
        if not chosen:
            return None
        way, ids = chosen[int(self._speaker.rng.integers(len(chosen)))]
        noun = self._speaker.any("one", "one", self._speaker.noun(self._speaker.all_ids))
        where = self._speaker.any(*_WAYS[way][2])
        asked = self._ask_for(f"the {noun} {where}")
        if ids:
            return self._drawn(asked, ids)
        there = f"to its {way}" if way in ("left", "right") else f"{way} it"
        return Turn(asked, f"There is nothing {there}.")

    def _neighbours(self, anchor: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Ways from an object in which exactly one other lies, or none, at all times."""
        centres, visible = self._speaker.tracks[anchor - 1]
        for way, (axis, sign, _) in _WAYS.items():
            found: list[int] | None = []
            for i in self._speaker.all_ids:
                other, seen = self._speaker.tracks[i - 1]
                both = visible & seen
                if i == anchor:
                    continue
                gap = ((other - centres)[both, axis] * sign) if both.any() else np.zeros(1)
                if (gap > 0.1).all():
                    found = None if found is None else [*found, i]
                elif not (gap < 0.02).all() or not both.any():
                    found = None  # too close to call
            if found is not None and len(found) < 2:
                yield way, tuple(found)

    def _ask_on(self, focus: tuple[int, ...]) -> Turn | None:
        makers = [self._questions.where, self._questions.colour]
        if self._speaker.mode == "video":
            makers.append(self._questions.does)
        for k in self._speaker.rng.permutation(len(makers)):
            turn = makers[int(k)](focus[0])
            if turn:
                return turn
        return None

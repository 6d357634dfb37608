"""Talks about a scene, every statement of which is clearly true: questions, captions, follow-ups.

Pure functions of a scene and a random generator. Plain sentences to segment are in `expressions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_sa2va.models.sa2va.prompt_format import Mode
from napari_sa2va.models.sa2va.wording import (
    as_later_turn,
    caption_question,
    free_question,
    question_for,
    region_question,
)
from napari_sa2va.training.attributes import KINDS, Facts, region
from napari_sa2va.training.expressions import (
    NUMBERS,
    Candidate,
    Expression,
    candidates_of,
    canonical,
    draw_candidate,
    expressions_of,
    many,
    phrase_of,
)
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.stills import Mark

TASKS = ("referring", "caption", "counting", "question", "follow-up", "region")
# Of `expressions.KIND_NAMES`, in a picture, where nothing moves.
STILL_SHARES = (0.34, 0.26, 0.0, 0.0, 0.14, 0.26)
MOST_PHRASES = 5  # of a caption
BACKGROUND = "It is nothing but background."
_UNSURE = 0.04  # so near to the border between two places, either word is right
_WAYS = {
    "left": (1, -1, ("to its left", "on its left", "to the left of it")),
    "right": (1, 1, ("to its right", "on its right", "to the right of it")),
    "above": (0, -1, ("above it", "above")),
    "below": (0, 1, ("below it", "below")),
}
_DOES = {
    "left": "It moves left.", "right": "It moves right.", "up": "It moves up.",
    "down": "It moves down.", "still": "It keeps still.", "enters": "It enters the frame.",
    "leaves": "It leaves the frame.", "appears": "It appears late.",
    "disappears": "It disappears.", "divides": "It divides in two.",
}  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """A question and its answer.

    Attributes
    ----------
    question : str
        As it is put to the model.
    answer : str
        Without the mark that ends it.
    segs : tuple of tuple of int
        For every `[SEG]` of the answer, the ids of what it means.
    about : tuple of int
        What an answer without `[SEG]` speaks of.
    truths : tuple of str
        All answers that are right; `answer` is the first.
    """

    question: str
    answer: str
    segs: tuple[tuple[int, ...], ...] = ()
    about: tuple[int, ...] = ()
    truths: tuple[str, ...] = ()

    @property
    def looks(self) -> tuple[tuple[int, ...], ...]:
        """What the answer looks at, one after the other; see `text.Talk`."""
        return self.segs or ((self.about,) if self.about else ())


@dataclass(frozen=True)
class Dialogue:
    """A conversation about the same pictures.

    Attributes
    ----------
    task : str
        One of `TASKS`.
    turns : tuple of Turn
    marks : tuple of Mark
        The regions that it speaks of.
    """

    task: str
    turns: tuple[Turn, ...]
    marks: tuple[Mark, ...] = ()


class Teller:
    """Says true things about a scene.

    Parameters
    ----------
    scene : Scene
        A whole movie, or the one frame of a `stills.Still`.
    facts : Facts
        What may be said of its objects.
    mode : {"video", "image"}
    rng : numpy.random.Generator
        Chooses what is said and how it is worded.
    """

    def __init__(self, scene: Scene, facts: Facts, mode: Mode, rng: np.random.Generator) -> None:
        self.scene, self.facts, self.mode, self.rng = scene, facts, mode, rng
        self.pools = candidates_of(scene, facts)
        self.tracks = [scene.positions(i) for i in range(len(scene.objects))]
        self.all_ids = tuple(range(1, len(scene.objects) + 1))

    def draw(self, task: str) -> Dialogue | None:
        """One talk of a task; None where the scene has nothing clear to say."""
        makers = {
            "referring": self._referring, "caption": self._caption, "counting": self._counting,
            "question": self._question, "follow-up": self._follow_up, "region": self._region,
        }  # fmt: skip
        return makers[task]()

    # -- words ---------------------------------------------------------------------------------

    def _any(self, *options: str) -> str:
        return options[int(self.rng.integers(len(options)))]

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _description(self, object_id: int) -> str:
        words = self.facts.words[object_id - 1]
        return canonical(words, words["noun"])

    @property
    def _medium(self) -> str:
        return (
            self._any("picture", "image") if self.mode == "image" else self._any("movie", "video")
        )

    def _noun(self, ids: tuple[int, ...]) -> str:
        """What all of these are."""
        nouns = {self.scene.objects[i - 1].noun for i in ids}
        return nouns.pop() if len(nouns) == 1 else "object"

    def _places(self, object_id: int) -> tuple[str, ...]:
        """The word for where something is, then others that are as good."""
        centres, visible = self.tracks[object_id - 1]
        place = self.facts.words[object_id - 1]["place"]
        steps = (-_UNSURE, 0.0, _UNSURE)
        near = {
            region(p + np.array([y, x])) for p in centres[visible] for y in steps for x in steps
        }
        return place, *sorted(near - {place})

    def _named(self, avoid: tuple[str, ...] = (), ids: tuple[int, ...] = ()) -> Candidate | None:
        """A single object by its look or place; `avoid` leaves families of predicates out."""
        pool = [
            c
            for kind in ("appearance", "place")
            for c in self.pools[kind]
            if not any(family in avoid for family, _ in c[0]) and (not ids or c[2][0] in ids)
        ]
        if not pool:
            return None
        # As a "plural" one, a candidate is drawn by any of its predicates.
        return draw_candidate(pool, "plural", self.rng)

    def _phrase(self, candidate: Candidate, *, plural: bool = False) -> str:
        selector, noun, _ = candidate
        while True:
            phrase = phrase_of(dict(selector), noun, plural, self.rng)
            if not phrase.startswith("every "):  # a singular
                return phrase.replace("all the ", "the ").replace("all ", "the ")

    # -- single tasks --------------------------------------------------------------------------

    def expressions(self, limit: int, shares: tuple[float, ...]) -> list[Expression]:
        """Sentences to segment."""
        return expressions_of(self.scene, self.rng, limit, shares, self.facts, self.mode)

    def _segment(self, expression: Expression) -> Turn:
        segs = (expression.object_ids,) if expression.object_ids else ()
        return Turn(question_for(expression.text, self.mode), expression.answer, segs)

    def _referring(self) -> Dialogue | None:
        drawn = self.expressions(1, STILL_SHARES)
        return Dialogue("referring", (self._segment(drawn[0]),)) if drawn else None

    def _caption(self) -> Dialogue | None:
        """Name everything from left to right."""
        if self.mode != "image" or len(self.all_ids) > MOST_PHRASES:
            return None
        order = sorted(self.all_ids, key=lambda i: float(self.tracks[i - 1][0][0, 1]))
        said = [f"<p> {_a(self._description(i))} </p> [SEG]" for i in order]
        listed = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
        turn = Turn(caption_question(), f"The picture shows {listed}.", tuple((i,) for i in order))
        return Dialogue("caption", (turn,))

    def _counting(self) -> Dialogue | None:
        turn = self._how_many()
        return Dialogue("counting", (turn,)) if turn else None

    def _how_many(self) -> Turn | None:
        counted = self._countable()
        if counted is None:
            return None
        phrase = self._phrase(counted, plural=True).removeprefix("the ")
        asked = self._any(
            f"How many {phrase} are there?", f"How many {phrase} are there?",
            f"How many {phrase} do you see?", f"How many {phrase} can you see?",
            f"How many {phrase} are in this {self._medium}?", f"Count the {phrase}.",
            f"What is the number of {phrase}?",
        )  # fmt: skip
        return self._numbered(asked, "There", counted)

    def _numbered(self, question: str, begin: str, counted: Candidate) -> Turn:
        """Tell how many there are; to call a cell an object is right too."""
        selector, noun, ids = counted
        own = self._noun(self.all_ids) if noun == "object" else noun
        said = [f"{begin} {_number(dict(selector), word, ids)}." for word in (own, "object")]
        return self._told(question, said[0], ids, said[1])

    def _countable(self) -> Candidate | None:
        """Things of one look whose number is clear: in a movie, if none comes or goes."""
        if any(thing.event for thing in self.scene.objects):
            return None
        every = [((), noun, ids) for noun, ids in self._by_noun().items()]
        looks = [
            c
            for kind in ("appearance", "plural", "absent")
            for c in self.pools[kind]
            if len(c[0]) == 1 and KINDS[c[0][0][0]] == "appearance"
        ]
        if not looks or self._chance(0.5):
            return every[int(self.rng.integers(len(every)))]
        kind = self._any("there", "there", "absent")
        some = [c for c in looks if bool(c[2]) == (kind == "there")] or looks
        return draw_candidate(some, "plural", self.rng)

    def _by_noun(self) -> dict[str, tuple[int, ...]]:
        names = {noun for noun in ("cell", "cavity", "structure") if self._ids_of(noun)}
        found = {noun: self._ids_of(noun) for noun in sorted(names)}
        return {**found, "object": self.all_ids}

    def _ids_of(self, noun: str) -> tuple[int, ...]:
        return tuple(i for i in self.all_ids if self.scene.objects[i - 1].noun == noun)

    def _told(self, question: str, answer: str, about: tuple[int, ...] = (), *others: str) -> Turn:
        return Turn(free_question(question), answer, about=about, truths=(answer, *others))

    # -- questions -----------------------------------------------------------------------------

    def _question(self) -> Dialogue | None:
        turn = self._asked()
        return Dialogue("question", (turn,)) if turn else None

    def _asked(self) -> Turn | None:
        makers = [self._is_there, self._where, self._colour]
        if self.mode == "video":
            makers += [self._fastest, self._does, self._does]
        for k in self.rng.permutation(len(makers)):
            turn = makers[int(k)]()
            if turn:
                return turn
        return None

    def _is_there(self) -> Turn | None:
        counted = self._countable()
        if counted is None:
            return None
        selector, noun, ids = counted
        if not selector:
            return None
        one = self._phrase(counted).removeprefix("the ")
        several = self._phrase(counted, plural=True).removeprefix("the ")
        asked = self._any(
            f"Is there {_a(one)}?", f"Is there {_a(one)}?", f"Do you see {_a(one)}?",
            f"Is there {_a(one)} in this {self._medium}?", f"Are there any {several}?",
        )  # fmt: skip
        if not ids:
            own = self._noun(self.all_ids) if noun == "object" else noun
            said = [
                f"No, there is no {canonical(dict(selector), word)}." for word in (own, "object")
            ]
            return self._told(asked, said[0], (), said[1])
        return self._numbered(asked, "Yes, there", counted)

    def _where(self, focus: int = 0) -> Turn | None:
        resting = self._resting()
        if focus:
            if focus not in resting:
                return None
            object_id, asked = focus, self._any("Where is it?", "Where does it lie?")
        else:
            named = self._named(("place", "rank", "beside"), resting) if resting else None
            if named is None:
                return None
            object_id, phrase = named[2][0], self._phrase(named)
            asked = self._any(f"Where is {phrase}?", f"Where is {phrase} located?",
                              f"In which part of the {self._medium} is {phrase}?")  # fmt: skip
        places = [f"It is at the {place}." for place in self._places(object_id)]
        return self._told(asked, places[0], (object_id,), *places[1:])

    def _resting(self) -> tuple[int, ...]:
        """What stays where it is, as far as the facts know."""
        still = self.facts.table.get(("motion", "still"))
        return tuple(
            i
            for i in self.all_ids
            if still is None or (still[i - 1] and not self.scene.objects[i - 1].event)
        )

    def _colour(self, focus: int = 0) -> Turn | None:
        coloured = tuple(i for i in self.all_ids if self.scene.objects[i - 1].colour)
        if focus:
            if focus not in coloured:
                return None
            object_id, subject = focus, "it"
        else:
            named = self._named(("colour", "beside"), coloured) if coloured else None
            if named is None:
                return None
            object_id, subject = named[2][0], self._phrase(named)
        asked = self._any(f"What colour is {subject}?", f"What color is {subject}?",
                          f"Which colour does {subject} have?")  # fmt: skip
        colour = self.scene.objects[object_id - 1].colour
        return self._told(asked, f"It is {colour}.", (object_id,))

    def _fastest(self) -> Turn | None:
        noun = self._any(self._noun(self.all_ids), "object", "one")
        asked = self._any(
            f"Which {noun} moves fastest?", f"Which {noun} moves the fastest?",
            f"Which {noun} is the fastest?", f"Which {noun} is moving fastest?",
            "What moves fastest?",
        )  # fmt: skip
        table = self.facts.table
        if ("motion", "fastest") in table:
            object_id = table["motion", "fastest"].index(True) + 1
            words = dict(self.facts.words[object_id - 1])
            said = []
            for place in self._places(object_id):
                said.append(f"It is the {canonical({**words, 'place': place}, words['noun'])}.")
            return self._told(asked, said[0], (object_id,), *said[1:])
        still = all(t is True for t in table["motion", "still"])
        if still and not any(o.event for o in self.scene.objects):
            return self._told(asked, "None of them moves.", self.all_ids)
        return None

    def _does(self, focus: int = 0) -> Turn | None:
        if focus:
            object_id, subject = focus, "it"
        elif self.pools["absent"] and self._chance(0.08):
            absent = draw_candidate(self.pools["absent"], "absent", self.rng)
            asked = f"What does {self._phrase(absent)} do?"
            said = f"There is no {canonical(dict(absent[0]), absent[1])} in this video."
            return self._told(asked, said)
        else:
            named = self._named()
            if named is None:
                return None
            object_id, subject = named[2][0], self._phrase(named)
        act = self._act(object_id)
        if act is None:
            return None
        if act in ("left", "right", "up", "down", "still") and self._chance(0.3):
            asked = self._any(f"Does {subject} move?", f"Is {subject} moving?")
            said = _DOES[act].replace("It", "No, it" if act == "still" else "Yes, it")
            return self._told(asked, said, (object_id,))
        asked = self._any(f"What does {subject} do?", f"What is {subject} doing?",
                          f"What happens to {subject}?")  # fmt: skip
        return self._told(asked, _DOES[act], (object_id,))

    def _act(self, object_id: int) -> str | None:
        """What an object does, if that is clear."""
        event = self.scene.objects[object_id - 1].event
        if event:
            return event
        for act in ("left", "right", "up", "down", "still"):
            if self.facts.table["motion", act][object_id - 1]:
                return act
        return None

    # -- marked regions ------------------------------------------------------------------------

    def _region(self) -> Dialogue | None:
        if self.mode != "image":
            return None
        marks = [self._mark() for _ in range(1 + self._chance(0.25))]
        number = int(self.rng.integers(len(marks))) + 1
        object_id = marks[number - 1].object_id
        answers = [BACKGROUND]
        if object_id:
            words = self.facts.words[object_id - 1]
            answers = [
                f"It is {_a(canonical({**words, 'place': place}, words['noun']))}."
                for place in self._places(object_id)
            ]
        turn = Turn(
            region_question(number),
            answers[0],
            about=(object_id,) if object_id else (),
            truths=tuple(answers),
        )
        return Dialogue("region", (turn,), tuple(marks))

    def _mark(self) -> Mark:
        if self._chance(0.1):
            box = self._empty_box()
            if box is not None:
                return Mark(0, box=box)
        object_id = int(self.rng.choice(self.all_ids))
        return Mark(object_id, float(self.rng.uniform(0, 0.03)) if self._chance(0.5) else None)

    def _empty_box(self) -> tuple[float, float, float, float] | None:
        size = np.array([self.scene.height, self.scene.width])
        for _ in range(12):
            half = self.rng.uniform(0.1, 0.2)
            centre = self.rng.uniform(half, 1 - half, 2)
            gaps = []
            for thing in self.scene.objects:
                for blob in thing.blobs:
                    away = np.abs(blob.centres[0] - centre * size) - half * size
                    reach = float(blob.radius[0] * np.sqrt(blob.aspect[0]))
                    gaps.append(float(np.linalg.norm(np.maximum(away, 0))) > 1.15 * reach)
            if all(gaps):
                low, high = centre - half, centre + half
                return float(low[0]), float(low[1]), float(high[0]), float(high[1])
        return None

    # -- follow-ups ----------------------------------------------------------------------------

    def _follow_up(self) -> Dialogue | None:
        """Two or three turns, of which the later ones need what was said before."""
        first = self._opening()
        if first is None:
            return None
        turns = [first]
        for _ in range(1 + self._chance(0.3)):
            turn = self._next(turns[-1])
            if turn is None:
                break
            turns.append(_later(turn))
        return Dialogue("follow-up", tuple(turns)) if len(turns) > 1 else None

    def _opening(self) -> Turn | None:
        draw = self.rng.random()
        if draw < 0.25:
            return self._asked()
        if draw < 0.35:
            return self._how_many()
        if draw < 0.45 and self.mode == "image":
            caption = self._caption()
            return caption.turns[0] if caption else None
        drawn = self.expressions(1, (*STILL_SHARES[:4], 0.08, 0.04))
        return self._segment(drawn[0]) if drawn else None

    def _next(self, before: Turn) -> Turn | None:
        """A turn that follows; what "it" or "they" are is what was spoken of last."""
        focus = before.looks[0] if len(before.looks) == 1 else ()
        makers = [self._another]
        if len(focus) == 1:
            makers = [self._beside] * 4 + [self._others] * 2 + [self._again, self._another]
            if not self.scene.objects[focus[0] - 1].event:
                makers += [self._ask_on]
        elif len(focus) > 1:
            makers = [self._again, self._again, self._another]
        for k in self.rng.permutation(len(makers)):
            turn = makers[int(k)](focus)
            if turn:
                return turn
        return None

    def _ask_for(self, phrase: str) -> str:
        """A phrase as people go on with it."""
        draw = self.rng.random()
        if draw < 0.5:
            phrase = self._any("now ", "now ", "and ", "then ") + phrase
        elif draw < 0.65:
            phrase = f"What about {phrase}?"
        return question_for(phrase, self.mode)

    def _drawn(self, question: str, ids: tuple[int, ...]) -> Turn:
        """Answer with the mask of one thing, or of several."""
        if len(ids) == 1:
            return Turn(question, f"Sure, it is the {self._description(ids[0])}, [SEG].", (ids,))
        things = f"{NUMBERS[len(ids)]} {many(self._noun(ids))}"
        return Turn(question, f"Sure, they are the {things}, [SEG].", (ids,))

    def _another(self, focus: tuple[int, ...]) -> Turn | None:
        others = tuple(i for i in self.all_ids if i not in focus)
        named = self._named(ids=others) if others else None
        return self._drawn(self._ask_for(self._phrase(named)), named[2]) if named else None

    def _again(self, focus: tuple[int, ...]) -> Turn:
        words = ("it", "it", "that one") if len(focus) == 1 else ("them", "all of them", "those")
        return self._drawn(question_for(self._any(*words), self.mode), focus)

    def _others(self, focus: tuple[int, ...]) -> Turn | None:
        others = tuple(i for i in self.all_ids if i not in focus)
        if not others:
            return None
        noun = self._noun(self.all_ids)
        if len(others) == 1:
            return self._drawn(
                self._ask_for(self._any("the other one", f"the other {noun}")), others
            )
        phrase = self._any("the others", f"the other {many(noun)}", "all the others")
        return self._drawn(self._ask_for(phrase), others)

    def _beside(self, focus: tuple[int, ...]) -> Turn | None:
        ways = list(self._neighbours(focus[0]))
        if not ways:
            return None
        present = [way for way in ways if way[1]]
        absent = [way for way in ways if not way[1]]
        chosen = absent if absent and self._chance(0.12) else present
        if not chosen:
            return None
        way, ids = chosen[int(self.rng.integers(len(chosen)))]
        noun = self._any("one", "one", self._noun(self.all_ids))
        where = self._any(*_WAYS[way][2])
        asked = self._ask_for(f"the {noun} {where}")
        if ids:
            return self._drawn(asked, ids)
        there = f"to its {way}" if way in ("left", "right") else f"{way} it"
        return Turn(asked, f"There is nothing {there}.")

    def _neighbours(self, anchor: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Ways from an object in which exactly one other lies, or none, at all times."""
        centres, visible = self.tracks[anchor - 1]
        for way, (axis, sign, _) in _WAYS.items():
            found: list[int] | None = []
            for i in self.all_ids:
                other, seen = self.tracks[i - 1]
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
        makers = [self._where, self._colour]
        if self.mode == "video":
            makers.append(self._does)
        for k in self.rng.permutation(len(makers)):
            turn = makers[int(k)](focus[0])
            if turn:
                return turn
        return None


def _later(turn: Turn) -> Turn:
    return Turn(as_later_turn(turn.question), turn.answer, turn.segs, turn.about, turn.truths)


def _a(thing: str) -> str:
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def _number(words: dict[str, str], noun: str, ids: tuple[int, ...]) -> str:
    """Such as "is one red cell", "are two red cells" or "are no red cells"."""
    if len(ids) == 1:
        return f"is one {canonical(words, noun)}"
    return f"are {NUMBERS[len(ids)] if ids else 'no'} {canonical(words, noun, plural=True)}"

"""Questions in free words about a scene, with answers that are clearly true."""

from __future__ import annotations

from napari_sa2va.models.sa2va.wording import free_question
from napari_sa2va.training.attributes import KINDS
from napari_sa2va.training.expressions import (
    NUMBERS,
    Candidate,
    canonical,
    draw_candidate,
)
from napari_sa2va.training.speaker import Speaker, Turn, with_article

_DOES = {
    "left": "It moves left.", "right": "It moves right.", "up": "It moves up.",
    "down": "It moves down.", "still": "It keeps still.", "enters": "It enters the frame.",
    "leaves": "It leaves the frame.", "appears": "It appears late.",
    "disappears": "It disappears.", "divides": "It divides in two.",
}  # fmt: skip


class Questions:
    """Asks how many there are, whether there is one, where and what colour it is, what it does."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def how_many(self) -> Turn | None:
        counted = self._countable()
        if counted is None:
            return None
        phrase = self._speaker.phrase(counted, plural=True).removeprefix("the ")
        asked = self._speaker.any(
            f"How many {phrase} are there?", f"How many {phrase} are there?",
            f"How many {phrase} do you see?", f"How many {phrase} can you see?",
            f"How many {phrase} are in this {self._speaker.medium}?", f"Count the {phrase}.",
            f"What is the number of {phrase}?",
        )  # fmt: skip
        selector, noun, ids = counted
        own = self._speaker.noun(self._speaker.all_ids) if noun == "object" else noun
        # To call a cell an object is right too.
        names = [canonical(dict(selector), word, plural=len(ids) != 1) for word in (own, "object")]
        if not ids:
            none = [f"There are no {name}." for name in names]
            return self._speaker.told(asked, none[0], (), none[1])
        order = self._speaker.from_left(ids)
        items = [f"one at the {self._speaker.places(i)[0]}" for i in order]
        # A model of this size counts what it has listed, and guesses otherwise.
        answer = f"{', '.join(items)}: {NUMBERS[len(ids)]} {names[0]}.".capitalize()
        truths = tuple(f"{NUMBERS[len(ids)]} {name}." for name in names)
        return Turn(free_question(asked), answer, about=order, truths=truths, listed=True)

    def _countable(self) -> Candidate | None:
        """Things of one look whose number is clear: in a movie, if none comes or goes."""
        if any(thing.event for thing in self._speaker.scene.objects):
            return None
        every = [((), noun, ids) for noun, ids in self._by_noun().items()]
        looks = [
            c
            for kind in ("appearance", "plural", "absent")
            for c in self._speaker.pools[kind]
            if len(c[0]) == 1 and KINDS[c[0][0][0]] == "appearance"
        ]
        if not looks or self._speaker.chance(0.5):
            return every[int(self._speaker.rng.integers(len(every)))]
        kind = self._speaker.any("there", "there", "absent")
        some = [c for c in looks if bool(c[2]) == (kind == "there")] or looks
        return draw_candidate(some, "plural", self._speaker.rng)

    def _by_noun(self) -> dict[str, tuple[int, ...]]:
        names = {noun for noun in ("cell", "cavity", "structure") if self._ids_of(noun)}
        found = {noun: self._ids_of(noun) for noun in sorted(names)}
        return {**found, "object": self._speaker.all_ids}

    def _ids_of(self, noun: str) -> tuple[int, ...]:
        return tuple(
            i for i in self._speaker.all_ids if self._speaker.scene.objects[i - 1].noun == noun
        )

    def ask(self) -> Turn | None:
        makers = [self._is_there, self.where, self.colour]
        if self._speaker.mode == "video":
            makers += [self._fastest, self.does, self.does]
        for k in self._speaker.rng.permutation(len(makers)):
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
        one = with_article(self._speaker.phrase(counted).removeprefix("the "))
        several = self._speaker.phrase(counted, plural=True).removeprefix("the ")
        asked = self._speaker.any(
            f"Is there {one}?", f"Is there {one}?", f"Do you see {one}?",
            f"Is there {one} in this {self._speaker.medium}?", f"Are there any {several}?",
        )  # fmt: skip
        if not ids:
            own = self._speaker.noun(self._speaker.all_ids) if noun == "object" else noun
            said = [
                f"No, there is no {canonical(dict(selector), word)}." for word in (own, "object")
            ]
            return self._speaker.told(asked, said[0], (), said[1])
        there = ["Yes, there is.", "Yes, there are."]
        if asked.startswith("Are"):
            there.reverse()
        return self._speaker.told(asked, there[0], ids, there[1])

    def where(self, focus: int = 0) -> Turn | None:
        resting = self._resting()
        if focus:
            if focus not in resting:
                return None
            object_id, asked = focus, self._speaker.any("Where is it?", "Where does it lie?")
        else:
            named = self._speaker.named(("place", "rank", "beside"), resting) if resting else None
            if named is None:
                return None
            object_id, phrase = named[2][0], self._speaker.phrase(named)
            asked = self._speaker.any(f"Where is {phrase}?", f"Where is {phrase} located?",
                              f"In which part of the {self._speaker.medium} is {phrase}?")  # fmt: skip
        places = [f"It is at the {place}." for place in self._speaker.places(object_id)]
        return self._speaker.told(asked, places[0], (object_id,), *places[1:])

    def _resting(self) -> tuple[int, ...]:
        """What stays where it is, as far as the facts know."""
        still = self._speaker.facts.table.get(("motion", "still"))
        return tuple(
            i
            for i in self._speaker.all_ids
            if still is None or (still[i - 1] and not self._speaker.scene.objects[i - 1].event)
        )

    def colour(self, focus: int = 0) -> Turn | None:
        coloured = tuple(
            i for i in self._speaker.all_ids if self._speaker.scene.objects[i - 1].colour
        )
        if focus:
            if focus not in coloured:
                return None
            object_id, subject = focus, "it"
        else:
            named = self._speaker.named(("colour", "beside"), coloured) if coloured else None
            if named is None:
                return None
            object_id, subject = named[2][0], self._speaker.phrase(named)
        asked = self._speaker.any(f"What colour is {subject}?", f"What color is {subject}?",
                          f"Which colour does {subject} have?")  # fmt: skip
        colour = self._speaker.scene.objects[object_id - 1].colour
        return self._speaker.told(asked, f"It is {colour}.", (object_id,))

    def _fastest(self) -> Turn | None:
        noun = self._speaker.any(self._speaker.noun(self._speaker.all_ids), "object", "one")
        asked = self._speaker.any(
            f"Which {noun} moves fastest?", f"Which {noun} moves the fastest?",
            f"Which {noun} is the fastest?", f"Which {noun} is moving fastest?",
            "What moves fastest?",
        )  # fmt: skip
        table = self._speaker.facts.table
        if ("motion", "fastest") in table:
            object_id = table["motion", "fastest"].index(True) + 1
            words = dict(self._speaker.facts.words[object_id - 1])
            said = []
            for place in self._speaker.places(object_id):
                said.append(f"It is the {canonical({**words, 'place': place}, words['noun'])}.")
            return self._speaker.told(asked, said[0], (object_id,), *said[1:])
        still = all(t is True for t in table["motion", "still"])
        if still and not any(o.event for o in self._speaker.scene.objects):
            return self._speaker.told(asked, "None of them moves.", self._speaker.all_ids)
        return None

    def does(self, focus: int = 0) -> Turn | None:
        if focus:
            object_id, subject = focus, "it"
        elif self._speaker.pools["absent"] and self._speaker.chance(0.15):
            absent = draw_candidate(self._speaker.pools["absent"], "absent", self._speaker.rng)
            asked = f"What does {self._speaker.phrase(absent)} do?"
            said = f"There is no {canonical(dict(absent[0]), absent[1])} in this video."
            return self._speaker.told(asked, said)
        else:
            named = self._speaker.named()
            if named is None:
                return None
            object_id, subject = named[2][0], self._speaker.phrase(named)
        act = self._act(object_id)
        if act is None:
            return None
        if act in ("left", "right", "up", "down", "still") and self._speaker.chance(0.3):
            asked = self._speaker.any(f"Does {subject} move?", f"Is {subject} moving?")
            said = _DOES[act].replace("It", "No, it" if act == "still" else "Yes, it")
            return self._speaker.told(asked, said, (object_id,))
        asked = self._speaker.any(f"What does {subject} do?", f"What is {subject} doing?",
                          f"What happens to {subject}?")  # fmt: skip
        return self._speaker.told(asked, _DOES[act], (object_id,))

    def _act(self, object_id: int) -> str | None:
        """What an object does, if that is clear."""
        event = self._speaker.scene.objects[object_id - 1].event
        if event:
            return event
        for act in ("left", "right", "up", "down", "still"):
            if self._speaker.facts.table["motion", act][object_id - 1]:
                return act
        return None

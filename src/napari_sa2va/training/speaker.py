"""`Speaker`: the words for a scene, from which questions and answers are made."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from napari_sa2va.models.sa2va.prompt_format import Mode
from napari_sa2va.models.sa2va.wording import free_question
from napari_sa2va.training.attributes import Facts, places_near
from napari_sa2va.training.expressions import (
    Candidate,
    candidates_of,
    canonical,
    draw_candidate,
    phrase_of,
)
from napari_sa2va.training.scene import Scene


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
        All answers that are right; or, where things are listed before, what may stand behind the
        colon.
    listed : bool
        Whether the answer speaks of these one after the other, up to a comma each.
    """

    question: str
    answer: str
    segs: tuple[tuple[int, ...], ...] = ()
    about: tuple[int, ...] = ()
    truths: tuple[str, ...] = ()
    listed: bool = False

    @property
    def looks(self) -> tuple[tuple[int, ...], ...]:
        """What the answer looks at, one after the other; see `text.Talk`."""
        if self.listed:
            return tuple((i,) for i in self.about)
        return self.segs or ((self.about,) if self.about else ())

    @property
    def focus(self) -> tuple[int, ...]:
        """What "it" or "they" are afterwards; nothing behind a caption of several things."""
        if len(self.segs) > 1:
            return ()
        return self.segs[0] if self.segs else self.about


class Speaker:
    """Names what is in a scene.

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

    def any(self, *options: str) -> str:
        """One of several wordings."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """True in a share of the cases."""
        return bool(self.rng.random() < share)

    def description(self, object_id: int) -> str:
        """The one fixed way to describe an object."""
        words = self.facts.words[object_id - 1]
        return canonical(words, words["noun"])

    @property
    def medium(self) -> str:
        """A word for what is shown."""
        return self.any("picture", "image") if self.mode == "image" else self.any("movie", "video")

    def noun(self, ids: tuple[int, ...]) -> str:
        """What all of these are."""
        nouns = {self.scene.objects[i - 1].noun for i in ids}
        return nouns.pop() if len(nouns) == 1 else "object"

    def places(self, object_id: int) -> tuple[str, ...]:
        """The word for where something is, then others that are as good."""
        centres, visible = self.tracks[object_id - 1]
        place = self.facts.words[object_id - 1]["place"]
        near = set().union(*(places_near(p) for p in centres[visible]))
        return place, *sorted(near - {place})

    def named(self, avoid: tuple[str, ...] = (), ids: tuple[int, ...] = ()) -> Candidate | None:
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

    def from_left(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Objects in the order in which they are listed: by where they are first seen."""
        first = {i: self.tracks[i - 1] for i in ids}
        return tuple(sorted(ids, key=lambda i: float(first[i][0][first[i][1]][0, 1])))

    def phrase(self, candidate: Candidate, *, plural: bool = False) -> str:
        """One of many ways to name a candidate, beginning with "the" if with any article."""
        selector, noun, _ = candidate
        while True:
            phrase = phrase_of(dict(selector), noun, plural, self.rng)
            if not phrase.startswith("every "):  # a singular
                return re.sub(r"^all (the )?", "the ", phrase)

    def told(self, question: str, answer: str, about: tuple[int, ...] = (), *others: str) -> Turn:
        """A question in free words with the answers that are right, the usual one first."""
        return Turn(free_question(question), answer, about=about, truths=(answer, *others))


def with_article(thing: str) -> str:
    """Put "a" or "an" in front."""
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"

"""Sentences about a scene, with the objects they mean and the answer the model should give.

A singular sentence means exactly one object, a plural one at least two, and a sentence about
something that is not there none. Answers name the object (look, place, motion) before `[SEG]`:
without that a small model learns to segment everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.attributes import KINDS, Facts, facts_of
from napari_sa2va.training.scene import Scene

KIND_NAMES = ("appearance", "place", "motion", "event", "plural", "absent")
KIND_SHARES = (0.22, 0.18, 0.2, 0.14, 0.13, 0.13)
_SYNONYMS = {
    "small": ("small", "small", "little", "tiny", "smaller"),
    "large": ("large", "big", "large", "larger", "bigger"),
    "bright": ("bright", "bright", "brighter", "light"),
    "dim": ("dim", "dim", "faint", "dark", "darker", "dimmer"),
    "dark": ("dark", "dark", "darker"),
    "round": ("round", "round", "circular"),
    "elongated": ("elongated", "elongated", "long", "stretched", "oval"),
}
_NOUNS = {
    "cell": ("cell", "cell", "cell", "nucleus", "object", "blob"),
    "cavity": ("cavity", "cavity", "chamber", "hole", "dark cavity", "dark opening"),
    "structure": ("structure", "structure", "bright structure", "spot", "bright spot"),
    "object": ("object", "object", "thing", "blob"),
}
_PLURALS = {
    "nucleus": "nuclei", "cavity": "cavities", "dark cavity": "dark cavities",
}  # fmt: skip
_FOREIGN = (
    "car", "dog", "person", "hand", "tree", "bird", "ship", "arrow", "cat", "ball", "bottle",
    "house", "horse", "bicycle", "flower", "star", "boat", "train", "chair", "table", "book",
    "cup", "plane", "face", "fish", "road", "shoe", "clock", "flag", "bridge",
)  # fmt: skip
_SYLLABLES = (
    "ba", "co", "di", "fu", "gra", "ho", "in", "ki", "lo", "mu", "ner", "or", "pli", "ra", "sto",
    "tu", "ve", "wi", "ther", "ment", "tion", "al", "ous", "ing", "ex", "sur", "pan", "gl", "tis",
)  # fmt: skip
NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_WAYS = {"left": "to the left", "right": "to the right", "up": "upwards", "down": "downwards"}


@dataclass(frozen=True)
class Expression:
    """One sentence about a movie.

    Attributes
    ----------
    text : str
        What a user would type.
    kind : str
        One of `KIND_NAMES`.
    object_ids : tuple of int
        What it means, from 1; empty for something that is not there.
    answer : str
        What the model should say; with `[SEG]` unless nothing is meant.
    """

    text: str
    kind: str
    object_ids: tuple[int, ...]
    answer: str


Selector = tuple[tuple[str, str], ...]
Candidate = tuple[Selector, str, tuple[int, ...]]  # predicates, noun, ids of what is meant


def expressions_of(
    scene: Scene,
    rng: np.random.Generator,
    limit: int = 8,
    shares: tuple[float, ...] = KIND_SHARES,
    facts: Facts | None = None,
    medium: str = "video",
) -> list[Expression]:
    """Draw sentences about a scene, spread over the kinds.

    Parameters
    ----------
    scene : Scene
    rng : numpy.random.Generator
        Chooses sentences and their wording.
    limit : int
        How many at most.
    shares : tuple of float
        How often each of `KIND_NAMES` is drawn, where the scene has it.
    facts : Facts, optional
        What may be said; everything that `facts_of` finds by default.
    medium : {"video", "image"}
        What an answer calls that which is shown.
    """
    facts = facts or facts_of(scene)
    pools = candidates_of(scene, facts)
    chosen: list[Expression] = []
    seen: set[str] = set()
    weights = np.array(shares)
    for _ in range(limit * 4):
        if len(chosen) == limit:
            break
        open_kinds = np.array([bool(pools[k]) for k in KIND_NAMES])
        if not open_kinds.any():
            break
        share = weights * open_kinds
        kind = str(rng.choice(KIND_NAMES, p=share / share.sum()))
        if kind == "absent" and rng.random() < 0.3:
            made = _foreign(rng, medium)
        else:
            selector, noun, ids = draw_candidate(pools[kind], kind, rng)
            made = _word(facts, rng, kind, selector, noun, ids, medium)
        if made.text.lower() not in seen:
            seen.add(made.text.lower())
            chosen.append(made)
    return chosen


def candidates_of(scene: Scene, facts: Facts) -> dict[str, list[Candidate]]:
    """All that can be named by one or two predicates, by `KIND_NAMES`."""
    pools: dict[str, list[Candidate]] = {k: [] for k in KIND_NAMES}
    for selector, noun, ids in _selectors(scene, facts):
        pools[_kind(selector, ids)].append((selector, noun, ids))
    return pools


def draw_candidate(pool: list[Candidate], kind: str, rng: np.random.Generator) -> Candidate:
    """Draw a sentence so that rare predicates are as likely as common ones."""
    short = [c for c in pool if len(c[0]) <= 1]
    pool = short if short and rng.random() < 0.5 else pool
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in pool:
        for key in candidate[0] or (("noun", candidate[1]),):
            if kind in ("plural", "absent") or KINDS.get(key[0], "appearance") == kind:
                groups.setdefault(key, []).append(candidate)
    names = list(groups)
    weights = np.array([0.3 if n == ("motion", "still") else 1.0 for n in names])
    group = groups[names[int(rng.choice(len(names), p=weights / weights.sum()))]]
    return group[int(rng.integers(len(group)))]


def _kind(selector: Selector, ids: tuple[int, ...]) -> str:
    if not ids:
        return "absent"
    if len(ids) > 1:
        return "plural"
    kinds = {KINDS[family] for family, _ in selector}
    for kind in ("event", "motion", "place"):
        if kind in kinds:
            return kind
    return "appearance"


def _selectors(scene: Scene, facts: Facts) -> Iterator[Candidate]:
    """Every combination of up to two predicates that is clear, with what it means."""
    keys = list(facts.table)
    # False, unclear, True as 0, 1, 2: then "and" is the minimum.
    code = {False: 0, None: 1, True: 2}
    table = np.array([[code[t] for t in facts.table[k]] for k in keys], np.int8)  # (K, N)
    exists = (table == 2).any(1)
    cells = any(o.noun == "cell" for o in scene.objects)
    for noun in ("cell", "object") if cells else ("cavity", "structure", "object"):
        is_noun = np.array([2 * (noun == "object" or o.noun == noun) for o in scene.objects])
        if noun != "object":
            yield (), noun, _ids(is_noun)
        single = np.minimum(table, is_noun)
        clear = ~(single == 1).any(1)
        for k in np.flatnonzero(clear):
            ids = _ids(single[k])
            if len(ids) == 1 or not _is_superlative(keys[k]):
                yield (keys[k],), noun, ids
        if noun == "object":
            continue
        pair = np.minimum(single[:, None], table[None])  # (K, K, N)
        clear = ~(pair == 1).any(2) & exists[:, None] & exists[None]
        alone = (single == 2).sum(1) == 1
        for i, j in zip(*np.nonzero(np.triu(clear, 1)), strict=True):
            first, second = keys[i], keys[j]
            if first[0] == second[0] or ("motion", "still") in (first, second):
                continue
            ids = _ids(pair[i, j])
            if (_is_superlative(first) or _is_superlative(second)) and len(ids) != 1:
                continue
            # When each half alone says the same, the longer sentence teaches less: keep a third.
            if len(ids) == 1 and alone[i] and alone[j] and (i + j) % 3:
                continue
            yield (first, second), noun, ids


def _ids(truths: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) + 1 for i in np.flatnonzero(truths == 2))


def _is_superlative(key: tuple[str, str]) -> bool:
    return key[0] == "rank" or key[1] == "fastest"


def _foreign(rng: np.random.Generator, medium: str) -> Expression:
    """Ask for something no scene holds: a known noun, or a word nobody has taught the model."""
    noun = str(rng.choice(_FOREIGN))
    answer = f"There is no {noun} in this {medium}."
    if rng.random() < 0.5:
        noun = "".join(rng.choice(_SYLLABLES, int(rng.integers(2, 5))))
        if rng.random() < 0.4:
            noun += " " + "".join(rng.choice(_SYLLABLES, int(rng.integers(1, 4))))
        answer = f"There is no such thing in this {medium}."
    return Expression(_dress(f"the {noun}", rng), "absent", (), answer)


def _word(
    facts: Facts,
    rng: np.random.Generator,
    kind: str,
    selector: Selector,
    noun: str,
    ids: tuple[int, ...],
    medium: str,
) -> Expression:
    plural = kind == "plural" or (kind == "absent" and rng.random() < 0.15)
    phrase = phrase_of(dict(selector), noun, plural, rng)
    plain = dict(selector)
    if kind == "absent":
        answer = f"There is no {canonical(plain, noun)} in this {medium}."
    elif kind == "plural":
        count = NUMBERS[len(ids)]
        answer = f"Sure, they are the {count} {canonical(plain, noun, plural=True)}, [SEG]."
    else:
        words = facts.words[ids[0] - 1]
        answer = f"Sure, it is the {canonical(words, words['noun'])}, [SEG]."
    return Expression(_dress(phrase, rng), kind, ids, answer)


def canonical(words: dict[str, str], noun: str, plural: bool = False) -> str:
    """The one fixed way to describe something, used in answers."""
    parts = [words[f] for f in ("size", "level", "shape", "colour") if f in words]
    if "rank" in words:
        parts.insert(0, words["rank"])
    parts.append(many(noun) if plural else noun)
    if "place" in words:
        parts.append(f"at the {words['place']}")
    if "beside" in words:
        parts.append(f"next to the {words['beside']} one")
    event, motion = words.get("event"), words.get("motion")
    if motion in _WAYS:
        parts.append(f"moving {motion}")
    elif motion is not None:
        parts.append("keeping still" if motion == "still" else "moving")
    if event:
        parts.append(f"that {event}" if not plural else f"that {event[:-1]}")
    return " ".join(parts)


def many(noun: str) -> str:
    """The plural of a noun."""
    return _PLURALS.get(noun, noun + "s")


def phrase_of(words: dict[str, str], noun: str, plural: bool, rng: np.random.Generator) -> str:
    """One of many ways to say a selector, beginning with "the", "all the" or "every"."""

    def any_of(*options: str) -> str:
        return str(options[int(rng.integers(len(options)))])

    thing = any_of(*_NOUNS[noun])
    if words.get("level") in ("bright", "dim", "dark") and " " in thing:
        thing = noun
    shown = _PLURALS.get(thing, thing + "s") if plural else thing
    adjectives = [
        any_of(*_SYNONYMS.get(words[f], (words[f],)))
        for f in ("size", "level", "shape", "colour")
        if f in words
    ]
    if rng.random() < 0.3:
        adjectives.reverse()
    after = []
    if "rank" in words:
        adjectives.insert(0, words["rank"])
    if "place" in words:
        after.append(_place(words["place"], any_of))
    if "beside" in words:
        look = any_of(*_SYNONYMS.get(words["beside"], (words["beside"],)))
        other = any_of("one", "one", noun)
        after.append(f"{any_of('next to', 'beside', 'near', 'close to')} the {look} {other}")
    be, verb = ("are", "") if plural else ("is", "s")
    motion, event = words.get("motion"), words.get("event")
    if motion == "fastest":
        adjectives.insert(0, any_of("fastest", "fastest moving"))
    elif motion in ("moving", "still"):
        if rng.random() < 0.5:
            adjectives.insert(0, any_of("moving") if motion == "moving" else any_of("still"))
        elif motion == "moving":
            after.append(any_of(f"that move{verb}", f"that {be} moving"))
        else:
            after.append(
                any_of(
                    "that stays still" if not plural else "that stay still",
                    "that does not move" if not plural else "that do not move",
                )
            )
    elif motion is not None:
        way = any_of(_WAYS[motion], motion)
        after.append(
            any_of(
                f"that move{verb} {way}",
                f"moving {way}",
                f"that {be} moving {way}",
                f"which move{verb} {way}",
                f"going {way}",
            )
        )
    if event is not None:
        after.append(any_of(*_event_phrases(event, verb)))
        if event == "divides" and rng.random() < 0.25:
            after.pop()
            adjectives.insert(0, "dividing")
    article = any_of("the", "the", "the", "all the", "all", "every") if plural else "the"
    if article == "every":
        shown, after = thing, [a.replace("that move ", "that moves ") for a in after]
        if any(a.split()[0] in ("that", "which") for a in after):
            article, shown = "all the", _PLURALS.get(thing, thing + "s")
    return " ".join([article, *adjectives, shown, *after])


def _place(place: str, any_of: Callable[..., str]) -> str:
    if place == "centre":
        return any_of("in the centre", "in the middle", "in the center", "at the centre")
    if " " in place:
        return any_of(f"in the {place} corner", f"at the {place}", f"in the {place}")
    if place in ("left", "right"):
        return any_of(f"on the {place}", f"on the {place} side", f"at the {place}",
                      f"on the {place}")  # fmt: skip
    if place == "top":
        return any_of("at the top", "at the top", "in the upper half", "near the top")
    return any_of("at the bottom", "at the bottom", "in the lower half", "near the bottom")


def _event_phrases(event: str, verb: str) -> tuple[str, ...]:
    return {
        "enters": (f"that enter{verb}", "entering the frame", f"that come{verb} in",
                   f"that enter{verb} the view"),
        "leaves": (f"that leave{verb}", "leaving the frame", f"that go{'es' if verb else ''} out",
                   f"that leave{verb} the view"),
        "appears": (f"that appear{verb} late", f"that appear{verb}", "appearing late",
                    f"that appear{verb} later"),
        "disappears": (f"that disappear{verb}", f"that vanish{'es' if verb else ''}",
                       "disappearing"),
        "divides": (f"that divide{verb}", f"that split{verb}", f"that divide{verb} in two",
                    "undergoing division"),
    }[event]  # fmt: skip


def _dress(phrase: str, rng: np.random.Generator) -> str:
    """Vary a phrase the way people type: no article, a verb in front, a capital, a full stop."""
    draw = rng.random(4)
    if draw[0] < 0.12 and phrase.startswith("the "):
        phrase = phrase[4:]
    elif draw[0] < 0.22:
        verbs = ("find ", "show me ", "track ", "please find ")
        phrase = verbs[int(rng.integers(len(verbs)))] + phrase
    elif draw[0] < 0.3 and not phrase.startswith("every "):
        be = "are" if phrase.startswith("all ") else "is"
        return f"Where {be} {phrase}?" if draw[3] < 0.5 else f"Can you segment {phrase}?"
    if draw[1] < 0.15:
        phrase = phrase[0].upper() + phrase[1:]
    if draw[2] < 0.1:
        phrase += "."
    return phrase

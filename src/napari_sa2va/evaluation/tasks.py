"""Scores everything but sentences about movies: pictures, captions, questions, regions, turns.

Asks through the calls that the program's own conversations use, with the model's own earlier
answers as history, about held-out scenes of the generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.exchange import Exchange
from napari_sa2va.evaluation.task_report import TaskReport, TaskScore
from napari_sa2va.metrics import region_j, score_video

if TYPE_CHECKING:
    from napari_sa2va.core.grounding import Grounding
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.prompt_format import Mode
    from napari_sa2va.training.attributes import Facts
    from napari_sa2va.training.dialogues import Dialogue
    from napari_sa2va.training.scene import Scene
    from napari_sa2va.training.speaker import Turn

# Seeds of held-out scenes begin with this number, as in `benchmark`; no training uses it.
_HELD_OUT = 77
_PICTURE_TALKS = (
    "referring", "referring", "referring", "caption", "counting", "question", "follow-up", "region",
)  # fmt: skip
_MOVIE_TALKS = ("counting", "question", "question", "follow-up")
_KEY_FRAMES = 5
_PHRASE = re.compile(r"<p>(.*?)</p>\s*\[SEG\]")
_END = "<|im_end|>"
_LOOKS = ("small", "large", "bright", "dim", "dark", "round", "elongated", "red", "green", "blue",
          "yellow", "cell", "cavity", "structure")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scenery:
    """What is shown, and the talks about it.

    Attributes
    ----------
    name : str
    mode : {"video", "image"}
    frames : ndarray of uint8, shape (K, Y, X, 3)
        What the model looks at: key frames of a movie, or one picture.
    masks : ndarray of bool, shape (N, K, Y, X)
    facts : Facts
    dialogues : list of Dialogue
    looks : list of frozenset of str
        Per object, every word for its look that is true of it, also those that the generator would
        not say: in a picture much longer than wide it does not speak of shapes.
    """

    name: str
    mode: Mode
    frames: np.ndarray
    masks: np.ndarray
    facts: Facts
    dialogues: list[Dialogue]
    looks: list[frozenset[str]]

    def truth(self, ids: Sequence[int]) -> np.ndarray:
        """The union of objects: bool (K, Y, X)."""
        union: np.ndarray = np.logical_or.reduce(self.masks[[i - 1 for i in ids]])
        return union


def held_out_sceneries(count: int, seed: int = 0) -> Iterator[Scenery]:
    """As many pictures as movies, in turns, none of which a training saw."""
    from napari_sa2va.training.attributes import facts_of
    from napari_sa2va.training.dialogues import Teller
    from napari_sa2va.training.render import render
    from napari_sa2va.training.stills import draw_still
    from napari_sa2va.training.synth import draw_scene

    def talks(teller: Teller, tasks: tuple[str, ...]) -> list[Dialogue]:
        drawn = [teller.draw(task) for task in tasks]
        unlike = {(len(d.turns), d.turns[0].question, str(d.marks)): d for d in drawn if d}
        return list(unlike.values())

    for i in range(count):
        rng = np.random.default_rng([_HELD_OUT, seed, i, 1])
        still = draw_still([_HELD_OUT, seed, i, 1])
        frame, masks = still.render()
        teller = Teller(still.shown, still.facts, "image", rng)
        yield Scenery(
            f"picture {seed}.{i}", "image", frame[None], masks[:, None], still.facts,
            talks(teller, _PICTURE_TALKS), _true_looks(still.facts, still.shown),
        )  # fmt: skip
        rng = np.random.default_rng([_HELD_OUT, seed, i, 2])
        scene, _ = draw_scene([_HELD_OUT, seed, i, 2])
        frames, masks = render(scene, np.linspace(0, scene.num_frames - 1, _KEY_FRAMES, dtype=int))
        facts = facts_of(scene)
        teller = Teller(scene, facts, "video", rng)
        yield Scenery(
            f"movie {seed}.{i}", "video", frames, masks, facts, talks(teller, _MOVIE_TALKS),
            _true_looks(facts, scene),
        )  # fmt: skip


def evaluate_tasks(
    model: Sa2VA,
    count: int = 100,
    seed: int = 0,
    *,
    progress: Callable[[int, TaskReport], None] = lambda done, report: None,
) -> TaskReport:
    """Score a model on the tasks of held-out pictures and movies.

    Parameters
    ----------
    model : Sa2VA
    count : int
        How many pictures, and how many movies.
    seed : int
        Another seed gives others.
    progress : callable
        Called with the number of pictures and movies done and the report so far.
    """
    report = TaskReport(
        f"{model.name} on the tasks of {count} generated pictures and {count} movies "
        f"(held out, seed {seed})"
    )
    for done, scenery in enumerate(held_out_sceneries(count, seed), start=1):
        asker = _Asker(model, scenery)
        for dialogue in scenery.dialogues:
            report.scores += asker.scores(dialogue)
        progress(done, report)
    return report


class _Asker:
    """Puts the talks about one scenery to a model and scores its answers."""

    def __init__(self, model: Sa2VA, scenery: Scenery) -> None:
        self.model, self.scenery = model, scenery
        self.tracker = model.new_tracker(decoder="tuned", hide_absent=False)
        self.features = [self.tracker.encode(frame) for frame in scenery.frames]
        self.plain = model.look(list(scenery.frames), scenery.mode)

    def scores(self, dialogue: Dialogue) -> Iterator[TaskScore]:
        seen = self.plain
        if dialogue.marks:
            from napari_sa2va.training.stills import mark_mask

            side = round(self.plain_tokens**0.5)
            marked = [mark_mask(m, self.scenery.masks[:, 0], side) for m in dialogue.marks]
            regions = [region for region in marked if region is not None]
            if len(regions) < len(marked):  # too small for this model to see
                return
            seen = self.model.look(list(self.scenery.frames), self.scenery.mode, regions)
        history: list[Exchange] = []
        for number, turn in enumerate(dialogue.turns):
            grounding = self.model.ground_seen(seen, turn.question, history=history)
            history.append(Exchange(turn.question, grounding.answer))
            if number or dialogue.task != "follow-up":
                yield self._score(dialogue.task, turn, grounding)

    @property
    def plain_tokens(self) -> int:
        """Image tokens of the picture that shows the whole."""
        from napari_sa2va.models.sa2va.internvl import tokens_per_tile

        return tokens_per_tile(self.model.config)

    def _score(self, task: str, turn: Turn, grounding: Grounding) -> TaskScore:
        said = grounding.answer.removesuffix(_END).strip()

        def score(row: str, *values: float) -> TaskScore:
            return TaskScore(
                row, self.scenery.name, turn.question, said, turn.answer, tuple(values)
            )

        if task == "caption":
            return score("caption", *self._caption(turn, said, grounding))
        if task == "region":
            right = _look_words(said) == _look_words(turn.answer)
            if turn.about:
                right = _tells_the_look(said, self.scenery, turn.about[0])
            return score("region", float(right))
        if turn.segs:
            drawn = np.logical_or.reduce(self._masks(grounding))
            return score(task, score_video(drawn, self.scenery.truth(turn.segs[0])).j_and_f)
        if turn.truths:
            if task == "counting":
                return score(task, float(_number(said) == _number(turn.answer)))
            told = said.rpartition(": ")[2] if turn.listed else said
            return score("question", float(told in turn.truths))
        return score("not there", float(not grounding.found))

    def _masks(self, grounding: Grounding) -> np.ndarray:
        """What every `[SEG]` draws on every frame: bool (S, K, Y, X); one empty one if none."""
        height, width = self.scenery.frames.shape[1:3]
        if not grounding.found:
            return np.zeros((1, len(self.features), height, width), bool)
        drawn = [
            self.tracker.decode_language(features, grounding.embeddings).to_masks(height, width)
            for features in self.features
        ]
        return np.stack(drawn, 1)

    def _caption(self, turn: Turn, said: str, grounding: Grounding) -> tuple[float, float]:
        """Share of the phrases that are true, and their masks' mean J.

        Phrases and objects are paired by their masks. What is left over, on either side, counts
        as false and as a J of 0.
        """
        from scipy.optimize import linear_sum_assignment

        phrases = _PHRASE.findall(said)
        masks = self._masks(grounding)[: len(phrases), 0]
        phrases = phrases[: len(masks)]
        if not phrases:
            return 0.0, 0.0
        ids = [object_id for (object_id,) in turn.segs]
        overlap = np.array(
            [[region_j(mask, self.scenery.truth([i])[0]) for i in ids] for mask in masks]
        )
        most = max(len(_PHRASE.findall(said)), len(ids))
        pairs = list(zip(*linear_sum_assignment(-overlap), strict=True))
        true = [_is_true(phrases[p], self.scenery, ids[o]) for p, o in pairs if overlap[p, o] > 0]
        return sum(true) / most, float(sum(overlap[p, o] for p, o in pairs)) / most


def _look_words(text: str) -> frozenset[str]:
    """The words of an answer that say how something looks and what it is."""
    return frozenset(re.findall(r"[a-z]+", text.lower())) & frozenset((*_LOOKS, "background"))


def _number(text: str) -> str:
    """The number that an answer tells: the first word behind its list, or "no"."""
    told = text.rpartition(": ")[2].removeprefix("There are ")
    return told.partition(" ")[0]


def _true_looks(facts: Facts, scene: Scene) -> list[frozenset[str]]:
    return [
        frozenset(w for w in (*words.values(), thing.size, thing.shape) if w in _LOOKS)
        for words, thing in zip(facts.words, scene.objects, strict=True)
    ]


def _tells_the_look(text: str, scenery: Scenery, object_id: int) -> bool:
    """Whether a text says all that a look needs, and nothing that is not true of it."""
    needed = frozenset(scenery.facts.words[object_id - 1].values()) & frozenset(_LOOKS)
    return needed <= _look_words(text) <= scenery.looks[object_id - 1]


def _is_true(phrase: str, scenery: Scenery, object_id: int) -> bool:
    """Whether a phrase of a caption says how an object looks, and where it is."""
    from napari_sa2va.training.attributes import places_near

    ys, xs = np.nonzero(scenery.truth([object_id])[0])
    centre = np.array([ys.mean(), xs.mean()]) / scenery.masks.shape[2:]
    place = phrase.rpartition(" at the ")[2].strip()
    return _tells_the_look(phrase, scenery, object_id) and place in places_near(centre)

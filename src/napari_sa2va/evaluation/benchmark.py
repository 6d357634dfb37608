"""Runs the public pipeline over movies with known masks and scores every sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.evaluation.report import Report, SentenceScore
from napari_sa2va.metrics import score_video

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.settings import RunSettings

# Seeds of held-out movies begin with this number; no stage of training uses it.
_HELD_OUT = 77


@dataclass(frozen=True)
class Question:
    """A sentence about a movie and what it means.

    Attributes
    ----------
    text, kind : str
    truth : ndarray of bool, shape (T, Y, X)
    objects : tuple of int
        Ids of what is meant; two sentences with disjoint ids can be swapped. Empty: not there.
    scored : ndarray of int
        Frames that have a ground truth.
    """

    text: str
    kind: str
    truth: np.ndarray
    objects: tuple[int, ...]
    scored: np.ndarray


@dataclass(frozen=True)
class Example:
    """A movie and the questions about it."""

    name: str
    clip: Clip
    questions: list[Question]


def evaluate(
    model: Sa2VA,
    examples: Iterable[Example],
    *,
    title: str,
    settings: RunSettings | None = None,
    progress: Callable[[int, Report], None] = lambda done, report: None,
) -> Report:
    """Segment every sentence of every example and score it.

    Parameters
    ----------
    model : Sa2VA
    examples : iterable of Example
    title : str
    settings : RunSettings, optional
        The `sa2va-i` preset by default.
    progress : callable
        Called with the number of examples done and the report so far.

    Returns
    -------
    Report
    """
    from napari_sa2va.pipeline.segment import segment

    report = Report(title)
    for done, example in enumerate(examples, start=1):
        prompts = PromptSet.from_texts([q.text for q in example.questions])
        result = segment(example.clip, prompts, settings=settings, model=model)
        predictions = [
            np.stack([m.mask(int(t)) for t in range(m.num_frames)]) for m in result.masklets
        ]
        for i, question in enumerate(example.questions):
            masklet, t = result.masklets[i], question.scored
            score = score_video(predictions[i][t], question.truth[t])
            swapped = [
                score_video(predictions[k][t], question.truth[t]).j_and_f
                for k, other in enumerate(example.questions)
                if _swappable(question, other)
            ]
            report.scores.append(
                SentenceScore(
                    example.name, question.text, question.kind, masklet.answer, masklet.found,
                    score.j_mean, score.f_mean, tuple(swapped),
                )
            )  # fmt: skip
        progress(done, report)
    return report


def _swappable(one: Question, other: Question) -> bool:
    """Whether two sentences each name one object, and not the same one."""
    return len(one.objects) == len(other.objects) == 1 and one.objects != other.objects


def generated_examples(num_movies: int, seed: int = 0) -> Iterator[Example]:
    """Held-out movies of the generator.

    Parameters
    ----------
    num_movies : int
    seed : int
        Another seed gives other movies; none of them is a training movie.
    """
    from napari_sa2va.readers.open import open_clip
    from napari_sa2va.training.synth import generate_movie

    for i in range(num_movies):
        movie = generate_movie([_HELD_OUT, seed, i])
        every = np.arange(len(movie.frames))
        questions = [
            Question(e.text, e.kind, movie.truth(e), e.object_ids, every) for e in movie.expressions
        ]
        clip = open_clip(movie.frames, axes="TYXS", name=f"generated {seed}.{i}")
        yield Example(clip.name, clip, questions)


def evaluate_generated(
    model: Sa2VA,
    num_movies: int = 100,
    seed: int = 0,
    *,
    settings: RunSettings | None = None,
    progress: Callable[[int, Report], None] = lambda done, report: None,
) -> Report:
    """Score a model on generated movies that no training saw.

    Parameters
    ----------
    model : Sa2VA
    num_movies : int
        About eight sentences each.
    seed : int
    settings : RunSettings, optional
        The `sa2va-i` preset by default.
    progress : callable
        Called with the number of movies done and the report so far.
    """
    title = f"{model.name} on {num_movies} generated movies (held out, seed {seed})"
    return evaluate(
        model, generated_examples(num_movies, seed), title=title, settings=settings,
        progress=progress,
    )  # fmt: skip

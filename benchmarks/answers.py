"""Answers with drafts against answers token by token, side by side in one run.

    python benchmarks/answers.py [--movies 12] [--model nano]

The same questions about the same key frames, asked both ways in turn; the answers must be the same.
Drafts are the sentences of training and the answers that were given before in the same run.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter

import numpy as np

from napari_sa2va.models.sa2va.wording import question_for
from napari_sa2va.pipeline.loaded import load
from napari_sa2va.settings import ModelSettings
from napari_sa2va.training.synth import generate_movie

KEY_FRAMES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=12)
    parser.add_argument("--model", default="nano")
    chosen = parser.parse_args()
    model = load(ModelSettings(name=chosen.model, device="cpu"))
    seconds: dict[bool, list[float]] = {False: [], True: []}
    passes: dict[bool, int] = {False: 0, True: 0}
    tokens = 0
    for number in range(chosen.movies):
        movie = generate_movie([78, number])
        frames = np.linspace(0, len(movie.frames) - 1, KEY_FRAMES).astype(int)
        seen = model.look([movie.frames[t] for t in frames])
        for expression in movie.expressions:
            question = question_for(expression.text)
            said = []
            for use_drafts in (False, True):
                begin = perf_counter()
                grounding = model.ground_seen(seen, question, use_drafts=use_drafts)
                seconds[use_drafts].append(perf_counter() - begin)
                passes[use_drafts] += grounding.passes
                said.append(grounding.generated_ids.tolist())
            assert said[0] == said[1], "a draft has changed an answer"
            tokens += len(said[0])
    answers = len(seconds[True])
    ratio = median(d / s for s, d in zip(seconds[False], seconds[True], strict=True))
    print(f"{model.name}, {answers} answers of {tokens / answers:.1f} tokens, the same both ways")
    print(f"passes per answer, token by token   {passes[False] / answers:.1f}")
    print(f"passes per answer, with drafts      {passes[True] / answers:.1f}")
    print(f"time, with drafts / token by token  {ratio:.2f}")


if __name__ == "__main__":
    main()

"""How far the `[SEG]` state moves with fewer bits, against float32, on the same questions.

    python benchmarks/quantised.py [--movies 8] [--model nano]

The same answer is given for every sentence, so that all states are of the same token. The distance is
that between two states, in percent of the length of the one in float32. int4 wants bitsandbytes.
"""

from __future__ import annotations

import argparse
from statistics import median

import numpy as np

from napari_sa2va.models.sa2va.wording import question_for
from napari_sa2va.pipeline.loaded import load
from napari_sa2va.settings import ModelSettings
from napari_sa2va.training.synth import generate_movie

KEY_FRAMES = 5
ANSWER = "Sure, it is [SEG]."
WAYS: dict[str, dict[str, str]] = {
    "bfloat16": {"dtype": "bfloat16"},
    "int8, language model": {"quantise_language": "int8"},
    "int8, both": {"quantise_language": "int8", "quantise_vision": "int8"},
    "int4, language model": {"quantise_language": "int4"},
    "int4, both": {"quantise_language": "int4", "quantise_vision": "int4"},
}


def states(settings: ModelSettings, num_movies: int) -> np.ndarray:
    """The `[SEG]` states of all sentences about some movies: float32 (n, H)."""
    model = load(settings)
    found = []
    for number in range(num_movies):
        movie = generate_movie([79, number])
        keys = np.linspace(0, len(movie.frames) - 1, KEY_FRAMES).astype(int)
        seen = model.look([movie.frames[t] for t in keys])
        for expression in movie.expressions:
            found.append(model.ground_seen(seen, question_for(expression.text), ANSWER).hidden[0])
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=8)
    parser.add_argument("--model", default="nano")
    chosen = parser.parse_args()
    plain = ModelSettings(name=chosen.model, device="cpu", dtype="float32")
    exact = states(plain, chosen.movies)
    print(f"{chosen.model}, {len(exact)} sentences, median distance from float32")
    for name, update in WAYS.items():
        moved = states(plain.model_copy(update=update), chosen.movies)
        far = np.linalg.norm(moved - exact, axis=1) / np.linalg.norm(exact, axis=1)
        print(f"{name:<22}{median(far):7.1%}")


if __name__ == "__main__":
    main()

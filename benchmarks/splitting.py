"""Is a movie that was split drawn as it is in one run? Batches of nano, one of each movie unsplit.

    python benchmarks/splitting.py [--movies 3] [--frames 128]

Generated movies, and the real ones that are on this machine, played to and fro until they are as long.
J is the overlap (intersection over union) of the masks with those of the unsplit run, over all frames
on which either has a pixel; identical is the share of these on which no pixel differs. Of tiles, all
objects of a sentence are taken together, and how many there are is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.found import masks_of
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.batch.survey import look
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core import rle
from napari_sa2va.core.errors import BatchError, RequestError
from napari_sa2va.evaluation.real import DATASETS, real_examples
from napari_sa2va.presets import preset
from napari_sa2va.propagation.both import Both
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings
from napari_sa2va.training.synth import generate_movie

SENTENCES = 3
# Tiles take long, and each frame is one more of the same.
_SHORT = 16


@dataclass(frozen=True)
class Movie:
    """Pixels (T, Y, X) or (T, Y, X, 3), and what is asked about them."""

    frames: np.ndarray
    sentences: tuple[str, ...]


def generated(count: int, num_frames: int) -> Iterator[Movie]:
    """Movies of nano's own kind."""
    for number in range(count):
        movie = generate_movie([83, number], num_frames=num_frames)
        texts = [e.text for e in movie.expressions if e.object_ids]
        yield Movie(movie.frames, tuple(texts[:SENTENCES]))


def real(num_frames: int) -> Iterator[Movie]:
    """What is on this machine, with sentences about things that are there."""
    for name in DATASETS:
        with suppress(RequestError):  # it is not on this machine
            for example in real_examples(name):
                there_and_back = [*range(example.clip.num_frames)]
                there_and_back += there_and_back[-2:0:-1]
                order = (there_and_back * num_frames)[:num_frames]
                texts = [q.text for q in example.questions if q.kind != "absent"]
                yield Movie(example.clip.frames.compute()[order], tuple(texts[:SENTENCES]))


@dataclass(frozen=True)
class Drawn:
    """What a batch has drawn of a movie.

    Attributes
    ----------
    masks : dict of (int, str) to Rle
        By frame and sentence: the pixels of all objects of the sentence.
    num_objects : int
        Those that have a pixel.
    """

    masks: dict[tuple[int, str], rle.Rle]
    num_objects: int


def draw(movie: Movie, settings: RunSettings, chosen: SplitSettings) -> Drawn:
    """Do a movie as a batch does it."""
    with TemporaryDirectory() as place:
        path = Path(place) / "movie.npy"
        np.save(path, movie.frames)
        unit = Unit(
            unit_id="movie", movie="movie", path=str(path), sentences=movie.sentences,
            arguments=OpenArguments(axes="TYXS"[: movie.frames.ndim]),
            settings=digest_of(settings), key="movie",
        )  # fmt: skip
        folder = BatchFolder.create(Path(place) / "batch", BatchHead())
        units = split(unit, look(unit, settings), settings, chosen)
        folder.add(units, {digest_of(settings): settings})
        Worker(folder, "here").run()
        standing = folder.standings()["movie"]
        if standing.outcome is None or not standing.outcome.is_complete:
            raise BatchError(f"The movie was not done. {standing.cause}")
        found = masks_of(folder.work_of("movie"))
        sentence_of = {subject.object_id: subject.text for subject in found.subjects}
        parts: dict[tuple[int, str], list[rle.Rle]] = {}
        for frame in found.frames_done:
            for object_id, code in found.on(frame).codes.items():
                parts.setdefault((frame, sentence_of[object_id]), []).append(code)
    there = sum(o.frames_present > 0 for o in standing.outcome.objects)
    return Drawn({place: rle.union(codes) for place, codes in parts.items()}, there)


def compare(whole: Drawn, other: Drawn) -> list[float]:
    """J of each frame and sentence that has a pixel in either."""
    found = []
    for place in whole.masks.keys() | other.masks.keys():
        both = [drawn.masks[place] for drawn in (whole, other) if place in drawn.masks]
        if any(rle.area(code) for code in both):
            found.append(rle.iou(*both) if len(both) == 2 else 0.0)
    return found


@dataclass(frozen=True)
class Case:
    """Movies, and the ways in which they are split."""

    title: str
    settings: RunSettings
    movies: list[Movie]
    ways: Mapping[str, Callable[[Movie], SplitSettings]]


def cases(num_movies: int, num_frames: int) -> Iterator[Case]:
    """All that is measured, windows first."""
    in_time = windows(num_frames)
    in_space = {"2 x 2 tiles": tiles_of}
    made, found = list(generated(num_movies, num_frames)), list(real(num_frames))
    usual = preset("sa2va-i")
    yield Case("generated, sa2va-i", usual, made, in_time)
    tracking = usual.tracking.model_copy(update={"propagation": Both()})
    middle = usual.model_copy(
        update={"sampling": Manual(frames=(num_frames // 2,)), "tracking": tracking}
    )
    yield Case(
        "generated, sa2va-i, both ways from a key frame in the middle", middle, made, in_time
    )
    yield Case("real, sa2va-i", usual, found, in_time)
    short = [Movie(movie.frames[:_SHORT], movie.sentences) for movie in made]
    yield Case(f"generated, sa2va-i, {_SHORT} frames", usual, short, in_space)
    about_all = [Movie(movie.frames, ("all the cells",)) for movie in short]
    yield Case("the same, asked for all the cells", usual, about_all, in_space)


def windows(num_frames: int) -> dict[str, Callable[[Movie], SplitSettings]]:
    """Windows with the usual overlap, and with less."""
    ways: dict[str, Callable[[Movie], SplitSettings]] = {}
    for count, overlap in ((2, 32), (4, 32), (4, 8), (4, 0)):
        chosen = SplitSettings(window_frames=-(-num_frames // count), overlap_frames=overlap)
        ways[f"{count} windows, overlap {overlap}"] = partial(_whatever, chosen)
    return ways


def _whatever(chosen: SplitSettings, movie: Movie) -> SplitSettings:
    return chosen


def tiles_of(movie: Movie) -> SplitSettings:
    """Two tiles a side, with a fifth of the shorter side in common."""
    height, width = movie.frames.shape[1:3]
    overlap = min(height, width) // 5
    return SplitSettings(tile_px=-(-(max(height, width) + overlap) // 2), tile_overlap_px=overlap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=3)
    parser.add_argument("--frames", type=int, default=128)
    chosen = parser.parse_args()
    print(f"nano, movies of {chosen.frames} frames, up to {SENTENCES} sentences each")
    print(f"{'':<24}{'mean J':>8}{'lowest J':>10}{'identical':>11}{'masks':>8}{'objects':>11}")
    for case in cases(chosen.movies, chosen.frames):
        if not case.movies:
            continue
        print(f"{case.title}: {len(case.movies)} movies", flush=True)
        wholes = [draw(movie, case.settings, SplitSettings()) for movie in case.movies]
        for way, split_of in case.ways.items():
            others = [draw(movie, case.settings, split_of(movie)) for movie in case.movies]
            pairs = list(zip(wholes, others, strict=True))
            agree = np.array([j for whole, other in pairs for j in compare(whole, other)])
            before, after = (sum(drawn.num_objects for drawn in side) for side in (wholes, others))
            print(f"  {way:<22}{agree.mean():8.4f}{agree.min():10.3f}{(agree == 1).mean():11.1%}"
                  f"{len(agree):8}{before:6} > {after}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""Batches for tests of the panel: made by hand, or of small generated movies that nano can do."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import tifffile

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.history import History
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.outcome import ObjectOutcome, Outcome
from napari_sa2va.batch.unit import Facts, Output, Unit
from napari_sa2va.batch.worker import Worker
from napari_sa2va.settings import RunSettings

SENTENCES = ("the blue cell", "the large yellow cell")
NOT_THERE = "the purple cell"
NUM_FRAMES = 4


def batch_by_hand(path: Path, num_units: int = 4, *, attempts: int = 2) -> BatchFolder:
    """A batch on which nobody has worked, of movies that are not there: 0001, 0002, ..."""
    folder = BatchFolder.create(path, BatchHead(attempts=attempts))
    digest = digest_of(RunSettings())
    units = [
        Unit(
            unit_id=f"{number:04d}",
            movie=f"movie {number}",
            path=f"/nowhere/{number}.tif",
            sentences=SENTENCES,
            settings=digest,
            key=f"key {number}",
        )
        for number in range(1, num_units + 1)
    ]
    folder.add(units, {digest: RunSettings()})
    folder.add_facts(
        Facts(unit_id=u.unit_id, key=u.key, num_frames=10, height=8, width=8, seconds=90.0)
        for u in units
    )
    return folder


def finish(folder: BatchFolder, unit_id: str, state: str = "done", **said: object) -> None:
    """Take up a unit and end it at once; where it is done, the first object was found."""
    unit = folder.units()[unit_id]
    generation = folder.runs.scan().get(unit_id, History()).generation + 1
    held = folder.runs.take(unit_id, generation, claim_here("by hand", key=unit.key))
    assert held is not None
    objects = tuple(
        ObjectOutcome(
            object_id=number,
            name=text,
            sentence=text,
            found=state == "done" and number == 1,
            frames_present=10 if state == "done" and number == 1 else 0,
            mean_score=0.75 if state == "done" and number == 1 else None,
        )
        for number, text in enumerate(unit.sentences, start=1)
    )
    held.finish(
        Outcome(
            unit_id=unit_id,
            generation=generation,
            key=unit.key,
            objects=objects if state in ("done", "nothing") else (),
            **{"state": state, "frames": 10, "seconds": 5.0, **said},
        )
    )


def write_movies(folder: Path, number: int = 2) -> list[Path]:
    """Parts of the generated movie as TIFF: cells-1.tif, cells-2.tif, ..."""
    paths = []
    for part in range(number):
        path = folder / f"cells-{part + 1}.tif"
        tifffile.imwrite(
            path, _frames()[4 * part : 4 * part + NUM_FRAMES], photometric="rgb",
            metadata={"axes": "TYXS"},
        )  # fmt: skip
        paths.append(path)
    return paths


def done_batch(path: Path, movies: list[Path]) -> BatchFolder:
    """A batch that nano has done: in the last movie nothing was found."""
    folder = BatchFolder.create(path, BatchHead())
    digest = digest_of(RunSettings())
    units = [
        Unit(
            unit_id=f"{number:04d}-{movie.stem}",
            movie=movie.stem,
            path=str(movie),
            sentences=(NOT_THERE,) if movie == movies[-1] else SENTENCES,
            settings=digest,
            key=f"key {number}",
            outputs=(Output(path=str(folder.results / f"{movie.stem}.csv"), kind="table"),),
        )
        for number, movie in enumerate(movies, start=1)
    ]
    folder.add(units, {digest: RunSettings()})
    Worker(folder, "test").run()
    assert [s.state for s in folder.standings().values()] == ["done"] * (len(movies) - 1) + [
        "nothing"
    ]
    return folder


@cache
def _frames() -> np.ndarray:
    from napari_sa2va.plugin.samples import generated_movie

    (movie, _, _), _ = generated_movie()
    return movie

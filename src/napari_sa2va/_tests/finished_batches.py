"""Batch folders as workers leave them, made by hand: units, outcomes, tables and sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.outcome import ObjectOutcome, Outcome
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.settings import RunSettings

HEADER = "object,name,sentence,frame,time_s,area_px,centroid_y_px,centroid_x_px,score,present"


def made_batch(path: Path, **head: object) -> BatchFolder:
    """A batch without units."""
    return BatchFolder.create(path, BatchHead.model_validate(head))


def add_unit(
    folder: BatchFolder,
    unit_id: str,
    *,
    sentences: Sequence[str] = ("the bright cell",),
    settings: RunSettings | None = None,
    **more: object,
) -> Unit:
    """A unit that waits."""
    chosen = settings or RunSettings()
    movie = str(more.pop("movie", unit_id.partition("-")[2]))
    said = {
        "unit_id": unit_id,
        "movie": movie,
        "path": f"/data/{movie}.tif",
        "sentences": tuple(sentences),
        "settings": digest_of(chosen),
        "key": f"key of {unit_id}",
        "outputs": (Output(path=f"/out/{movie}.ome.tif", kind="ome-tiff"),),
    }
    unit = Unit.model_validate(said | more)
    folder.add([unit], {digest_of(chosen): chosen})
    return unit


def end(
    folder: BatchFolder,
    unit: Unit,
    state: str = "done",
    *,
    table: str | None = None,
    objects: Sequence[ObjectOutcome] = (),
    **more: object,
) -> Outcome:
    """Let a unit come to an end, as a worker would.

    Parameters
    ----------
    folder : BatchFolder
    unit : Unit
    state : str
    table : str, optional
        Text of its objects.csv.
    objects : sequence of ObjectOutcome
    **more
        Fields of `Outcome`.
    """
    standing = folder.standings()[unit.unit_id]
    held = folder.runs.take(unit.unit_id, standing.generation + 1, claim_here("w1", key=unit.key))
    assert held is not None
    work = folder.work_of(unit.unit_id)
    work.mkdir(parents=True, exist_ok=True)
    if table is not None:
        (work / "objects.csv").write_text(table, encoding="utf-8", newline="")
    outcome = Outcome.model_validate(
        {
            "unit_id": unit.unit_id,
            "generation": held.generation,
            "state": state,
            "key": unit.key,
            "objects": tuple(objects),
            "worker": "w1",
            "outputs": tuple(o.path for o in unit.outputs) if state in ("done", "nothing") else (),
        }
        | more
    )
    held.finish(outcome)
    return outcome

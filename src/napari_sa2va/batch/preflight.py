"""What can be known to go wrong before a movie is opened: missing files, models, packages and places.

It takes some milliseconds per folder and model, and well under one per unit, so that it can be asked
before every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from napari_sa2va.batch.disk import existing
from napari_sa2va.batch.planning.naming import clashes
from napari_sa2va.batch.problem import Problem, gathered
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.core.errors import OutputError, Sa2vaError
from napari_sa2va.readers.open import is_url
from napari_sa2va.settings import RunSettings
from napari_sa2va.writers import ome_zarr_labels
from napari_sa2va.writers.paths import check_output
from napari_sa2va.writers.write import check_place, writer_of

Ours = Callable[[Unit], frozenset[str]]
"""From a unit to the outputs that it wrote before, and may write again."""


def preflight(
    units: Sequence[Unit],
    settings: Mapping[str, RunSettings],
    ours: Ours = lambda unit: frozenset(),
    *,
    place: Path | None = None,
    overwrite: bool = False,
) -> list[Problem]:
    """Find everything that is wrong, not only the first.

    Parameters
    ----------
    units : sequence of Unit
        Those that are to be done.
    settings : mapping of str to RunSettings
        By digest.
    ours : callable
        See `Ours`.
    place : Path, optional
        Of the batch folder; what is to lie in it is not told of if nothing can be written there.
    overwrite : bool
        Whether files of others may be replaced.
    """
    folder = None if place is None else _folder(place)
    return gathered(
        [
            *([] if folder is None else [folder]),
            *_movies(units),
            *_models(units, settings),
            *clashes(units),
            *_places(units, ours, overwrite=overwrite, closed=place if folder else None),
        ]
    )


def _folder(place: Path) -> Problem | None:
    """Why there can be no batch folder at a place."""
    there = existing(place)
    try:
        check_output(there / "batch.json", overwrite=True)
    except OutputError as error:
        why = getattr(error.__cause__, "strerror", "") or error.message
        what = "written to" if there == place else "made"
        return Problem(
            f"The batch folder {place} cannot be {what} ({why}).",
            "Choose a place where you may write (--into).",
        )
    return None


def _movies(units: Iterable[Unit]) -> Iterator[Problem]:
    for unit in units:
        # A pattern is a movie of many files.
        if is_url(unit.path) or Path(unit.path).exists() or any(c in unit.path for c in "*?["):
            continue
        yield Problem(
            f"There is no file or folder {unit.path}.", "Check the spelling.", (unit.unit_id,)
        )


def _models(units: Iterable[Unit], settings: Mapping[str, RunSettings]) -> Iterator[Problem]:
    """Models that are not known, or not here and cannot be fetched."""
    from napari_sa2va.models import hub
    from napari_sa2va.models.zoo import find

    asking: dict[str, list[str]] = {}
    for unit in units:
        if not unit.parts:
            asking.setdefault(settings[unit.settings].model.name, []).append(unit.unit_id)
    for name, unit_ids in asking.items():
        try:
            entry = find(name)
        except Sa2vaError as error:
            yield Problem.of(error, *unit_ids)
            continue
        if entry.folder is None and hub.is_offline():
            yield Problem(
                f"The model {entry.name} is not on this machine, and nothing may be downloaded.",
                f"Get it where there is a network (`napari-sa2va models pull {entry.name}`).",
                tuple(unit_ids),
            )


def _places(
    units: Iterable[Unit], ours: Ours, *, overwrite: bool, closed: Path | None
) -> Iterator[Problem]:
    """Outputs that cannot be written, or that are there already, but not those in a closed folder."""
    folders: dict[tuple[Path, str], Sa2vaError | None] = {}
    for unit in units:
        for output in unit.outputs:
            if closed is not None and Path(output.path).is_relative_to(closed):
                continue
            error = _error_of(output, folders)
            if error is None and not overwrite and Path(output.path).exists():
                error = _in_the_way(output) if output.path not in ours(unit) else None
            if error is not None:
                yield Problem.of(error, unit.unit_id)


def _error_of(
    output: Output, folders: dict[tuple[Path, str], Sa2vaError | None]
) -> Sa2vaError | None:
    """Why an output cannot be written; of those in one folder, one is tried."""
    path = Path(output.path)
    about = writer_of(path, output.kind).FORMAT
    place = (path if about.in_place else path.parent, output.kind)
    if place not in folders:
        folders[place] = None
        try:
            within = about.in_place and not ome_zarr_labels.is_alone(path)
            if path.parent.is_dir() or within:
                check_place(path, about, overwrite=True)
            else:  # it is made when it is needed
                check_output(existing(path.parent) / path.name, overwrite=True)
        except Sa2vaError as error:
            folders[place] = error
    return folders[place]


def _in_the_way(output: Output) -> OutputError:
    return OutputError(
        f"{output.path} is there already, and was not written by this batch.",
        "Choose another name (-o, or --overwrite to replace it).",
    )

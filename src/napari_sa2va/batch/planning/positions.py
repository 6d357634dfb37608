"""Movies that lie in one file or store: the fields of view of a plate, the series of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_sa2va.batch.planning.row import Row
from napari_sa2va.core.errors import Sa2vaError, SeriesError
from napari_sa2va.readers import ome_zarr
from napari_sa2va.readers.open import is_url, read_recording

_STORE = ".zarr"


def positions_of(row: Row, *, every_series: bool) -> Iterator[Row]:
    """The row, or one for each movie in what it names.

    Parameters
    ----------
    row : Row
        One that names a series stays as it is. What cannot be read does, too: that is told when it
        is looked at.
    every_series : bool
        Whether a file with several series or positions is as many movies; it is opened for that.
    """
    if row.arguments.series is not None:
        yield row
    elif _is_store(row.path) and (fields := _fields(row)):
        yield from fields
    elif every_series and (choices := _choices(row.path)):
        for key, _ in choices:
            arguments = row.arguments.model_copy(update={"series": key})
            yield replace(_called(row, key), arguments=arguments)
    else:
        yield row


def _is_store(path: str) -> bool:
    return ome_zarr.accepts_url(path) if is_url(path) else ome_zarr.accepts(Path(path))


def _fields(row: Row) -> list[Row]:
    """The fields of a plate or a well, or the one that the row itself is; none of other stores."""
    try:
        if fields := ome_zarr.fields_of(row.path):
            return [_field_of(_called(row, field), field) for field in fields]
        well = Path(row.path).parent
        if not is_url(row.path) and Path(row.path).name in ome_zarr.fields_of(well):
            return [_field_of(replace(row, path=str(well)), Path(row.path).name)]
    except Sa2vaError:
        pass
    return []


def _called(row: Row, which: int | str) -> Row:
    """The row, whose name, if it has one, says which of several movies it is."""
    return replace(row, name=f"{row.name} {which}") if row.name else row


def _field_of(row: Row, field: str) -> Row:
    """A field of view: an image by itself, unless it lies in an archive."""
    if not is_url(row.path) and Path(row.path).is_file():
        arguments = row.arguments.model_copy(update={"series": field})
        return replace(row, arguments=arguments, field=field)
    path = f"{row.path.rstrip('/')}/{field}" if is_url(row.path) else str(Path(row.path, field))
    if "/" in field:
        return replace(row, path=path, field=field)
    # Of a well, in whose path that of the plate is.
    plate, *well = path.replace("\\", "/").rsplit("/", 3)
    return replace(row, path=path, field="/".join(well) if plate.endswith(_STORE) else field)


def _choices(path: str) -> Sequence[tuple[int | str, str]]:
    """The series of a file; none if there is only one, or it cannot be read."""
    try:
        read_recording(path)
    except SeriesError as error:
        return error.choices
    except Sa2vaError:
        pass
    return ()

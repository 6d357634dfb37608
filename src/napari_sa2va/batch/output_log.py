"""Which outputs a unit has written: only who wrote a file may replace it.

Each generation of the work has a segment of its own, ``outputs-<generation>.log``, beside its masks.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from napari_sa2va.batch.segment import SegmentWriter, records_of, segments_in
from napari_sa2va.batch.stored_path import absolute_path, stored_path
from napari_sa2va.core.params import Params

_NAME, _OUTPUT = "outputs", 1


class Writing(Params):
    """An output that is going to be written, or was."""

    path: str
    kind: str
    key: str = Field(description="Of the unit.")
    choices: str = Field(description="What else the output depends on.")
    is_whole: bool = Field(False, description="Whether it was written to its end.")


class OutputLog:
    """Notes outputs before and after they are written.

    Parameters
    ----------
    folder : Path
        Of the unit, in that of its batch.
    generation : int
        Its segment is made with the first note.
    """

    def __init__(self, folder: Path, generation: int) -> None:
        self._batch = _batch_of(folder)
        self._path = folder / f"{_NAME}-{generation}.log"
        self._segment: SegmentWriter | None = None

    def __enter__(self) -> OutputLog:
        return self

    def __exit__(self, *error: object) -> None:
        if self._segment is not None:
            self._segment.close()

    def note(self, output: Writing) -> None:
        """Bring a note to the disk.

        Raises
        ------
        BatchError
            If this generation has a log already.
        OutputError
            If the disk is full or gone.
        """
        if self._segment is None:
            self._segment = SegmentWriter(self._path)
        stored = output.model_copy(update={"path": stored_path(output.path, self._batch)})
        self._segment.append(_OUTPUT, 0, stored.model_dump_json().encode())
        self._segment.sync()


def outputs_of(folder: Path, *, after: int = 0) -> list[Writing]:
    """All notes on a unit, in their order, of later generations than this."""
    batch = _batch_of(folder)
    noted = [
        Writing.model_validate_json(record.payload)
        for path in segments_in(folder, _NAME, after=after)
        for record in records_of(path)
    ]
    return [w.model_copy(update={"path": absolute_path(w.path, batch)}) for w in noted]


def paths_written(folder: Path) -> frozenset[str]:
    """All outputs that a unit has written, or was about to, whatever its key was then."""
    return frozenset(output.path for output in outputs_of(folder))


def _batch_of(folder: Path) -> Path:
    return folder.parents[1]

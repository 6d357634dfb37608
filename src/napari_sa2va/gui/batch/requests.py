"""What is asked of a batch folder for the panel, on the thread of a desk. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_sa2va.gui.batch.reader import FolderReader
from napari_sa2va.gui.batch.recent import keep_folder

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder

Account = Literal["report", "table"]
"""What is made of all movies together."""


def open_reader(path: Path) -> FolderReader:
    """Look at a batch folder for the first time, and remember it for the next session."""
    from napari_sa2va.batch.folder import BatchFolder

    return reader_of(BatchFolder.open(path))


def reader_of(folder: BatchFolder) -> FolderReader:
    """The same of one that is open."""
    keep_folder(folder.path)
    return FolderReader(folder)


def retry(folder: BatchFolder, unit_ids: Sequence[str]) -> list[str]:
    """Let units be done again; without any, all that have failed. Those that will be."""
    failed = ("failed", "unfit")
    all_failed = (i for i, s in folder.standings().items() if s.state in failed)
    return folder.retry(unit_ids or all_failed)


def take_out(folder: BatchFolder, unit_ids: Iterable[str]) -> int:
    """Take units out of a batch, but for those that somebody works on; how many were taken out.

    Files that they have written stay.
    """
    from napari_sa2va.batch.remove import remove
    from napari_sa2va.batch.wholes import wholes

    movies = wholes(folder.units(), folder.standings())
    free = [i for i in unit_ids if i in movies and movies[i].state != "running"]
    return len(remove(folder, free).units) if free else 0


def account(folder: BatchFolder, which: Account) -> Path:
    """The report, or the table of all objects, of the batch as it stands; it is written if need be."""
    from napari_sa2va.batch.accounts import are_up_to_date, write_accounts

    table = folder.path / f"objects.{folder.head.table_format}"
    path = {"report": folder.path / "report.html", "table": table}[which]
    if not (path.exists() and are_up_to_date(folder, folder.standings())):
        write_accounts(folder)
    return path

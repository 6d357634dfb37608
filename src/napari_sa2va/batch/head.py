"""The head of a batch: what holds for all of its units, and how it was asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pydantic import Field

from napari_sa2va.batch.runs import STALE_S
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.params import Params
from napari_sa2va.writers.paths import replacing

HEAD = "batch.json"
"""Makes a folder that of a batch."""

_VERSION = 1


class BatchHead(Params):
    """What holds for all units of a batch, and how it was asked for."""

    version: int = _VERSION
    batch_id: str = Field(default_factory=lambda: uuid4().hex)
    made: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    command: str = Field("", description="The command line that made it.")
    directory: str = Field("", description="In which the command line was given.")
    inputs: tuple[str, ...] = Field((), description="As they were named.")
    versions: dict[str, str] = Field({}, description="Of the packages that decide the result.")
    weights: dict[str, dict[str, str]] = Field(
        {},
        description="Model, or path of a borrowed decoder -> file -> SHA-256 of all that its units "
        "name.",
    )
    attempts: int = Field(2, ge=1, description="A unit that failed so often is given up.")
    stale_s: float = Field(STALE_S, gt=0, description="A silent worker is lost after so long.")
    overwrite: bool = Field(False, description="Whether units may replace files of others.")
    allow_other_versions: bool = Field(
        False, description="Whether workers may have other versions of the packages."
    )
    table_format: str = Field("csv", description="Of the table of all objects: csv or parquet.")
    log_level: str = Field("warning", description="From which level on messages go into logs.")


def read_head(folder: Path) -> BatchHead:
    """Read the head of a batch.

    Raises
    ------
    BatchError
        If the folder is not that of a batch, the file is damaged, or a newer version has written it.
    """
    path = folder / HEAD
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BatchError(
            f"{folder} is no batch folder: {HEAD} cannot be read ({error.strerror or error}).",
            "Name the folder of a batch (--into).",
        ) from error
    try:
        said = json.loads(text)
        newer = isinstance(said, dict) and int(said.get("version", 0)) > _VERSION
        head = None if newer else BatchHead.model_validate(said)
    except (TypeError, ValueError) as error:
        raise BatchError(
            f"{path} is damaged: {error}", "Put it back from a copy, or begin anew."
        ) from error
    if head is None:
        raise BatchError(
            f"{folder} was made by a newer version of napari-sa2va.", "Update napari-sa2va."
        )
    return head


def write_head(folder: Path, head: BatchHead) -> None:
    """Put a head in the place of the one that is there.

    Raises
    ------
    OutputError
        If it cannot be written; the old one stays.
    """
    with replacing(folder / HEAD, overwrite=True) as new:
        new.write_text(head.model_dump_json(indent=1), encoding="utf-8")

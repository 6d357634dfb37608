"""The run record as JSON, beside the labels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from os import PathLike

from napari_sa2va.writers.paths import Ready, at_once, replacing


def write_record(
    path: str | PathLike[str],
    record: Mapping[str, object],
    overwrite: bool = False,
    *,
    ready: Ready = at_once,
) -> None:
    """Write a record as indented JSON in UTF-8.

    Parameters
    ----------
    path : path
    record : mapping
        JSON types only. NaN and infinite numbers become null, because JSON has none.
    overwrite : bool
        Whether a file of that name may be replaced.
    ready : callable, optional
        See `Ready`.

    Raises
    ------
    OutputError
        If the path cannot be written.
    """
    text = json.dumps(_without_nan(record), indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path, overwrite, ready=ready) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _without_nan(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return value

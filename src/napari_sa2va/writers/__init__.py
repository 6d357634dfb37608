"""Results out: one format per file.

A writer is a module with

* `FORMAT`: its name and what it can hold (see `format.py`);
* `write(path: Path, result: Result) -> None`: writes a whole file, or fills an empty folder, at a
  temporary name that `write_result` then puts in its place. It asks for one frame after the other
  and keeps none. One that adds to what is there (`in_place`) has `write(path, result, *, overwrite)`.

To add one, write the module and put it on this list.

An overlay writer is a module with `SUFFIXES` and `write(path, clip, masklets)`.
"""

from __future__ import annotations

from types import ModuleType

from napari_sa2va.writers import overlay_movie, overlay_sheet

WRITERS: tuple[ModuleType, ...] = ()
OVERLAYS: tuple[ModuleType, ...] = (overlay_sheet, overlay_movie)

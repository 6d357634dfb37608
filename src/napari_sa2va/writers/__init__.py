"""Results out: labels, records, pictures and movies.

An overlay writer is a module with `SUFFIXES` and `write(path, clip, masklets)`. To add one, write
the module and put it on this list.
"""

from __future__ import annotations

from types import ModuleType

from napari_sa2va.writers import overlay_movie, overlay_sheet

OVERLAYS: tuple[ModuleType, ...] = (overlay_sheet, overlay_movie)

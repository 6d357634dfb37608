"""The docks that may still need the network; when the last of them is closed, its memory is given back.

Between two runs a network is kept, so that the second need not load it again. Nobody who has closed
all docks wants a graphics card to stay full.
"""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QWidget

_open: set[int] = set()


def move_in(dock: QWidget) -> None:
    """Note that a dock is open; it counts until it moves out or is deleted."""
    key = id(dock)
    if key not in _open:
        _open.add(key)
        # A window that closes deletes its docks without a word to them.
        dock.destroyed.connect(partial(_leave, key))


def move_out(dock: QWidget) -> None:
    """Note that a dock was closed."""
    _leave(id(dock))


def _leave(key: int, _object: object = None) -> None:
    if key not in _open:
        return
    _open.discard(key)
    if not _open:
        from napari_sa2va.pipeline.loaded import release

        release()

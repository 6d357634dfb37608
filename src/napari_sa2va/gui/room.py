"""Room for other parts of a dock: what does not matter now takes no height, but is not hidden.

A hidden widget would be shown again by whoever has something to say through it.
"""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

_QT_HIGHEST = 16777215  # QWIDGETSIZE_MAX, which the bindings do not have


def leave_room(part: QWidget, *, shown: bool) -> None:
    """Let a part have its height, or none."""
    part.setMaximumHeight(_QT_HIGHEST if shown else 0)

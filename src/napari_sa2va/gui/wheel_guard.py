"""Keeps the mouse wheel for scrolling the dock."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget


def guard_wheel(widget: QWidget) -> None:
    """Let the wheel change a box only after a click into it.

    Else scrolling the dock would change, unseen, each setting that passes under the mouse.
    """
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_Guard(widget))


class _Guard(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():  # type: ignore[attr-defined]
            event.ignore()  # the scroll area gets it
            return True
        return False
